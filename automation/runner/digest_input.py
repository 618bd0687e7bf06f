"""The input of a run's digest: each task's outcome, since when it fails, and the likely cause."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from automation.executor.task import TaskResult, TaskStatus
from automation.jobs.model import Profile
from monitoring.alerts.message.digest import DigestInput, TaskOutcome
from monitoring.store.db.database import Database
from monitoring.store.tables import runs


def digest_input(database: Database, profile: Profile, results: Sequence[TaskResult], run_id: int) -> DigestInput:
    """Gather the outcomes; the rows of this run's tasks are in the ledger already."""
    outcomes = tuple(_outcome(database, profile, result) for result in results)
    return DigestInput(profile=profile.name, tasks=outcomes, run_id=run_id)


def _outcome(database: Database, profile: Profile, result: TaskResult) -> TaskOutcome:
    failed = result.status is not TaskStatus.OK
    streak = runs.failing_since(database, profile.name, result.name) if failed else None
    alert_after = {task.name: task.alert_after for task in profile.tasks}
    return TaskOutcome(
        name=result.name,
        failed=failed,
        reason=result.reason,
        duration_s=result.duration_s,
        last_lines=tuple(_each_reason_once(result.output_tail.splitlines())),
        failing_since=streak.since if streak else None,
        failing_since_run=streak.first_run if streak else None,
        failed_runs=streak.count if streak else 1,
        alert_after=alert_after.get(result.name, 1),
        dependency=_dependency(result),
    )


def _each_reason_once(lines: Sequence[str]) -> Iterator[str]:
    """Leave out checks that had no data for the same reason as one before: on a phone they hide the rest."""
    seen: set[str] = set()
    for line in lines:
        reason = line.partition("  unknown: ")[2].partition("  ")[0]
        if not reason or reason not in seen:
            yield line
        seen.add(reason)


def _dependency(result: TaskResult) -> str | None:
    """A task that was skipped because of another is one line with it, not a failure of its own."""
    return result.reason.partition(",")[0] if result.status is TaskStatus.SKIPPED else None
