"""All readings of some monitors between two instants, with what was read: for backtests that ask no chain."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from monitoring.conditions.condition import ConditionKey
from monitoring.store.db.compatibility import has_table
from monitoring.store.db.database import Tx, fetch
from monitoring.store.readings.inputs import contracts_from_text
from monitoring.store.readings.stretches import ReadingStretch, stretches


@dataclass(frozen=True, slots=True)
class ReplayedSeries:
    """What one check has read, in the order of time; `formula`, `verb` and `contracts` as they were last."""

    formula: str
    verb: str
    contracts: tuple[tuple[int, str, str], ...]
    found: tuple[ReadingStretch, ...]


def replayed(tx: Tx, monitors: Collection[str], since: datetime, until: datetime) -> dict[ConditionKey, ReplayedSeries]:
    """Return the readings by check; nothing where no run has stored any."""
    if not has_table(tx, "reading_series"):
        return {}
    found: dict[ConditionKey, ReplayedSeries] = {}
    columns = "id, monitor, check_name, chain, subject, formula, verb, contracts"
    for id_, *key, formula, verb, contracts in fetch(tx, f"SELECT {columns} FROM reading_series"):  # noqa: S608 - names of our own
        if key[0] in monitors:
            over = tuple(stretches(tx, id_, since, until))
            found[ConditionKey.of_texts(*key)] = ReplayedSeries(formula, verb, contracts_from_text(contracts), over)
    return found
