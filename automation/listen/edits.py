"""Keeps messages with buttons as the store has it: who has an incident, who silenced it, that it is over.

Whatever changed that (a tap, `ack` on a host, a recovery, time), each message is compared with what it should show, so
a process that dies between the change and the edit leaves nothing behind. Only the process that reads the bot changes
its messages; while none does, they wait. What a chat refuses to change stays as it is. Edits never hold up an alert:
they take turns that alerts have left.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from automation.listen.message_state import REPLACED, IncidentNow, MessageState, changed_message, state_of
from monitoring.alerts.delivery.buttons import MOST_INCIDENTS
from monitoring.alerts.recording.incident import NamedIncident, incidents_named
from monitoring.alerts.senders.limits import RateLimit, RateLimits, is_group, wait_s
from monitoring.alerts.senders.telegram.bot import BotAccount, BotError, BotProblem
from monitoring.alerts.senders.telegram.buttons import key_of, markup
from monitoring.base.clock import Clock
from monitoring.base.errors import StoreError
from monitoring.conditions.silence import Silence, silence_of, subject_of
from monitoring.store.db.database import Database, Tx
from monitoring.store.db.handle import SteadyStore
from monitoring.store.people import acknowledgements, message_buttons
from monitoring.store.people.message_buttons import ButtonMessage
from monitoring.store.tables import alerts, conditions, rate_limits, silences

log = logging.getLogger("automation.listen")

# Ours: of a group's twenty messages a minute edits take none once alerts have used half.
_OF_A_MINUTE = RateLimit(10, 61.0)
_NEWEST_OF_INCIDENT = 3  # ours: what a chat shows of one incident on a screen or two
_LOOK_EVERY_S, _NOTICE_EVERY_S = (
    30.0,
    1.0,
)  # time passes without a change of the store; a change is seen within a second
_UNREACHABLE_S, _LONGEST_WAIT = 30.0, timedelta(hours=1)
_CALL_LIMIT_S = 10.0


class Edits:
    """Changes the messages of one bot; `bot` is the number of its account."""

    def __init__(self, store: SteadyStore, account: BotAccount, bot: str, clock: Clock) -> None:
        self._store, self._account, self._bot, self._clock = store, account, bot, clock
        self._limits, self._not_before = RateLimits(), dict[str, datetime]()
        self._stop = threading.Event()

    def look(self) -> float | None:
        """Change what is not as it should be; return in how many seconds to look again, None if nothing is left.

        Raises:
            StoreError: it cannot be read or written.
        """
        waits: list[float] = []
        for row, state in self._store.read(self._due):
            wait = self._store.write(lambda tx, chat=row.chat_id: self._turn(tx, chat))  # type: ignore[misc]
            if wait == 0:
                wait = self._edit(row, state)
            if wait > 0:
                waits.append(wait)
        return min(waits, default=None)

    def run(self) -> None:
        """Look whenever something may have changed, until `stop`. Meant for a thread of its own."""
        version, look_at_s = -1, 0.0
        while not self._stop.is_set():
            try:
                seen, at_s = self._store.read(lambda database: database.data_version()), self._clock.monotonic()
                if seen != version or at_s >= look_at_s:
                    version, wait = seen, self.look()
                    look_at_s = at_s + min(_LOOK_EVERY_S, _LOOK_EVERY_S if wait is None else max(wait, _NOTICE_EVERY_S))
            except StoreError as error:
                log.warning("changes of messages wait, the store failed: %s", error)
                self._stop.wait(_LOOK_EVERY_S)
            except Exception as error:  # noqa: BLE001 - the border of one look: alerts and taps must go on
                # Only the kind: the text of an unforeseen error may hold an address, and with it a token.
                log.error("messages could not be changed: %s", type(error).__name__)  # noqa: TRY400 - likewise
                self._stop.wait(_LOOK_EVERY_S)
            self._stop.wait(_NOTICE_EVERY_S)
        self._store.close()

    def stop(self) -> None:
        self._stop.set()

    # -- what is to be done --------------------------------------------------------------------------------------------

    def _due(self, database: Database) -> list[tuple[ButtonMessage, MessageState]]:
        now = self._clock.now()
        with database.snapshot() as tx:
            found = list(_states(tx, f"bot:{self._bot}", now))
        return [(row, state) for row, state in found if state.mark != row.shown]

    def _turn(self, tx: Tx, chat_id: str) -> float:
        """Count one edit of a chat if it may go now; return 0 then, else how long to wait."""
        now = self._clock.now()
        lane = rate_limits.get(tx, f"telegram:{self._bot}:{chat_id}", now)
        ours = self._not_before.get(chat_id)
        if ours is not None and ours > now + _LONGEST_WAIT:  # of a clock that was ahead
            ours = None
        blocked = [each for each in (lane.blocked_until, ours) if each and each > now]
        if blocked:
            return (max(blocked) - now).total_seconds()
        limits = (self._limits.chat, *([_OF_A_MINUTE] if is_group(chat_id) else []))
        wait = wait_s(limits, lane.sent, now.timestamp())
        if wait == 0:
            recent = [at for at in lane.sent if at > now.timestamp() - self._limits.longest_window_s]
            rate_limits.put(tx, replace(lane, sent=(*recent, now.timestamp())))
        return wait

    def _edit(self, row: ButtonMessage, state: MessageState) -> float:
        """Change one message; return 0 if it is done or refused for good, else how long to wait."""
        content, buttons = changed_message(row.body, state)
        asked: dict[str, object] = {
            "chat_id": int(row.chat_id) if row.chat_id.lstrip("-").isdecimal() else row.chat_id,
            "message_id": row.message_id, "link_preview_options": {"is_disabled": True}, **content,
        }  # fmt: skip
        if buttons:
            asked["reply_markup"] = markup(key_of(self._account.token), buttons, row.chat_id)
        is_refused = False
        try:
            self._account.ask("editMessageText", within_s=_CALL_LIMIT_S, **asked)
        except BotError as error:
            if error.is_transient or error.problem is BotProblem.TOKEN_REFUSED:
                return self._wait_for(row.chat_id, error)
            # What was changed before the process died is "not modified" now.
            is_refused = "message is not modified" not in str(error)
            if is_refused:
                log.info("message %d of alert %d stays as it is: %s", row.message_id, row.alert_id, error)
        self._store.write(lambda tx: _written(tx, row, state, is_last=state.is_final or is_refused))
        return 0

    def _wait_for(self, chat_id: str, error: BotError) -> float:
        wait = min(error.retry_after_s or _UNREACHABLE_S, _LONGEST_WAIT.total_seconds())
        self._not_before[chat_id] = datetime.fromtimestamp(
            self._clock.now().timestamp() + wait, self._clock.now().tzinfo
        )
        log.warning("changes of messages in chat %s wait: %s", chat_id, error)
        return wait


def _written(tx: Tx, row: ButtonMessage, state: MessageState, *, is_last: bool) -> None:
    if is_last:
        message_buttons.forget(tx, row.id)
    else:
        message_buttons.set_shown(tx, row.id, state.mark)


def _states(tx: Tx, bot: str, now: datetime) -> Iterator[tuple[ButtonMessage, MessageState]]:
    """Yield each message with what it should show, the newest first."""
    holding, known = silences.active(tx, now), dict[NamedIncident, IncidentNow]()
    states, newer = dict[int, tuple[MessageState, tuple[NamedIncident, ...]]](), dict[object, int]()
    for row in message_buttons.of_bot(tx, bot):
        if row.alert_id not in states:
            stored = alerts.get(tx, row.alert_id)
            named = incidents_named(stored.metadata_json)[:MOST_INCIDENTS] if stored else []
            if stored is None or not named:
                continue
            known |= {each: _now(tx, each, holding, now) for each in named if each not in known}
            states[row.alert_id] = state_of(stored, [known[each] for each in named]), tuple(named)
        state, about = states[row.alert_id]
        place = row.chat_id, about
        newer[place] = newer.get(place, 0) + 1
        yield row, state if newer[place] <= _NEWEST_OF_INCIDENT or state.is_final else REPLACED


def _now(tx: Tx, named: NamedIncident, holding: list[Silence], now: datetime) -> IncidentNow:
    condition = named.open_now(tx, now)
    if condition is None:
        return IncidentNow(None, conditions.get(tx, named.key))
    silence = silence_of(holding, subject_of(condition))
    return IncidentNow(condition, condition, acknowledgements.of(tx, condition, now), silence)
