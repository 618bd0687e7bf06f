"""Keeps a message that cannot be stored from being sent more than once an hour."""

from __future__ import annotations

import os
import zlib
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

from monitoring.base.settings import Settings
from monitoring.base.temporary import temporary_directory

_HOUR = timedelta(hours=1)


def once_an_hour(settings: Settings, name: str, now: datetime) -> bool:
    """Return whether `name` may be sent now, and remember that it was.

    The mark is an empty file's time: it needs no new block on a full disk once it exists. Where the state
    directory cannot be written, shared memory must do, which the unit and a shell have in common, or the temporary
    one; where nothing can, rather too often than never.
    """
    for mark in _marks(settings, name):
        with suppress(OSError):
            if mark.exists() and _is_recent(mark.stat().st_mtime, now):
                return False
            mark.touch(mode=0o600)
            os.utime(mark, (now.timestamp(), now.timestamp()))
            return True
    return True


def _is_recent(marked_s: float, now: datetime) -> bool:
    """Return whether a mark is younger than an hour; one that lies ahead was made by a clock that was ahead."""
    return 0 <= now.timestamp() - marked_s < _HOUR.total_seconds()


def take_back(settings: Settings, name: str) -> None:
    """Forget that it was sent: it did not arrive."""
    for mark in _marks(settings, name):
        with suppress(OSError):
            mark.unlink()


def _marks(settings: Settings, name: str) -> list[Path]:
    own = f"monitoring-{name}-{os.geteuid()}-{zlib.crc32(os.fsencode(settings.locks)):08x}"
    others = (Path("/dev/shm"), Path(temporary_directory()))  # noqa: S108 - an empty file, no matter who made it
    return [settings.locks / f"{name}.sent", *(directory / f"{own}.sent" for directory in others)]
