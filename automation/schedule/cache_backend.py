"""Where `utils.cache` keeps its values: when a scheduler starts with the other backend than before, they move along.

`CACHE_BACKEND=file` alone would go back to text files as old as the day they were imported, and without it again to a
database as old as the switch. Called where a scheduler starts; a note in the state directory says what it found last.
"""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Iterator

from monitoring.base.settings import Settings

log = logging.getLogger("automation.schedule.cache_backend")

_NOTE = "cache-backend"  # is there while the text files are in use; holds what went wrong on the way
_LIMIT_S = 60


def uses_files(settings: Settings) -> bool:
    return settings.environ.get("CACHE_BACKEND", "").lower() == "file"


def settle(settings: Settings) -> None:
    """Carry the values over if the last start had the other backend. Trouble is logged and stops no scheduler."""
    note, files = settings.cache_dir / _NOTE, uses_files(settings)
    try:
        if files == note.exists():
            return
        trouble = _move("--export" if files else "--overwrite", settings)
        if files:
            # Not tried again: once the text files are written to, the database is what is old.
            note.write_text(trouble, encoding="utf-8")
        else:
            note.unlink()
    except OSError as error:
        trouble = str(error)
    if trouble:
        log.error("the values of utils.cache could not be carried over: %s", trouble)
    else:
        log.info("CACHE_BACKEND changed: the values of utils.cache were carried over, to the %s", _place(files=files))


def _place(*, files: bool) -> str:
    return "text files" if files else "database"


def _move(direction: str, settings: Settings) -> str:
    """Let `utils` do it, in a process of its own; return what went wrong."""
    command = [sys.executable, "-m", "utils.migrate_cache_to_db", direction, "--at-start"]
    environ = {**settings.environ, "PYTHONPATH": str(settings.checkout), "CACHE_DIR": str(settings.cache_dir)}
    try:
        done = subprocess.run(
            command, env=environ, cwd=settings.checkout, capture_output=True, text=True, timeout=_LIMIT_S, check=False
        )
    except subprocess.TimeoutExpired:
        return f"it took longer than {_LIMIT_S} s"
    return "" if done.returncode == 0 else (done.stderr.strip().splitlines() or ["it says nothing"])[-1]


def warnings(settings: Settings) -> Iterator[str]:
    """Warn that the text files are in use, and whether they are older than the database."""
    if not uses_files(settings):
        return
    note = settings.cache_dir / _NOTE
    trouble = note.read_text(encoding="utf-8") if note.is_file() else ""
    old = f"; THEY ARE AS OLD AS THEIR LAST EXPORT, since the export at the switch failed: {trouble}" if trouble else ""
    yield f"CACHE_BACKEND=file: monitors keep their values in the text files of {settings.cache_dir}{old}"
