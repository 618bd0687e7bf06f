"""Names that alerts and conditions were stored under, for those who type them. Reads only."""

from __future__ import annotations

from monitoring.conditions.condition import ConditionKey
from monitoring.store.db.database import Database, Tx, fetch


def protocols(database: Database) -> set[str]:
    """Return the protocols of all stored alerts and conditions."""
    found = database.rows("SELECT DISTINCT protocol FROM alert_events UNION SELECT DISTINCT protocol FROM conditions")
    return {row[0] for row in found if row[0]}


def keys(tx: Tx, protocol: str) -> list[str]:
    """Return the keys of the stored conditions of a protocol, channel or monitor, in order."""
    found = fetch(
        tx,
        "SELECT monitor, check_name, chain, subject FROM conditions "
        "WHERE ? COLLATE NOCASE IN (protocol, channel, monitor)",
        (protocol,),
    )
    return sorted({ConditionKey.of_texts(*row).text for row in found})
