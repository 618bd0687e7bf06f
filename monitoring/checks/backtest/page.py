"""A backtest as one page that needs nothing else: no script, no request. Each check that fired has its chart."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from datetime import datetime
from fractions import Fraction
from html import escape

from monitoring.base.formatting import format_value
from monitoring.checks.backtest.history import CheckHistory, PastIncident
from monitoring.checks.backtest.playing import Played
from monitoring.checks.backtest.report import as_lines

_WIDTH, _HEIGHT, _LEFT, _BOTTOM = 720, 180, 8, 20
_PLOT_H = _HEIGHT - _BOTTOM
_STYLE = """
:root{color-scheme:light dark;--line:#1f5fbf;--limit:#b35900;--band:#d1242f33}
:root{--ink:#1b1f24;--paper:#fff;--faint:#6b7280}
@media(prefers-color-scheme:dark){:root{--line:#7cb3ff;--limit:#ffb366;--band:#ff7b7255}
:root{--ink:#e6e6e6;--paper:#15181c;--faint:#9aa3ad}}
body{font:16px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper)}
body{margin:0 auto;max-width:60rem;padding:1rem}
pre{overflow-x:auto;font-size:.85rem}figure{margin:1.5rem 0}figcaption{font-weight:600}svg{width:100%;height:auto}
.value{fill:none;stroke:var(--line);stroke-width:1.5}.limit{stroke:var(--limit);stroke-dasharray:6 4}
.fired{fill:var(--band)}text{fill:var(--faint);font-size:11px}
"""


def as_page(played: Played) -> str:
    """Return the page as HTML."""
    names = ", ".join(played.runs[0].names)
    text = escape("\n".join(as_lines(played)))
    charts = "".join(_figures(played)) if played.judged else ""
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Backtest of {escape(names)}</title>'
        f'<meta name="viewport" content="width=device-width,initial-scale=1"><style>{_STYLE}</style></head>'
        f'<body><main><h1>Backtest of {escape(names)}</h1><pre tabindex="0">{text}</pre>{charts}</main></body></html>\n'
    )


def _figures(played: Played) -> Iterator[str]:
    for run in played.runs:
        for check in run.history.own:
            if check.incidents and check.is_number:
                name = f"{check.key}" + (f" ({run.name})" if len(played.runs) > 1 else "")
                caption = f"{escape(name)}: {escape(check.about)}"
                yield f"<figure><figcaption>{caption}</figcaption>{_chart(check, run.history.steps, name)}</figure>"


def _chart(check: CheckHistory, steps: Sequence[datetime], name: str) -> str:
    known = [one for one in check.numbers if not math.isnan(one)]
    marks = [*known, *(one for one, _ in check.levels)]
    low, high = min(marks), max(marks)
    margin = (high - low) * 0.18 or abs(high) * 0.05 or 1.0
    scale = _Scale(steps[0], steps[-1], low - margin, high + margin)
    parts = [*_bands(check.incidents, scale, steps[-1]), *_limits(check, scale)]
    parts += [f'<path class="value" d="{path}"/>' for path in _paths(check, steps, scale)]
    parts += [
        f'<text x="{_LEFT}" y="{_HEIGHT - 5}">{steps[0]:%Y-%m-%d %H:%M}</text>',
        f'<text x="{_WIDTH - _LEFT}" y="{_HEIGHT - 5}" text-anchor="end">{steps[-1]:%Y-%m-%d %H:%M} UTC</text>',
        f'<text x="{_LEFT}" y="12">{escape(_shown(high, check.unit))}</text>',
        f'<text x="{_LEFT}" y="{_PLOT_H - 3}">{escape(_shown(low, check.unit))}</text>',
    ]
    label = escape(f"{name}: {len(check.incidents)} incidents, from {_shown(min(known), check.unit)} to "
                   f"{_shown(max(known), check.unit)}")  # fmt: skip
    return f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{label}">{"".join(parts)}</svg>'


class _Scale:
    """Where an instant and a value are in the chart."""

    def __init__(self, begin: datetime, end: datetime, low: float, high: float) -> None:
        self._begin, self._span_s = begin, max((end - begin).total_seconds(), 1.0)
        self._low, self._span = low, high - low

    def x(self, at: datetime) -> float:
        part = (at - self._begin).total_seconds() / self._span_s
        return round(_LEFT + min(max(part, 0.0), 1.0) * (_WIDTH - 2 * _LEFT), 1)

    def y(self, value: float) -> float:
        return round(_PLOT_H - (value - self._low) / self._span * _PLOT_H, 1)


def _bands(incidents: Sequence[PastIncident], scale: _Scale, end: datetime) -> Iterator[str]:
    for one in incidents:
        begin, stop = scale.x(one.fired_at), scale.x(one.ended_at or end)
        title = escape(f"{one.severity.name} from {one.fired_at:%Y-%m-%d %H:%M}: {one.title}")
        yield (
            f'<rect class="fired" x="{begin}" y="0" width="{max(stop - begin, 2.0):.1f}" height="{_PLOT_H}">'
            f"<title>{title}</title></rect>"
        )


def _limits(check: CheckHistory, scale: _Scale) -> Iterator[str]:
    for bound, severity in check.levels:
        y = scale.y(bound)
        yield f'<line class="limit" x1="{_LEFT}" x2="{_WIDTH - _LEFT}" y1="{y}" y2="{y}"/>'
        text = escape(f"{severity} {_shown(bound, check.unit)}")
        yield f'<text x="{_WIDTH - _LEFT}" y="{max(y - 3, 10)}" text-anchor="end">{text}</text>'


def _paths(check: CheckHistory, steps: Sequence[datetime], scale: _Scale) -> Iterator[str]:
    """Draw steps, since a value is known at its instants alone; a gap is where nothing is known."""
    points: list[str] = []
    for at, number in zip(steps[check.first :], check.numbers, strict=False):
        if math.isnan(number):
            if points:
                yield " ".join(points)
            points = []
        elif points:
            points.append(f"H{scale.x(at)}V{scale.y(number)}")
        else:
            points.append(f"M{scale.x(at)} {scale.y(number)}h1")
    if points:
        yield " ".join(points)


def _shown(value: float, unit: str) -> str:
    return format_value(Fraction(value).limit_denominator(10**9), unit)
