"""Acceptance on a time table: at 00:05 this happens, between 00:05 and 00:07 that must have arrived.

The day runs faster than the clock on the wall: deliverer and Bot API read the same hurried clock.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2

from monitoring.alerts.senders.limits import RateLimits
from monitoring.alerts.senders.registry import load_senders
from monitoring.base.http.client import tls_context
from monitoring.base.http.retry import Backoff
from tests.support.fake_telegram import Received, TelegramStandIn
from tests.support.outbox import Outbox

DAY = datetime(2026, 3, 1, tzinfo=UTC)


class HurriedClock:
    """A clock that starts at midnight and runs `factor` times as fast as the real one."""

    def __init__(self, factor: float) -> None:
        self.factor = factor
        self._started = time.monotonic()

    def now(self) -> datetime:
        return DAY + timedelta(seconds=self.monotonic())

    def monotonic(self) -> float:
        return (time.monotonic() - self._started) * self.factor

    def sleep_until(self, instant: datetime) -> None:
        time.sleep(max(0.0, (instant - self.now()).total_seconds() / self.factor))


@dataclass
class Timetable:
    """Collects what happens and what is wanted, then plays the day."""

    directory: Path
    factor: float = 30.0
    environ: dict[str, str] = field(default_factory=dict)
    limits: RateLimits = field(default_factory=RateLimits)
    _acts: list[tuple[datetime, Callable[[Outbox, TelegramStandIn, datetime], None]]] = field(default_factory=list)
    _wants: list[tuple[datetime, datetime, str, int]] = field(default_factory=list)

    def at(self, when: str, act: Callable[[Outbox, TelegramStandIn, datetime], None]) -> None:
        """Let something happen at `MM:SS` of the day; it is given the outbox, the Bot API and the time."""
        self._acts.append((_instant(when), act))

    def want(self, start: str, end: str, text: str, times: int = 1) -> None:
        """Require that so many messages containing `text` arrive between two times, and none outside."""
        self._wants.append((_instant(start), _instant(end), text, times))

    def play(self, until: str) -> list[Received]:
        """Play the day with a deliverer beside it; check every want; return all messages."""
        # The first message imports an HTTP client: half a second, but a quarter of a minute to a hurried clock.
        load_senders()
        httpx2.Client(verify=tls_context()).close()
        clock = HurriedClock(self.factor)
        with TelegramStandIn(clock=clock.monotonic, limits=True) as telegram:
            outbox = Outbox(
                self.directory, telegram.url, self.environ, clock=clock, limits=self.limits, backoff=Backoff(1.0, 60.0)
            )
            try:
                with outbox.delivering():
                    for when, act in sorted(self._acts, key=lambda each: each[0]):
                        clock.sleep_until(when)
                        act(outbox, telegram, when)
                    clock.sleep_until(_instant(until))
                messages = list(telegram.messages)
                self._check(messages)
                return messages
            finally:
                outbox.close()

    def _check(self, messages: list[Received]) -> None:
        for start, end, text, times in self._wants:
            arrived = [DAY + timedelta(seconds=each.at_s) for each in messages if text in each.text]
            seen = [f"{each:%M:%S}" for each in arrived]
            assert len(arrived) == times, f"{text!r}: wanted {times}, arrived {seen}"
            outside = [each for each in arrived if not start <= each <= end]
            assert not outside, f"{text!r} wanted between {start:%M:%S} and {end:%M:%S}, arrived {seen}"


def _instant(text: str) -> datetime:
    minutes, _, seconds = text.partition(":")
    return DAY + timedelta(minutes=int(minutes), seconds=int(seconds))
