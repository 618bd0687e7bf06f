"""The run ledger: one row a run or a due tick that did not run, one row a task of it.

States: running -> ok | failed | aborted; a tick nobody ran is skipped or missed. Each change is compare-and-set.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from monitoring.base.clock import from_text, to_text
from monitoring.store.db.database import Database, Row, Tx, fetch

RunStatus = Literal["running", "ok", "failed", "aborted", "skipped", "missed"]
TaskStatus = Literal["running", "ok", "failed", "timeout", "aborted", "skipped"]


@dataclass(frozen=True, slots=True)
class RunRow:
    """One row of `runs`."""

    id: int
    profile: str
    tick_at: datetime | None
    trigger: str
    status: RunStatus
    reason: str
    started_at: datetime
    ended_at: datetime | None
    exit_code: int | None
    revision: str
    held_by: int | None
    process: str | None
    tasks_total: int

    @property
    def has_vanished(self) -> bool:
        """Its process was found to be gone: when it ended nobody knows; `ended_at` is when that was noticed."""
        return self.status == "aborted" and self.exit_code is None


@dataclass(frozen=True, slots=True)
class TaskRun:
    """One row of `task_runs`."""

    run_id: int
    name: str
    status: TaskStatus
    reason: str
    started_at: datetime
    ended_at: datetime | None = None
    duration_s: float | None = None
    exit_code: int | None = None
    signal: int | None = None
    attempts: int = 1
    cpu_s: float | None = None
    peak_rss_bytes: int | None = None
    output_bytes: int = 0
    output_tail: str = ""


_RUN = (
    "id, profile, tick_at, trigger, status, reason, started_at, ended_at, exit_code, revision, held_by, process, "
    "tasks_total"
)
_TASK = (
    "run_id, name, status, reason, started_at, ended_at, duration_s, exit_code, signal, attempts, cpu_s, "
    "peak_rss_bytes, output_bytes, output_tail"
)


_PUT_TASK = (
    f"INSERT INTO task_runs ({_TASK}) VALUES ({', '.join('?' * len(_TASK.split(', ')))}) "  # noqa: S608
    f"ON CONFLICT DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in _TASK.split(', ')[2:])}"
)


def begin(
    tx: Tx,
    profile: str,
    *,
    tick_at: datetime | None,
    trigger: str,
    now: datetime,
    process: str,
    revision: str,
    tasks_total: int,
) -> int:
    """Insert the row of a run that starts now and return its id.

    A tick that was written off as missed a moment ago and runs after all gives up that row: ids are in the order in
    which runs are recorded. A tick that another row answers stays with that row: the run is then recorded without one.
    """
    values = (trigger, to_text(now), revision, process, tasks_total)
    if tick_at is not None:
        tx.execute(
            "DELETE FROM runs WHERE profile = ? AND tick_at = ? AND status = 'missed'", (profile, to_text(tick_at))
        )
    inserted = tx.execute(
        "INSERT INTO runs (profile, tick_at, status, trigger, started_at, revision, process, tasks_total) "
        "VALUES (?, ?, 'running', ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING RETURNING id",
        (profile, to_text(tick_at) if tick_at else None, *values),
    ).fetchone()
    if inserted:
        return int(inserted[0])
    return begin(
        tx, profile, tick_at=None, trigger=trigger, now=now, process=process, revision=revision, tasks_total=tasks_total
    )


def finish(tx: Tx, run_id: int, status: RunStatus, *, exit_code: int | None, reason: str, now: datetime) -> bool:
    """Close a running row, and those of its tasks that are still open; say whether it was still running."""
    tx.execute(
        "UPDATE runs SET status = ?, exit_code = ?, reason = ?, ended_at = ? WHERE id = ? AND status = 'running'",
        (status, exit_code, reason, to_text(now), run_id),
    )
    was_running = tx.changes() == 1
    why = "the run was aborted" if status == "aborted" else "its end was not recorded"
    tx.execute(
        "UPDATE task_runs SET status = 'aborted', reason = ?, ended_at = ? WHERE run_id = ? AND status = 'running'",
        (why, to_text(now), run_id),
    )
    return was_running


def close_abandoned(tx: Tx, is_alive: Callable[[str], bool], now: datetime) -> list[int]:
    """Close as aborted every running row whose process is gone, and its tasks; return the run ids."""
    running = fetch(tx, "SELECT id, process FROM runs WHERE status = 'running'")
    gone = [(run_id, process) for run_id, process in running if not (process and is_alive(process))]
    for run_id, process in gone:
        finish(tx, run_id, "aborted", exit_code=None, reason=f"its process ({process}) is gone", now=now)
    return [run_id for run_id, _ in gone]


def insert_unserved(
    tx: Tx, profile: str, tick_at: datetime, status: Literal["skipped", "missed"], *, reason: str, held_by: int | None
) -> bool:
    """Write the row of a due tick that did not run; False if the tick has a row already."""
    tick = to_text(tick_at)
    tx.execute(
        "INSERT INTO runs (profile, tick_at, trigger, status, reason, started_at, ended_at, held_by) "
        "VALUES (?, ?, 'reconcile', ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        (profile, tick, status, reason, tick, tick, held_by),
    )
    return tx.changes() == 1


def begin_task(tx: Tx, run_id: int, name: str, now: datetime) -> None:
    """Write that a task of a run goes now, in the place of what was known of it."""
    record_task(tx, TaskRun(run_id, name, "running", "", now))


def record_task(tx: Tx, task: TaskRun) -> None:
    """Write the whole row of a task."""
    tx.execute(
        _PUT_TASK,
        (
            task.run_id, task.name, task.status, task.reason, to_text(task.started_at),
            to_text(task.ended_at) if task.ended_at else None, task.duration_s, task.exit_code, task.signal,
            task.attempts, task.cpu_s, task.peak_rss_bytes, task.output_bytes, task.output_tail,
        ),
    )  # fmt: skip


def get(database: Database, run_id: int) -> RunRow | None:
    found = database.row(f"SELECT {_RUN} FROM runs WHERE id = ?", (run_id,))  # noqa: S608 - names of our own
    return _run(found) if found else None


def select(database: Database, clauses: str, parameters: Sequence[Any]) -> list[RunRow]:
    """Return the rows that these clauses (index, condition, order) of the store's own queries pick."""
    return [_run(row) for row in database.rows(f"SELECT {_RUN} FROM runs {clauses}", parameters)]  # noqa: S608


def latest(database: Database, profile: str, *, limit: int = 1) -> list[RunRow]:
    """Return the newest rows of a profile, newest first, skipped and missed ticks included."""
    found = database.rows(
        f"SELECT {_RUN} FROM runs WHERE profile = ? ORDER BY id DESC LIMIT ?",  # noqa: S608
        (profile, limit),
    )
    return [_run(row) for row in found]


def last_started(database: Database, profile: str) -> RunRow | None:
    """Return the newest run of a profile that really ran, or still does."""
    found = database.row(
        f"SELECT {_RUN} FROM runs WHERE profile = ? AND status NOT IN ('skipped', 'missed') "  # noqa: S608
        "ORDER BY id DESC LIMIT 1",
        (profile,),
    )
    return _run(found) if found else None


def of_tick(database: Database, profile: str, tick_at: datetime) -> RunRow | None:
    """Return the row that answers a tick."""
    found = database.row(
        f"SELECT {_RUN} FROM runs WHERE profile = ? AND tick_at = ?",  # noqa: S608
        (profile, to_text(tick_at)),
    )
    return _run(found) if found else None


def running(database: Database) -> list[RunRow]:
    return [_run(row) for row in database.rows(f"SELECT {_RUN} FROM runs WHERE status = 'running'")]  # noqa: S608


def tasks(database: Database, run_id: int) -> list[TaskRun]:
    """Return the tasks of a run in the order they started."""
    found = database.rows(f"SELECT {_TASK} FROM task_runs WHERE run_id = ? ORDER BY id", (run_id,))  # noqa: S608
    return [_task(row) for row in found]


@dataclass(frozen=True, slots=True)
class FailureStreak:
    """An unbroken row of failures of one task."""

    since: datetime
    first_run: int
    count: int


def failing_since(database: Database, profile: str, task: str) -> FailureStreak | None:
    """Return the row of failures a task is in, or None if its newest result was ok."""
    found = database.row(
        "SELECT min(t.started_at), min(t.run_id), count(*) FROM task_runs t JOIN runs r ON r.id = t.run_id "
        "WHERE r.profile = :profile AND t.name = :task AND t.status IN ('failed', 'timeout', 'skipped') AND t.id > "
        "coalesce((SELECT o.id FROM task_runs o JOIN runs p ON p.id = o.run_id "
        "WHERE p.profile = :profile AND o.name = :task AND o.status = 'ok' ORDER BY o.id DESC LIMIT 1), 0)",
        {"profile": profile, "task": task},
    )
    return FailureStreak(from_text(found[0]), found[1], found[2]) if found and found[2] else None


def between(database: Database, since: datetime, until: datetime, profile: str | None = None) -> list[RunRow]:
    """Return every row that started in [since, until), oldest first."""
    condition, more = ("AND profile = ?", [profile]) if profile else ("", [])
    found = database.rows(
        f"SELECT {_RUN} FROM runs WHERE started_at >= ? AND started_at < ? {condition} ORDER BY started_at, id",  # noqa: S608
        [to_text(since), to_text(until), *more],
    )
    return [_run(row) for row in found]


def overlapping(database: Database, profile: str, since: datetime, until: datetime) -> list[RunRow]:
    """Return the runs of a profile that were going at some moment of [since, until]."""
    ending = "SELECT id FROM runs INDEXED BY run_ended WHERE profile = :profile AND ended_at"
    found = database.rows(
        f"SELECT {_RUN} FROM runs WHERE id IN ({ending} IS NULL UNION ALL {ending} >= :since) "  # noqa: S608
        "AND status NOT IN ('skipped', 'missed') AND started_at <= :until ORDER BY id",
        {"profile": profile, "since": to_text(since), "until": to_text(until)},
    )
    return [_run(row) for row in found]


def answered_ticks(
    database: Database, profile: str, after: datetime, until: datetime, *, but_missed: bool = False
) -> set[datetime]:
    """Return the ticks in (after, until] that have a row; `but_missed` leaves out those a late run may still take."""
    condition = "AND status <> 'missed'" if but_missed else ""
    found = database.rows(
        f"SELECT tick_at FROM runs WHERE profile = ? AND tick_at > ? AND tick_at <= ? {condition}",  # noqa: S608
        (profile, to_text(after), to_text(until)),
    )
    return {from_text(row[0]) for row in found}


def import_unrecorded(tx: Tx, run: RunRow) -> bool:
    """Write the row of a run that could not write its own at the time; False if it is there already.

    1. A row it did begin, still running or closed because its process is gone, is ended.
    2. A tick written off as missed takes the run.
    3. Otherwise it gets a new row, without its tick if another row answers that.
    """
    end = (run.status, run.exit_code, run.reason, to_text(run.ended_at or run.started_at))
    begun = tx.execute(
        "SELECT id, status, exit_code FROM runs WHERE profile = ? AND process = ? AND started_at = ?",
        (run.profile, run.process, to_text(run.started_at)),
    ).fetchone()
    if begun is None:
        run_id = begin(
            tx, run.profile, tick_at=run.tick_at, trigger=run.trigger, now=run.started_at, process=run.process or "",
            revision=run.revision, tasks_total=run.tasks_total,
        )  # fmt: skip
    elif begun[1] == "running" or (begun[1] == "aborted" and begun[2] is None):
        run_id = int(begun[0])
    else:
        return False
    tx.execute(
        "UPDATE runs SET status = ?, exit_code = ?, reason = ?, ended_at = ?, held_by = ? WHERE id = ?",
        (*end, run.held_by, run_id),
    )
    tx.execute(
        "UPDATE task_runs SET status = 'aborted', reason = 'its end could not be recorded', ended_at = ? "
        "WHERE run_id = ? AND status = 'running'",
        (end[3], run_id),
    )
    return True


def _run(row: Row) -> RunRow:
    run_id, profile, tick_at, trigger, status, reason, started_at, ended_at, *rest = row
    return RunRow(
        run_id, profile, from_text(tick_at) if tick_at else None, trigger, status, reason, from_text(started_at),
        from_text(ended_at) if ended_at else None, *rest,
    )  # fmt: skip


def _task(row: Row) -> TaskRun:
    run_id, name, status, reason, started_at, ended_at, *rest = row
    return TaskRun(
        run_id, name, status, reason, from_text(started_at), from_text(ended_at) if ended_at else None, *rest
    )
