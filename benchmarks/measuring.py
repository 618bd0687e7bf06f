"""What a case measures and how: ways that take turns, samples of each, goals held against them, curves of growth.

A case (`benchmarks/cases`) returns a `Result`; `benchmarks.report` writes it. Ways take turns in every round, each
round begins with another one, so that a machine that drifts treats all alike; ratios are taken within a round.
"""

from __future__ import annotations

import math
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

CHECKOUT = Path(__file__).resolve().parents[1]
_T = TypeVar("_T")


class Size(StrEnum):
    """How much is measured: all, enough to see whether something moved, or as little as shows that the case works."""

    FULL = "full"
    QUICK = "quick"
    SMALLEST = "smallest"

    def pick(self, full: _T, quick: _T, smallest: _T) -> _T:
        return {Size.FULL: full, Size.QUICK: quick, Size.SMALLEST: smallest}[self]


class Role(StrEnum):
    """What a way is in the comparison."""

    OURS = "ours"
    ALTERNATIVE = "alternative"
    LIMIT = "limit"


@dataclass
class Way:
    """One way to do the thing: samples by what is measured, such as `{"wall ms": [12.1, 11.9]}`."""

    name: str
    role: Role
    samples: dict[str, list[float]] = field(default_factory=dict)

    def add(self, **values: float) -> None:
        """Add a sample of each; `wall_ms` is the column "wall ms"."""
        for name, value in values.items():
            self.samples.setdefault(name.replace("_", " "), []).append(value)

    def median(self, of: str) -> float:
        return statistics.median(self.samples[of])


@dataclass
class Goal:
    """What should hold: `values` of each round against a bound. `why` is the reason, shown if it is missed."""

    says: str
    values: list[float]
    bound: float
    at_least: bool = False
    unit: str = "×"
    why: str = ""

    @property
    def value(self) -> float:
        return statistics.median(self.values)

    @property
    def reached(self) -> bool:
        return self.value >= self.bound if self.at_least else self.value <= self.bound


@dataclass
class Curve:
    """How something grows: series of (x, y), and why where it is neither flat nor a line."""

    title: str
    x: str
    y: str
    series: dict[str, list[tuple[float, float]]]
    why: str = ""

    def growth(self, name: str) -> str:
        """Say how a series grows: the exponent of x between its first and last points."""
        points = [(x, y) for x, y in self.series[name] if x > 0 and y > 0]
        if len(points) < 2 or points[0][0] == points[-1][0]:
            return "one point"
        (x1, y1), (x2, y2) = points[0], points[-1]
        power = math.log(y2 / y1) / math.log(x2 / x1)
        kind = "flat" if power < 0.15 else "less than a line" if power < 0.9 else "a line" if power < 1.1 else "steeper"
        return f"{kind}: {x2 / x1:,.0f} × as many, {y2 / y1:.2g} × as much"


@dataclass
class Result:
    """What came of a case. `headline` is one line for the README, ratio first; `failed` the reason if it broke."""

    title: str
    about: str
    ways: list[Way] = field(default_factory=list)
    goals: list[Goal] = field(default_factory=list)
    curves: list[Curve] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    headline: str = ""
    failed: str = ""
    took_s: float = 0.0
    load: float = 0.0

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Result:
        ways = [Way(one["name"], Role(one["role"]), one["samples"]) for one in values["ways"]]
        goals, curves = ([kind(**one) for one in values[name]] for kind, name in ((Goal, "goals"), (Curve, "curves")))
        return cls(**{**values, "ways": ways, "goals": goals, "curves": curves})


def ratios(above: Way, below: Way, of: str) -> list[float]:
    """Return how many times as much one way took as another, round by round."""
    return [a / b for a, b in zip(above.samples[of], below.samples[of], strict=False) if b]


def in_turns(
    acts: Sequence[tuple[Way, Callable[[], Mapping[str, float]]]], rounds: int, budget_s: float, *, warm: int = 0
) -> int:
    """Let ways take turns, at most `rounds` times and no longer than the budget; return how often they did.

    The first `warm` rounds are not counted; one that is counted is always made.
    """
    ends_at, made = time.monotonic() + budget_s, 0
    for number in range(warm + rounds):
        began = time.monotonic()
        first = number % len(acts)
        for way, act in [*acts[first:], *acts[:first]]:
            values = act()
            if number >= warm:
                way.add(**values)
        made += number >= warm
        now = time.monotonic()
        if made and now + (now - began) > ends_at:
            break
    return made


def cost(act: Callable[[], object]) -> dict[str, float]:
    """Return the wall and CPU milliseconds of an act, those of its processes included."""
    before, began = _cpu_s(), time.perf_counter()
    act()
    return {"wall_ms": (time.perf_counter() - began) * 1000, "CPU_ms": (_cpu_s() - before) * 1000}


def _cpu_s() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def running(command: Sequence[str], **options: Any) -> Callable[[], dict[str, float]]:  # noqa: ANN401 - of `run`
    """Return an act that runs a command to its end, which must be a good one."""
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}

    def act() -> dict[str, float]:
        return cost(lambda: subprocess.run(command, check=True, **{**quiet, **options}))

    return act


def python(*arguments: str) -> list[str]:
    return [sys.executable, *arguments]


def environment(**variables: str) -> dict[str, str]:
    """Return an environment in which compiled modules are kept, as on a host."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return {**kept, "MONITORING_ENV_FILE": "", **variables}
