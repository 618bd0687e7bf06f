"""`blind_spells`: when checks could not see, after they can again."""

from __future__ import annotations

from datetime import datetime

from monitoring.clock import to_text
from monitoring.store.database import Tx


def insert(tx: Tx, source: str, since: datetime, until: datetime, checks: int) -> None:
    tx.execute(
        "INSERT INTO blind_spells (source, since, until, checks) VALUES (?, ?, ?, ?)",
        (source, to_text(since), to_text(until), checks),
    )
