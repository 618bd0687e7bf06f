"""Why an alert was, or was not, sent: every state a delivery can be in, its cause, and the command that helps.

`STATES` is the one table: `alerts show ID` speaks from it, and docs/alert-states.md is generated from it
(`python -m monitoring.alerts.delivery.states`). The changes themselves are in `outbox`, the pauses in `pace`.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum

from monitoring.alerts.delivery.pace import Pace, is_text_refused
from monitoring.alerts.delivery.routes import FanOut, LaneQueue, RouteResolver, Undeliverable
from monitoring.alerts.senders import Destination, Peer
from monitoring.alerts.senders.limits import RateLimits
from monitoring.base.http.retry import Backoff
from monitoring.store.db.database import Tx
from monitoring.store.tables import alerts as stored_alerts
from monitoring.store.tables import outbox, rate_limits, sent_messages
from monitoring.store.tables.alerts import StoredAlert
from monitoring.store.tables.outbox import DeliveryRecord
from monitoring.store.tables.rate_limits import RATE, Lane
from monitoring.store.tables.sent_messages import SentMessage

_DELIVER = "python -m automation deliver"
_ROUTE = "python -m automation alerts --route {channel}"
_DROP = 'python -m automation deliver --drop {id} --reason "…"'
_OLD = "it is given up after 7 days (CRITICAL: 30 days)"


@dataclass(frozen=True, slots=True)
class StateWords:
    """A state in words: its `status` in the database, what it is, why, who decides it, what ends it, what helps."""

    status: str
    name: str
    cause: str
    decided_in: str
    ends: str
    command: str


class DeliveryState(Enum):
    """The states, as `alerts show` names them."""

    QUEUED = StateWords(
        "pending",
        "next in line",
        "It is stored and nobody has tried to send it yet.",
        "recording/store_alert",
        "a run of any profile sends it, or `deliver`",
        _DELIVER,
    )
    SENDING = StateWords(
        "pending",
        "being sent",
        "A process holds it under a lease and talks to the destination.",
        "lease",
        "the answer; if that process died, the end of the lease after 60 s at most",
        "python -m automation status",
    )
    FOLDED = StateWords(
        "pending",
        "part of another message",
        "Many alerts waited for this chat: one message stands for all of them.",
        "lease",
        "it shares the end of alert {leader}",
        "python -m automation alerts show {leader}",
    )
    PACED = StateWords(
        "pending",
        "waiting for the limit of the chat",
        "The chat takes only so many messages a minute.",
        "pace",
        "its turn comes by itself; HIGH and CRITICAL go first",
        _DELIVER,
    )
    ASKED_TO_WAIT = StateWords(
        "pending",
        "destination asked to wait",
        "It answered 429 and named a time, which holds for every message.",
        "pace",
        "the time it asked for, 6 hours at most",
        _DELIVER,
    )
    RETRYING = StateWords(
        "pending",
        "tried again",
        "The last attempt got no answer, or one that says: try again later.",
        "outbox, pace",
        f"an attempt that succeeds; the pauses grow to a minute; {_OLD}",
        _DELIVER,
    )
    REFUSED = StateWords(
        "pending",
        "destination refuses",
        "It answered no: the bot was removed, the address is wrong or moved.",
        "outbox, pace",
        f"let the bot in again, or correct the address; tried after 1, 5 and 30 min, then hourly; {_OLD}",
        _DELIVER,
    )
    TEXT_REFUSED = StateWords(
        "pending",
        "text refused",
        "The destination takes other messages and refuses this one.",
        "outbox",
        f"tried after 1, 5 and 30 min, then hourly; {_OLD}",
        _DROP,
    )
    NO_CREDENTIALS = StateWords(
        "skipped_missing_credentials",
        "no credentials",
        "No token or chat is set for its channel.",
        "routes",
        f"set the variable in the env file, restart, deliver; what waited comes as one message; {_OLD}",
        _ROUTE,
    )
    TOKEN_REFUSED = StateWords(
        "skipped_missing_credentials",
        "token refused",
        "The destination does not accept the token.",
        "outbox, pace",
        f"set a valid token, restart, deliver; tried after 1, 5 and 30 min, then hourly; {_OLD}",
        _DELIVER,
    )
    NO_ROUTE_HERE = StateWords(
        "pending",
        "no route with these settings",
        "The settings of this shell lead its channel nowhere.",
        "routes",
        "settings that give its channel a destination, or the next run, which ends it",
        _ROUTE,
    )
    DELIVERED = StateWords(
        "delivered",
        "delivered",
        "The destination said that it accepted it.",
        "outbox",
        "nothing: this is the end",
        "python -m automation audit",
    )
    FAILED = StateWords(
        "failed",
        "given up",
        "A person dropped it, or it waited for 7 days (CRITICAL: 30 days).",
        "outbox",
        "nothing: this is the end",
        "python -m automation audit",
    )
    SILENCED = StateWords(
        "silenced",
        "silenced",
        "A silence covered its condition when it was raised.",
        "recording/store_alert",
        "the end of the silence, if it fires then, or happened once and nobody said that it is done",
        "python -m automation silence --list",
    )
    DEBUG = StateWords(
        "skipped_debug",
        "recorded only",
        "The process that raised it ran with LOG_LEVEL=DEBUG, which sends nothing.",
        "recording/store_alert, delivery/routes",
        "nothing: this is the end",
        "python -m automation status",
    )
    NOT_ATTEMPTED = StateWords(
        "not_attempted",
        "not sent here",
        "Nothing is configured, or a rule left it out: its error says which.",
        "delivery/routes, recording/webhook_policy, message/digest (the same tasks still fail)",
        "nothing: this is the end",
        _ROUTE,
    )
    GENERATED = StateWords(
        "generated",
        "of the system before",
        "The replaced system recorded it and did not say whether it was sent.",
        "the replaced system, in rows it wrote after adoption",
        "nothing: it is history",
        "python -m automation alerts",
    )

    def command(self, alert_id: int, channel: str, leader: int | None = None) -> str:
        """Return the command to type for one delivery."""
        return self.value.command.format(id=alert_id, channel=channel.partition("/")[0], leader=leader)


# Of states that share a status the first speaks where the rest of the row is not known.
_BY_STATUS = {state.value.status: state for state in reversed(DeliveryState)}


@dataclass(frozen=True, slots=True)
class ShownDelivery:
    """One delivery of an alert: its row, its state, when it may be tried next, where it goes, what arrived there."""

    record: DeliveryRecord
    state: DeliveryState
    where: str
    next_try: datetime | None = None
    leader: int | None = None
    messages: tuple[SentMessage, ...] = ()


def look_at(
    tx: Tx, alert_id: int, ways: RouteResolver, now: datetime
) -> tuple[StoredAlert, list[ShownDelivery]] | None:
    """Return an alert with its deliveries; None if there is none of this id. Changes nothing."""
    stored = stored_alerts.get(tx, alert_id)
    if stored is None:
        return None
    ways.moved_chats = rate_limits.moved_chats(tx)
    messages = sent_messages.of_alert(tx, alert_id)
    shown = [_shown(tx, record, ways, now) for record in outbox.records_of(tx, alert_id, now)]
    return stored, [
        replace(each, messages=tuple(one for of, one in messages if of == each.record.waiting.id)) for each in shown
    ]


def state_without_delivery(status: str) -> DeliveryState:
    """Return the state of an alert for which nothing was to be sent."""
    return _BY_STATUS[status]


def _shown(tx: Tx, record: DeliveryRecord, ways: RouteResolver, now: datetime) -> ShownDelivery:
    way = ways.destination(record.waiting.destination, record.waiting.channel)
    known = way.describe() if isinstance(way, Destination) else record.waiting.destination
    if record.waiting.status not in ("pending", "skipped_missing_credentials"):
        return ShownDelivery(record, _BY_STATUS[record.waiting.status], known)
    if record.leader is not None:
        return ShownDelivery(record, DeliveryState.FOLDED, known, leader=record.leader)
    if not isinstance(way, Destination):
        return ShownDelivery(record, _without_way(record, way), known)
    peer = ways.peer(way)
    lane = rate_limits.get(tx, peer.key, now)
    shared = rate_limits.get(tx, peer.shared_key, now) if peer.shared_key else None
    next_try = _next_try(tx, record, way, peer, lane, shared, now)
    text_refused = is_text_refused(tx, peer, record.waiting.alert_id)
    state = _state(record, lane, shared, next_try, now, text_refused=text_refused)
    return ShownDelivery(record, state, known, next_try)


def _without_way(record: DeliveryRecord, way: Undeliverable | FanOut) -> DeliveryState:
    if isinstance(way, FanOut):
        return DeliveryState.QUEUED if way.destinations else DeliveryState.NO_ROUTE_HERE
    missing = "skipped_missing_credentials" in (way.status, record.waiting.status)
    return DeliveryState.NO_CREDENTIALS if missing else DeliveryState.NO_ROUTE_HERE


def _next_try(
    tx: Tx, record: DeliveryRecord, way: Destination, peer: Peer, lane: Lane, shared: Lane | None, now: datetime
) -> datetime:
    """Ask the same rule that the delivery loop goes by."""
    head = record.waiting
    queue = LaneQueue(peer, head.destination, (head.channel,), head.severity_rank, head.id)
    return Pace("", RateLimits(), Backoff(), lambda: 0.0).ready_at(tx, queue, head, way, lane, shared, now)


def _state(
    record: DeliveryRecord, lane: Lane, shared: Lane | None, next_try: datetime, now: datetime, *, text_refused: bool
) -> DeliveryState:
    """Return the first that holds."""
    waiting, lanes = record.waiting, [each for each in (lane, shared) if each is not None]
    lacks_credentials = waiting.status == "skipped_missing_credentials"
    refuses = any(each.is_refused for each in lanes)
    asked = any(each.block_reason == RATE and each.blocked_until and each.blocked_until > now for each in lanes)
    rules = (
        (waiting.lease_until is not None and waiting.lease_until > now, DeliveryState.SENDING),
        (lacks_credentials and refuses, DeliveryState.TOKEN_REFUSED),
        (lacks_credentials, DeliveryState.NO_CREDENTIALS),
        (refuses, DeliveryState.REFUSED),
        (asked, DeliveryState.ASKED_TO_WAIT),
        (text_refused, DeliveryState.TEXT_REFUSED),
        (waiting.attempts > 0 and record.error is not None, DeliveryState.RETRYING),
        (next_try > now, DeliveryState.PACED),
    )
    return next((state for holds, state in rules if holds), DeliveryState.QUEUED)


def table() -> str:
    """Return the table of docs/alert-states.md."""
    names: Mapping[str, str] = {"id": "ID", "channel": "CHANNEL", "leader": "ID"}
    rows = [
        f"| `{each.status}` | {each.name} | {each.cause} | {_first_capital(each.ends.format(**names))}. "
        f"| `{each.command.format(**names)}` | {each.decided_in} |"
        for each in (state.value for state in DeliveryState)
    ]
    head = "| status | `alerts show` says | cause | what ends it | command | decided in |\n|---|---|---|---|---|---|"
    return "\n".join([head, *rows]) + "\n"


def _first_capital(text: str) -> str:
    return text[:1].upper() + text[1:]


if __name__ == "__main__":
    sys.stdout.write(table())
