"""Files of another owner: what root created by hand, the user of the units cannot change."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from automation.status.doctor import DoctorContext, Examination, Finding, Problem

_OF_DEVELOPERS = ("node_modules", ".tools")

CHECKOUT_OWNERS = Problem(
    "checkout-owners",
    "checkout",
    "`dubious ownership`, `insufficient permission`, a sync that fails",
    "files of the checkout or the venv belong to another user, mostly root",
    "the sync and `make sync` run as the user of the units and cannot replace them",
    "sudo chown -R monitoring: /srv/monitoring",
)


def checkout(context: DoctorContext) -> Iterator[Finding]:
    """The checkout, with git's own files and the venv: the sync writes the one, `make sync` the other."""
    yield from foreign_files(CHECKOUT_OWNERS, context.settings.checkout)


def foreign_files(problem: Problem, directory: Path) -> Iterator[Finding]:
    """Report how many files in a directory have another owner than the directory itself."""
    owner = directory.stat().st_uid
    foreign = [path for path in _below(directory) if _owner(path) not in (owner, None) and not _is_shared(path)]
    if foreign:
        text = f"{len(foreign)} files have another owner, for example {foreign[0]} ({owner_of(foreign[0])})"
        yield problem.found(text, chown(directory, directory))


def chown(directory: Path, like: Path) -> str:
    """Return the command that gives all of a directory to the owner of another."""
    return f"sudo chown -R {owner_of(like).removeprefix('uid ')}: {directory}"


def owner_of(path: Path) -> str:
    try:
        return path.owner()
    except KeyError:
        return f"uid {path.lstat().st_uid}"


def _below(directory: Path) -> Iterator[Path]:
    for folder, folders, files in os.walk(directory):
        if Path(folder) == directory:
            folders[:] = [name for name in folders if name not in _OF_DEVELOPERS]
        yield from (Path(folder, name) for name in (*folders, *files))


def _is_shared(path: Path) -> bool:
    """A clone of a local path links the objects of the other repository; git only ever reads those."""
    return path.match(".git/objects/*/*") and path.is_file() and path.stat().st_nlink > 1


def _owner(path: Path) -> int | None:
    try:
        return path.lstat().st_uid
    except OSError:
        return None  # gone meanwhile


EXAMINATIONS: tuple[Examination, ...] = (checkout,)
