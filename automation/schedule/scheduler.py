"""The embedded scheduler behind `up`: starts `python -m automation run <profile>` on the same ticks as the unit.

It decides by the wall clock, keeps no state of its own beyond what runs, and never runs a profile twice at once.
"""

from __future__ import annotations

import heapq
import logging
import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from types import FrameType
from typing import Protocol

from monitoring.base.clock import Clock
from monitoring.base.formatting import format_duration

log = logging.getLogger("automation.schedule.scheduler")

# A tick is started at most this late; after a suspended host or a stepped clock it is recorded instead.
LATEST_START = timedelta(seconds=60)
# The wall clock is read at least this often, so that a step of it is noticed.
_LONGEST_SLEEP_S = 2.0
_KILL_AFTER_S = 15.0
# Less is how a clock is kept right: a tick just served must not be served again.
_LEAST_STEP = timedelta(minutes=1)


class Ticking(Protocol):
    """A schedule: `Cron`, or in tests one that ticks every second."""

    def next_after(self, instant: datetime, /) -> datetime:
        """Return the first tick later than `instant`."""
        ...


class TickAction(Enum):
    """What is done with a due tick."""

    START = "started"
    BUSY = "the profile was still running"
    LATE = "the scheduler woke too late"


def judge(tick: datetime, now: datetime, *, running: bool) -> TickAction:
    """Decide on a due tick: late beats busy, since a late one is not started either way."""
    if now - tick > LATEST_START:
        return TickAction.LATE
    return TickAction.BUSY if running else TickAction.START


class Companion(Protocol):
    """What runs next to the scheduler as long as it serves; neither call may take long."""

    def tend(self) -> None:
        """Look after it: called at least every two seconds."""
        ...

    def end(self) -> None:
        """End it: called once, after the last run."""
        ...


@dataclass(order=True)
class _Due:
    tick: datetime
    profile: str = field(compare=True)


@dataclass(frozen=True, slots=True)
class _Child:
    process: subprocess.Popen[bytes]
    profile: str
    started_monotonic: float


Unserved = Callable[[str, datetime, str, int | None], None]


class Scheduler:
    """Serves the ticks of several profiles until it is asked to stop.

    Args:
        crons: profile name to its schedule.
        command: builds the argv that runs one profile.
        environ: the environment of the runs; the tick is added to it.
        unserved: is called with (profile, tick, reason, pid of the blocking run) for every tick that is not started.
        clock: wall and monotonic time.
        stop_limit_s: how long running profiles may finish after the first stop signal.
        companions: are tended while the scheduler serves and waits, and ended at last.
    """

    def __init__(
        self,
        crons: Mapping[str, Ticking],
        command: Callable[[str], Sequence[str]],
        environ: Mapping[str, str],
        unserved: Unserved,
        clock: Clock,
        stop_limit_s: float = 60.0,
        companions: Sequence[Companion] = (),
    ) -> None:
        self._crons = crons
        self._command = command
        self._environ = environ
        self._unserved = unserved
        self._clock = clock
        self._stop_limit_s = stop_limit_s
        self._companions = companions
        self._children: dict[str, _Child] = {}
        self._stops = 0
        self._looked_at, self._looked_monotonic = clock.now(), clock.monotonic()
        self._wake_read, self._wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def serve(self, since: datetime | None = None) -> None:
        """Serve ticks until SIGTERM or SIGINT, then wait for what still runs; a second signal stops it.

        The first tick is the one after `since` (else now): a schedule owes its ticks from when it took effect, and
        recording that may take longer than the tick is away.
        """
        self.listen()
        self._looked_at, self._looked_monotonic = self._clock.now(), self._clock.monotonic()
        due = self._armed(since or self._looked_at)
        while not self._stops:
            self._notice_step(due)
            self._serve_due(due)
            self._reap()
            for companion in self._companions:
                companion.tend()
            self._sleep(due[0].tick if due else None)
        self._finish()

    def listen(self) -> None:
        """Take stop signals from now on: one that comes before `serve` is not lost and ends it at once."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._on_stop)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)

    def _armed(self, since: datetime) -> list[_Due]:
        """Return the next tick of each profile, as a heap."""
        due = [_Due(*self._first_after(since, profile)) for profile in self._crons]
        heapq.heapify(due)
        return due

    def _notice_step(self, due: list[_Due]) -> None:
        """Wait again by a clock that was stepped.

        Set back: the ticks waited for would leave the time until then unchecked. Forward (or the host was suspended):
        what was jumped over is for the ledger, which believes a clock that is ahead only when two runs agree.
        """
        now, monotonic = self._clock.now(), self._clock.monotonic()
        gained = (now - self._looked_at) - timedelta(seconds=monotonic - self._looked_monotonic)
        if self._looked_at - now >= _LEAST_STEP:
            log.warning("the clock was set back by %s", format_duration(self._looked_at - now))
            due[:] = self._armed(now)
        elif gained >= _LEAST_STEP:
            log.warning("the clock was set forward by %s, or the host was suspended", format_duration(gained))
            due[:] = [max(item, _Due(*self._first_after(now - LATEST_START, item.profile))) for item in due]
            heapq.heapify(due)
        self._looked_at, self._looked_monotonic = now, monotonic

    def _first_after(self, instant: datetime, profile: str) -> tuple[datetime, str]:
        return self._crons[profile].next_after(instant), profile

    def _serve_due(self, due: list[_Due]) -> None:
        now = self._clock.now()
        while due and due[0].tick <= now:
            item = heapq.heappop(due)
            self._reap([item.profile])
            self._act(item, judge(item.tick, now, running=item.profile in self._children), now)
            heapq.heappush(due, _Due(self._crons[item.profile].next_after(item.tick), item.profile))

    def _act(self, item: _Due, verdict: TickAction, now: datetime) -> None:
        if verdict is TickAction.START:
            self._start(item)
            return
        child = self._children.get(item.profile)
        reason = verdict.value if child else f"{verdict.value} ({format_duration(now - item.tick)} after the tick)"
        log.warning("%s: the tick of %s was not started: %s", item.profile, item.tick.strftime("%H:%M"), reason)
        self._unserved(item.profile, item.tick, reason, child.process.pid if child else None)

    def _start(self, item: _Due) -> None:
        environ = {
            **self._environ,
            "AUTOMATION_TRIGGER": "embedded",
            "AUTOMATION_TICK": item.tick.isoformat(),
        }
        # A session of its own: Ctrl-C at the terminal reaches the scheduler, which then waits for the run.
        process = subprocess.Popen(
            list(self._command(item.profile)), env=environ, stdin=subprocess.DEVNULL, start_new_session=True
        )
        self._children[item.profile] = _Child(process, item.profile, self._clock.monotonic())
        log.info("%s: started for %s (pid %d)", item.profile, item.tick.strftime("%H:%M"), process.pid)

    def _reap(self, profiles: Iterable[str] | None = None) -> None:
        """Let go of runs that have ended, of all profiles or of some: to ask for each is a call of the kernel."""
        for profile in list(self._children) if profiles is None else profiles:
            child = self._children.get(profile)
            code = None if child is None else child.process.poll()
            if child is None or code is None:
                continue
            del self._children[profile]
            took = format_duration(timedelta(seconds=self._clock.monotonic() - child.started_monotonic))
            log.log(logging.INFO if code == 0 else logging.WARNING, "%s: ended with %d after %s", profile, code, took)

    def _sleep(self, until: datetime | None) -> None:
        left_s = (until - self._clock.now()).total_seconds() if until else _LONGEST_SLEEP_S
        self._wait(max(0.0, min(left_s, _LONGEST_SLEEP_S)))

    def _wait(self, seconds: float) -> None:
        """Sleep until the time is over or a signal comes (a stop, or the end of a child)."""
        select.select([self._wake_read], [], [], seconds)
        with suppress(BlockingIOError):
            os.read(self._wake_read, 512)

    def _on_stop(self, number: int, _frame: FrameType | None) -> None:
        self._stops += 1
        log.info("%s: no more ticks are started", signal.Signals(number).name)

    def _finish(self) -> None:
        """Wait for what runs, up to the limit or a second signal; then stop it, and at last kill it."""
        deadline = time.monotonic() + self._stop_limit_s
        if self._children:
            log.info("waiting for %s; Ctrl-C again stops it", ", ".join(sorted(self._children)))
        while self._children and self._stops == 1 and time.monotonic() < deadline:
            self._reap()
            self._wait(min(0.5, max(0.0, deadline - time.monotonic())))
        self._end(signal.SIGTERM, time.monotonic() + _KILL_AFTER_S)
        self._end(signal.SIGKILL, time.monotonic() + _KILL_AFTER_S)
        for companion in self._companions:
            companion.end()
        signal.set_wakeup_fd(-1)
        os.close(self._wake_read)
        os.close(self._wake_write)

    def _end(self, number: signal.Signals, deadline: float) -> None:
        for child in self._children.values():
            log.warning("%s: stopping it with %s", child.profile, number.name)
            with suppress(ProcessLookupError):
                child.process.send_signal(number)
        while self._children and time.monotonic() < deadline:
            self._reap()
            self._wait(0.1)
