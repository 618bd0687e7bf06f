"""Which release may use which database: two numbers in the file's header say it. Pure, but for reading them.

`user_version` is the schema version the newest release gave the file. `application_id` is the oldest release that may
still use it, as the schema version that release knows; 0 means any. Migrations only add, so a release works on what
the next ones made of its database, until one of them raises the second number.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import apsw

MIGRATIONS = sorted((Path(__file__).parents[1] / "migrations").glob("[0-9]*.sql"))
VERSION = len(MIGRATIONS)
# Tables of their own, each file named by its first one. They raise no version: the first release in the field refuses a
# file of a version above its own, and leaves alone what it does not know.
ADDITIONS = sorted((Path(__file__).parents[1] / "additions").glob("*.sql"))
# Between the upgrade of the code and the first run of it, readers meet the schema of the release before.
OLDEST_READABLE = 5


@dataclass(frozen=True, slots=True)
class SchemaNumbers:
    """What the header of a database says."""

    version: int
    oldest_release: int = 0

    def refusal(self, path: Path, known: int = VERSION) -> str | None:
        """Say why a release that knows schema version `known` must not use the file; None if it may.

        A second number above the first was written by no release of ours and counts for nothing.
        """
        if not known < self.oldest_release <= self.version:
            return None
        return (
            f"{path} has schema version {self.version}, which only a release that knows version {self.oldest_release} "
            f"may use; this one knows {known}. Go forward to that release (merge it, then `make sync` and restart), or "
            f"go back for good: `python -m automation restore` a backup of schema {known} or older"
        )


def has_table(connection: apsw.Connection, name: str) -> bool:
    """Return whether a table is there: readers meet the schema of the release before until a run has added to it."""
    sql = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?"
    return connection.execute(sql, (name,)).fetchone() is not None


def lacking(connection: apsw.Connection) -> list[Path]:
    """Return the additions that are still to be made."""
    return [path for path in ADDITIONS if not has_table(connection, path.stem)]


def read_numbers(connection: apsw.Connection) -> SchemaNumbers:
    """Read both numbers as they are now, inside a transaction as it sees them."""
    found = connection.execute(
        "SELECT user_version, application_id FROM pragma_user_version, pragma_application_id"
    ).fetchone()
    return SchemaNumbers(*found) if found else SchemaNumbers(0)
