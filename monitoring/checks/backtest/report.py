"""A backtest in words for a terminal, and as data: incidents, what each check came to, what is missing and why."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from fractions import Fraction

from monitoring.alerts.recording.close_orphaned import SOURCES
from monitoring.base.clock import to_text
from monitoring.base.formatting import format_duration, format_pct, format_seconds
from monitoring.base.plural import counted
from monitoring.checks.backtest.compared import IncidentChange, changes
from monitoring.checks.backtest.history import CheckHistory, PastIncident
from monitoring.checks.backtest.playing import Played
from monitoring.checks.backtest.steps import PastRun
from monitoring.conditions.condition import ConditionKey
from monitoring.conditions.severity import Severity

_MOST_NAMES = 12
_AT = "%Y-%m-%d %H:%M"
_HOLDS = "holds"  # the bound of a comparison of two readings: its value is how far they are from it
_SAID_BY_THE_TITLE = ("on", "off")


def as_lines(played: Played) -> list[str]:
    """Return what a person reads."""
    lines = _head(played)
    if not played.judged:
        return [*lines, *_incomplete(played)]
    own = played.runs[0]
    lines += ["", *(_side_by_side(played) if len(played.runs) > 1 else _alone(own, played.end))]
    return [*lines, *_by_check(own, played), *_rest(own, played), *_incomplete(played)]


def as_data(played: Played) -> dict[str, object]:
    """Return what `--json` prints; `runs` has the present files first."""
    stopped = played.stopped
    found: dict[str, object] = {
        "since": to_text(played.begin), "until": to_text(played.end) if played.judged else None,
        "every_s": played.every.total_seconds(), "steps": len(played.steps), "judged": played.judged,
        "requests": played.requests, "stored": played.is_stored, "complete": played.is_complete,
        "stopped": {"reason": stopped.reason.value, "text": stopped.text} if stopped else None,
        "notes": played.notes, "runs": [_run_data(one, played.end) for one in played.runs],
    }  # fmt: skip
    if len(played.runs) > 1 and played.judged:
        found["changes"] = [_change_data(one) for one in _changes(played)]
    return found


# -- words -------------------------------------------------------------------------------------------------------------


def _head(played: Played) -> list[str]:
    names = ", ".join(played.runs[0].names)
    span = f"{played.begin:{_AT}} to {played.end:{_AT}} UTC" if played.judged else f"from {played.begin:{_AT}} UTC"
    read = "from stored readings" if played.is_stored else f"from chains, {counted(played.requests, 'request')}"
    spent = f"{counted(played.judged, 'step')}, {read}, {format_seconds(played.took_s)}"
    return [f"{names}: {span}, every {format_duration(played.every)}", spent]


def _alone(run: PastRun, end: datetime) -> list[str]:
    found = run.history.incidents
    if not run.history.own and not found:
        return ["No check could be judged."]
    if not found:
        return ["No alert would have gone out."]
    return [_total(run, end), "", *(line for one in found for line in _incident(one, run, end))]


def _total(run: PastRun, end: datetime) -> str:
    found = run.history.incidents
    by_severity = Counter(one.severity for one in found)
    parts = ", ".join(f"{by_severity[one]} {one.name}" for one in reversed(Severity) if by_severity[one])
    return f"{counted(len(found), 'incident')} ({parts}), {counted(len(run.alerts(end)), 'message')}"


def _name(key: ConditionKey) -> str:
    """Name a check; of a source that could not be read the title says which."""
    return "no data" if key.monitor == SOURCES else str(key)


def _incident(one: PastIncident, run: PastRun, end: datetime) -> list[str]:
    lines = [
        f"{one.fired_at:{_AT}}  {_span(one, end):<12}  {one.severity.name:<8}  {_name(one.key)}",
        f"    {one.title}",
    ]
    check = run.history.checks[one.key]
    if one.worst_value and check.is_number and check.bound not in _SAID_BY_THE_TITLE and one.key.monitor != SOURCES:
        value = f"missed by {one.worst_value.removeprefix('-')}" if check.bound == _HOLDS else one.worst_value
        worst = f"worst: {value} at {one.worst_at:{_AT}}" if one.worst_at != one.fired_at else value
        required = f" (required: {check.bound})" if check.bound not in ("", _HOLDS) and not one.once else ""
        lines.append(f"    {worst}{required}")
    if one.from_start:
        lines.append("    It was so at the first step already: when it began is not known.")
    return lines


def _span(one: PastIncident, end: datetime) -> str:
    if one.once:
        return "once"
    return f"{format_duration(one.lasted(end))}{'' if one.ended_at else ' +'}"


def _side_by_side(played: Played) -> list[str]:
    after, before = played.runs
    width = max(len(after.name), len(before.name), 10)
    rows = [
        ("", after.name, before.name),
        ("incidents", str(len(after.history.incidents)), str(len(before.history.incidents))),
        ("messages", *(str(len(one.alerts(played.end))) for one in (after, before))),
        ("firing in all", *(format_duration(_firing(one, played.end)) for one in (after, before))),
    ]
    lines = [f"{name:<14}{one:>{width}}  {other:>{width}}" for name, one, other in rows]
    found = _changes(played)
    kinds = Counter(one.kind for one in found)
    lines += ["", f"{', '.join(f'{kinds[kind]} {kind}' for kind in ('new', 'gone', 'changed', 'same'))}"]
    return lines + [line for one in found if one.kind != "same" for line in _change(one, played.end)]


def _change(change: IncidentChange, end: datetime) -> list[str]:
    one = change.after or change.before
    if one is None:
        return []
    head = f"{change.kind:<8} {one.fired_at:{_AT}}  {_span(one, end):<12}  {one.severity.name:<8}  {_name(one.key)}"
    lines = [head, f"    {one.title}"]
    if change.kind == "changed" and change.before is not None:
        was = change.before
        messages = f"{counted(was.messages, 'message')}, now {one.messages}"
        lines.append(f"    before: {was.fired_at:{_AT}}, {_span(was, end)}, {was.severity.name}, {messages}")
    return lines


def _by_check(run: PastRun, played: Played) -> list[str]:
    firing = [one for one in run.history.own if one.incidents]
    if not any(len(one.incidents) > 1 for one in firing):
        return []
    whole = max(played.end - played.begin, timedelta(seconds=1))
    lines = ["", "incidents  messages  firing    of the time  check"]
    for one in sorted(firing, key=lambda check: (-len(check.incidents), check.key)):
        spent = sum((each.lasted(played.end) for each in one.incidents), timedelta(0))
        messages = sum(each.messages for each in one.incidents)
        share = format_pct(Fraction(round(1000 * (spent / whole)), 1000))
        lines.append(
            f"{len(one.incidents):>9}  {messages:>8}  {format_duration(spent):<8}  {share:>11}  {_name(one.key)}"
        )
    return lines


def _rest(run: PastRun, played: Played) -> list[str]:
    quiet = sum(not one.incidents for one in run.history.own)
    lines = (
        ["", f"{counted(quiet, 'check')} never fired." if quiet else "Every check fired."] if run.history.own else []
    )
    lines += _without_data(run, played)
    by_reason: dict[str, list[str]] = {}
    for key, why in run.left_out.items():
        by_reason.setdefault(why, []).append(f"{key.monitor}/{key.check}")
    for why, names in sorted(by_reason.items()):
        past = ", which has no past" if why.startswith("asks") else ""
        lines.append(f"Left out, because it {why}{past}: {_names(list(dict.fromkeys(names)))}.")
    if run.traces:
        lines.append(f"{counted(len(run.traces), 'check')} met a bug: explain FILE shows it.")
    return [*lines, *played.notes]


def _without_data(run: PastRun, played: Played) -> list[str]:
    """Return the reasons for which nothing was known, the most frequent first, each with its checks."""
    by_reason: dict[str, list[tuple[int, str]]] = {}
    for one in run.history.own:
        for why, number in one.no_data.items():
            by_reason.setdefault(why, []).append((number, str(one.key)))
    if not by_reason:
        return []
    known = sorted(by_reason.items(), key=lambda entry: (-sum(number for number, _ in entry[1]), entry[0]))
    lines = [f"Without data (steps of {played.judged:,}):"]
    for why, found in known[:_MOST_NAMES]:
        names = [f"{name} ({number:,})" for number, name in sorted(found, key=lambda each: (-each[0], each[1]))]
        lines.append(f"    {_names(names)}: {why}")
    return lines + ([f"    and {len(known) - _MOST_NAMES} more reasons"] if known[_MOST_NAMES:] else [])


def _names(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return ", ".join(names[:_MOST_NAMES]) + more


def _incomplete(played: Played) -> list[str]:
    if played.stopped is None:
        return []
    missing = len(played.steps) - played.first - played.judged
    return ["", f"INCOMPLETE: {counted(missing, 'step')} of {len(played.steps):,} are missing: {played.stopped.text}."]


# -- data --------------------------------------------------------------------------------------------------------------


def _run_data(run: PastRun, end: datetime) -> dict[str, object]:
    alerts = [
        {"at": row.created_at, "severity": row.severity, "kind": row.kind, "check": row.dedupe_key, "title": row.title,
         "text": row.message}
        for row in run.alerts(end)
    ]  # fmt: skip
    left = {f"{key.monitor}/{key.text}": why for key, why in run.left_out.items()}
    return {
        "name": run.name,
        "firing_s": _firing(run, end).total_seconds(),
        "incidents": [_incident_data(one) for one in run.history.incidents],
        "alerts": alerts,
        "checks": [_check_data(one) for one in run.history.checks.values()],
        "left_out": left,
    }


def _incident_data(one: PastIncident) -> dict[str, object]:
    return {
        **one.key.named, "title": one.title, "severity": one.severity.name, "since": to_text(one.since),
        "fired_at": to_text(one.fired_at), "ended_at": to_text(one.ended_at) if one.ended_at else None,
        "once": one.once, "from_start": one.from_start, "messages": one.messages, "worst_value": one.worst_value,
        "worst_at": to_text(one.worst_at),
    }  # fmt: skip


def _check_data(one: CheckHistory) -> dict[str, object]:
    numbers = [None if math.isnan(number) else number for number in one.numbers]
    return {
        **one.key.named, "about": one.about, "bound": one.bound, "incidents": len(one.incidents),
        "without_data": one.without_data, "no_data": dict(one.no_data),
        "values": numbers if any(each is not None for each in numbers) else [],
    }  # fmt: skip


def _change_data(change: IncidentChange) -> dict[str, object]:
    pair = {"before": change.before, "after": change.after}
    return {"kind": change.kind, **{name: _incident_data(one) if one else None for name, one in pair.items()}}


def _changes(played: Played) -> list[IncidentChange]:
    after, before = played.runs
    return changes(before.history.incidents, after.history.incidents, played.end)


def _firing(run: PastRun, end: datetime) -> timedelta:
    return sum((one.lasted(end) for one in run.history.incidents), timedelta(0))
