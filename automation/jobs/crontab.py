"""Profiles to the crontab that supercronic runs, and that text into its file."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path

from automation.jobs.model import Jobs, Profile

_MODE = 0o644  # supercronic may run as somebody else


def render_crontab(jobs: Jobs) -> str:
    """Return one line for each enabled profile, below the zone they are read in.

    Every schedule is in UTC: in a zone with daylight saving supercronic can search for the next tick permanently.
    """
    lines = ["CRON_TZ=UTC", *(_line(profile) for profile in jobs.profiles.values() if profile.enabled)]
    return "".join(line + "\n" for line in lines)


def _line(profile: Profile) -> str:
    lock = f"/tmp/automation.{profile.name}.lock"  # noqa: S108 - inside the unit's PrivateTmp
    return f"{profile.cron.canonical}\tflock -n {lock} python -m automation run {profile.name}"


def write_crontab(text: str, path: Path) -> None:
    """Replace the file atomically: a reader sees the old text or the new one, never half of it.

    Raises:
        OSError: it cannot be written; the old file is as it was.
    """
    descriptor, draft = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            os.fchmod(descriptor, _MODE)
        Path(draft).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(draft).unlink()
        raise
