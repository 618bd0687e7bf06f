"""Damages a database file as a bad disk does: pages in its middle hold something else."""

from __future__ import annotations

from pathlib import Path

PAGE = 4096


def damage(path: Path) -> None:
    """Overwrite a third of the pages; the header stays, so that only reading on finds it."""
    pages = path.stat().st_size // PAGE
    with path.open("r+b") as file:
        for page in range(pages // 3, 2 * pages // 3):
            file.seek(page * PAGE)
            file.write(b"\x5a" * PAGE)
