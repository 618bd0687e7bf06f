"""Troubles planted at random into a simulated day, and what an observer beside the host expects the ledger to say.

The observer knows the wall clock, which processes it saw start, and what was planted when; it reads no database.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from monitoring.ledger.cron import Cron
from monitoring.ledger.outcomes import TickOutcome
from tests.support.simulated_host import Behaviour, SimulatedHost

BEGINS_AT = datetime(2026, 9, 1, tzinfo=UTC)
CRONS = {"hourly": "5 * * * *", "multisig": "0/10 * * * *"}
JOBS = "profiles:\n" + "".join(
    f"  {name}: {{cron: '{cron}', tasks: [{{name: task, script: check.py}}]}}\n" for name, cron in CRONS.items()
)
SLOT = timedelta(hours=2)
MINUTE = timedelta(minutes=1)
_START_TAKES = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Trouble:
    """One trouble: its kind, after how many minutes of its slot it begins, and how many it lasts."""

    kind: str
    after: int
    lasts: int


def _down(host: SimulatedHost, since: datetime, until: datetime) -> None:
    host.at(since, host.power_off)
    host.at(until, host.boot)


def _down_in_flight(host: SimulatedHost, since: datetime, until: datetime) -> None:
    """The run of the tick before is still going when the power goes."""
    host.at(since - 8 * MINUTE, lambda: host.next_run("multisig", Behaviour(takes=5 * MINUTE)))
    _down(host, since, until)


def _stopped(host: SimulatedHost, since: datetime, until: datetime) -> None:
    host.at(since, host.stop_daemon)
    host.at(until, host.start_daemon)


def _held(host: SimulatedHost, since: datetime, until: datetime) -> None:
    def by_hand() -> None:
        host.next_run("multisig", Behaviour(takes=until - since))
        host.start_run("multisig", "manual")

    host.at(since, by_hand)


def _hung(host: SimulatedHost, since: datetime, until: datetime) -> None:
    """The next run, 7 minutes later at its tick, goes on until the end."""
    host.at(since, lambda: host.next_run("multisig", Behaviour(takes=until - since - 7 * MINUTE)))


def _disk(host: SimulatedHost, since: datetime, until: datetime) -> None:
    host.at(since, host.fill_disk)
    host.at(until, host.free_disk)


def _stepped(host: SimulatedHost, since: datetime, until: datetime) -> None:
    host.at(since, lambda: host.step_clock(until - since))


def _killed(host: SimulatedHost, since: datetime, _until: datetime) -> None:
    host.at(since, lambda: host.next_run("multisig", Behaviour(takes=5 * MINUTE)))
    host.at(since + 9 * MINUTE, lambda: host.kill_run("multisig"))


_PLANT: dict[str, Callable[[SimulatedHost, datetime, datetime], None]] = {
    "host down": _down, "host down in flight": _down_in_flight, "stopped": _stopped, "held": _held, "hung": _hung,
    "disk full": _disk, "clock forward": _stepped, "killed": _killed,
}  # fmt: skip
_CAUSE = {
    "host down": "missed: the host was down",
    "host down in flight": "missed: the host was down",
    "stopped": "missed: the scheduler was stopped",
    "held": "skipped: run",
    "hung": "skipped: run",
    "clock forward": "missed: the clock was stepped forward",
}
troubles = st.lists(
    st.builds(
        Trouble,
        kind=st.sampled_from(sorted(_PLANT)),
        # Never while a tick is started; a step of less than a quarter of an hour would only make a run late.
        after=st.sampled_from([13, 23, 33]),
        lasts=st.sampled_from([20, 30, 40, 50]),
    ),
    min_size=1,
    max_size=3,
)


class Observer:
    """Plants the troubles, one in each slot, and afterwards says what became of every tick."""

    def __init__(self, host: SimulatedHost, planted: list[Trouble]) -> None:
        self._host = host
        self._planted = planted
        self.ends_at = BEGINS_AT + SLOT * (len(planted) + 1)  # by a watch beside the host
        for number, trouble in enumerate(planted):
            since = BEGINS_AT + SLOT * number + trouble.after * MINUTE
            _PLANT[trouble.kind](host, since, since + trouble.lasts * MINUTE)

    def expected(self) -> dict[tuple[str, datetime], str]:
        """Return every tick that did not simply run, and the beginning of what the ledger must say of it."""
        until = self._host.clock.now()
        return {
            (profile, tick): fate
            for profile, cron in CRONS.items()
            for tick in Cron.parse(cron).ticks(BEGINS_AT, until - timedelta(minutes=5))
            if (fate := self._fate(profile, tick))
        }

    def _fate(self, profile: str, tick: datetime) -> str:
        ran = any(name == profile and tick <= at <= tick + _START_TAKES for name, at in self._host.started)
        for trouble, since, until in self._windows():
            if ran and trouble.kind == "disk full" and since <= tick < until:
                return "failed: the ledger could not be written (disk full)"
            if ran and profile == "multisig" and tick == since + 7 * MINUTE and trouble.kind == "killed":
                return "aborted: its process"
            if ran and profile == "multisig" and tick == since - 3 * MINUTE and trouble.kind == "host down in flight":
                return "aborted: its process"
            if not ran and trouble.kind in _CAUSE and since <= tick < until + timedelta(hours=1):
                return _CAUSE[trouble.kind]
        return "" if ran else "nobody knows why"

    def _windows(self) -> list[tuple[Trouble, datetime, datetime]]:
        """The troubles as the wall clock showed them, the latest first: a step moves those after it."""
        found, moved = [], timedelta(0)
        for number, trouble in enumerate(self._planted):
            since = BEGINS_AT + SLOT * number + trouble.after * MINUTE + moved
            found.append((trouble, since, since + trouble.lasts * MINUTE))
            moved += trouble.lasts * MINUTE if trouble.kind == "clock forward" else timedelta(0)
        return found[::-1]


def exceptions(ticks: tuple[TickOutcome, ...]) -> dict[tuple[str, datetime], str]:
    return {(tick.profile, tick.tick_at): f"{tick.status}: {tick.reason}" for tick in ticks if tick.status != "ok"}
