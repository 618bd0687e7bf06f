"""Which commit comes next on the way to origin's newest: never two migrations in one step.

Called by the sync. A release works on the database of the one after it (docs/decisions/0010), so a host that was off
for long stops at each on the way, and can always go back by one.
"""

from __future__ import annotations

import re

from automation.sync.git import Git

# Wherever the store lies in a revision.
_MIGRATION = re.compile(r"(?:^|/)migrations/(\d{4}_[^/]+\.sql)$")


def next_step(git: Git, head: str, target: str) -> str:
    """Return the last commit before the second migration that `head` lacks; `target` where that is not in the way.

    Commits of the first-parent history count, which are what main was. Where history is too short to decide, or both
    migrations came in one commit, there is nothing to stop at.

    Raises:
        GitError: a commit cannot be read.
    """
    ours = _migrations(git, head)
    ahead = sorted(_migrations(git, target) - ours)
    if len(ahead) < 2:  # noqa: PLR2004 - the second one is what is not passed
        return target
    second = f":(glob)**/migrations/{ahead[1]}"
    adding = git.run("rev-list", "--first-parent", "--reverse", f"{head}..{target}", "--", second).stdout.split()
    step = git.commit_of(f"{adding[0]}^1") if adding else None
    return step if step is not None and ahead[0] in _migrations(git, step) else target


def _migrations(git: Git, commit: str) -> set[str]:
    names = git.read("ls-tree", "-r", "--name-only", commit).splitlines()
    return {found[1] for name in names if (found := _MIGRATION.search(name))}
