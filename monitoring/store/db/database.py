"""One connection to the SQLite database: how it is opened, written and read. All SQL of this project runs through here.

A `Database` belongs to one thread. Writers take turns (`fair_lock`), each transaction is short and fsynced.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any, Self, TypeVar

import apsw

from monitoring.base.errors import StoreBusyError, StoreError
from monitoring.store.db.compatibility import SchemaNumbers, read_numbers
from monitoring.store.db.write_lock import FairLock

# The WAL-reset corruption bug is in every SQLite from 3.7.0 to 3.51.2.
_OLDEST_SAFE_SQLITE = (3, 51, 3)
_JOURNAL_LIMIT_BYTES = 64 * 1024 * 1024
BUSY_TIMEOUT_S = 30.0

_CUT = "{path}: it is empty (0 bytes), but its log is there: it was cut off or deleted; the next run sets it aside"

Identity = tuple[int, int]  # of a file: device and inode
Tx = apsw.Connection  # what `Database.write` hands out: statements on it belong to the transaction
_T = TypeVar("_T")
Row = tuple[Any, ...]
Parameters = Sequence[Any] | dict[str, Any]


class StoreDamagedError(StoreError):
    """The file is not a database, or a damaged one."""


class StoreReplacedError(StoreError):
    """The database file was deleted or set aside while we had it open."""


class Database:
    """An open database file."""

    def __init__(self, path: Path, *, readonly: bool = False, busy_timeout_s: float = BUSY_TIMEOUT_S) -> None:
        """Open `path`; only `schema.open_database` creates one.

        Raises:
            StoreError: it cannot be opened; `StoreDamagedError` if it is no database.
        """
        if not readonly and (fault := sqlite_fault()):
            raise StoreError(fault)
        self.path = path
        self.readonly = readonly
        self._busy_timeout_s = busy_timeout_s
        self._lock = FairLock(path.parent / "locks" / "write.lock")
        refuse_cut(path)
        with sqlite_errors(path):
            self._connection = _connect(path, readonly=readonly, busy_timeout_s=busy_timeout_s)
        self._identity = identity_of(path)
        self._sidecars = _sidecars(path)

    def close(self) -> None:
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def write(self) -> Iterator[Tx]:
        """Run one write transaction: all of it is on disk afterwards, or none.

        Raises:
            StoreBusyError: other writers kept it for longer than the time limit.
            StoreReplacedError: the file at `path` is no longer the one we opened; open it again.
            StoreDamagedError: the file is damaged.
            StoreError: a later release took the file over, or anything else the disk says.
        """
        with self._lock.hold(self._busy_timeout_s), sqlite_errors(self.path):
            self._refuse_lost()
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                self.refuse_too_new()
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    @contextmanager
    def snapshot(self) -> Iterator[Tx]:
        """Read several things at one moment."""
        with sqlite_errors(self.path):
            self._connection.execute("BEGIN")
            try:
                yield self._connection
            finally:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")

    def read(self, act: Callable[[Tx], _T]) -> _T:
        """Ask one question that is asked in transactions too, as in `database.read(conditions.firing)`."""
        with self.snapshot() as tx:
            return act(tx)

    def rows(self, sql: str, parameters: Parameters = ()) -> list[Row]:
        """Read all rows of one query."""
        with sqlite_errors(self.path):
            return self._connection.execute(sql, parameters).fetchall()

    def row(self, sql: str, parameters: Parameters = ()) -> Row | None:
        """Read the first row of one query."""
        with sqlite_errors(self.path):
            return next(iter(self._connection.execute(sql, parameters)), None)

    def numbers(self) -> SchemaNumbers:
        """Return what the header says now: another release may migrate the file while we have it open."""
        with sqlite_errors(self.path):
            return read_numbers(self._connection)

    def refuse_too_new(self) -> None:
        """Refuse a file that this release is too old for.

        Raises:
            StoreError: it is; the message says what to do.
        """
        if refusal := self.numbers().refusal(self.path):
            raise StoreError(refusal)

    def is_current(self) -> bool:
        """Return whether the file at `path` is still the one that was opened."""
        return identity_of(self.path) == self._identity

    def _refuse_lost(self) -> None:
        """Refuse a file that is not at its path any more, or was emptied: what is written to it nobody would read."""
        try:
            status = os.stat(self.path)  # noqa: PTH116 - on every write: half the cost of Path.stat
        except OSError:
            raise StoreReplacedError(f"{self.path} was deleted while it was open") from None
        if (status.st_dev, status.st_ino) != self._identity:
            raise StoreReplacedError(f"{self.path} was replaced while it was open")
        if not status.st_size:
            raise StoreDamagedError(_CUT.format(path=self.path))

    @property
    def mark(self) -> str:
        """Return how an alert about the loss of this file is marked: it is said once, whichever process notices.

        The log identifies the database: when only the file was deleted, another one may be there, with this log.
        """
        return loss_mark(self._sidecars["-wal"] or self._identity)

    def take_sidecars_along(self, now: datetime) -> None:
        """Rename the `-wal` and `-shm` that were left at the path when this file was deleted or replaced.

        SQLite would read them into the file that lies there now.
        """
        if self.is_current():
            return
        aside = f"{self.path.name}.replaced-{now.strftime('%Y%m%dT%H%M%S%fZ')}"
        for suffix, identity in self._sidecars.items():
            left = self.path.with_name(self.path.name + suffix)
            if identity is not None and identity_of(left) == identity:
                with suppress(OSError):
                    left.rename(self.path.with_name(aside + suffix))

    def data_version(self) -> int:
        """Return a number that changes when another connection commits.

        Asked by the pragma, which looks at the file: `apsw`'s `data_version()` is quicker and only reports what the
        last read of this connection saw.
        """
        with sqlite_errors(self.path):
            return int(self._connection.pragma("data_version"))

    @property
    def connection(self) -> apsw.Connection:
        """The bare connection, for this package alone: what it raises is not one of our errors."""
        return self._connection


def fetch(tx: Tx, sql: str, parameters: Parameters = ()) -> list[Row]:
    """Read all rows of one query inside a transaction."""
    return tx.execute(sql, parameters).fetchall()


def sqlite_fault() -> str | None:
    """Say what is wrong with the SQLite of this process, None if nothing is."""
    version = apsw.sqlite_lib_version()
    if tuple(int(part) for part in version.split(".")[:3]) < _OLDEST_SAFE_SQLITE:
        return f"SQLite {version} can corrupt a WAL database: run `make sync`"
    return None


def _connect(path: Path, *, readonly: bool, busy_timeout_s: float) -> apsw.Connection:
    flags = apsw.SQLITE_OPEN_READONLY if readonly else apsw.SQLITE_OPEN_READWRITE
    connection = apsw.Connection(str(path), flags=flags)
    connection.set_busy_timeout(int(busy_timeout_s * 1000))
    if not readonly:
        connection.execute("PRAGMA journal_mode=WAL")
        # An alert that was stored must survive a loss of power: with NORMAL, WAL is synced at checkpoints only.
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")
        # Without it the log keeps the size of the largest transaction there ever was.
        connection.execute(f"PRAGMA journal_size_limit={_JOURNAL_LIMIT_BYTES}")
        _persist_wal(connection)
    connection.execute("SELECT count(*) FROM sqlite_master")  # only now the file is read, and its log opened
    return connection


def _persist_wal(connection: apsw.Connection) -> None:
    """Keep `-wal` and `-shm` when the last writer closes: a reader without write permission needs them."""
    on = ctypes.c_int(1)
    connection.file_control("main", apsw.SQLITE_FCNTL_PERSIST_WAL, ctypes.addressof(on))


def identity_of(path: Path) -> Identity | None:
    """Return which file lies at a path, whatever its content; none if there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _sidecars(path: Path) -> dict[str, Identity | None]:
    return {suffix: identity_of(path.with_name(path.name + suffix)) for suffix in ("-wal", "-shm")}


def loss_mark(log: Identity | None) -> str:
    return f"database {log}"


def refuse_cut(path: Path) -> None:
    """Refuse to open a file that was cut to nothing.

    Raises:
        StoreDamagedError: it was.
    """
    if is_cut(path):
        raise StoreDamagedError(_CUT.format(path=path))


def is_cut(path: Path) -> bool:
    """Return whether the file was cut to nothing: SQLite would throw its log away and begin a new database in it."""
    try:
        return path.stat().st_size == 0 and any(_sidecars(path).values())
    except OSError:
        return False


OF_THE_FILE = (
    apsw.NotADBError, apsw.CorruptError, apsw.BusyError, apsw.LockedError, apsw.FullError, apsw.ReadOnlyError,
    apsw.PermissionsError, apsw.CantOpenError, apsw.IOError,
)  # fmt: skip
"""What SQLite says of a file, its disk or its other users: the same statement may work later."""


@contextmanager
def sqlite_errors(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into ours, each with the file and what to do."""
    try:
        yield
    except (apsw.NotADBError, apsw.CorruptError) as error:
        raise StoreDamagedError(f"{path}: {error}") from error
    except (apsw.BusyError, apsw.LockedError) as error:
        raise StoreBusyError(f"{path}: still locked by another process after the time limit") from error
    except apsw.FullError as error:
        raise StoreError(f"{path}: cannot be written, the disk is full: {error}") from error
    except (apsw.ReadOnlyError, apsw.PermissionsError, apsw.CantOpenError, apsw.IOError) as error:
        raise StoreError(f"{path}: cannot be opened or written ({error}): look at its owner and the disk") from error
    except apsw.Error as error:
        raise StoreError(f"{path}: {type(error).__name__}: {error}") from error
