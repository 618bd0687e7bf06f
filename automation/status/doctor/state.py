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


def state_directory(context: DoctorContext) -> Iterator[Finding]:
    directory = context.settings.cache_dir
    if not directory.is_dir():
        yield fail("state directory", f"{directory} does not exist", f"mkdir {directory}, or correct CACHE_DIR")
    elif not os.access(directory, os.W_OK | os.X_OK):
        text = f"{directory} (owner {owner_of(directory)}) cannot be written by this user"
        yield fail("state directory", text, _fix_access(directory, context.settings.checkout))
    else:
        yield ok("state directory", f"{directory} (owner {owner_of(directory)})")
        yield from foreign_files("state directory", directory)


def _fix_access(directory: Path, checkout: Path) -> str:
    """The checkout's owner runs everything; if the state is theirs too, only the current user is wrong."""
    if owner_of(directory) == owner_of(checkout):
        return f"run this as its owner: sudo -u {owner_of(directory)} …"
    return f"change its owner: {chown(directory, checkout)}"


def sqlite(_context: DoctorContext) -> Iterator[Finding]:
    fault = sqlite_fault()
    yield (
        fail("SQLite", fault, "upgrade SQLite: until then nothing is written")
        if fault
        else ok("SQLite", "safe with WAL")
    )


def database(context: DoctorContext) -> Iterator[Finding]:
    path = context.settings.database
    if not path.exists():
        yield warn("database", f"{path} does not exist yet: the first run creates it")
        return
    if is_damaged(path):
        remedy = "the next run renames it and starts an empty one; or restore a backup"
        yield fail("database", f"{path} is damaged", remedy)
        return
    with open_readonly(path):
        size_mib = path.stat().st_size / 1024**2
        yield ok("database", f"{path}, {size_mib:.0f} MiB, no damage found")


def locks(context: DoctorContext) -> Iterator[Finding]:
    """The kernel frees a lock when its process ends, so no lock is stale; a run that holds one for long may hang."""
    directory = usable_locks(context.settings.locks)
    if directory != context.settings.locks:
        yield fail(
            "locks",
            f"{context.settings.locks} cannot be written",
            f"correct its owner; until then runs use {directory} for locks",
        )
    for profile, holder in running_profiles(directory).items():
        age = context.now - holder.started_at if holder.started_at else timedelta(0)
        if age > _LONG_RUN:
            remedy = f"check it, or stop it: python -m automation stop {profile}"
            yield fail("locks", f"{profile} has been running for {format_duration(age)}: {holder}", remedy)
        else:
            yield ok("locks", f"{profile} is held by {holder}")


def backups(context: DoctorContext) -> Iterator[Finding]:
    """The task `backup` of the profile `daily` makes one; backups in another directory are not seen here."""
    directory = default_directory(context.settings.cache_dir)
    newest = next((one for one in stored(directory, context.now) if one.made_at <= context.now), None)
    if newest is None:
        yield warn("backups", f"no backup in {directory}", "python -m automation backup")
    elif (age := context.now - newest.made_at) > _OLD_BACKUP:
        remedy = "check the task backup of the profile daily; by hand: python -m automation backup"
        yield fail("backups", f"the newest, {newest}, is {format_duration(age)} old", remedy)
    else:
        yield ok("backups", f"the newest, {newest}, is {format_duration(age)} old")


EXAMINATIONS: tuple[Examination, ...] = (state_directory, sqlite, database, backups, locks)
