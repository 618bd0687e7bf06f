"""Storing an alert: its row, its deliveries and its condition, in one transaction with the caller's state.

Called by monitors (`utils.monitor`), by the engine's checks and by the runner. Never sends anything: delivery reads
what is written here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from monitoring.alerts.channels import OPERATIONAL_SOURCES, variable_part
from monitoring.alerts.message.lines import closed, was_line
from monitoring.alerts.message.model import Alert, Severity, of_this_host
from monitoring.alerts.message.render import render_plain
from monitoring.alerts.recording import webhook_policy
from monitoring.alerts.recording.incident import thread_of, with_incident
from monitoring.alerts.recording.unheard import with_unheard
from monitoring.base.exact_json import to_json
from monitoring.base.secrets.redact import redact
from monitoring.conditions.condition import Condition, ConditionKey, Owner, State
from monitoring.conditions.outcome import Outcome, Reason, TransitionKind
from monitoring.conditions.policy import Policy
from monitoring.conditions.silence import SilenceSubject, silence_of
from monitoring.conditions.transition import raised, resolved
from monitoring.store.db.database import Database, Tx
from monitoring.store.people import acknowledgements
from monitoring.store.tables import alerts as stored_alerts
from monitoring.store.tables import conditions, sent_messages, silences, webhook_calls
from monitoring.store.tables.alerts import NewAlert
from monitoring.store.tables.deliveries import PLACEHOLDER, Status

# A monitor that cannot store an alert writes it to stderr behind this; the runner looks for it.
UNSTORED = "ALERT NOT STORED: "
# The chat, and a placeholder for whatever else the deliverer finds configured; machines come by their own rule.
_FOR_PEOPLE = ("telegram", PLACEHOLDER)


class AlertKind(StrEnum):
    """What an alert row is in the life of a problem."""

    ALERT = "alert"
    WORSENED = "worsened"
    REMINDER = "reminder"
    RECOVERY = "recovery"
    DIGEST = "digest"
    CRASH = "crash"
    DRILL = "drill"
    EXPLANATION = "explanation"
    ESCALATION = "escalation"
    DAILY_REPORT = "daily_report"
    PEOPLE_DRILL = "people_drill"


@dataclass(frozen=True, slots=True)
class AlertOrigin:
    """Who recorded: the run and task, and whether that process runs with `LOG_LEVEL=DEBUG` (then nothing is sent)."""

    run_id: int | None = None
    task: str | None = None
    debug: bool = False


NOBODY = AlertOrigin()
_KINDS = {TransitionKind.WORSENED: AlertKind.WORSENED, TransitionKind.REMINDER: AlertKind.REMINDER}


@dataclass(frozen=True, slots=True)
class ConditionAlert:
    """The message about a condition, and its part in the life of the problem."""

    alert: Alert
    kind: AlertKind
    metadata: Mapping[str, object] | None = None


@dataclass(frozen=True, slots=True)
class DueReminder:
    """A reminder that is stored with the others of its run; `heard_at` is what the row of its condition says now."""

    key: ConditionKey
    message: ConditionAlert
    heard_at: datetime | None


@dataclass(frozen=True, slots=True)
class Recorded:
    """What came of it. `alert_id` is none where nothing was stored and nothing had been; `due` is not stored yet."""

    alert_id: int | None
    reason: Reason
    status: Status | None = None
    is_sent: bool = False
    due: DueReminder | None = None


def record(
    database: Database, alert: Alert, *, now: datetime, run_id: int | None = None, task: str | None = None,
    kind: AlertKind = AlertKind.ALERT, policy: Policy | None = None, debug: bool = False,
) -> int | None:  # fmt: skip
    """Store an alert in a transaction of its own; return its id.

    With a `key` it raises the condition (protocol, key): a repeat stores nothing and returns the id of the alert
    that reported it; none while the condition is still pending.
    """
    with database.write() as tx:
        return record_in(tx, alert, now=now, run_id=run_id, task=task, kind=kind, policy=policy, debug=debug)


def record_in(
    tx: Tx, alert: Alert, *, now: datetime, run_id: int | None = None, task: str | None = None,
    kind: AlertKind = AlertKind.ALERT, policy: Policy | None = None, debug: bool = False,
) -> int | None:  # fmt: skip
    """Do what `record` does inside the caller's transaction, with the state that belongs to the alert."""
    origin = AlertOrigin(run_id, task, debug)
    if alert.key is None:
        return store_in(tx, alert, now=now, origin=origin, kind=kind).alert_id
    return raise_in(tx, alert, now=now, origin=origin, policy=policy or Policy()).alert_id


def raise_in(
    tx: Tx,
    alert: Alert,
    *,
    now: datetime,
    origin: AlertOrigin = NOBODY,
    policy: Policy | None = None,
    key: ConditionKey | None = None,
    reminds_later: bool = False,
    is_news: bool = False,
) -> Recorded:
    """Raise the condition an alert is about; store the alert if the rules say that it must be sent.

    `key` defaults to (protocol, the alert's key). `reminds_later`: a reminder is not stored but returned as due; until
    the caller stores it, the row does not know of it. `is_news`: send it also while it fires already, for another cause
    than before.
    """
    alert = alert.redacted(redact)
    key = key or ConditionKey(alert.protocol, alert.key or "")
    before = conditions.get(tx, key) or Condition(key)
    if not origin.debug:
        before = with_unheard(tx, before, now)
    outcome = raised(before, alert.severity, now, policy or Policy())
    condition = replace(
        outcome.condition, title=alert.title, protocol=alert.protocol, channel=alert.channel, source=alert.source,
        owner=Owner.RAISED, owner_task=origin.task or "",
    )  # fmt: skip
    if outcome.transition is None:
        conditions.put(tx, condition, now)
        if is_news and outcome.reason is Reason.STILL_BAD:
            again, metadata = _closed(alert, outcome, now), with_incident(None, condition)
            again = again.in_threads(thread_of(condition))
            store_in(tx, again, now=now, origin=origin, metadata=metadata)
        return Recorded(condition.alert_id, outcome.reason)
    kind = _KINDS.get(outcome.transition.kind, AlertKind.ALERT)
    condition = replace(condition, owes_reminder=False)
    has_it = acknowledgements.of(tx, condition, now) if kind is AlertKind.REMINDER and not reminds_later else None
    if has_it is not None:
        acknowledgements.count_one(tx, has_it.id)
        conditions.put(tx, condition, now)
        return Recorded(condition.alert_id, outcome.reason)
    message = ConditionAlert(_closed(alert, outcome, now), kind)
    if reminds_later and kind is AlertKind.REMINDER and not before.owes_reminder:
        # A run that is killed before its end stores none: the next one does not wait for its own end.
        conditions.put(tx, replace(condition, heard_at=before.heard_at, owes_reminder=True), now)
        due = DueReminder(key, message, before.heard_at)
        return Recorded(condition.alert_id, outcome.reason, is_sent=True, due=due)
    stored = record_message_in(tx, condition, message, now=now, origin=origin, was_firing=before.is_firing)
    return Recorded(stored.alert_id, outcome.reason, stored.status, is_sent=True)


def resolve_in(
    tx: Tx,
    key: ConditionKey,
    *,
    now: datetime,
    origin: AlertOrigin = NOBODY,
    policy: Policy | None = None,
    note: str = "",
) -> Recorded:
    """Say that a condition holds no more; the end of a firing one is sent once, silence or not."""
    before = conditions.get(tx, key)
    if before is None:
        return Recorded(None, Reason.GOOD)
    outcome = resolved(before, now, policy or Policy())
    if outcome.transition is None:
        if before.state is not State.OK:
            conditions.put(tx, outcome.condition, now)
        return Recorded(before.alert_id if before.state is not State.OK else None, outcome.reason)
    message = ConditionAlert(_recovery(before, now, note), AlertKind.RECOVERY)
    stored = record_message_in(tx, outcome.condition, message, now=now, origin=origin, was_firing=True)
    return Recorded(stored.alert_id, outcome.reason, stored.status, is_sent=True)


def record_message_in(
    tx: Tx, condition: Condition, message: ConditionAlert, *, now: datetime, origin: AlertOrigin, was_firing: bool
) -> Stored:
    """Store a condition with the message of what changed about it; every rule of every kind ends here."""
    # What happened once is an event of its own for a machine: each time it is called.
    about = condition if was_firing or condition.is_firing else None
    stored = store_in(
        tx, message.alert, now=now, origin=origin, kind=message.kind, about=about,
        metadata=with_incident(message.metadata, condition), of=condition,
    )  # fmt: skip
    heard = stored.status not in ("silenced", "skipped_debug")
    sent_at = now if heard else condition.last_sent_at
    conditions.put(tx, replace(condition, alert_id=stored.alert_id, last_sent_at=sent_at), now)
    return stored


@dataclass(frozen=True, slots=True)
class Stored:
    """A new row of `alert_events`."""

    alert_id: int
    status: Status

    def as_recorded(self) -> Recorded:
        return Recorded(self.alert_id, Reason.HAPPENED, self.status, is_sent=True)


def store_in(
    tx: Tx,
    alert: Alert,
    *,
    now: datetime,
    origin: AlertOrigin = NOBODY,
    kind: AlertKind = AlertKind.ALERT,
    about: Condition | None = None,
    status: Status | None = None,
    metadata: Mapping[str, object] | None = None,
    of: Condition | None = None,
) -> Stored:
    """Store an alert whatever the rules say, with its deliveries; the lowest step of all.

    `about` is the condition it is about, for silences, the webhook and the thread; `of` is that of an event too, for
    silences.
    `status` overrides what would be sent.
    """
    alert = of_this_host(alert.in_threads(*([thread_of(about)] if about else [])).redacted(redact))
    key = about.key.text if about else alert.key
    wanted = status or _status(tx, subject_in(alert, key, about or of, kind), now=now, origin=origin, kind=kind)
    route = route_of(alert)
    row = _row(alert, key, now=now, origin=origin, kind=kind, metadata=metadata)
    alert_id = stored_alerts.insert(tx, row, _FOR_PEOPLE, now, status=wanted, route=route)
    sent_messages.put_threads(tx, alert_id, alert.threads)
    if wanted == "pending":
        call_machines(tx, alert_id, alert, kind=kind, about=about, now=now)
    return Stored(alert_id, wanted)


def route_of(alert: Alert) -> str:
    """Return what the deliverer needs to find the way: the channel as variables spell it.

    Operational sources have ways of their own and are named behind a slash, which no channel contains.
    """
    channel = variable_part(alert.channel or alert.protocol)
    return f"{channel}/{alert.source}" if alert.source in OPERATIONAL_SOURCES else channel


def deliver_to_people(tx: Tx, alert_id: int, alert: Alert, now: datetime) -> None:
    """Put a stored alert into the outbox."""
    stored_alerts.add_deliveries(tx, alert_id, alert.severity.name, _FOR_PEOPLE, now, route=route_of(alert))


def subject_in(
    alert: Alert, key: str | None, of: Condition | None, kind: AlertKind = AlertKind.REMINDER
) -> SilenceSubject:
    """Return what silences see of it: as bad as the worst of its incident, so that a milder reminder passes too."""
    is_worse, is_repeated = kind is AlertKind.WORSENED, kind is AlertKind.REMINDER
    if of is None:
        return SilenceSubject(alert.names, key, alert.severity, is_worse=is_worse, is_repeated=is_repeated)
    worst = max(alert.severity, of.worst, of.severity) if of.is_firing else alert.severity
    names = (*alert.names, of.key.monitor)
    return SilenceSubject(names, key, worst, of.key.chain, of.fired_at, is_worse, is_repeated)


def _status(tx: Tx, subject: SilenceSubject, *, now: datetime, origin: AlertOrigin, kind: AlertKind) -> Status:
    if origin.debug:
        return "skipped_debug"
    if kind is AlertKind.RECOVERY:
        return "pending"
    silence = silence_of(silences.active(tx, now), subject)
    if silence is None:
        return "pending"
    silences.count_one(tx, silence, now)
    return "silenced"


def call_machines(
    tx: Tx, alert_id: int, alert: Alert, *, kind: AlertKind, about: Condition | None, now: datetime
) -> None:
    """Put a stored alert into the outbox of the machines of its channel, if its check asks for that."""
    if not alert.machine:
        return
    if kind not in (AlertKind.ALERT, AlertKind.WORSENED, AlertKind.REMINDER) or alert.source in OPERATIONAL_SOURCES:
        return
    if kind is AlertKind.REMINDER and about is None:
        return  # of several conditions: a machine was called when each of them fired
    identity = str(about.key) if about else None
    last = webhook_calls.get(tx, identity, now) if identity else None
    verdict = webhook_policy.judge(last, alert.severity, now, about.fired_at if about else None)
    if verdict is webhook_policy.WebhookReason.NOT_SEVERE:
        return
    left_out, route = None if verdict.calls else verdict.value, route_of(alert)
    stored_alerts.add_deliveries(tx, alert_id, alert.severity.name, ["webhook"], now, route=route, left_out=left_out)
    if verdict.calls and identity:
        webhook_calls.put(tx, identity, alert.severity, now)


def _row(
    alert: Alert,
    key: str | None,
    *,
    now: datetime,
    origin: AlertOrigin,
    kind: AlertKind,
    metadata: Mapping[str, object] | None,
) -> NewAlert:
    return NewAlert(
        protocol=alert.protocol,
        severity=alert.severity.name,
        message=render_plain(alert, now=now),
        title=alert.title,
        channel=alert.channel,
        source=alert.source,
        kind=kind.value,
        silent=alert.is_silent,
        body_json=alert.to_json(),
        dedupe_key=key,
        metadata_json=to_json(metadata).decode() if metadata else None,
        run_id=origin.run_id,
        task=origin.task,
    )


def _closed(alert: Alert, outcome: Outcome, now: datetime) -> Alert:
    """Add since when it fires, how often it was raised if this is not its first message, and how to mute it."""
    condition, is_first = outcome.condition, outcome.reason is Reason.BREACHED
    began = condition.since or condition.fired_at or now
    return closed(alert, began, now, is_first=is_first, seen=0 if is_first else condition.times)


def _recovery(condition: Condition, now: datetime, note: str) -> Alert:
    """Say what is good now; a script's title names its fault, so it is only quoted as the alert that ended."""
    return Alert(
        Severity.LOW,
        note.rstrip(".") or f"{condition.key.text} is ok again",
        was_line(condition.worst.name, condition.fired_at or now, now),
        f"The alert was: {condition.title}",
        protocol=condition.protocol or condition.key.monitor,
        channel=condition.channel,
        key=condition.key.text,
        source=condition.source,
        is_good=True,
    )
