"""Scales of a chart: values to pixels and instants to a share of the width, with ticks a person would choose. Pure.

Everything is exact until it is drawn, so that no value however large or small becomes a NaN.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction

from monitoring.base.formatting import format_seconds

HEIGHT = 200.0
_TOP, _BOTTOM = 20.0, 8.0  # room for the label of a limit, and for a line that runs along the edge
_STEPS = 4
# Below this share of the value a change cannot be drawn; the table shows it.
_FLAT = Fraction(1, 10**7)
_MOST_DECIMALS = 9
_SUFFIXES = ((12, "T"), (9, "B"), (6, "M"), (3, "k"))
_FROM_HERE_SHORT = 10_000
_SPANS_S = (
    1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400, 172_800, 345_600,
    604_800, 864_000, 1_209_600, 2_592_000, 7_776_000, 31_536_000,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ValueScale:
    """The vertical axis. `ticks` are its values from the lowest up, with their labels."""

    low: Fraction
    high: Fraction
    ticks: tuple[tuple[Fraction, str], ...]

    def y(self, value: Fraction) -> float:
        """Return the pixel row of a value; one outside the scale lies on its edge."""
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return round(HEIGHT - _BOTTOM - float(share) * (HEIGHT - _TOP - _BOTTOM), 1)

    def holds(self, value: Fraction) -> bool:
        return self.low <= value <= self.high


def value_scale(values: Iterable[Fraction], limits: Iterable[Fraction] = (), unit: str = "") -> ValueScale:
    """Return the scale that holds every value, and each limit that is not absurdly far from them.

    `unit` is one of `format_value`; `yes/no` has two ticks.
    """
    if unit == "yes/no":
        return ValueScale(Fraction(0), Fraction(1), ((Fraction(0), "no"), (Fraction(1), "yes")))
    seen = list(values)
    near = _limits_near(seen, limits)
    low, high = min([*seen, *near], default=Fraction(0)), max([*seen, *near], default=Fraction(1))
    if high - low <= max(abs(low), abs(high)) * _FLAT:
        room = max(abs(low), abs(high)) / 10 or Fraction(1)
        low, high = (low - room, high + room) if low < 0 else (max(Fraction(0), low - room), high + room)
    step = _step_in(unit, (high - low) / _STEPS)
    low, high = math.floor(low / step) * step, math.ceil(high / step) * step
    high = max(high, low + 2 * step)
    values_of_ticks = [low + number * step for number in range(int((high - low) / step) + 1)]
    return ValueScale(low, high, tuple(zip(values_of_ticks, _labels(values_of_ticks, step, unit), strict=True)))


def _limits_near(values: Sequence[Fraction], limits: Iterable[Fraction]) -> list[Fraction]:
    """Leave out a limit further than fifty times what was seen: one of 2^256 would press the values to the ground."""
    reach = 50 * max((abs(value) for value in values), default=Fraction(0))
    return [limit for limit in limits if not reach or abs(limit) <= reach]


def _step_in(unit: str, rough: Fraction) -> Fraction:
    if unit == "s" and rough >= 1:
        fitting = next((step for step in _SPANS_S if step >= rough), None)
        if fitting is not None:
            return Fraction(fitting)
    return _nice(rough)


def _nice(rough: Fraction) -> Fraction:
    """Return the next of 1, 2, 5, 10 times a power of ten."""
    exponent = len(str(math.floor(rough))) - 1 if rough >= 1 else -len(str(math.floor(1 / rough)))
    power = Fraction(10) ** exponent
    while power > rough:
        power /= 10
    return next(power * factor for factor in (1, 2, 5, 10, 20) if power * factor >= rough)


def _labels(ticks: Sequence[Fraction], step: Fraction, unit: str) -> list[str]:
    if unit == "%":
        return [f"{label}%" for label in _labels([tick * 100 for tick in ticks], step * 100, "")]
    if unit == "s" and step >= 1 and max(abs(tick) for tick in ticks) <= 100 * _SPANS_S[-1]:
        return [f"{'-' if tick < 0 else ''}{format_seconds(tick)}" if tick else "0" for tick in ticks]
    largest = max(abs(tick) for tick in ticks)
    exponent, suffix = _magnitude(largest)
    divisor = Fraction(10) ** exponent
    decimals = _decimals(step / divisor)
    money = "$" if unit in ("usd", "$") else ""
    return [
        f"{'-' if tick < 0 else ''}{money}{_fixed(abs(tick) / divisor, decimals)}{suffix}" if tick else f"{money}0"
        for tick in ticks
    ]


def _magnitude(largest: Fraction) -> tuple[int, str]:
    """Return the power of ten that the labels leave out, and how it is written: `k`, `M`, `e27`."""
    if largest >= 10**15 or 0 < largest < Fraction(1, 10**6):
        exponent = _exponent(largest)
        return exponent, f"e{exponent}"
    if largest < _FROM_HERE_SHORT:
        return 0, ""
    return next((exponent, suffix) for exponent, suffix in _SUFFIXES if largest >= 10**exponent)


def _exponent(value: Fraction) -> int:
    if value >= 1:
        return len(str(math.floor(value))) - 1
    return -len(str(math.ceil(1 / value) - 1))


def _decimals(step: Fraction) -> int:
    return next((places for places in range(_MOST_DECIMALS) if (step * 10**places).denominator == 1), _MOST_DECIMALS)


def _fixed(value: Fraction, decimals: int) -> str:
    whole, rest = divmod(round(value * 10**decimals), 10**decimals)
    return f"{whole:,}.{rest:0{decimals}d}" if decimals else f"{whole:,}"


@dataclass(frozen=True, slots=True)
class TimeScale:
    """The horizontal axis, in per cent of the width."""

    begins_at: datetime
    ends_at: datetime

    def x(self, at: datetime) -> float:
        """Return the place of an instant; one outside the axis lies on its edge."""
        whole = (self.ends_at - self.begins_at).total_seconds()
        share = (at - self.begins_at).total_seconds() / whole if whole > 0 else 1.0
        return round(min(max(share, 0.0), 1.0) * 100, 3)

    def ticks(self, few: int, many: int) -> list[tuple[datetime, bool]]:
        """Return round instants of UTC within the axis, each with whether it is among the `few` that a phone shows.

        The `many` of a screen, at most, lie between those of a phone: none comes so close to another that they touch.
        """
        whole_s = (self.ends_at - self.begins_at).total_seconds()
        coarse = next((step for step in _SPANS_S if step >= whole_s / few), _SPANS_S[-1])
        fine = next((step for step in _SPANS_S if coarse % step == 0 and step >= whole_s / many), coarse)
        first = math.ceil(self.begins_at.timestamp() / fine)
        last = math.floor(self.ends_at.timestamp() / fine)
        return [
            (datetime.fromtimestamp(number * fine, UTC), number * fine % coarse == 0)
            for number in range(first, last + 1)
        ]


def clock_label(at: datetime, whole: timedelta) -> str:
    """Return what a tick of the time axis says: `14:00` within days, `Nov 29` at midnight, `2026-11` over years."""
    if whole > timedelta(days=730):
        return f"{at:%Y-%m}"
    if (at.hour, at.minute, at.second) == (0, 0, 0):
        return f"{at:%b} {at.day}"
    return f"{at:%H:%M:%S}" if whole < timedelta(minutes=2) else f"{at:%H:%M}"
