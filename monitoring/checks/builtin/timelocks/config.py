"""`timelocks`: every operation scheduled, executed or cancelled on timelocks, and every change of who and how long.

One condition per timelock and chain, judged by the verb `logs`; all timelocks of a chain share their requests.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

from monitoring.base.yaml.keys import Section, entry
from monitoring.checks.builtin.shared.contract_logs import LogsSince, answer_logs
from monitoring.checks.builtin.shared.data_rows import COMMON, FROM, RowContract, read_places, read_rows, rows_key
from monitoring.checks.builtin.shared.log_reading import MIN_LOOKBACK
from monitoring.checks.builtin.timelocks.kinds import KINDS
from monitoring.checks.builtin.timelocks.part import Severities, Timelock, TimelockPart
from monitoring.checks.config.yaml_node import Spot
from monitoring.checks.engine.plan import CheckInstance
from monitoring.checks.engine.plugin import CheckType, PluginContext
from monitoring.checks.messages.plain import AlertRoute
from monitoring.checks.rules.keys import DURATION, NAME, SEVERITY, Listed, one_of, severity_row
from monitoring.checks.rules.logs import LogsPolicy
from monitoring.checks.rules.readings import REPORT_ALL
from monitoring.checks.rules.steps import either
from monitoring.conditions.condition import ConditionKey

MAX_LOOKBACK = timedelta(days=14)
MIN_REMINDER, MAX_REMINDER = timedelta(minutes=10), timedelta(days=30)
MAX_REMINDERS = 2  # ours: more would teach people to look away
_USUAL_REMINDERS = (timedelta(days=1),)


@dataclass(frozen=True, slots=True)
class TimelocksConfig:
    rows: tuple[Timelock, ...]
    lookback: timedelta


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
READY = severity_row(
    _USUAL.ready, "Severity of an operation that can be executed from now on, at most its own.", "ready"
)
REMINDERS = entry(
    "remind_before",
    Listed(DURATION),
    "How long before an operation can be executed it is reported again, from far to near; two at most, or none.",
    default="",
    without="[24h]",
    example="remind_before: [24h, 1h]",
)
CHANGES = severity_row(_USUAL.changes, "Severity of a change of its delay or roles.", "changes")
LOOKBACK = entry(
    "first_run_lookback", DURATION, "How far back the first run looks.", default="12h", example="first_run_lookback: 1d"
)
SECTION = Section(
    "Timelocks: every operation, and every change of who and how long.",
    FROM,
    rows_key(ROW),
    SCHEDULED,
    REMINDERS,
    READY,
    SETTLED,
    CHANGES,
    LOOKBACK,
)
TIMELOCKS = entry("timelocks", SECTION, SECTION.sentence, default="", example="timelocks: {from: timelocks.yaml}")


def _schema(section: Spot, around: PluginContext) -> TimelocksConfig | None:
    section.only(SECTION.keys)
    severities = Severities(
        either(section.value(SCHEDULED), _USUAL.scheduled),
        either(section.value(READY), _USUAL.ready),
        either(section.value(SETTLED), _USUAL.settled),
        either(section.value(CHANGES), _USUAL.changes),
    )
    lookback, reminders = _lookback(section), _reminders(section)
    rows = [
        row
        for place, spot in read_places(read_rows(section, around), around, _ROW_KEYS)
        if (row := _row(place, spot, severities, reminders))
    ]
    return TimelocksConfig(tuple(rows), lookback)


def _lookback(section: Spot) -> timedelta:
    spot, found = section.get(LOOKBACK.name), section.value(LOOKBACK)
    if spot and found and not MIN_LOOKBACK <= found <= MAX_LOOKBACK:
        spot.wrong(f"from 1h to {MAX_LOOKBACK.days}d: a first run reads every block of it")
    return found or MIN_LOOKBACK


def _reminders(section: Spot) -> tuple[timedelta, ...]:
    spot = section.get(REMINDERS.name)
    if spot is None:
        return _USUAL_REMINDERS
    items = list(spot.items("a list of durations, as in [24h, 1h]"))
    found = [span for item in items if (span := item.duration()) is not None]
    if len(items) > MAX_REMINDERS:
        spot.wrong(f"{MAX_REMINDERS} reminders are the most: more would teach people to look away")
    elif any(not MIN_REMINDER <= one <= MAX_REMINDER for one in found):
        spot.wrong(f"from 10m to {MAX_REMINDER.days}d before it can be executed")
    elif any(far <= near for far, near in pairwise(found)):
        spot.wrong("reminders go from far to near, as in [24h, 1h]")
    return tuple(found)


def _row(place: RowContract, spot: Spot, severities: Severities, reminders: tuple[timedelta, ...]) -> Timelock | None:
    kind, severity, delay = spot.value(KIND), spot.value(LOUD), spot.value(MIN_DELAY)
    mirror, channel = spot.get(MIRROR.name), spot.value(MIRROR) or ""
    if mirror and channel and channel in (place.route.channel, place.route.protocol):
        mirror.wrong(f"its alerts go to {channel} already")
    if kind is None:
        return None
    own = replace(severities, scheduled=either(severity, severities.scheduled))
    return Timelock(place, kind, own, int(delay.total_seconds()) if delay else None, channel, reminders)


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
