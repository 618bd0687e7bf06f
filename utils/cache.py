"""What a script remembers between runs, by cache file name and key: `get`, `set`, `delete`, `keys`, `path`.

The values live in the database; with `CACHE_BACKEND=file` in the environment, in the legacy text files again.
A monitor written with `utils.monitor` has `recall` and `remember`, which commit together with its alerts.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

from monitoring.base.clock import SystemClock
from monitoring.base.errors import UsageError
from monitoring.base.settings import load_settings
from monitoring.store.db import lost
from monitoring.store.db.database import Database
from monitoring.store.maintenance import legacy_files
from monitoring.store.maintenance.repair import open_or_repair
from monitoring.store.tables import state

CACHE_FILENAME = os.environ.get("CACHE_FILENAME") or "cache-id.txt"
NONCE_FILENAME = os.environ.get("NONCE_FILENAME") or "nonces.txt"

_open: dict[tuple[Path, int], Database] = {}


def get(file: str, key: str, default: str | None = None) -> str | None:
    """Return the value of `key`, or `default` when there is none.

    Raises:
        StoreError: the state cannot be read.
    """
    if _uses_files():
        return legacy_files.read(path(file)).entries.get(key, default)
    found = state.get(_database(), _namespace(file), key)
    return found.value if found else default


def set(file: str, key: str, value: object) -> None:  # noqa: A001 - the name the runbook promises
    """Keep `str(value)` under `key`.

    Raises:
        StoreError: the state cannot be written; the old value is then still there.
    """
    _check_key(key)
    if _uses_files():
        with legacy_files.change(_for_writing(file)) as entries:
            entries[key] = str(value)
        return
    with _database().write() as tx:
        state.put(tx, _namespace(file), key, str(value), datetime.now(UTC))


def delete(file: str, key: str) -> None:
    """Forget `key`; one that is not there is no error."""
    if _uses_files():
        with legacy_files.change(_for_writing(file)) as entries:
            entries.pop(key, None)
        return
    with _database().write() as tx:
        state.forget(tx, _namespace(file), key)


def keys(file: str) -> list[str]:
    """Return the keys of a cache file, sorted."""
    if _uses_files():
        return sorted(legacy_files.read(path(file)).entries)
    return state.keys(_database(), _namespace(file))


def path(name: str) -> Path:
    """Return where a cache file of this name lies: always under `$CACHE_DIR`, whatever folder the name had."""
    return load_settings().cache_dir / _namespace(name)


def _namespace(file: str) -> str:
    name = Path(file).name
    if name in ("", "..") or "\0" in name:
        raise UsageError(f"{file!r} is not a file name: give a plain one, as in cache-id.txt")
    return name


def _check_key(key: str) -> None:
    if not key.strip():
        raise UsageError("a cache key must not be blank")


def _uses_files() -> bool:
    return load_settings().environ.get("CACHE_BACKEND", "").lower() == "file"


def _for_writing(file: str) -> Path:
    target = path(file)
    target.parent.mkdir(parents=True, exist_ok=True)
    return target


def _database() -> Database:
    """Open the database once per process; a deleted or damaged one is replaced, a forked child opens its own."""
    where = (load_settings().database, os.getpid())
    database = _open.get(where)
    if database is not None and database.is_current():
        return database
    where[0].parent.mkdir(parents=True, exist_ok=True)
    clock = SystemClock()
    database = lost.reopen(database, clock) if database is not None else open_or_repair(where[0], clock)[0]
    _open[where] = database
    return database
