"""Plays the steps in order: costs them, shows how far it is, and stops where the world does, with what is known."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from monitoring.base.errors import UsageError
from monitoring.base.formatting import format_duration, format_instant, format_seconds
from monitoring.base.plural import counted
from monitoring.checks.backtest.past import PastWorld, StopNotice, StopReason
from monitoring.checks.backtest.steps import PastRun

MOST_STEPS = 50_000
# Steps before the cost is said, which is that of the last of them: the first ones look further back for events.
_MEASURED = 4
_DRAW_S = 0.2


def steps_between(since: datetime, until: datetime, every: timedelta) -> list[datetime]:
    """Return the steps: whole multiples of `every`, so that a later backtest asks for the same blocks.

    Raises:
        UsageError: there is none between the two, or too many.
    """
    every_s = int(every.total_seconds())
    first, last = -(-int(since.timestamp()) // every_s), int(until.timestamp()) // every_s
    if last < first:
        between = f"{format_instant(since)} and {format_instant(until)}"
        remedy = "give an earlier --since, or a shorter --every"
        raise UsageError(f"there is no step of {format_duration(every)} between {between}: {remedy}")
    if last - first >= MOST_STEPS:
        raise UsageError(f"{last - first + 1:,} steps are too many, {MOST_STEPS:,} are the most: give a longer --every")
    return [datetime.fromtimestamp(number * every_s, UTC) for number in range(first, last + 1)]


@dataclass
class Played:
    """What came of a backtest. `judged` counts the steps that were; `stopped` says why it is not all of them."""

    runs: Sequence[PastRun]
    steps: Sequence[datetime]
    every: timedelta
    first: int = 0
    judged: int = 0
    requests: int = 0
    took_s: float = 0.0
    stopped: StopNotice | None = None
    notes: list[str] = field(default_factory=list)
    is_stored: bool = False

    @property
    def is_complete(self) -> bool:
        return self.stopped is None and self.first == 0

    @property
    def begin(self) -> datetime:
        return self.steps[self.first]

    @property
    def end(self) -> datetime:
        """The last step that was judged."""
        return self.steps[self.first + max(0, self.judged - 1)]


@dataclass
class Progress:
    """Where a person sees how far it is: `line` replaces the live line, `say` writes one that stays."""

    line: Callable[[str], None]
    say: Callable[[str], None]
    monotonic: Callable[[], float] = time.monotonic


def play(
    world: PastWorld, runs: Sequence[PastRun], every: timedelta, redact: Callable[[str], str], progress: Progress
) -> Played:
    """Judge each step in each run, from the first one whose blocks somebody still has."""
    played, began_s = Played(runs, world.steps, every), progress.monotonic()
    _play_from(world, played, redact, progress)
    if world.stopped and world.stopped.reason is StopReason.PRUNED and not played.judged:
        gone, world.stopped = world.stopped, None
        first = _first_readable(world)
        world.stopped = world.stopped or (gone if first is None else None)
        if first is not None and not world.stopped:
            played.first = first
            played.notes.append(f"Began at {format_instant(played.begin)}: {gone.text}")
            _play_from(world, played, redact, progress)
    played.stopped, played.requests = world.stopped, world.requests
    played.took_s = progress.monotonic() - began_s
    progress.line("")
    return played


def _play_from(world: PastWorld, played: Played, redact: Callable[[str], str], progress: Progress) -> None:
    began_s, drawn_s, before = progress.monotonic(), -_DRAW_S, 0
    steps = world.steps[played.first :]
    for number, at in enumerate(steps):
        if number == _MEASURED:
            _say_cost(world, steps[number:], world.requests - before, progress)
            began_s = progress.monotonic()
        if number < _MEASURED:
            before = world.requests
        for run in played.runs:
            if not run.step(world, at, redact):
                return
        played.judged += 1
        now_s = progress.monotonic()
        if now_s - drawn_s >= _DRAW_S:
            drawn_s = now_s
            progress.line(_how_far(number + 1, len(steps), at, world.requests, now_s - began_s))


def _say_cost(world: PastWorld, steps: Sequence[datetime], a_step: int, progress: Progress) -> None:
    new = sum(not all(one.is_kept(at) for one in world.archives) for at in steps)
    cost, left = new * a_step, world.most_requests - world.requests
    kept = f" ({len(steps) - new:,} steps are kept from before)" if new < len(steps) else ""
    planned = counted(len(steps) + _MEASURED, "step")
    if cost:
        progress.say(
            f"{planned}: needs about {new:,} x {a_step} = {cost:,} requests{kept}, "
            f"{left:,} of the budget of {world.most_requests:,} are left"
        )
    elif world.archives and not new:
        progress.say(f"{planned}: all answers are kept from before")
    if cost > left:
        progress.say("It stops when the budget is spent; the same command continues there. --requests N gives more.")


def _how_far(done: int, total: int, at: datetime, requests: int, spent_s: float) -> str:
    measured = done - _MEASURED
    left = f", about {format_seconds(spent_s / measured * (total - done))} left" if measured > 0 else ""
    return f"{done:,} of {total:,} steps, {at:%Y-%m-%d %H:%M} UTC, {counted(requests, 'request')}{left}"


def _first_readable(world: PastWorld) -> int | None:
    """Return the first step whose state every chain still has: what is gone is gone from the beginning on."""
    gone, readable = 0, len(world.steps) - 1
    if not _is_readable(world, readable):
        return None
    while readable - gone > 1 and not world.stopped:
        middle = (gone + readable) // 2
        gone, readable = (gone, middle) if _is_readable(world, middle) else (middle, readable)
    return readable


def _is_readable(world: PastWorld, step: int) -> bool:
    return all(one.has_state(world.steps[step]) for one in world.archives)
