"""Root acts as the owner of the state directory: what root made there, the unit's user could not write any more."""

from __future__ import annotations

import os
import pwd
from pathlib import Path


def become_owner(directory: Path) -> str | None:
    """Drop root's privileges to the owner of `directory`; return that user's name if anything changed.

    For a directory that does not exist yet the nearest parent decides. Cannot be undone in this process.
    """
    if os.geteuid() != 0:
        return None
    existing = next(path for path in (directory, *directory.absolute().parents) if path.exists())
    status = existing.stat()
    if status.st_uid == 0:
        return None
    try:
        entry = pwd.getpwuid(status.st_uid)
    except KeyError:
        os.setgroups([])
        name, home = str(status.st_uid), "/"
    else:
        os.initgroups(entry.pw_name, entry.pw_gid)
        name, home = entry.pw_name, entry.pw_dir
    os.setgid(status.st_gid)
    os.setuid(status.st_uid)
    os.environ["HOME"] = home
    return name


def become_owner_of_checkout() -> str | None:
    """Do so for the directory this package lies in: the first statement of whatever has a command line.

    The owner of the checkout can write all of it, so root must load no more of it than this. What Python loads before
    (the venv's start files, the package's `__init__`) ran as root already: root types `sudo monitoring VERB`, which
    changes the user before Python starts.
    """
    return become_owner(Path(__file__).resolve().parents[2])
