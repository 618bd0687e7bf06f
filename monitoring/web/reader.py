"""The web process's way to the database: opened when asked for, opened again when the file was replaced, never written.

A `Reader` belongs to one thread. What goes wrong is a `StoreError` whose message a person can act on.
"""

from __future__ import annotations

from pathlib import Path

from monitoring.base.errors import StoreError
from monitoring.store.db.database import Database
from monitoring.store.db.schema import open_readonly, refuse_unreadable
from monitoring.store.spool import unstored

# A reader of a WAL database waits only while the file is being recovered or replaced: better a quick 503.
_BUSY_TIMEOUT_S = 0.5

Version = tuple[int, int, int]


class Reader:
    """One read-only connection that outlives the file it reads."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._database: Database | None = None
        self._opened = 0

    def database(self) -> Database:
        """Return the connection to the file that lies at the path now.

        Raises:
            StoreError: there is none, it cannot be read, or this release is too old for it.
        """
        if self._database is not None and not self._database.is_current():
            self.close()
        if self._database is None:
            self._database = self._open()
            self._opened += 1
        else:
            refuse_unreadable(self._database)
        return self._database

    def version(self) -> Version:
        """Return what changes whenever an answer may change.

        Raises:
            StoreError: the database cannot be read.
        """
        database = self.database()
        return self._opened, database.data_version(), unstored.changed_at(self._path.parent)

    def close(self) -> None:
        """Let go of the file; the next question opens it again."""
        if self._database is not None:
            self._database.close()
            self._database = None

    def _open(self) -> Database:
        if not self._path.exists():
            raise StoreError(f"there is no database at {self._path} yet: the first run, or `up`, creates it")
        return open_readonly(self._path, busy_timeout_s=_BUSY_TIMEOUT_S)
