"""`timelocks`: every operation scheduled, executed or cancelled on timelocks, and every change of who and how long.

One condition per timelock and chain, judged by the verb `logs`; all timelocks of a chain share their requests.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from monitoring.alerts.message.model import Severity
from monitoring.base.plural import counted
from monitoring.base.yaml.keys import Section, entry
from monitoring.chains.abi.values import Unknown
from monitoring.chains.rpc.logs import EventLog
from monitoring.checks.builtin.shared.contract_logs import LogsSince, Stretch, answer_logs
from monitoring.checks.builtin.shared.data_rows import COMMON, FROM, RowContract, read_places, read_rows, rows_key
from monitoring.checks.builtin.shared.log_reading import MIN_LOOKBACK, judge_stretch, read_stretch
from monitoring.checks.builtin.timelocks.kinds import KINDS, RawLog, What, moves_admin, new_delay_s, operations, signals
from monitoring.checks.builtin.timelocks.text import describe
from monitoring.checks.config.yaml_node import Spot
from monitoring.checks.engine.plan import CheckInstance, ReadContext
from monitoring.checks.engine.plugin import CheckType, PluginContext
from monitoring.checks.engine.point import EvaluationPoint
from monitoring.checks.expression.evaluate import NotYet
from monitoring.checks.expression.values import Value
from monitoring.checks.messages.plain import AlertRoute, AlertText, plain_message
from monitoring.checks.rules.keys import DURATION, NAME, SEVERITY, one_of, severity_row
from monitoring.checks.rules.logs import LogsPolicy
from monitoring.checks.rules.readings import REPORT_ALL, LogEvent
from monitoring.checks.rules.steps import either
from monitoring.conditions.condition import Condition, ConditionKey
from monitoring.conditions.outcome import Outcome, Transition, TransitionKind

MAX_LOOKBACK = timedelta(days=14)


@dataclass(frozen=True, slots=True)
class Severities:
    """How loud each kind of event is: operations, their end, and changes of the timelock itself."""

    scheduled: Severity = Severity.HIGH
    settled: Severity = Severity.LOW
    changes: Severity = Severity.MEDIUM

    def of(self, what: What) -> Severity:
        if what is What.SCHEDULED:
            return self.scheduled
        return self.settled if what in (What.EXECUTED, What.CANCELLED) else self.changes


@dataclass(frozen=True, slots=True)
class Timelock:
    """One row. `min_delay_s` is the delay people count on: a shorter one is as loud as an operation."""

    place: RowContract
    kind: str
    severities: Severities
    min_delay_s: int | None = None
    mirror: str = ""


@dataclass(frozen=True, slots=True)
class TimelocksConfig:
    rows: tuple[Timelock, ...]
    lookback: timedelta


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

    def read(self, desk: ReadContext) -> Stretch | Unknown | NotYet:
        return read_stretch(desk, self.key, frozenset(signals(self.row.kind)), self.policy, self.lookback)

    def judge(self, before: Condition, reading: Stretch | Unknown, now: datetime) -> Outcome:
        events = self._events(reading) if isinstance(reading, Stretch) else []
        return judge_stretch(before, reading, events, now, self.policy)

    def in_words(self, reading: Stretch) -> str:
        """Say what was read, for listings."""
        return f"blocks {reading.first} to {reading.last}, {counted(len(self._events(reading)), 'event')}"

    def compose(self, transition: Transition, at: EvaluationPoint) -> AlertText:
        if transition.kind is not TransitionKind.FIRED:
            return plain_message(self.about, transition)
        return describe(self.row.place, self.row.kind, transition, at)

    def _events(self, reading: Stretch) -> list[LogEvent]:
        kind = self.row.kind
        raw = [(log.tx_hash, RawLog(log.topics, log.data)) for log in reading.logs]
        return [self._event([reading.logs[place] for place in group], reading) for group in operations(kind, raw)]

    def _event(self, group: Sequence[EventLog], reading: Stretch) -> LogEvent:
        first, at = group[0], reading.at(group[0].block_number)
        what = signals(self.row.kind)[first.topics[0]].what
        facts: dict[str, Value] = {
            "what": what.value,
            "block": first.block_number,
            "tx": first.tx_hash,
            "logs": tuple((log.topics, log.data) for log in group),
        }
        if at is not None:
            facts["mined at"] = int(at.timestamp())
        raw = RawLog(first.topics, first.data)
        severity = self._severity(what, raw)
        return LogEvent(first.block_number, first.block_hash, first.tx_hash, first.index, at, severity, facts)

    def _severity(self, what: What, log: RawLog) -> Severity:
        usual = self.row.severities.of(what)
        delay_s = new_delay_s(self.row.kind, log)
        too_short = delay_s is not None and self.row.min_delay_s is not None and delay_s < self.row.min_delay_s
        if too_short or moves_admin(self.row.kind, log):
            return max(usual, self.row.severities.scheduled)
        return usual


_USUAL = Severities()
KIND = entry(
    "kind", one_of(KINDS), "Which contract it is.", without=f"one of {', '.join(KINDS)}", example=f"kind: {KINDS[0]}"
)
LOUD = entry(
    "severity",
    SEVERITY,
    "Severity of a scheduled operation.",
    default="",
    without="the section's",
    example="severity: low",
)
MIN_DELAY = entry(
    "min_delay",
    DURATION,
    "The delay people count on: a shorter one is as bad as an operation.",
    default="",
    example="min_delay: 2d",
)
MIRROR = entry(
    "mirror_channel",
    NAME,
    "A second channel that gets the same alerts.",
    default="",
    example="mirror_channel: treasury",
)
_ROW_KEYS = (KIND, LOUD, MIN_DELAY, MIRROR)
ROW = Section("A timelock.", *COMMON, *_ROW_KEYS)
SCHEDULED = severity_row(_USUAL.scheduled, "Severity of a scheduled operation.")
SETTLED = severity_row(_USUAL.settled, "Severity of its execution or cancellation.", "settled")
CHANGES = severity_row(_USUAL.changes, "Severity of a change of its delay or roles.", "changes")
LOOKBACK = entry(
    "first_run_lookback", DURATION, "How far back the first run looks.", default="12h", example="first_run_lookback: 1d"
)
SECTION = Section(
    "Timelocks: every operation, and every change of who and how long.",
    FROM,
    rows_key(ROW),
    SCHEDULED,
    SETTLED,
    CHANGES,
    LOOKBACK,
)
TIMELOCKS = entry("timelocks", SECTION, SECTION.sentence, default="", example="timelocks: {from: timelocks.yaml}")


def _schema(section: Spot, around: PluginContext) -> TimelocksConfig | None:
    section.only(SECTION.keys)
    severities = Severities(
        either(section.value(SCHEDULED), _USUAL.scheduled),
        either(section.value(SETTLED), _USUAL.settled),
        either(section.value(CHANGES), _USUAL.changes),
    )
    lookback = _lookback(section)
    rows = [
        row
        for place, spot in read_places(read_rows(section, around), around, _ROW_KEYS)
        if (row := _row(place, spot, severities))
    ]
    return TimelocksConfig(tuple(rows), lookback)


def _lookback(section: Spot) -> timedelta:
    spot, found = section.get(LOOKBACK.name), section.value(LOOKBACK)
    if spot and found and not MIN_LOOKBACK <= found <= MAX_LOOKBACK:
        spot.wrong(f"from 1h to {MAX_LOOKBACK.days}d: a first run reads every block of it")
    return found or MIN_LOOKBACK


def _row(place: RowContract, spot: Spot, severities: Severities) -> Timelock | None:
    kind, severity, delay = spot.value(KIND), spot.value(LOUD), spot.value(MIN_DELAY)
    mirror, channel = spot.get(MIRROR.name), spot.value(MIRROR) or ""
    if mirror and channel and channel in (place.route.channel, place.route.protocol):
        mirror.wrong(f"its alerts go to {channel} already")
    if kind is None:
        return None
    own = replace(severities, scheduled=either(severity, severities.scheduled))
    return Timelock(place, kind, own, int(delay.total_seconds()) if delay else None, channel)


def _plan(config: TimelocksConfig, around: PluginContext) -> list[TimelockPart]:
    parts: list[TimelockPart] = []
    for row in config.rows:
        # A mirror is a condition of its own: it keeps its own cursor, so neither channel can lose what the other got.
        parts.append(_part("timelocks", row.place.route, row, config, around))
        if row.mirror:
            mirror = replace(row.place.route, channel=row.mirror)
            parts.append(_part("timelocks-mirror", mirror, row, config, around))
    return parts


def _part(check: str, route: AlertRoute, row: Timelock, config: TimelocksConfig, around: PluginContext) -> TimelockPart:
    place = row.place
    policy = LogsPolicy(severity=row.severities.scheduled, first_run=REPORT_ALL)
    key = ConditionKey(around.monitor, check, place.chain, place.address)
    return TimelockPart(key, route, row, policy, config.lookback)


TYPE: CheckType[TimelocksConfig] = CheckType(TIMELOCKS, _schema, _plan, {LogsSince: answer_logs})
if TYPE_CHECKING:
    _: type[CheckInstance] = TimelockPart
