"""A curve of growth as an SVG file: logarithmic axes, one line a series, readable on a light and on a dark page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from benchmarks.measuring import Curve

_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 640, 300, 70, 20, 40, 45
_COLOURS = ("#2563eb", "#dc2626", "#059669", "#d97706", "#7c3aed")
_INK = "#6b7280"


def draw(curve: Curve) -> str:
    """Return the file's text. Points at or below zero have no place on a logarithmic axis and are left out."""
    points = [point for series in curve.series.values() for point in series if min(point) > 0]
    x_axis, y_axis = (_Axis([point[which] for point in points] or [1.0]) for which in (0, 1))
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="sans-serif"'
            f' font-size="12" role="img" aria-label="{escape(curve.title)}">'
        ),
        _text(_LEFT, 16, curve.title, weight="bold"),
        _text(_WIDTH - _RIGHT, _HEIGHT - 8, curve.x, anchor="end"),
        _text(_LEFT, 32, curve.y),
    ]
    parts += [_grid(axis, mark, is_x=axis is x_axis) for axis in (x_axis, y_axis) for mark in axis.marks()]
    for number, (name, series) in enumerate(curve.series.items()):
        places = [(_across(x_axis.share(x)), _up(y_axis.share(y))) for x, y in series if min(x, y) > 0]
        parts.append(_line(places, name, _COLOURS[number % len(_COLOURS)], number))
    return "\n".join([*parts, "</svg>\n"])


class _Axis:
    """A logarithmic axis over what it shows, at least half a power of ten long."""

    def __init__(self, values: Sequence[float]) -> None:
        low, high = math.log10(min(values)), math.log10(max(values))
        spare = max(0.08 * (high - low), (0.5 - (high - low)) / 2)
        self._low, self._high = low - spare, high + spare

    def share(self, value: float) -> float:
        return (math.log10(value) - self._low) / (self._high - self._low)

    def marks(self) -> list[float]:
        """Return 1, 2 and 5 of each power of ten that is shown; only the powers where they are many."""
        powers = range(math.floor(self._low), math.ceil(self._high) + 1)
        steps = (1, 2, 5) if self._high - self._low < 2.2 else (1,)
        values = [step * 10.0**power for power in powers for step in steps]
        return [value for value in values if 0 <= self.share(value) <= 1]


def _across(share: float) -> float:
    return round(_LEFT + share * (_WIDTH - _LEFT - _RIGHT), 1)


def _up(share: float) -> float:
    return round(_HEIGHT - _BOTTOM - share * (_HEIGHT - _TOP - _BOTTOM), 1)


def _text(x: float, y: float, text: str, *, anchor: str = "start", weight: str = "normal", fill: str = _INK) -> str:
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}" font-weight="{weight}" fill="{fill}">{escape(text)}</text>'


def _grid(axis: _Axis, mark: float, *, is_x: bool) -> str:
    label = f"{mark:,.0f}" if mark >= 1 else f"{mark:g}"
    if is_x:
        x = _across(axis.share(mark))
        ends = f'x1="{x}" y1="{_up(1)}" x2="{x}" y2="{_up(0)}"'
        words = _text(x, _up(0) + 16, label, anchor="middle")
    else:
        y = _up(axis.share(mark))
        ends = f'x1="{_across(0)}" y1="{y}" x2="{_across(1)}" y2="{y}"'
        words = _text(_LEFT - 6, y + 4, label, anchor="end")
    return f'<line {ends} stroke="{_INK}" stroke-opacity="0.25"/>{words}'


def _line(places: Sequence[tuple[float, float]], name: str, colour: str, number: int) -> str:
    path = " ".join(f"{x},{y}" for x, y in places)
    dots = "".join(f'<circle cx="{x}" cy="{y}" r="3" fill="{colour}"/>' for x, y in places)
    legend = _text(_WIDTH - _RIGHT, 16 + 15 * number, name, anchor="end", fill=colour)
    return f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>{dots}{legend}'
