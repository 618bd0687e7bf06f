"""The rule for files that jobs.yaml names: inside the checkout, really there, reached by a plain relative path."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path, PurePosixPath

from monitoring.base.suggest import nearest

_MAX_CANDIDATES = 500  # enough for any protocols/ folder; a suggestion is not worth more


def plain_path(text: str) -> str:
    """Return the path in its plain form, relative to the checkout.

    Raises:
        ValueError: it is empty, absolute, or climbs; the message says what to write.
    """
    parts = [part for part in text.split("/") if part not in ("", ".")]
    if not text.strip():
        raise ValueError("the path is empty: write one from the checkout, as in protocols/aave/main.py")
    if text.startswith("/"):
        raise ValueError(f"{text!r} is absolute: write the path from the checkout, as in protocols/aave/main.py")
    if ".." in parts:
        raise ValueError(f"{text!r} climbs with ..: write the path from the checkout, as in protocols/aave/main.py")
    return "/".join(parts) or "."


def file_fault(text: str, checkout: Path) -> str | None:
    """Return why a path in its plain form is not a file of the checkout, with what to write; None if it is one."""
    found = os.path.join(checkout, text)  # noqa: PTH118 - asked for each file of jobs.yaml at each start
    if not os.path.lexists(found):
        return f"{text!r} is not in the checkout: {_suggestion(PurePosixPath(text), checkout)}"
    if not _is_inside(found, checkout):
        return f"{text!r} is a link that leads out of the checkout: put the file itself there"
    if not os.path.isfile(found):  # noqa: PTH113 - likewise
        return f"{text!r} is no file: write the path of one, as in protocols/aave/main.py"
    return None


def _is_inside(path: str, checkout: Path) -> bool:
    real, home = os.path.realpath(path), os.path.realpath(checkout)
    return real == home or real.startswith(os.path.join(home, ""))  # noqa: PTH118 - likewise


def _suggestion(path: PurePosixPath, checkout: Path) -> str:
    home = next((parent for parent in path.parents if (checkout / parent).is_dir()), PurePosixPath())
    alike = (file for file in _files(checkout, home) if PurePosixPath(file).suffix == path.suffix.strip())
    match = nearest(str(path), islice(alike, _MAX_CANDIDATES))
    return f"did you mean {match}?" if match else "correct the path, or add the file"


def _files(checkout: Path, home: PurePosixPath) -> Iterator[str]:
    for directory, folders, names in os.walk(checkout / home):
        # A venv holds more files than anybody wants to look through for a suggestion.
        folders[:] = sorted(folder for folder in folders if not folder.startswith(".") and folder != "node_modules")
        yield from (Path(directory, name).relative_to(checkout).as_posix() for name in sorted(names))
