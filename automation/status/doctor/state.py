"""The state directory and the database in it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from automation.status.doctor import DoctorContext, Examination, Finding, fail, ok, warn
from automation.status.doctor.owners import chown, foreign_files, owner_of
from monitoring.base.formatting import format_duration
from monitoring.base.locks.profile_lock import running_profiles, usable_locks
from monitoring.store.db.database import sqlite_fault
from monitoring.store.db.schema import open_readonly
from monitoring.store.maintenance.backups import default_directory, stored
from monitoring.store.maintenance.repair import is_damaged

_LONG_RUN = timedelta(hours=6)
_OLD_BACKUP = timedelta(days=3)  # a daily one that failed twice


def state_directory(patient: DoctorContext) -> Iterator[Finding]:
    directory = patient.settings.cache_dir
    if not directory.is_dir():
        yield fail("state directory", f"{directory} is not there", f"mkdir {directory}, or correct CACHE_DIR")
    elif not os.access(directory, os.W_OK | os.X_OK):
        text = f"{directory} of {owner_of(directory)} cannot be written by this user"
        yield fail("state directory", text, _way_in(directory, patient.settings.checkout))
    else:
        yield ok("state directory", f"{directory} of {owner_of(directory)}")
        yield from foreign_files("state directory", directory)


def _way_in(directory: Path, checkout: Path) -> str:
    """Who owns the checkout runs it all; where the state is theirs as well, this is only the wrong user."""
    if owner_of(directory) == owner_of(checkout):
        return f"run this as its owner: sudo -u {owner_of(directory)} …"
    return f"give it back: {chown(directory, checkout)}"


def sqlite(_patient: DoctorContext) -> Iterator[Finding]:
    fault = sqlite_fault()
    yield fail("SQLite", fault, "nothing is written until then") if fault else ok("SQLite", "safe with WAL")


def database(patient: DoctorContext) -> Iterator[Finding]:
    path = patient.settings.database
    if not path.exists():
        yield warn("database", f"{path} is not there yet: the first run makes it")
        return
    if is_damaged(path):
        remedy = "the next run sets it aside and starts a fresh one; or restore a backup"
        yield fail("database", f"{path} is damaged", remedy)
        return
    with open_readonly(path):
        size_mib = path.stat().st_size / 1024**2
        yield ok("database", f"{path}, {size_mib:.0f} MiB, every page is sound")


def locks(patient: DoctorContext) -> Iterator[Finding]:
    """The kernel frees a lock with its process, so a lock cannot be stale; a run that holds one for long can hang."""
    directory = usable_locks(patient.settings.locks)
    if directory != patient.settings.locks:
        yield fail(
            "locks",
            f"{patient.settings.locks} cannot be written",
            f"runs lock in {directory} instead: correct its owner",
        )
    for profile, holder in running_profiles(directory).items():
        age = patient.now - holder.started_at if holder.started_at else timedelta(0)
        if age > _LONG_RUN:
            remedy = f"look at it, or: python -m automation stop {profile}"
            yield fail("locks", f"{profile} has been running for {format_duration(age)}: {holder}", remedy)
        else:
            yield ok("locks", f"{profile} is held by {holder}")


def backups(patient: DoctorContext) -> Iterator[Finding]:
    """The task `backup` of the profile `daily` makes one; where it puts them elsewhere, that is not seen here."""
    directory = default_directory(patient.settings.cache_dir)
    newest = next((one for one in stored(directory, patient.now) if one.made_at <= patient.now), None)
    if newest is None:
        yield warn("backups", f"there is none in {directory}", "python -m automation backup")
    elif (age := patient.now - newest.made_at) > _OLD_BACKUP:
        remedy = "look why the task backup of the profile daily makes none; by hand: python -m automation backup"
        yield fail("backups", f"the newest, {newest}, is {format_duration(age)} old", remedy)
    else:
        yield ok("backups", f"the newest, {newest}, is {format_duration(age)} old")


EXAMINATIONS: tuple[Examination, ...] = (state_directory, sqlite, database, backups, locks)
