"""A small line for a row of a table: the shape of the last values, without axes. The numbers stand next to it."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from markupsafe import Markup

WIDTH, HEIGHT = 96, 24
_INSET = 3


def sparkline(points: Sequence[Fraction | None]) -> Markup:
    """Draw values in equal distances, the newest at the right; None is a gap, and a value alone is a dot."""
    seen = [value for value in points if value is not None]
    if not seen:
        return Markup("")
    low, high = min(seen), max(seen)

    def y(value: Fraction) -> float:
        share = float((value - low) / (high - low)) if high > low else 0.5
        return round(HEIGHT - _INSET - share * (HEIGHT - 2 * _INSET), 1)

    step = (WIDTH - 2 * _INSET) / max(len(points) - 1, 1)
    path, is_open, last = "", False, (0.0, 0.0)
    for number, value in enumerate(points):
        if value is None:
            is_open = False
            continue
        last = round(_INSET + number * step, 1), y(value)
        # A line of no length has round ends: a dot.
        path += f"L{last[0]:g} {last[1]:g}" if is_open else f"M{last[0]:g} {last[1]:g}h0"
        is_open = True
    return Markup(
        '<svg class="spark" viewBox="0 0 {} {}" aria-hidden="true"><path d="{}"/>'
        '<circle cx="{:g}" cy="{:g}" r="2.2"/></svg>'
    ).format(WIDTH, HEIGHT, path, *last)
