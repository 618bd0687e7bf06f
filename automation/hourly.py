"""Keeps a message that cannot be stored from being sent more than once an hour."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

from monitoring.settings import Settings

_HOUR = timedelta(hours=1)


def once_an_hour(settings: Settings, name: str, now: datetime) -> bool:
    """Tell whether `name` may be sent now, and remember that it was.

    The mark is an empty file's time: it needs no new block on a full disk once it exists. Where the state
    directory cannot be written, the temporary one must do; where nothing can, rather too often than never.
    """
    for directory in (settings.locks, Path(tempfile.gettempdir())):
        mark = directory / f"{name}.sent"
        with suppress(OSError):
            if mark.exists() and now - datetime.fromtimestamp(mark.stat().st_mtime, now.tzinfo) < _HOUR:
                return False
            mark.touch(mode=0o600)
            os.utime(mark, (now.timestamp(), now.timestamp()))
            return True
    return True
