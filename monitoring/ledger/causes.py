"""Why a due tick was not run, derived from the events of host and scheduler around it. Pure.

A scheduler leaves two kinds of events: the runs it starts, and its own start. Each run's process also records how
long its host had been up, so a reboot, a stopped scheduler and a stepped clock can be distinguished afterwards.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from monitoring.base.formatting import format_duration
from monitoring.base.process_identity import Boot

# Between a process's start and the instant its row bears lie a slow interpreter and a busy disk.
LEAST_STEP = timedelta(minutes=1)
ALIVE = "the scheduler was alive before and after, but did not start it (it was held back, or the host was suspended)"


@dataclass(frozen=True, slots=True)
class Sign:
    """A sign of life of the scheduler: a run it started, or its own start.

    `boot` has no id where only the instant of the boot is known; `answers` a tick, unless it came at a wrong time.
    """

    at: datetime
    boot: Boot | None
    profile: str = ""
    answers: bool = True
    is_start: bool = False


class SignsOfLife:
    """The signs of life around some ticks, and the host as it is seen now."""

    def __init__(self, signs: Iterable[Sign], boot: Boot) -> None:
        self._signs = sorted(signs, key=lambda sign: (sign.at, sign.is_start))
        self._instants = [sign.at for sign in self._signs]
        self._starts = [sign.at for sign in self._signs if sign.is_start]
        self._runs_of: dict[str, list[Sign]] = defaultdict(list)
        for sign in self._signs:
            self._runs_of[sign.profile].append(sign)
        self.boot = boot

    def before(self, tick: datetime) -> Sign | None:
        """Return the last run a scheduler started before the tick."""
        at = bisect_right(self._instants, tick)
        return next((sign for sign in reversed(self._signs[:at][-_NEAR:]) if not sign.is_start), None)

    def armed(self, profile: str, tick: datetime) -> Iterator[Sign]:
        """Yield the runs with whose end the scheduler began to wait for this tick, the latest first.

        A cron daemon waits by a timer that no step of the clock moves: for a daily profile, for a day. A run at a
        wrong time was waited for since the run before it. A start of the scheduler begins again.
        """
        started = bisect_right(self._starts, tick)
        runs = self._runs_of[profile]
        for index in range(bisect_right(runs, tick, key=lambda sign: sign.at) - 1, -1, -1):
            if started and self._starts[started - 1] > runs[index].at:
                return
            yield runs[index]
            if runs[index].answers:
                return

    def after(self, tick: datetime) -> list[Sign]:
        """Return the next signs after the tick, as many as a judgement needs."""
        at = bisect_right(self._instants, tick)
        return self._signs[at : at + _NEAR]


_NEAR = 20  # starts in a row without a run between them: a restart loop is capped at five


def likely_cause(profile: str, tick: datetime, evidence: SignsOfLife) -> str:
    """Say in a clause why nobody ran the tick of a profile.

    1. The host booted between the tick and the next sign of life: it was down.
    2. The next sign is the scheduler's own start: it had been stopped.
    3. The same boot, but the wall clock gained or lost on it: the clock was stepped while the tick was waited for.
    4. The scheduler lived through the tick and did not start it.
    5. No sign since: it still does not run.
    """
    before, signs = evidence.before(tick), evidence.after(tick)
    boot = next((sign.boot for sign in signs if sign.boot and sign.boot.id), evidence.boot)
    rebooted = before is None or before.boot is None or before.boot.id != boot.id
    first = signs[0] if signs else Sign(tick, evidence.boot)
    if rebooted and first.boot is not None and first.boot.at > tick:
        return f"the host was down (it booted at {_minute(first.boot.at)})"
    if not signs:
        return "the scheduler was not running"
    if first.is_start:
        return f"the scheduler was stopped (it started at {_minute(first.at)})"
    waited = [*evidence.armed(profile, tick), *([before] if before else [])]
    return next(filter(None, (_stepped(sign, first) for sign in waited)), ALIVE)


def _stepped(before: Sign, after: Sign) -> str:
    step = clock_step(before.boot, after.boot)
    if abs(step) < LEAST_STEP:
        return ""
    return f"the clock was stepped {'forward' if step > timedelta(0) else 'back'} by {format_duration(abs(step))}"


def clock_step(before: Boot | None, after: Boot | None) -> timedelta:
    """Return by how much the wall clock gained on the time since boot; nothing is known across two boots."""
    if before is None or after is None or before.id != after.id:
        return timedelta(0)
    return after.at - before.at


def _minute(instant: datetime) -> str:
    return instant.strftime("%Y-%m-%d %H:%M UTC")
