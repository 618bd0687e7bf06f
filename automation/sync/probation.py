"""What the newest revision has to prove, and the way back: which commit was activated, and which ran before it.

Kept as JSON in the checkout's `.git`, where a start finds it before any code of the checkout is imported: the
launcher in the venv (deploy/launcher) reads the same file. Written when a commit is activated, passes, or goes again.
"""

from __future__ import annotations

import contextlib
import json
import logging
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime
from pathlib import Path

from automation.sync.activation import activate
from automation.sync.git import Git
from automation.sync.starts import STARTS
from monitoring.base.clock import Clock, from_text, to_text
from monitoring.base.errors import SyncError
from monitoring.base.locks.profile_lock import SyncLock, TreeLock

log = logging.getLogger("automation.sync.probation")

_RECORD = Path(".git/monitoring-probation.json")
_LOCK_S = 20.0


@dataclass(frozen=True, slots=True)
class Probation:
    """One activated revision. `counts_starts`: its runs clear the marks of their starts, so marks mean something.

    `passed`: a first run has written its end. `taken_back` says why the revision had to go, `reported` that people
    have been sent that.
    """

    revision: str
    before: str
    since: datetime
    passed: bool = False
    counts_starts: bool = False
    taken_back: str = ""
    reported: bool = False

    def is_running(self, head: str | None) -> bool:
        """Return whether the checkout is at this revision still."""
        return self.revision == head and not self.taken_back


def read_probation(checkout: Path) -> Probation | None:
    """Return what the last activation left; a damaged file counts as none, what a later release notes is left out."""
    try:
        found = json.loads((checkout / _RECORD).read_text(encoding="utf-8"))
        known = {field.name: found[field.name] for field in fields(Probation) if field.name in found}
        return Probation(**{**known, "since": from_text(found["since"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None


def write_probation(checkout: Path, probation: Probation) -> None:
    """Replace the record in one step.

    Raises:
        OSError: it cannot be written.
    """
    draft = (checkout / _RECORD).with_suffix(".draft")
    draft.write_text(json.dumps({**asdict(probation), "since": to_text(probation.since)}), encoding="utf-8")
    draft.replace(checkout / _RECORD)


def begin_probation(git: Git, revision: str, head: str, now: datetime) -> None:
    """Note the way back before a commit is activated: to `head`, or past it if it has proved nothing itself.

    Raises:
        OSError: it cannot be written; then nothing may be activated.
    """
    known = read_probation(git.checkout)
    unproven = known is not None and known.is_running(head) and not known.passed
    before = known.before if known and unproven else head
    # A release that knows no marks would never clear them, and be taken back for it.
    counts = git.run("grep", "--quiet", "--fixed-strings", STARTS, revision, "--", "automation").ok
    shutil.rmtree(git.directory / STARTS, ignore_errors=True)
    write_probation(git.checkout, Probation(revision, before, now, counts_starts=counts))


def pass_probation(checkout: Path) -> None:
    """Note that the newest revision can run; a disk that refuses is no reason to stop."""
    known = read_probation(checkout)
    if known is not None and not known.passed:
        with contextlib.suppress(OSError):
            write_probation(checkout, replace(known, passed=True))


def take_back(
    checkout: Path, tree: TreeLock, reason: str, *, clock: Clock, environ: Mapping[str, str] | None = None
) -> Probation | None:
    """Put the last good revision back in place of the newest one, which is refused from then on.

    1. No other sync, and no run in the tree: wait for both, for a while.
    2. Reset to what ran before, and only then note why: killed in between, the commit comes once more and goes again.

    The tree is left held shared. Returns the record of the commit that went; None if it could not be taken back.
    """
    known, git = read_probation(checkout), Git(checkout, environ)
    if known is None:
        return None
    alone = SyncLock(tree.path.parent, clock=clock)
    try:
        gone = _take_back(git, known, reason) if alone.hold(_LOCK_S) and tree.hold_exclusive(_LOCK_S) else None
    except (SyncError, OSError) as error:
        log.error("pre-run git sync: commit %s could not be taken back: %s", known.revision[:12], error)  # noqa: TRY400
        return None
    finally:
        tree.hold_shared(_LOCK_S)
        alone.release()
    if gone is None:
        log.error(
            "pre-run git sync: commit %s could not be taken back: another run or sync uses the tree",
            known.revision[:12],
        )
    return gone


def _take_back(git: Git, known: Probation, reason: str) -> Probation | None:
    if not known.is_running(git.commit_of("HEAD")):
        return None
    activate(git, known.before, known.revision, branch=_branch_of(git), size_bytes=0)
    gone = replace(known, taken_back=reason, reported=True)
    write_probation(git.checkout, gone)
    log.error(
        "pre-run git sync: commit %s was taken back, %s runs again: %s", gone.revision[:12], gone.before[:12], reason
    )
    return gone


def _branch_of(git: Git) -> str:
    return git.run("symbolic-ref", "--quiet", "--short", "HEAD").stdout.strip() or "main"
