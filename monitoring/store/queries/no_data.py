"""What nothing is known of now, by what is to blame: a dead provider is one line for a page, not one for each check."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby

from monitoring.store.db.database import Tx, fetch

# Written as `ConditionKey.text` prints it: where a check itself is to blame, its row names itself.
_ITSELF = (
    "monitor || '/' || check_name || CASE chain WHEN '' THEN '' ELSE '/' || chain END || "
    "CASE subject WHEN '' THEN '' ELSE '/' || subject END"
)


@dataclass(frozen=True, slots=True)
class NoDataSource:
    """One source that cannot be read, and whose checks have no data because of it; no name: the checks themselves.

    `since` is as the row has it, of the longest; `protocols` are (name, checks), the most first.
    """

    name: str
    reason: str
    since: str
    checks: int
    protocols: tuple[tuple[str, int], ...]


def by_source(tx: Tx) -> list[NoDataSource]:
    """Return the sources to blame now, those of most checks first; read by the index over what has no data."""
    rows = fetch(
        tx,
        f"SELECT CASE WHEN blind_by IN ('', {_ITSELF}) THEN '' ELSE blind_by END, "  # noqa: S608 - names of our own
        "coalesce(nullif(protocol, ''), monitor), count(*), min(blind_since), max(blind_why) FROM conditions "
        "INDEXED BY condition_blind WHERE blind_since IS NOT NULL GROUP BY 1, 2 ORDER BY 1, 3 DESC, 2",
    )
    found = [_source(name, list(group)) for name, group in groupby(rows, key=lambda row: str(row[0]))]
    return sorted(found, key=lambda each: (-each.checks, each.name))


def _source(name: str, rows: list[tuple[str, str, int, str, str]]) -> NoDataSource:
    return NoDataSource(
        name,
        reason=max(row[4] for row in rows),
        since=min(row[3] for row in rows),
        checks=sum(row[2] for row in rows),
        protocols=tuple((row[1], row[2]) for row in rows),
    )
