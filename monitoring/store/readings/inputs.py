"""What a check's value was made of: its formula, the named inputs with their values, the contracts that were asked."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta

from monitoring.conditions.condition import ConditionKey
from monitoring.store.db.compatibility import has_table
from monitoring.store.db.database import Database, Tx
from monitoring.store.readings.history import series_of
from monitoring.store.readings.inputs_text import NamedValues, inputs_from_text
from monitoring.store.readings.stretches import instant, stretches

_LOOKED_BACK = timedelta(days=90)


@dataclass(frozen=True, slots=True)
class Inputs:
    """What was read at `at`: `values` are pairs of a name and an exact number, or another value in words.

    `contracts` are (chain, address, name the author gave). `block` is none of what no chain says.
    """

    values: NamedValues
    at: datetime
    block: int | None
    formula: str
    contracts: tuple[tuple[int, str, str], ...]


def inputs(database: Database | Tx, check: ConditionKey, when: datetime | None = None) -> Inputs | None:
    """Return the inputs of the last reading; with `when`, of the last change of state until then.

    None where the check is not known, or nothing is kept of that time: inputs are kept of the last reading and of each
    with which a state began, not of every one.
    """
    if isinstance(database, Database):
        return database.read(lambda tx: inputs(tx, check, when))
    series = series_of(database, check)
    found = _latest(database, series[0]) if series else None
    if series is None or found is None or when is None or when >= found.at:
        return found
    kept = [one for one in stretches(database, series[0], when - _LOOKED_BACK, when) if one.inputs]
    if not kept:
        return None
    then = kept[-1]
    return Inputs(then.inputs, then.first_at, then.first_block, found.formula, found.contracts)


def _latest(tx: Tx, series: int) -> Inputs | None:
    if not has_table(tx, "open_readings"):
        return None
    row = tx.execute(
        "SELECT o.inputs, o.last_at, o.last_block, s.formula, s.contracts FROM reading_series s "
        "JOIN open_readings o ON o.series = s.id WHERE s.id = ?",
        (series,),
    ).fetchone()
    if row is None:
        return None
    return Inputs(inputs_from_text(row[0]), instant(row[1]), row[2], row[3], contracts_from_text(row[4]))


def contracts_from_text(text: str) -> tuple[tuple[int, str, str], ...]:
    """Read the column of contracts; of anything else nothing."""
    try:
        return tuple((int(chain), str(address), str(name)) for chain, address, name in json.loads(text))
    except (ValueError, TypeError):
        return ()
