"""The folders of files as a git revision has them, laid out in a temporary place, for `backtest --against`."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from automation.sync.git import Git, GitError
from monitoring.base.errors import UsageError

_MOST_FILES = 2_000  # of a monitor's folder; beyond that it is no monitor's folder


@contextmanager
def files_at(revision: str, files: Sequence[Path]) -> Iterator[tuple[str, list[Path]]]:
    """Give the name of the revision and its version of each file, with what lies next to it.

    Raises:
        UsageError: there is no such revision, or it does not have a file.
    """
    with TemporaryDirectory(prefix="monitoring-before-") as folder:
        found, name = [], revision
        for number, file in enumerate(files):
            its_folder = file.absolute().parent.resolve()
            git = Git(_checkout_of(its_folder), os.environ)
            commit = _commit(git, revision, file)
            name = revision if commit.startswith(revision) else f"{revision} ({commit[:8]})"
            target = Path(folder) / str(number) / file.absolute().parent.name
            _lay_out(git, commit, its_folder.relative_to(git.checkout), target)
            if not (target / file.name).is_file():
                raise UsageError(f"--against {revision}: {file} is not in {name}: choose a later revision")
            found.append(target / file.name)
        yield name, found


def _checkout_of(folder: Path) -> Path:
    """Return the root of the checkout: git looks no further up than the folder it is given."""
    return next((each for each in (folder, *folder.parents) if (each / ".git").exists()), folder)


def _commit(git: Git, revision: str, file: Path) -> str:
    try:
        found = git.commit_of(revision)
    except GitError as error:
        raise UsageError(f"--against {revision}: {error}") from None
    if found is None:
        raise UsageError(f"--against {revision}: the repository of {file} has no such revision: git log shows them")
    return found


def _lay_out(git: Git, commit: str, folder: Path, target: Path) -> None:
    names = git.read("ls-tree", "-r", "--name-only", "-z", commit, "--", f"{folder}/").split("\0")
    for name in [one for one in names if one][:_MOST_FILES]:
        path = target / Path(name).relative_to(folder)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(git.read("show", f"{commit}:{name}"), encoding="utf-8")
