"""What a step of the wall clock does to the ledger, derived from the uptime that runs recorded.

Each row of a run names its process, and so how long the host had been up: two rows of one boot show by how much the
clock gained or lost between them. A clock that went ahead is believed once two runs agree on it; what one that was
ahead wrote is taken back once two runs agree on an earlier time.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from monitoring.base.process_identity import Boot, boot_of_text
from monitoring.ledger.causes import LEAST_STEP, clock_step
from monitoring.store.db import recorded_time
from monitoring.store.db.database import Database
from monitoring.store.db.recorded_time import NOBODY, Asker, RecordedRun
from monitoring.store.tables import scheduler_events

# A host that was down for longer is believed when the second run of its new boot agrees.
_LONGEST_DOWN = timedelta(days=1)
# Of a clock that is set back farther, from one that the rows show to have been right, it is the new one that is wrong.
_LONGEST_AGAIN = timedelta(days=2)
_NOBODY_BEFORE = datetime(2024, 1, 1, tzinfo=UTC)  # this program is younger: a clock without a battery starts earlier
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
# Rows are written in another order than runs start in: an interpreter on a busy host loads for this long at most.
SLOW_START = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class ClockStep:
    """The wall clock gained `by` (lost, if negative) between two runs recorded one after the other."""

    last_at: datetime
    next_at: datetime
    by: timedelta


def set_back_while_waiting(database: Database, profile: str, boot: Boot) -> timedelta:
    """Return by how much the clock was set back since the scheduler began to wait for the profile's next tick.

    It began with the end of the profile's last run or with its own start, whichever shows less.
    """
    run, booted_at = scheduler_events.last_armed(database, profile)
    lost = [-clock_step(boot_of_text(run[1], run[0]), boot)] if run else []
    lost += [booted_at - boot.at] if booted_at else []
    return max(min(lost, default=timedelta(0)), timedelta(0))


def believed_now(database: Database, now: datetime, boot: Boot, me: Asker = NOBODY) -> datetime:
    """Return the time up to which the ledger may be brought: `now`, as far as the host's uptime explains it.

    1. The newest run of this boot knew another uptime for its time: the clock went ahead by the difference.
    2. The newest run is of an earlier boot: the host was down since it, which is believed for a day.
    3. Without a run the newest start of a scheduler is asked.

    The next run agrees with the one before it, or does not: a step that lasts is believed then.

    Args:
        database: the ledger.
        now: the wall clock.
        boot: of this host, by the same clock.
        me: the process whose own row is no second opinion.
    """
    last = recorded_time.newest(database, asker=me)
    if last is not None:
        return now - max(_gained(last, boot), timedelta(0))
    started = scheduler_events.newest_start(database)
    return now - _gained_since_start(*started, boot) if started else now


def agrees(recorded: RecordedRun, boot: Boot) -> bool:
    """Return whether a run of this boot knew the same wall clock."""
    then = boot_of_text(recorded.process, recorded.started_at)
    return then is not None and then.id == boot.id and abs(clock_step(then, boot)) < LEAST_STEP


def take_back(database: Database, now: datetime, boot: Boot, me: Asker = NOBODY) -> None:
    """Take back what a clock that was ahead wrote, if the newest run agrees with the present one.

    1. Of two days ahead, whichever clock was right, everything but runs: the time is judged again as it passes.
    2. Of more only if the rows show that the clock went ahead from the present one and came back; runs answer no tick
       that is still to come. Else it is the present clock that is wrong, and the ledger waits until it is right again.
    """
    last = recorded_time.newest(database, asker=me)
    if last is None or not agrees(last, boot) or now < _NOBODY_BEFORE:
        return
    after, far, runs_since = now + SLOW_START, now + _LONGEST_AGAIN, None
    if recorded_time.is_any_run_ahead(database, last.id, far):
        runs_since = _left_at(database, last, boot)
        if runs_since is None:
            return
    elif not recorded_time.is_any_ahead(database, last.id, after):
        return
    with database.write() as tx:
        recorded_time.take_back(tx, last.id, after, min(last.started_at, now), runs_since=runs_since)


def _left_at(database: Database, last: RecordedRun, boot: Boot) -> int | None:
    """Return the id of the run with which the clock left the present one for what is ahead; None if it did not."""

    def newest(before_id: int, *, ahead: bool) -> RecordedRun | None:
        return recorded_time.newest_dated(
            database, before_id, ahead=ahead, boot_id=boot.id, booted_at=boot.at, ticks_per_s=_TICKS_PER_S
        )

    wrong = newest(last.id, ahead=True)
    left = newest(wrong.id, ahead=False) if wrong else None
    if left is None:
        return None
    then = boot_of_text(left.process, left.started_at)
    return left.id if then is not None and (then.id != boot.id or agrees(left, boot)) else None


def answered_ahead(database: Database, profile: str, after: datetime, until: datetime, boot: Boot) -> set[datetime]:
    """Return the ticks in (after, until] whose run started by a clock that has been set back since: they come again."""
    answered = recorded_time.answered(database, profile, after, until)
    return {tick for tick, run in answered if _is_ahead(run, boot)}


def _is_ahead(run: RecordedRun, boot: Boot) -> bool:
    """Return whether the clock has lost time since, or a run of an earlier boot is dated after this one began."""
    then = boot_of_text(run.process, run.started_at)
    if then is None:
        return False
    lost = then.at - boot.at if then.id == boot.id else run.started_at - boot.at
    return lost >= SLOW_START


def steps(database: Database, since: datetime, until: datetime, now: datetime, boot: Boot) -> Iterator[ClockStep]:
    """Yield every step of the wall clock by a minute or more that runs of [since, until) show, or a run and `now`."""
    for last, following in _changes(database, since, until):
        by = clock_step(*(boot_of_text(each.process, each.started_at) for each in (last, following)))
        if abs(by) >= LEAST_STEP:
            yield ClockStep(last.started_at, following.started_at, by)
    newest = recorded_time.newest(database, asker=NOBODY)
    if newest and until >= now:
        by = clock_step(boot_of_text(newest.process, newest.started_at), boot)
        if abs(by) >= LEAST_STEP:
            yield ClockStep(newest.started_at, now, by)


def gained_since(database: Database, since: datetime, now: datetime, boot: Boot) -> timedelta:
    """Return by how much the clock went ahead since then without the host's uptime explaining it, up to now."""
    gained = [_gained_between(*pair) for pair in _changes(database, since, now)]
    last = recorded_time.newest(database, asker=NOBODY)
    return sum([*gained, *([_gained(last, boot)] if last else [])], timedelta(0))


def _changes(database: Database, since: datetime, until: datetime) -> list[tuple[RecordedRun, RecordedRun]]:
    return recorded_time.boot_changes(
        database, since, until, ticks_per_s=_TICKS_PER_S, least_s=LEAST_STEP.total_seconds()
    )


def _gained_between(last: RecordedRun, following: RecordedRun) -> timedelta:
    boot = boot_of_text(following.process, following.started_at)
    return _gained(last, boot) if boot else timedelta(0)


def _gained(last: RecordedRun, boot: Boot) -> timedelta:
    then = boot_of_text(last.process, last.started_at)
    if then is None:
        return timedelta(0)
    if then.id == boot.id:
        step = clock_step(then, boot)
        return step if abs(step) >= LEAST_STEP else timedelta(0)
    down = boot.at - max(last.started_at, last.ended_at or last.started_at)
    return down if abs(down) > _LONGEST_DOWN else timedelta(0)


def _gained_since_start(started_at: datetime, booted_at: datetime, boot: Boot) -> timedelta:
    """A start of the scheduler does not name its boot: one that it outlived is the same."""
    if boot.at <= started_at:
        step = boot.at - booted_at
        return step if step >= LEAST_STEP else timedelta(0)
    down = boot.at - started_at
    return down if down > _LONGEST_DOWN else timedelta(0)
