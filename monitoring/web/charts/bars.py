"""Geometry of the charts: numbers in, bars out; the templates draw them as inline SVG. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from monitoring.base.formatting import format_duration
from monitoring.store.tables.runs import RunRow
from monitoring.web import serializers

WIDTH, HEIGHT = 360, 120
_SEVERITIES = ("UNKNOWN", "LOW", "MEDIUM", "HIGH", "CRITICAL")  # from the ground up
_THINNEST = 2.0  # what is there must be seen


@dataclass(frozen=True, slots=True)
class Bar:
    """One rectangle, `kind` its CSS class, `label` what a pointer resting on it shows."""

    x: float
    y: float
    width: float
    height: float
    kind: str
    label: str
    href: str = ""


@dataclass(frozen=True, slots=True)
class Chart:
    """A picture of bars, with the words for who cannot see it."""

    title: str
    bars: tuple[Bar, ...]
    top: str
    left: str
    right: str
    summary: str
    legend: tuple[tuple[str, str], ...] = ()


def run_durations(runs: Sequence[RunRow]) -> Chart:
    """Draw how long each run took; `runs` newest first."""
    finished = [(run, took) for run in reversed(runs) if (took := serializers.duration_s(run)) is not None]
    longest = max((took for _, took in finished), default=0.0)
    bars = [
        _bar(
            number,
            len(finished),
            took / longest if longest else 0,
            run.status,
            f"run {run.id}, {_clock(run.started_at)}: {run.status}, {_seconds(took)}",
            f"/runs/{run.id}",
        )
        for number, (run, took) in enumerate(finished)
    ]
    median = _seconds(_median([took for _, took in finished])) if finished else ""
    summary = f"{len(finished)} runs, half of them within {median}, the longest {_seconds(longest)}" if finished else ""
    left, right = (_clock(finished[end][0].started_at) if finished else "" for end in (0, -1))
    return Chart("Run duration", tuple(bars), _seconds(longest), left, right, summary)


def alerts_per_day(days: Sequence[Mapping[str, int]], first_day: datetime) -> Chart:
    """Draw the alerts of each day, one upon the other by severity."""
    most = max((sum(day.values()) for day in days), default=0)
    bars: list[Bar] = []
    for number, day in enumerate(days):
        bars += _stack(number, len(days), day, most, first_day + timedelta(days=number))
    total = sum(sum(day.values()) for day in days)
    today = sum(days[-1].values()) if days else 0
    summary = f"{total} alert{'' if total == 1 else 's'} in {len(days)} days, {today} of them today"
    last_day = first_day + timedelta(days=len(days) - 1)
    seen = [name for name in reversed(_SEVERITIES) if any(day.get(name) for day in days)]
    legend = tuple((name if name != "UNKNOWN" else "no severity", f"sev-{name}") for name in seen)
    return Chart("Alerts per day", tuple(bars), str(most), _day(first_day), _day(last_day), summary, legend)


def _stack(number: int, count: int, day: Mapping[str, int], most: int, date: datetime) -> list[Bar]:
    bars: list[Bar] = []
    ground = float(HEIGHT)
    for severity in _SEVERITIES:
        if not day.get(severity):
            continue
        whole = _bar(number, count, day[severity] / most, f"sev-{severity}", "", "")
        ground -= whole.height
        label = f"{_day(date)}: {day[severity]} {severity}"
        bars.append(Bar(whole.x, max(0.0, ground), whole.width, whole.height, whole.kind, label))
    return bars


def delivery_latency(latencies: Sequence[tuple[int, str, float]]) -> Chart:
    """Draw how long each alert took from stored to accepted, on a scale of powers of ten from 0.1 s."""
    slowest = max((seconds for _, _, seconds in latencies), default=0.0)
    bars = [
        _bar(
            number,
            len(latencies),
            _log_share(took_s, slowest),
            _pace(took_s),
            f"alert {row_id}: {_seconds(took_s)}",
            f"/alerts/{row_id}",
        )
        for number, (row_id, _, took_s) in enumerate(latencies)
    ]
    if not latencies:
        return Chart("Delivery latency", (), "", "", "", "")
    median = _median([seconds for _, _, seconds in latencies])
    summary = f"the last {len(latencies)} alerts: half within {_seconds(median)}, the slowest {_seconds(slowest)}"
    left, right = (latencies[end][1][5:16].replace("T", " ") for end in (0, -1))
    return Chart("Delivery latency", tuple(bars), _seconds(slowest), left, right, summary)


def _log_share(seconds: float, slowest: float) -> float:
    scale = math.log10(max(slowest, 1.0) / 0.1)
    return max(0.0, math.log10(max(seconds, 0.1) / 0.1)) / scale


def _pace(seconds: float) -> str:
    if seconds <= 10:  # noqa: PLR2004 - nobody waits
        return "ok"
    return "skipped" if seconds <= 60 else "failed"  # noqa: PLR2004 - the audit calls more than a minute slow


def _bar(number: int, count: int, share: float, kind: str, label: str, href: str) -> Bar:
    slot = WIDTH / max(count, 14)
    height = max(_THINNEST, share * HEIGHT)
    # Few bars stand at the right, where now is.
    x = WIDTH - (count - number) * slot
    return Bar(round(x, 1), round(HEIGHT - height, 1), round(slot * 0.8, 1), round(height, 1), kind, label, href)


def _median(values: Sequence[float]) -> float:
    return sorted(values)[len(values) // 2]


def _seconds(seconds: float) -> str:
    return format_duration(timedelta(seconds=seconds))


def _clock(instant: datetime) -> str:
    return instant.strftime("%m-%d %H:%M")


def _day(instant: datetime) -> str:
    return instant.strftime("%b %d")
