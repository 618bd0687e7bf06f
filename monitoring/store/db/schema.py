"""Creates, adopts and migrates the database, once, under a file lock, by the first process that opens it.

Eight processes meeting a new file lost alerts to `database is locked` when each tried by itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import apsw

from monitoring.base.clock import from_text, to_text
from monitoring.base.errors import StoreError
from monitoring.store.db.compatibility import MIGRATIONS, OLDEST_READABLE, VERSION, has_table, lacking
from monitoring.store.db.database import BUSY_TIMEOUT_S, Database, Tx
from monitoring.store.db.write_lock import FairLock

_CREATION_TIMEOUT_S = 120.0  # adopting millions of rows takes a minute
_OLD_TABLE = "alert_events_adopted"
_OLD_COLUMNS = (
    "id, created_at, source, protocol, channel, severity, message, plain_text, silent, delivery_status, "
    "delivered_at, delivery_error, dedupe_key, fingerprint, metadata_json"
)


def open_database(path: Path, *, busy_timeout_s: float = BUSY_TIMEOUT_S, migrate: bool = True) -> Database:
    """Open the database for writing; create or migrate it where needed. One of a newer release is left as it is.

    Without `migrate` one of the release before is left as it is too: the first row of a new revision comes before the
    migration, and must name only columns that `OLDEST_READABLE` has.

    Raises:
        StoreDamagedError: the file is damaged (see `repair`).
        StoreError: it cannot be opened, or this release is too old for it.
    """
    if _has_content(path):
        database = _checked(Database(path, busy_timeout_s=busy_timeout_s), Database.refuse_too_new)
        version = database.numbers().version
        if version > VERSION or (version >= OLDEST_READABLE and not migrate):
            return database
        if version == VERSION and not database.read(lacking):
            return database
        database.close()
    with creation_lock(path).hold(_CREATION_TIMEOUT_S):
        return create_or_migrate(path, busy_timeout_s=busy_timeout_s)


def _has_content(path: Path) -> bool:
    try:
        return path.stat().st_size > 0
    except FileNotFoundError:
        return False
    except OSError as error:  # a directory of somebody else: checks must run without the store then
        raise StoreError(
            f"{path}: cannot be looked at ({error.strerror}): look at the owner of {path.parent}"
        ) from error


def open_readonly(path: Path, *, busy_timeout_s: float = 5.0) -> Database:
    """Open the database for reading only; never creates, migrates or repairs it."""
    with suppress(PermissionError):  # SQLite's own words name the file as well
        if not path.exists():
            raise StoreError(f"{path} does not exist: no profile has run with this state directory yet")
    return _checked(Database(path, readonly=True, busy_timeout_s=busy_timeout_s), refuse_unreadable)


def _checked(database: Database, check: Callable[[Database], None]) -> Database:
    try:
        check(database)
    except BaseException:
        database.close()
        raise
    return database


def refuse_unreadable(database: Database) -> None:
    """Refuse a file that this release cannot read; who keeps it open asks again, since others migrate and restore it.

    Raises:
        StoreError: it is too old or too new; the message says what to do.
    """
    numbers = database.numbers()
    if refusal := numbers.refusal(database.path):
        raise StoreError(refusal)
    if numbers.version < OLDEST_READABLE:
        raise StoreError(
            f"{database.path} has schema version {numbers.version}, this program reads {OLDEST_READABLE} and newer: "
            "start a run to migrate it"
        )


def creation_lock(path: Path) -> FairLock:
    """Return the lock under which the file at `path` may appear, disappear or change its schema."""
    return FairLock(path.parent / "locks" / "schema.lock")


def create_or_migrate(path: Path, *, busy_timeout_s: float = BUSY_TIMEOUT_S, until: int = VERSION) -> Database:
    """Bring the file to schema version `until`, if it is older; the caller holds `creation_lock`."""
    try:
        path.touch(mode=0o660)
    except OSError as error:
        raise StoreError(f"{path}: cannot be created: {error.strerror}") from error
    database = Database(path, busy_timeout_s=busy_timeout_s)
    try:
        while (version := database.numbers().version) < until:
            with database.write() as tx:
                _migrate(tx, version)
        if version == VERSION and until == VERSION and database.read(lacking):
            with database.write() as tx:
                for addition in lacking(tx):
                    tx.execute(addition.read_text(encoding="utf-8"))
        database.refuse_too_new()
    except BaseException:
        database.close()
        raise
    return database


def _migrate(tx: Tx, version: int) -> None:
    adopting = version == 0 and has_table(tx, "alert_events")
    if adopting:
        _set_old_tables_aside(tx)
    tx.execute(MIGRATIONS[version].read_text(encoding="utf-8"))
    if adopting:
        _adopt(tx)
    tx.execute(f"PRAGMA user_version={version + 1}")


def _set_old_tables_aside(tx: Tx) -> None:
    """Rename what the old system made; its indexes go, since ours replace them."""
    for (name,) in tx.execute(
        "SELECT name FROM sqlite_master WHERE type IN ('index', 'trigger') AND sql IS NOT NULL "
        "AND tbl_name IN ('alert_events', 'monitor_state')"
    ).fetchall():
        tx.execute(f'DROP INDEX IF EXISTS "{name}"')
        tx.execute(f'DROP TRIGGER IF EXISTS "{name}"')
    tx.execute(f"ALTER TABLE alert_events RENAME TO {_OLD_TABLE}")
    if has_table(tx, "monitor_state"):
        tx.execute("ALTER TABLE monitor_state RENAME TO monitor_state_adopted")


def _adopt(tx: Tx) -> None:
    """Copy the old rows, ids kept; instants become fixed-width and `sort_at` their running maximum.

    Nothing adopted is pending: the old system sent it or gave it up. A column we do not know keeps the
    renamed table in place, so that nothing is lost.
    """
    tx.create_scalar_function("instant", _instant, 1, deterministic=True)
    tx.create_scalar_function("legible", _legible, 1, deterministic=True)
    columns = [row[1] for row in tx.execute(f"PRAGMA table_info({_OLD_TABLE})")]
    known = [name.strip() for name in _OLD_COLUMNS.split(",")]
    picks = ", ".join(_pick(name, present=name in columns) for name in known)
    tx.execute(
        f"INSERT INTO alert_events ({_OLD_COLUMNS}, sort_at) "  # noqa: S608 - names of our own
        f"SELECT {picks}, max(coalesce(instant({_text('created_at')}), '')) OVER (ORDER BY id) "
        f"FROM {_OLD_TABLE} ORDER BY id"
    )
    if set(columns) <= set(known):
        tx.execute(f"DROP TABLE {_OLD_TABLE}")
    if has_table(tx, "monitor_state_adopted"):
        now = to_text(datetime.now(UTC))
        tx.execute(
            "INSERT OR IGNORE INTO monitor_state (namespace, key, value, updated_at) SELECT "  # noqa: S608 - our own
            f"{_text('namespace')}, {_text('key')}, coalesce({_text('value')}, ''), "
            f"coalesce(instant({_text('updated_at')}), {_text('updated_at')}, ?) FROM monitor_state_adopted",
            (now,),
        )
        tx.execute("DROP TABLE monitor_state_adopted")
    tx.create_scalar_function("instant", None)
    tx.create_scalar_function("legible", None)


_MILLISECONDS = 1e11  # as seconds that is the year 5138
_WHEN_EMPTY = {
    "source": "'protocol'",
    "protocol": "''",
    "channel": "''",
    "message": "''",
    "plain_text": "0",
    "silent": "0",
    "delivery_status": "'not_attempted'",
}


def _pick(name: str, *, present: bool) -> str:
    if name == "created_at":
        return f"coalesce(instant({_text(name)}), {_text(name)}, '')"
    if name == "delivered_at" and present:
        return f"coalesce(instant({_text(name)}), {_text(name)})"
    if name == "delivery_status" and present:
        return f"CASE WHEN {name} IN ('pending', 'generated') THEN 'not_attempted' ELSE {_given(name)} END"
    return _given(name) if present else _WHEN_EMPTY.get(name, "NULL")


def _given(name: str) -> str:
    return f"coalesce({_text(name)}, {_WHEN_EMPTY[name]})" if name in _WHEN_EMPTY else _text(name)


def _text(name: str) -> str:
    """Read a column as bytes first: text that is no UTF-8 could not be handed to a function at all."""
    return name if name == "id" else f"legible(CAST({name} AS BLOB))"


def _legible(*values: apsw.SQLiteValue) -> apsw.SQLiteValue:
    """Return bytes as text: the columns of the old system took any type, and ours are read as text."""
    (value,) = values
    return value.decode(errors="backslashreplace") if isinstance(value, bytes) else value


def _instant(*values: apsw.SQLiteValue) -> str | None:
    """Return any instant the old system wrote (ISO 8601 of any precision, unix seconds or milliseconds) as ours."""
    (value,) = values
    try:
        if isinstance(value, (int, float)) or (isinstance(value, str) and re.fullmatch(r"\d{9,13}(\.\d+)?", value)):
            seconds = float(value)
            return to_text(datetime.fromtimestamp(seconds / 1000 if seconds >= _MILLISECONDS else seconds, UTC))
        return to_text(from_text(str(value)))
    except (ValueError, OverflowError, OSError):
        return None
