"""Turns the live checkout into an accepted commit, or leaves it as it was. For the sync, under its tree lock."""

from __future__ import annotations

import contextlib
import shutil

from automation.sync.following import JOBS, JOBS_D
from automation.sync.git import Git, GitError, distance
from automation.sync.git_repair import end_operations
from monitoring.base.errors import SyncError

# Not taken from what is left of the sync's time: a reset cut short leaves a tree of two commits.
_RESET_LIMIT_S = 30.0
_GC_LIMIT_S = 15.0
_SPARE_BYTES = 8 * 1024 * 1024
# git's own default (git-gc(1)); it is switched off for every other command.
_GC_SETTINGS = ("-c", "gc.auto=6700", "-c", "gc.autoDetach=false")
_LOCKS = ":(glob)requirements*.lock"


def activate(git: Git, commit: str, previous: str | None, *, branch: str, size_bytes: int) -> None:
    """Put the commit's files in place; untracked files stay.

    1. Refuse a disk that could not hold the commit's `size_bytes`.
    2. End a rebase or the like, and let HEAD stand on `branch`, so that no other branch is moved.
    3. `reset --hard`; if that fails half-way, back to `previous`.

    Raises:
        SyncError: nothing was changed, or it was changed back, or (said so) that failed too.
    """
    free_bytes = shutil.disk_usage(git.checkout).free
    if free_bytes < size_bytes + _SPARE_BYTES:
        need_mb = (size_bytes + _SPARE_BYTES) // 1024**2 + 1
        raise SyncError(f"{git.checkout} has {free_bytes // 1024**2} MB free, the commit needs {need_mb}")
    end_operations(git.directory)
    git.do("symbolic-ref", "HEAD", f"refs/heads/{branch}")
    try:
        git.do("reset", "--hard", "--quiet", commit, time_limit_s=_RESET_LIMIT_S)
    except GitError as error:
        if previous is not None:
            _go_back(git, previous, error)
        raise


def _go_back(git: Git, previous: str, error: GitError) -> None:
    git.run("reset", "--hard", "--quiet", previous, time_limit_s=_RESET_LIMIT_S)
    with contextlib.suppress(GitError):
        if git.is_clean() and git.commit_of("HEAD") == previous:
            return
    raise GitError(f"the tree may be of two commits, the next sync tries again: {error}", error.stderr)


def describe_update(git: Git, previous: str | None, commit: str) -> str:
    """Return `1a2b3c4 -> 5d6e7f8 (3 new commits)`."""
    if previous is None:
        return f"now at {commit[:7]}"
    if previous == commit:
        return f"local edits discarded at {commit[:7]}"
    dropped, added = distance(git, previous, commit)
    commits = f" ({added} new commits)" if added else ""
    lost = f", {dropped} commits that origin does not have were discarded" if dropped else ""
    return f"{previous[:7]} -> {commit[:7]}{commits}{lost}"


def changed_paths(git: Git, previous: str | None, commit: str) -> frozenset[str]:
    """Return which of jobs.yaml, jobs.d and the requirement locks differ between the two commits."""
    if previous is None:
        return frozenset()
    done = git.run("diff", "--name-only", "--no-renames", previous, commit, "--", JOBS, JOBS_D, _LOCKS)
    return frozenset(done.stdout.split() if done.ok else ())


def collect_garbage(git: Git, limit_s: float) -> None:
    """Let git pack what the fetches of weeks have piled up, if it finds it worth while; best effort."""
    if limit_s > 1:
        git.run(*_GC_SETTINGS, "gc", "--auto", "--quiet", time_limit_s=min(limit_s, _GC_LIMIT_S))
