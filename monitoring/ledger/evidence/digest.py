"""The digest of a day: one number that every covered row, and the digest of the day before, went into.

Version 1. A row is a JSON list of its columns; of one that may still change, of those that never do. The hash of a
table is SHA-256 of a line that says which rows it covers, and of its rows, one a line. The digest is the first 32
hexadecimal digits of SHA-256 of a JSON list: version, days, when it was closed, the digest before, what the message
says, and of each table its name, range, count and hash.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

import orjson

from monitoring.base.clock import to_text
from monitoring.store.db.database import Tx
from monitoring.store.evidence import covered
from monitoring.store.evidence.closed_days import ClosedDay, ClosedRows, pack
from monitoring.store.evidence.covered import CoveredTable

VERSION = 1
DIGITS = 32


def digest_of(closed: ClosedDay, found: Iterable[ClosedRows]) -> str:
    """Return the digest of a day, whatever the one it has."""
    tables = sorted((each.table, each.after_id, each.last_id, each.rows, each.hash) for each in found)
    content = [
        closed.version, closed.since.isoformat(), closed.day.isoformat(), to_text(closed.closed_at), closed.previous,
        closed.numbers, tables,
    ]  # fmt: skip
    return hashlib.sha256(orjson.dumps(content)).hexdigest()[:DIGITS]


def hash_rows(
    tx: Tx,
    table: CoveredTable,
    after_id: int,
    last_id: int,
    carried: Sequence[int],
    open_ids: Sequence[int],
    *,
    by_row: bool = True,
) -> ClosedRows:
    """Hash the rows of a table that a day covers, as they are now; `open_ids` are those that may still change.

    `by_row` also hashes each, which names what differs.
    """
    still_open, count = set(open_ids), 0
    whole = hashlib.sha256(orjson.dumps([VERSION, table.name, after_id, last_id, sorted(carried), sorted(open_ids)]))
    packed = bytearray()
    for row in covered.rows(tx, table, after_id, last_id, carried):
        line = covered.as_line(table, row, is_open=row[0] in still_open)
        whole.update(b"\n" + line)
        count += 1
        if by_row:
            packed += pack(row[0], hashlib.sha256(line).digest())
    return ClosedRows(table.name, after_id, last_id, count, tuple(sorted(open_ids)), whole.hexdigest(), bytes(packed))
