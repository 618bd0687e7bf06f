"""Repairs a checkout's `.git` where a sync would stay stuck permanently: leftovers of killed gits, a damaged store.

Called by the sync while it holds the sync lock. Never touches the working tree, untracked files or the
configuration, and puts what it replaces aside instead of deleting it.
"""

from __future__ import annotations

import contextlib
import re
import shutil
from datetime import datetime
from pathlib import Path

from automation.sync.git import Git, GitError

# No git of ours holds a lock this long; a person's editor under `git commit` is a live process (see _git_at_work).
STALE_AFTER_S = 120.0
_LEFTOVERS = (
    "*.lock",
    "refs/**/*.lock",
    "objects/*.lock",
    "objects/info/**/*.lock",
    "objects/pack/*.lock",
    # What a killed fetch or gc was writing: up to a whole pack each, on a disk that may be filling.
    "objects/pack/tmp_*",
    "objects/pack/.tmp-*",
    "objects/[0-9a-f][0-9a-f]/tmp_obj_*",
)
_IN_PROGRESS = ("rebase-merge", "rebase-apply", "sequencer")
_HISTORY = ("objects", "refs", "packed-refs", "logs", "shallow", "ORIG_HEAD")
_HEAD = re.compile(r"ref: refs/\S+\n?|[0-9a-f]{40,64}\n?")


def repair_skeleton(git: Git, branch: str) -> list[str]:
    """Restore what git needs to see a repository, and the index, without which removed files would stay.

    Returns the names of what was repaired.
    """
    repaired = []
    for name in ("objects", "refs"):
        if not (git.directory / name).is_dir():
            (git.directory / name).mkdir()
            repaired.append(name)
    head = git.directory / "HEAD"
    if not head.exists() or not _HEAD.fullmatch(head.read_text(encoding="utf-8", errors="replace")):
        head.write_text(f"ref: refs/heads/{branch}\n", encoding="ascii")
        repaired.append("HEAD")
    if not (git.directory / "index").exists():
        rebuild_index(git)
        repaired.append("index")
    return repaired


def remove_leftovers(git: Git, now: datetime, stale_after_s: float = STALE_AFTER_S) -> list[str]:
    """Remove lock and temporary files that are old and belong to no git at work here; return their names."""
    # A time of change far in the future (the clock was wrong) is as stale as one far in the past.
    found = (path for pattern in _LEFTOVERS for path in git.directory.glob(pattern))
    old = [path for path in found if abs(now.timestamp() - path.lstat().st_mtime) >= stale_after_s]
    if not old or _git_at_work(git.checkout):
        return []
    for path in old:
        path.unlink(missing_ok=True)
    return [str(path.relative_to(git.directory)) for path in old]


def _git_at_work(checkout: Path) -> bool:
    """Return whether any git process works inside the checkout (git changes into its top directory)."""
    top = checkout.resolve()
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (process / "comm").read_text(encoding="utf-8", errors="replace").startswith("git"):
                cwd = (process / "cwd").readlink()
                if cwd == top or top in cwd.parents:
                    return True
    return False


def end_operations(directory: Path) -> None:
    """Drop a rebase, am, cherry-pick or revert in progress: `reset --hard` clears only the merge kinds."""
    for name in _IN_PROGRESS:
        shutil.rmtree(directory / name, ignore_errors=True)


def clear_refs_in_the_way(git: Git, upstream: str) -> None:
    """Delete remote-tracking refs below the one that must be written (origin once had a branch `main/x`).

    Raises:
        GitError: git cannot list or delete them.
    """
    for name in git.read("for-each-ref", "--format=%(refname)", f"{upstream}/").splitlines():
        git.do("update-ref", "-d", name)


def rebuild_index(git: Git) -> None:
    """Make the index again from HEAD; without a readable HEAD the next reset makes it."""
    (git.directory / "index").unlink(missing_ok=True)
    with contextlib.suppress(GitError):
        git.do("read-tree", "HEAD")


def unhide_edits(git: Git) -> str:
    """Make the index again if marks in it hide local edits from every comparison; return what was found.

    `git update-index --skip-worktree` or `--assume-unchanged` would keep an edit running through every reset.

    Raises:
        GitError: the index cannot be read.
    """
    # git-ls-files(1): S is skip-worktree, a lower-case letter assume-unchanged.
    hidden = [line[2:] for line in git.read("ls-files", "-v").splitlines() if line[:1] == "S" or line[:1].islower()]
    if not hidden:
        return ""
    rebuild_index(git)
    return "marks that hid edits of " + ", ".join(hidden[:3]) + (f" and {len(hidden) - 3} more" if hidden[3:] else "")


def renew_history(git: Git, *, remote: str, branch: str, time_limit_s: float, now: datetime) -> Path:
    """Replace damaged objects and refs by what origin has; return where the damaged ones lie.

    1. Fetch origin's branch into an empty separate repository, with the checkout's own configuration.
    2. Put objects, refs and logs aside under `.git/damaged-<time>` (an earlier such directory goes).
    3. Move the fetched ones into their place, with HEAD on `branch` at the commit it had, if origin has it.
    4. Make the index again if it cannot be read.

    Killed between 2 and 3 it leaves an empty store, which the next sync's fetch fills.

    Raises:
        GitError: origin cannot be fetched; nothing has changed then.
        OSError: the disk refuses; nothing is lost.
    """
    # Asked first: once the refs are moved, nothing says which commit the files on the disk are.
    head = _head(git)
    fresh = git.directory / "renewed"
    shutil.rmtree(fresh, ignore_errors=True)
    try:
        _fetch_separately(git, fresh, remote=remote, branch=branch, time_limit_s=time_limit_s)
        aside = _put_aside(git.directory, now)
        for name in _HISTORY:
            if (fresh / name).exists():
                (fresh / name).rename(git.directory / name)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    (git.directory / "HEAD").write_text(f"ref: refs/heads/{branch}\n", encoding="ascii")
    if head and git.commit_of(head):
        git.do("update-ref", f"refs/heads/{branch}", head)
    if not (git.directory / "index").exists() or not git.run("ls-files", "--stage").ok:
        rebuild_index(git)
    return aside


def _head(git: Git) -> str | None:
    done = git.run("rev-parse", "--verify", "--quiet", "HEAD")
    return done.stdout.strip() if done.ok else None


def _fetch_separately(git: Git, fresh: Path, *, remote: str, branch: str, time_limit_s: float) -> None:
    git.do("init", "--quiet", "--bare", "--template=", str(fresh))
    with (fresh / "config").open("a", encoding="utf-8") as config:
        config.write("[include]\n\tpath = ../config\n[core]\n\tbare = true\n")
    # A checkout that was cloned shallow stays so.
    depth = ("--depth=1",) if (git.directory / "shallow").exists() else ()
    refspec = f"+refs/heads/{branch}:refs/remotes/{remote}/{branch}"
    git.fetch(refspec, *depth, remote=remote, time_limit_s=time_limit_s, git_dir=fresh)


def _put_aside(directory: Path, now: datetime) -> Path:
    # One is kept: each may be as large as the history, and nobody looks at the second newest.
    for earlier in directory.glob("damaged-*"):
        shutil.rmtree(earlier, ignore_errors=True)
    aside = directory / f"damaged-{now:%Y%m%dT%H%M%SZ}"
    aside.mkdir()
    for name in _HISTORY:
        if (directory / name).exists():
            (directory / name).rename(aside / name)
    return aside
