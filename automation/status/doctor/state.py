"""The state directory and the database in it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from automation.status.doctor import DoctorContext, Examination, Finding, FindingLevel, Problem, ok
from automation.status.doctor.owners import chown, foreign_files, owner_of
from monitoring.base.errors import StoreError
from monitoring.base.formatting import format_duration
from monitoring.base.locks.profile_lock import running_profiles, usable_locks
from monitoring.store.db.database import sqlite_fault
from monitoring.store.db.schema import open_readonly
from monitoring.store.maintenance.backups import default_directory, stored
from monitoring.store.maintenance.repair import is_damaged
from monitoring.store.readings.dropping import lately_dropped

_LONG_RUN = timedelta(hours=6)
_OLD_BACKUP = timedelta(days=3)  # a daily one that failed twice

STATE_MISSING = Problem(
    "state-missing",
    "state directory",
    "`monitoring.db does not exist`, everything reported again",
    "the state directory does not exist, or CACHE_DIR names another one",
    "nothing is remembered or stored",
    "correct CACHE_DIR in the env file, or create the directory: mkdir",
)
STATE_CLOSED = Problem(
    "state-closed",
    "state directory",
    "`Permission denied`, `the database cannot be written`",
    "the state directory cannot be written by this user",
    "runs of this user store nothing",
    "sudo chown -R monitoring: /srv/cache",
)
STATE_OWNERS = Problem(
    "state-owners",
    "state directory",
    "values forgotten, old alerts sent again",
    "files in the state directory belong to another user, mostly root",
    "the user of the units cannot change them",
    "sudo chown -R monitoring: /srv/cache",
)
SQLITE = Problem(
    "sqlite",
    "SQLite",
    "`SQLite … can damage a database`",
    "the SQLite in use has a bug that can damage a database in WAL mode",
    "until it is replaced nothing is written",
    "make sync",
)
NO_DATABASE = Problem(
    "database-missing",
    "database",
    "`status` knows no run",
    "no profile has run with this state directory yet, or the database was deleted",
    "nothing is known yet; the next run creates it",
    "python -m automation run hourly; after a loss: python -m automation restore",
    FindingLevel.WARN,
)
DAMAGED = Problem(
    "database-damaged",
    "database",
    "`database disk image is malformed`, `file is not a database`",
    "the database is damaged",
    "the next run renames it and starts an empty one: values that monitors remember are gone",
    "the next run renames it and starts an empty one; or restore a backup: python -m automation restore",
)
REFUSED = Problem(
    "database-refused",
    "database",
    "every command ends with an error about the database",
    "the database cannot be opened: of a newer release, locked, or closed to this user",
    "nothing can be read or stored",
    "do what the message says; if it is locked, see which run holds it: python -m automation status",
)
LOCKS = Problem(
    "locks-closed",
    "locks",
    "two runs of one profile at a time",
    "the directory of the locks cannot be written",
    "runs of different users use different locks and do not see each other",
    "sudo chown -R monitoring: /srv/cache/locks",
)
HANGS = Problem(
    "run-hangs",
    "locks",
    "ticks of one profile are skipped for hours",
    "a run has been going on for more than six hours",
    "its profile checks nothing else until it ends",
    "python -m automation stop PROFILE",
)
NO_BACKUP = Problem(
    "backup-none",
    "backups",
    "nothing to restore after a mistake",
    "there is no backup in the directory of backups",
    "a lost database means new baselines and repeated alerts",
    "python -m automation backup",
    FindingLevel.WARN,
)
OLD_BACKUP = Problem(
    "backup-old",
    "backups",
    "a restore brings back an old state",
    "the newest backup is older than three days",
    "the daily task `backup` fails or does not run",
    "check the task backup of the profile daily; by hand: python -m automation backup",
)

READINGS_DROPPED = Problem(
    "readings-dropped",
    "database",
    "gaps in the chart of a check although it ran",
    "readings were not kept: the disk was nearly full, they could not be written, or the database was damaged",
    "checks judged and alerts went out as ever; values and limits of that time are missing in pages and backtests",
    "make room: du -xh /srv | sort -h | tail -20; python -m automation prune --readings-older-than 30d",
    FindingLevel.WARN,
)


def state_directory(context: DoctorContext) -> Iterator[Finding]:
    directory = context.settings.cache_dir
    if not directory.is_dir():
        yield STATE_MISSING.found(f"{directory} does not exist", f"mkdir {directory}, or correct CACHE_DIR")
    elif not os.access(directory, os.W_OK | os.X_OK):
        text = f"{directory} (owner {owner_of(directory)}) cannot be written by this user"
        yield STATE_CLOSED.found(text, _fix_access(directory, context.settings.checkout))
    else:
        yield ok("state directory", f"{directory} (owner {owner_of(directory)})")
        yield from foreign_files(STATE_OWNERS, directory)


def _fix_access(directory: Path, checkout: Path) -> str:
    """The checkout's owner runs everything; if the state is theirs too, only the current user is wrong."""
    if owner_of(directory) == owner_of(checkout):
        return f"run this as its owner: sudo -u {owner_of(directory)} …"
    return f"change its owner: {chown(directory, checkout)}"


def sqlite(_context: DoctorContext) -> Iterator[Finding]:
    fault = sqlite_fault()
    yield SQLITE.found(fault) if fault else ok("SQLite", "safe with WAL")


def database(context: DoctorContext) -> Iterator[Finding]:
    path = context.settings.database
    if not path.exists():
        yield NO_DATABASE.found(f"{path} does not exist yet: the first run creates it")
        return
    if is_damaged(path):
        yield DAMAGED.found(f"{path} is damaged")
        return
    try:
        with open_readonly(path):
            size_mib = path.stat().st_size / 1024**2
    except StoreError as error:
        yield REFUSED.found(str(error))
    else:
        yield ok("database", f"{path}, {size_mib:.0f} MiB, no damage found")
        yield from _dropped_readings(context)


def _dropped_readings(context: DoctorContext) -> Iterator[Finding]:
    with context.database() as opened:
        dropped = lately_dropped(opened, context.now) if opened is not None else None
    if dropped is not None:
        yield READINGS_DROPPED.found(dropped.in_words)


def locks(context: DoctorContext) -> Iterator[Finding]:
    """The kernel frees a lock when its process ends, so no lock is stale; a run that holds one for long may hang."""
    directory = usable_locks(context.settings.locks)
    if directory != context.settings.locks:
        text = f"{context.settings.locks} cannot be written: runs of this user use {directory}"
        yield LOCKS.found(text, f"change its owner: {chown(context.settings.locks, context.settings.cache_dir)}")
    for profile, holder in running_profiles(directory).items():
        age = context.now - holder.started_at if holder.started_at else timedelta(0)
        if age > _LONG_RUN:
            text = f"{profile} has been running for {format_duration(age)}: {holder}"
            yield HANGS.found(text, f"check it, or stop it: python -m automation stop {profile}")
        else:
            yield ok("locks", f"{profile} is held by {holder}")


def backups(context: DoctorContext) -> Iterator[Finding]:
    """The task `backup` of the profile `daily` makes one; backups in another directory are not seen here."""
    directory = default_directory(context.settings.cache_dir)
    newest = next((one for one in stored(directory, context.now) if one.made_at <= context.now), None)
    if newest is None:
        yield NO_BACKUP.found(f"no backup in {directory}")
    elif (age := context.now - newest.made_at) > _OLD_BACKUP:
        yield OLD_BACKUP.found(f"the newest, {newest}, is {format_duration(age)} old")
    else:
        yield ok("backups", f"the newest, {newest}, is {format_duration(age)} old")


EXAMINATIONS: tuple[Examination, ...] = (state_directory, sqlite, database, backups, locks)
