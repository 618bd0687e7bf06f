"""A timelock's condition: its logs by the verb `logs`, and in the same memory the operations that wait.

Cursor, operations and alerts commit together, so that no stage is lost or repeated however a run ends.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from monitoring.alerts.message.model import Severity
from monitoring.base.plural import counted
from monitoring.chains.abi.addresses import SignatureError
from monitoring.chains.abi.function import AbiError
from monitoring.chains.abi.values import Unknown
from monitoring.chains.rpc.logs import EventLog
from monitoring.checks.builtin.shared.contract_logs import Stretch
from monitoring.checks.builtin.shared.data_rows import RowContract
from monitoring.checks.builtin.shared.log_reading import judge_stretch, read_stretch
from monitoring.checks.builtin.timelocks.following import FollowedOperations, Moment, Reached, follow
from monitoring.checks.builtin.timelocks.kinds import (
    Meaning,
    RawLog,
    What,
    moves_admin,
    new_delay_s,
    operations,
    read_meaning,
    signals,
)
from monitoring.checks.builtin.timelocks.on_chain import OnChain, ask_timelock
from monitoring.checks.builtin.timelocks.operations import (
    OPERATIONS,
    FollowedOperation,
    OperationEvent,
    remembered,
    waiting_ids,
    written,
)
from monitoring.checks.builtin.timelocks.text import describe
from monitoring.checks.engine.plan import ReadContext
from monitoring.checks.engine.point import EvaluationPoint
from monitoring.checks.expression.evaluate import PENDING, NotYet
from monitoring.checks.expression.values import Value
from monitoring.checks.messages.plain import AlertRoute, AlertText, plain_message
from monitoring.checks.rules.logs import LogsPolicy, cursor_of, margin_blocks
from monitoring.checks.rules.readings import LogEvent
from monitoring.conditions.condition import Condition, ConditionKey
from monitoring.conditions.outcome import Entry, Outcome, Reason, Transition, TransitionKind
from monitoring.conditions.transition import happened

# How far back a timelock is read once that was watched before its operations were remembered.
LOOK_BACK = timedelta(days=14)


@dataclass(frozen=True, slots=True)
class Severities:
    """How loud each kind of event is: operations, that they can run, their end, and changes of the timelock itself."""

    scheduled: Severity = Severity.HIGH
    ready: Severity = Severity.MEDIUM
    settled: Severity = Severity.LOW
    changes: Severity = Severity.MEDIUM

    def of(self, what: What) -> Severity:
        if what is What.SCHEDULED:
            return self.scheduled
        return self.settled if what in (What.EXECUTED, What.CANCELLED) else self.changes

    def of_stage(self, reached: Reached) -> Severity:
        """A reminder is as loud as its operation, and nothing about it is louder."""
        if reached is Reached.REMINDER:
            return self.scheduled
        return min(self.scheduled, self.ready if reached is Reached.READY else self.settled)


@dataclass(frozen=True, slots=True)
class Timelock:
    """One row. `min_delay_s` is the delay people count on: a shorter one is as loud as an operation.

    `reminders` are how long before an operation is ready people hear of it once more.
    """

    place: RowContract
    kind: str
    severities: Severities
    min_delay_s: int | None = None
    mirror: str = ""
    reminders: tuple[timedelta, ...] = ()


@dataclass(frozen=True, slots=True)
class TimelockReading:
    """What a timelock's logs say, and what its contract says of the operations that wait."""

    stretch: Stretch
    on_chain: OnChain


@dataclass(frozen=True, slots=True)
class TimelockPart:
    """A timelock's condition, for one channel."""

    key: ConditionKey
    route: AlertRoute
    row: Timelock
    policy: LogsPolicy
    lookback: timedelta

    @property
    def about(self) -> str:
        return f"{self.row.place.title}: operations, and changes of its delay and roles"

    def read(self, desk: ReadContext) -> TimelockReading | Unknown | NotYet:
        before = desk.condition(self.key)
        known, topics = remembered(before), frozenset(signals(self.row.kind))
        back = LOOK_BACK if known is None and cursor_of(before) is not None else timedelta(0)
        stretch = read_stretch(desk, self.key, topics, self.policy, self.lookback, back=back)
        if not isinstance(stretch, Stretch):
            return stretch
        scheduled = [one for _, one in self._events(stretch) if one.what is What.SCHEDULED]
        ids = dict.fromkeys([*waiting_ids((known or {}).values()), *(each for one in scheduled for each in one.ids)])
        on_chain = ask_timelock(desk, self.key, self.row.kind, ids)
        return PENDING if isinstance(on_chain, NotYet) else TimelockReading(stretch, on_chain)

    def judge(self, before: Condition, reading: TimelockReading | Unknown, now: datetime) -> Outcome:
        if isinstance(reading, Unknown):
            return judge_stretch(before, reading, [], now, self.policy)
        events = self._events(reading.stretch)
        outcome = judge_stretch(before, reading.stretch, [event for event, _ in events], now, self.policy)
        if outcome.reason in (Reason.UNKNOWN, Reason.SILENT_SOURCE):
            return outcome
        known = {} if cursor_of(before) is None else remembered(before)
        entries = outcome.transition.entries if outcome.transition else ()
        moment = self._moment(reading, [one for _, one in events], entries, now)
        followed = follow(known, moment)
        first_block = reading.stretch.last + 1 - margin_blocks(self.key.chain)
        memory = {**outcome.condition.memory, OPERATIONS: written(followed.operations, first_block)}
        entries = (*(self._about(one, followed) for one in entries), *self._reached(followed))
        return _with_entries(outcome, before, entries, now).remembering(memory)

    def in_words(self, reading: TimelockReading) -> str:
        """Say what was read, for listings."""
        stretch = reading.stretch
        waiting = sum(reading.on_chain.waits.values())
        more = f", {counted(waiting, 'call')} waiting" if waiting else ""
        return f"blocks {stretch.first} to {stretch.last}, {counted(len(self._events(stretch)), 'event')}{more}"

    def compose(self, transition: Transition, at: EvaluationPoint) -> AlertText:
        if transition.kind is not TransitionKind.FIRED:
            return plain_message(self.about, transition)
        return describe(self.row.place, self.row.kind, transition, at)

    def _moment(
        self, reading: TimelockReading, events: Sequence[OperationEvent], entries: Sequence[Entry], now: datetime
    ) -> Moment:
        stretch = reading.stretch
        head_s = int((stretch.head_at or now).timestamp())
        return Moment(
            events, max(int(now.timestamp()), head_s),  # this host's clock may be behind
            head_s, reading.on_chain,
            tuple(int(one.total_seconds()) for one in self.row.reminders), is_whole=stretch.problem is None,
            gone=frozenset(str(one.facts["tx"]) for one in entries if one.kind != "new"),
            fresh=frozenset(str(one.id) for one in entries if one.kind == "new"),
        )  # fmt: skip

    def _about(self, entry: Entry, followed: FollowedOperations) -> Entry:
        """Return the entry of an event with what is remembered of the operation it is about."""
        found = followed.about if entry.kind == "new" else followed.undone
        about = found.get(str(entry.id) if entry.kind == "new" else str(entry.facts["tx"]), [])
        name = about[0].name if about else str(entry.facts.get("id", ""))
        facts = {**entry.facts, **(about[0].facts if about else {})}
        return replace(entry, facts=facts, thread=self._thread(name) if name else "")

    def _reached(self, followed: FollowedOperations) -> list[Entry]:
        return [self._stage(reached, one) for reached, one in followed.reached]

    def _stage(self, reached: Reached, one: FollowedOperation) -> Entry:
        severity, facts = self.row.severities.of_stage(reached), {**one.facts, "stage": reached.value}
        return Entry("stage", one.name, severity, facts, thread=self._thread(one.name))

    def _thread(self, operation: str) -> str:
        return f"timelock/{self.key.chain}/{self.key.subject}/{operation}"

    def _events(self, reading: Stretch) -> list[tuple[LogEvent, OperationEvent]]:
        kind = self.row.kind
        raw = [(log.tx_hash, RawLog(log.topics, log.data)) for log in reading.logs]
        return [self._event([reading.logs[place] for place in group], reading) for group in operations(kind, raw)]

    def _event(self, group: Sequence[EventLog], reading: Stretch) -> tuple[LogEvent, OperationEvent]:
        first, at = group[0], reading.at(group[0].block_number)
        what = signals(self.row.kind)[first.topics[0]].what
        mined_at = int(at.timestamp()) if at is not None else None
        facts: dict[str, Value] = {
            "what": what.value,
            "block": first.block_number,
            "tx": first.tx_hash,
            "logs": tuple((log.topics, log.data) for log in group),
        }
        if mined_at is not None:
            facts["mined at"] = mined_at
        read = [found for log in group if (found := self._meaning(log)) is not None]
        ids = tuple(dict.fromkeys(one.id for one in read if one.id))
        if ids:
            facts["id"] = ids[0]
        severity = self._severity(what, RawLog(first.topics, first.data))
        event = LogEvent(first.block_number, first.block_hash, first.tx_hash, first.index, at, severity, facts)
        ready_at = _ready_at(read[0], mined_at) if read else None
        until = read[0].until if read else None
        said = OperationEvent(event.id, what, ids, event.tx, event.block, mined_at, ready_at, until)
        return event, said

    def _meaning(self, log: EventLog) -> Meaning | None:
        try:
            return read_meaning(self.row.kind, self.key.chain, self.key.subject, RawLog(log.topics, log.data))
        except (AbiError, SignatureError):
            return None

    def _severity(self, what: What, log: RawLog) -> Severity:
        usual = self.row.severities.of(what)
        delay_s = new_delay_s(self.row.kind, log)
        too_short = delay_s is not None and self.row.min_delay_s is not None and delay_s < self.row.min_delay_s
        if too_short or moves_admin(self.row.kind, log):
            return max(usual, self.row.severities.scheduled)
        return usual


def _ready_at(meaning: Meaning, mined_at: int | None) -> int | None:
    if meaning.ready_at is not None or meaning.delay_s is None or mined_at is None:
        return meaning.ready_at
    return mined_at + meaning.delay_s


def _with_entries(outcome: Outcome, before: Condition, entries: tuple[Entry, ...], now: datetime) -> Outcome:
    """Report these entries in one message; the rest of the outcome stays."""
    if not entries:
        return outcome
    facts: Mapping[str, Value] = outcome.transition.facts if outcome.transition else {}
    said = happened(before, now, max(one.severity for one in entries), facts, entries)
    condition = replace(said.condition, no_data=outcome.condition.no_data)
    return replace(outcome, condition=condition, reason=said.reason, transition=said.transition)
