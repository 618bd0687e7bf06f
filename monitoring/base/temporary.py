"""The system's directory for temporary files, also where no file can be opened any more."""

from __future__ import annotations

import os
import tempfile


def temporary_directory() -> str:
    """Return it; never raises.

    Python looks for it by opening a file in each candidate. Without a descriptor left that says "no usable temporary
    directory", which hides what is wrong: the next file that is opened says it.
    """
    try:
        return tempfile.gettempdir()
    except FileNotFoundError:
        return os.environ.get("TMPDIR") or "/tmp"  # noqa: S108 - a name; who opens a file there takes care
