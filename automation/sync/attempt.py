"""The steps of one sync: fetch, judge, wait for the tree, activate; and what is repaired when one of them cannot work.

Called by git_sync.py, which turns what may still be raised here into a result.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from automation.sync.activation import activate, changed_paths, collect_garbage, describe_update
from automation.sync.candidate import Judgement, check_out
from automation.sync.dependencies import venv_fingerprint
from automation.sync.following import JOBS, JOBS_D
from automation.sync.git import Git, GitError, current_revision, without_credentials
from automation.sync.git_repair import (
    clear_refs_in_the_way,
    rebuild_index,
    remove_leftovers,
    renew_history,
    repair_skeleton,
    unhide_edits,
)
from automation.sync.one_migration_at_a_time import next_step
from automation.sync.probation import Probation, begin_probation, read_probation, write_probation
from automation.sync.state import STATE_FILE, SyncState, SyncStatus, ValidationResult, read_sync_state, write_sync_state
from monitoring.base.clock import Clock
from monitoring.base.errors import SyncError
from monitoring.base.locks.profile_lock import SyncLock, TreeLock, make_private_directory, running_profiles

DEPLOYED_FLAG = "monitoring.sync"
_log = logging.getLogger("automation.sync.sync")
_SHORT = 7


@dataclass(frozen=True, slots=True)
class SyncTimeouts:
    """Seconds each part may take; `local_s` is for git's work on this disk."""

    fetch_s: float = 60
    validation_s: float = 60
    lock_s: float = 20
    local_s: float = 60

    @property
    def total_s(self) -> float:
        return self.fetch_s + self.validation_s + self.lock_s + self.local_s


@dataclass(frozen=True, slots=True)
class SyncResult:
    """How the sync ended; `reason` is one line for the operator, `revision` what the checkout is at now.

    `remembered`: the refusal is an earlier one, not news. `restored`: files changed though the revision did not,
    local edits are gone. `taken_back`: a commit that went since the last sync, which people have not been sent yet.
    `lock_changed` and `jobs_changed`: what landed stays
    inert, wholly or in its cron lines, until `make sync` and a restart. `deferrals` and `failures` count in a row.
    """

    status: SyncStatus
    revision: str
    reason: str
    candidate: str | None = None
    needs_dependencies: bool = False
    remembered: bool = False
    restored: bool = False
    taken_back: Probation | None = None
    lock_changed: bool = False
    jobs_changed: bool = False
    deferrals: int = 0
    failures: int = 0


class Validate(Protocol):
    """Judges a checked-out commit."""

    def __call__(self, candidate: Path, *, environ: Mapping[str, str], time_limit_s: float) -> Judgement: ...


@dataclass(frozen=True, slots=True)
class Upstream:
    remote: str
    branch: str

    @property
    def ref(self) -> str:
        return f"refs/remotes/{self.remote}/{self.branch}"

    @property
    def refspec(self) -> str:
        return f"+refs/heads/{self.branch}:{self.ref}"


@dataclass(frozen=True, slots=True)
class SyncPlan:
    """All that one sync works with."""

    git: Git
    cache_dir: Path
    tree: TreeLock
    upstream: Upstream
    limits: SyncTimeouts
    validate: Validate
    clock: Clock
    environ: Mapping[str, str]


def one_line(error: Exception) -> str:
    """Return what went wrong as one line without credentials."""
    return without_credentials(" ".join(str(error).split())) or type(error).__name__


@dataclass(frozen=True, slots=True)
class _End:
    status: SyncStatus
    reason: str
    changed: frozenset[str] = frozenset()
    restored: bool = False


class SyncAttempt:
    """One sync. What it learns (candidate, validation result, repairs) outlives a repair and a new attempt."""

    def __init__(self, plan: SyncPlan) -> None:
        self._plan, self._git, self._tree, self._clock = plan, plan.git, plan.tree, plan.clock
        self._folder = plan.cache_dir / "sync"
        self._deadline = plan.clock.monotonic() + plan.limits.total_s
        self._candidate: str | None = None
        self._verdict: ValidationResult | None = None
        self._remembered = False
        self._taken_back: Probation | None = None
        self._repairs: dict[str, str] = {}

    def run(self) -> SyncResult:
        if not self._git.directory.is_dir() or not self._git.is_set(DEPLOYED_FLAG):
            return self._result(_End(SyncStatus.NOT_DEPLOYED, f"{DEPLOYED_FLAG} is not set in {self._git.checkout}"))
        alone = SyncLock(self._plan.cache_dir / "locks", clock=self._clock)
        if not alone.hold(self._part_s(self._plan.limits.lock_s)):
            return self._result(_End(SyncStatus.DEFERRED, "another sync is still at work"))
        try:
            return self._run_alone()
        finally:
            alone.release()

    def _run_alone(self) -> SyncResult:
        make_private_directory(self._folder)
        state = read_sync_state(self._plan.cache_dir)
        self._taken_back = self._note_taken_back()
        try:
            end = self._with_repairs(state)
        except (SyncError, OSError) as error:
            end = _End(SyncStatus.FAILED, one_line(error))
        state = state.after(end.status, end.reason, self._verdict or state.verdict, self._clock.now())
        # On a full disk the result still counts, only its memory is lost.
        with contextlib.suppress(OSError):
            write_sync_state(self._plan.cache_dir, state)
        return self._result(end, state)

    def _note_taken_back(self) -> Probation | None:
        """Return what the launcher took back, once; a disk that refuses lets it be said again."""
        found = read_probation(self._git.checkout)
        if found is None or not found.taken_back or found.reported:
            return None
        with contextlib.suppress(OSError):
            write_probation(self._git.checkout, replace(found, reported=True))
        return found

    def _result(self, end: _End, state: SyncState | None = None) -> SyncResult:
        state = state or read_sync_state(self._plan.cache_dir)
        repaired = "".join(f"; repaired: {what}" for what in self._repairs.values())
        return SyncResult(
            status=end.status,
            revision=current_revision(self._git.checkout, self._plan.environ),
            reason=end.reason + repaired,
            candidate=self._candidate,
            needs_dependencies=bool(self._verdict and self._verdict.needs_dependencies),
            remembered=self._remembered,
            restored=end.restored,
            taken_back=self._taken_back,
            lock_changed=any(path.startswith("requirements") for path in end.changed),
            jobs_changed=any(path.startswith((JOBS, JOBS_D)) for path in end.changed),
            deferrals=state.deferrals,
            failures=state.failures,
        )

    def _part_s(self, limit_s: float) -> float:
        """Return the time for the next step: its own limit or what is left of the whole."""
        left_s = self._deadline - self._clock.monotonic()
        if left_s <= 0:
            raise SyncError(f"not done after {self._plan.limits.total_s:.0f} s")
        return min(limit_s, left_s)

    def _with_repairs(self, state: SyncState) -> _End:
        self._note("skeleton", ", ".join(repair_skeleton(self._git, self._plan.upstream.branch)))
        leftovers = remove_leftovers(self._git, self._clock.now())
        self._note("leftovers", ", ".join(leftovers[:3]) + (f" and {len(leftovers) - 3} more" if leftovers[3:] else ""))
        while True:
            try:
                end = self._attempt(state)
                self._repair_in_passing()
            except GitError as error:
                if not self._repair(error):
                    raise
            else:
                return end

    def _note(self, kind: str, what: str) -> None:
        if what:
            self._repairs[kind] = what
            _log.warning("pre-run git sync: repaired: %s", what)

    def _repair(self, error: GitError) -> bool:
        """Repair what made git fail, each kind of damage once; False leaves the error standing."""
        git, upstream = self._git, self._plan.upstream
        if "cannot create" in error.stderr and "refs" not in self._repairs:
            clear_refs_in_the_way(git, upstream.ref)
            self._note("refs", f"refs below {upstream.ref}")
        elif error.index_damaged and "index" not in self._repairs:
            rebuild_index(git)
            self._note("index", "the index")
        elif error.damaged and "history" not in self._repairs:
            self._note("history", self._renew_history(error))
        else:
            return False
        return True

    def _repair_in_passing(self) -> None:
        """Repair also what git got around this time: a damaged pack stays, and the next commit may need it."""
        if self._git.damage_seen and "history" not in self._repairs:
            with contextlib.suppress(SyncError, OSError):
                self._note("history", self._renew_history(GitError("seen in passing")))

    def _renew_history(self, damage: GitError) -> str:
        try:
            aside = renew_history(
                self._git,
                remote=self._plan.upstream.remote,
                branch=self._plan.upstream.branch,
                time_limit_s=self._part_s(self._plan.limits.fetch_s),
                now=self._clock.now(),
            )
        except SyncError as error:
            raise SyncError(f"{self._git.directory} is damaged ({damage}) and could not be renewed: {error}") from error
        return f"objects and refs from {self._plan.upstream.remote}, the damaged ones lie in {aside}"

    def _attempt(self, state: SyncState) -> _End:
        git = self._git
        target = self._fetch()
        head = git.commit_of("HEAD")
        self._note("marks", unhide_edits(git))
        if head == target and git.is_clean(self._part_s(self._plan.limits.local_s)):
            return _End(SyncStatus.UNCHANGED, f"at {target[:_SHORT]}")
        step = target if head is None else next_step(git, head, target)
        for candidate in dict.fromkeys([step, target]):
            # A stop on the way that cannot run is passed by: a later commit may be its repair.
            self._candidate = candidate
            verdict = self._verdict = self._judge(candidate, state)
            if verdict.accepted:
                end = self._activate(candidate, head, verdict.size_bytes)
                more = "" if candidate == target else f", a stop on the way to {target[:_SHORT]}"
                return replace(end, reason=end.reason + more)
        # At the refused commit itself, landed by hand, the edits may be what makes it work.
        restored = head is not None and head != target and not git.is_clean() and self._discard_edits(head)
        return _End(SyncStatus.REFUSED, f"{target[:_SHORT]} {verdict.reason}", restored=restored)

    def _discard_edits(self, head: str) -> bool:
        """Put the last good revision's own files back: by a person, or by the refused commit, they were changed."""
        if not self._tree.hold_exclusive(self._part_s(self._plan.limits.lock_s)):
            _log.warning("pre-run git sync: local edits stay for now: %s", self._users_of_the_tree())
            return False
        try:
            activate(self._git, head, head, branch=self._plan.upstream.branch, size_bytes=0)
        finally:
            self._tree.hold_shared(self._plan.limits.lock_s)
        # Line-ending or filter rules may leave files changed; calling that a change would restart every run.
        clean = self._git.is_clean()
        if clean:
            _log.warning("pre-run git sync: local edits discarded at %s", head[:_SHORT])
        return clean

    def _fetch(self) -> str:
        remote, limit_s = self._plan.upstream.remote, self._part_s(self._plan.limits.fetch_s)
        self._git.fetch(self._plan.upstream.refspec, remote=remote, time_limit_s=limit_s)
        target = self._git.commit_of(self._plan.upstream.ref)
        if target is None:
            raise GitError(f"{self._plan.upstream.ref} is no commit after a fetch", "bad object")
        return target

    def _judge(self, target: str, state: SyncState) -> ValidationResult:
        if self._verdict is not None and self._verdict.candidate == target:
            return self._verdict
        venv = venv_fingerprint()
        gone = read_probation(self._git.checkout)
        if gone is not None and gone.taken_back and gone.revision == target:
            self._remembered = True
            return ValidationResult(
                target, venv, accepted=False, at=self._clock.now(), reason=f"was taken back: {gone.taken_back}"
            )
        known = state.recall(target, venv, self._clock.now())
        if known is not None:
            self._remembered = True
            return known
        self._sweep()
        try:
            directory = self._folder / target
            size_bytes = check_out(self._git, target, directory, time_limit_s=self._part_s(self._plan.limits.local_s))
            limit_s = self._part_s(self._plan.limits.validation_s)
            found = self._plan.validate(directory, environ=self._plan.environ, time_limit_s=limit_s)
        finally:
            self._sweep()
        now = self._clock.now()
        return ValidationResult(target, venv, found.accepted, now, found.reason, bool(found.needs), size_bytes)

    def _sweep(self) -> None:
        """Remove candidates, also those of syncs that were killed."""
        for path in self._folder.iterdir():
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            elif path.name != STATE_FILE:
                path.unlink(missing_ok=True)

    def _activate(self, target: str, head: str | None, size_bytes: int) -> _End:
        if not self._tree.hold_exclusive(self._part_s(self._plan.limits.lock_s)):
            return _End(SyncStatus.DEFERRED, f"{target[:_SHORT]} waits for {self._users_of_the_tree()}")
        try:
            if head is not None and head != target:
                begin_probation(self._git, target, head, self._clock.now())
            activate(self._git, target, head, branch=self._plan.upstream.branch, size_bytes=size_bytes)
        finally:
            self._tree.hold_shared(self._plan.limits.lock_s)
        if head == target and not self._git.is_clean():
            # Line-ending or filter rules do that; calling it a change would restart every run.
            return _End(SyncStatus.UNCHANGED, f"at {target[:_SHORT]}; git calls files changed right after a reset")
        collect_garbage(self._git, self._deadline - self._clock.monotonic())
        restored = head == target
        status = SyncStatus.RESTORED if restored else SyncStatus.UPDATED
        changed = changed_paths(self._git, head, target)
        return _End(status, describe_update(self._git, head, target), changed, restored)

    def _users_of_the_tree(self) -> str:
        running = running_profiles(self._plan.cache_dir / "locks")
        others = [f"{profile}, {holder}" for profile, holder in running.items() if holder.pid != os.getpid()]
        return "; ".join(others) or "a run that still uses the tree"
