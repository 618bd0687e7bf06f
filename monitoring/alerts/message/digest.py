"""The one message after a run with failures, and the one when all is well again.

Called by the runner with what its tasks came to. The decision and the text are pure; `record_digest` stores.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from monitoring.alerts.channels import DIGEST_CHANNEL
from monitoring.alerts.message.model import Alert, Severity
from monitoring.alerts.message.text import bold, code, line, since
from monitoring.alerts.recording.store_alert import AlertKind, AlertOrigin, store_in
from monitoring.base.formatting import format_duration
from monitoring.store.db.database import Database, Tx
from monitoring.store.tables import digests
from monitoring.store.tables.deliveries import Status
from monitoring.store.tables.digests import LastDigest

SOURCE = "automation_digest"
REMIND_AFTER = timedelta(hours=24)  # ours: the same failures are brought up once a day, without a sound
_MISSING = re.compile(r"ModuleNotFoundError: No module named '([A-Za-z_]\w*)")
_OF_THE_CHECKOUT = ("automation", "monitoring", "protocols", "utils")
_MOST_LINES = 12  # ours: of a task's last output
_MOST_LINE_LENGTH = 300


@dataclass(frozen=True, slots=True)
class TaskOutcome:
    """What one task came to.

    `reason` is the exit code, signal or time limit in words; `last_lines` its last output. `failing_since` and
    `failing_since_run` describe the first of `failed_runs` failed runs in a row, this one included. `dependency` names
    what was broken for several tasks at once (the RPC of a chain) if the task failed for nothing else.
    """

    name: str
    failed: bool
    reason: str = ""
    duration_s: float = 0.0
    last_lines: tuple[str, ...] = ()
    failing_since: datetime | None = None
    failing_since_run: int | None = None
    failed_runs: int = 1
    alert_after: int = 1
    dependency: str | None = None

    @property
    def is_due(self) -> bool:
        """Return whether it has failed often enough to make a sound."""
        return self.failed_runs >= self.alert_after


@dataclass(frozen=True, slots=True)
class DigestInput:
    """A run of a profile as the digest sees it. `note` says what failed in addition to the tasks."""

    profile: str
    tasks: tuple[TaskOutcome, ...]
    run_id: int | None = None
    note: str = ""

    @property
    def failed(self) -> tuple[TaskOutcome, ...]:
        return tuple(task for task in self.tasks if task.failed)

    @property
    def failing(self) -> tuple[str, ...]:
        """The failed tasks by name; one that has not failed often enough carries a mark, so that its turn is news."""
        names = [task.name if task.is_due else f"{task.name}?" for task in self.failed]
        return tuple(sorted([*names, *(["(the run itself)"] if self.note else [])]))


class DigestKind(StrEnum):
    """What kind of digest a run gets."""

    NOTHING = "no failures, none before"
    NEW = "the first failures"
    CHANGED = "other failures than before"
    NOT_YET = "failures that have not lasted long enough to make a sound"
    REMINDER = "the same failures for another day"
    SAME = "the same failures as before"
    CLEAN = "the first clean run"


def judge(failing: tuple[str, ...], previous: LastDigest | None, now: datetime) -> DigestKind:
    """Compare what fails with the last digest."""
    before = previous.failing if previous else ()
    if not failing:
        return DigestKind.CLEAN if before else DigestKind.NOTHING
    if previous is not None and set(failing) == set(before):
        is_recent = now - REMIND_AFTER < previous.told_at <= now  # not what a clock that was ahead wrote
        return DigestKind.SAME if is_recent else DigestKind.REMINDER
    due = {name for name in failing if not name.endswith("?")}
    if not due or due == {name for name in before if not name.endswith("?")}:
        return DigestKind.NOT_YET
    return DigestKind.CHANGED if before else DigestKind.NEW


def record_digest(
    database: Database,
    digest: DigestInput,
    now: datetime,
    *,
    debug: bool = False,
    redact: Callable[[str], str] | None = None,
) -> tuple[DigestKind, int | None]:
    """Store the digest of a run: exactly one alert if anything failed, one for the first clean run, else none."""
    with database.write() as tx:
        return record_digest_in(tx, digest, now, debug=debug, redact=redact)


def record_digest_in(
    tx: Tx, digest: DigestInput, now: datetime, *, debug: bool = False, redact: Callable[[str], str] | None = None
) -> tuple[DigestKind, int | None]:
    """Do what `record_digest` does inside the caller's transaction."""
    previous = digests.get(tx, digest.profile)
    verdict = judge(digest.failing, previous, now)
    if verdict is DigestKind.NOTHING:
        return verdict, None
    alert = compose(digest, verdict, previous)
    unsent: Status | None = "not_attempted" if verdict is DigestKind.SAME and not debug else None
    metadata: dict[str, object] = {"profile": digest.profile, "failed": [task.name for task in digest.failed]}
    if verdict in (DigestKind.SAME, DigestKind.REMINDER) and previous is not None:
        metadata["repeat_of"] = previous.alert_id
    stored = store_in(
        tx,
        alert.redacted(redact) if redact else alert,
        now=now,
        origin=AlertOrigin(run_id=digest.run_id, debug=debug),
        kind=AlertKind.DIGEST,
        status=unsent,
        metadata=metadata,
    )
    if stored.status == "pending":
        digests.put(tx, digest.profile, digest.failing, now, stored.alert_id)
    return verdict, stored.alert_id


def compose(digest: DigestInput, verdict: DigestKind, previous: LastDigest | None) -> Alert:
    """Write the digest. It names every failed task and none that succeeded."""
    if verdict is DigestKind.CLEAN:
        last = f"Last reported {previous.told_at:%Y-%m-%d %H:%M} UTC." if previous else ""
        return _alert(Severity.LOW, f"profile {digest.profile}: all tasks are ok again", [last], silent=True)
    failed = digest.failed
    silent = verdict in (DigestKind.SAME, DigestKind.REMINDER, DigestKind.NOT_YET)
    title = f"profile {digest.profile}: {len(failed)} of {len(digest.tasks)} tasks failed"
    blocks: list[object] = [digest.note] if digest.note else []
    if verdict is DigestKind.REMINDER:
        blocks.append("The same tasks still fail.")
    blocks += _shared(failed)
    for task in failed:
        if task.dependency is None:
            blocks += _blocks_of(task)
    return _alert(Severity.MEDIUM, title, blocks, silent=silent)


def _alert(severity: Severity, title: str, blocks: Iterable[object], *, silent: bool) -> Alert:
    shown = [block for block in blocks if block != ""]
    is_good = severity is Severity.LOW
    return Alert(severity, title, *shown, protocol=DIGEST_CHANNEL, source=SOURCE, silent=silent, is_good=is_good)


def _shared(failed: tuple[TaskOutcome, ...]) -> list[object]:
    """Return one line for each broken dependency, with the tasks that failed because of it alone."""
    by_dependency: dict[str, list[str]] = {}
    for task in failed:
        if task.dependency is not None:
            by_dependency.setdefault(task.dependency, []).append(task.name)
    return [
        line(bold(dependency), f" failed, and because of it alone: {', '.join(names)}")
        for dependency, names in by_dependency.items()
    ]


def _blocks_of(task: TaskOutcome) -> list[object]:
    reason = task.reason or "failed"
    took = "" if " after " in reason else f" after {_seconds(task.duration_s)}"  # a time limit says it itself
    parts: list[object] = [bold(task.name), f": {reason}{took}"]
    if task.failed_runs > 1:
        parts.append(f"; {task.failed_runs} consecutive failures")
        if task.failing_since is not None:
            parts += [", since ", since(task.failing_since)]
        if task.failing_since_run is not None:
            parts.append(f" (run {task.failing_since_run})")
    if not task.is_due:
        parts.append(f"; notifies after {task.alert_after} consecutive failures")
    tail = [text[:_MOST_LINE_LENGTH] for text in task.last_lines[-_MOST_LINES:]]
    return [line(*parts), *_remedy(task.last_lines), *([code("\n".join(tail))] if tail else [])]


def _remedy(last_lines: tuple[str, ...]) -> list[object]:
    """A package that is missing in the venv is not corrected in the script."""
    found = [match for text in last_lines if (match := _MISSING.search(text))]
    if not found or found[-1][1] in _OF_THE_CHECKOUT:
        return []
    return [
        line(f"The venv lacks {found[-1][1]}: type `make sync` in the checkout, with EXTRAS=… if this host has one.")
    ]


def _seconds(duration_s: float) -> str:
    return format_duration(timedelta(seconds=duration_s))
