"""A signal may come at any instruction of the thread that waits for it."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from contextlib import closing
from types import FrameType

from automation.executor.reaper import StopRequest

_FOR_S = 2.0
_PATIENCE_S = 60.0


def test_a_signal_at_any_moment_of_a_wait_ends_it() -> None:
    """In a process of its own: what it is about, a wait that never ends, cannot be interrupted."""
    script = f"from {__name__} import wait_and_be_signalled; wait_and_be_signalled()"
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    run = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=_PATIENCE_S, check=True, env=environ
    )
    waits, made = map(int, run.stdout.split())
    assert waits > 100
    assert 0 < made <= waits


def wait_and_be_signalled() -> None:
    """Wait many times for a tenth of a millisecond while an alarm comes before, in or after it."""
    current: list[StopRequest] = []

    def on_alarm(_number: int, _frame: FrameType | None) -> None:
        current[-1].make()

    signal.signal(signal.SIGALRM, on_alarm)
    waits, made, ends_at = 0, 0, time.monotonic() + _FOR_S
    while time.monotonic() < ends_at:
        with closing(StopRequest()) as stop:
            current[:] = [stop]
            signal.setitimer(signal.ITIMER_REAL, random.uniform(0.00001, 0.0003))
            made += stop.wait(0.0001)
            waits += 1
            signal.setitimer(signal.ITIMER_REAL, 0)
    print(waits, made)


def test_a_request_made_before_the_wait_is_seen_at_once() -> None:
    with closing(StopRequest()) as stop:
        assert not stop.wait(0.0)
        stop.make()
        assert stop.wait(_PATIENCE_S)
