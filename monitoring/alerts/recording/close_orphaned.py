"""Ends conditions that nobody looks at any more: their check, or the whole monitor, was taken out.

Called by the recording of checks for what left a file, and by the runner for files that left jobs.yaml.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from datetime import datetime

from monitoring.alerts.message.model import Alert, Severity
from monitoring.alerts.recording.incident import with_incident
from monitoring.alerts.recording.store_alert import AlertKind, AlertOrigin, store_in
from monitoring.base.clock import to_text
from monitoring.conditions.condition import CRASH, Condition, ConditionKey
from monitoring.conditions.transition import over
from monitoring.store.db.database import Database, Tx
from monitoring.store.tables import conditions as stored
from monitoring.store.tables import no_data_periods

SOURCES = "sources"  # the monitor under whose name conditions of sources and providers are kept
_BATCH = 200  # conditions a transaction
_NO_FILE = "Its check is in no monitor file any more: whether it is over is no longer checked."
NO_ROW = "Its row is not in the list any more that the monitor reads: whether it is over is no longer checked."
_NO_PROFILE = "No profile of jobs.yaml runs its monitor any more: whether it is over is no longer checked."
_BY_HAND = "{by} ended it with `incidents --done`. If a script still finds it, it fires again."
_NOBODY_BLIND = "No check needs its data any more: whether it can be read is no longer checked."


def end_in(tx: Tx, key: ConditionKey, now: datetime, origin: AlertOrigin, why: str = _NO_FILE) -> bool:
    """Close a condition; one that fires is reported silently. Return whether it was."""
    current = stored.get(tx, key)
    if current is None:
        return False
    fires = current.is_firing
    if fires:
        title = f"No longer watched: {current.title or key.text}"
        alert = Alert(
            Severity.LOW, title, why, protocol=current.protocol or key.monitor, channel=current.channel,
            key=key.text, source=current.source,
        )  # fmt: skip
        store_in(
            tx, alert, now=now, origin=origin, kind=AlertKind.RECOVERY, about=current,
            metadata=with_incident(None, current),
        )  # fmt: skip
    ended = replace(over(current, now), clear_since=None, memory={}, declared=False)
    _put_seeing(tx, ended, now)
    return fires


def end_by_hand_in(tx: Tx, condition: Condition, by: str, now: datetime) -> Condition:
    """End what no monitor file declares because a person says so, and report it silently; return the condition.

    The row of a script that is gone fires until then: nobody else can know that it is gone.
    """
    alert = Alert(
        Severity.LOW, f"Ended by hand: {condition.title or condition.key.text}", _BY_HAND.format(by=by),
        protocol=condition.protocol or condition.key.monitor, channel=condition.channel, key=condition.key.text,
        source=condition.source,
    )  # fmt: skip
    store_in(tx, alert, now=now, kind=AlertKind.RECOVERY, about=condition)
    ended = replace(over(condition, now), clear_since=None, done_by=f"{by} at {to_text(now)}")
    stored.put(tx, ended, now)
    return ended


def end_unwatched(
    database: Database, named: Collection[str], run: Collection[str], now: datetime, origin: AlertOrigin
) -> list[str]:
    """End what monitors of `jobs.yaml` left behind: all of those not `named`, the blindness of those not `run`.

    A monitor that is switched off keeps its conditions, for it may come back; but that it sees nothing is intended.
    Conditions of scripts stay: they are no monitor file's. Return the monitors that were ended.
    """
    gone, resting = stored.left_behind(database, named, run)
    ending = [key for monitor in gone for key in stored.keys_to_end(database, monitor, CRASH)]
    for batch in _batches(ending):
        with database.write() as tx:
            _end_batch(tx, batch, now, origin, ends=True)
    for batch in _batches(resting):
        with database.write() as tx:
            _end_batch(tx, batch, now, origin, ends=False)
    return gone


def _batches(keys: list[ConditionKey]) -> Iterator[list[ConditionKey]]:
    """Other writers take their turn in between; killed there, the next run goes on with what is left."""
    yield from (keys[first : first + _BATCH] for first in range(0, len(keys), _BATCH))


def _end_batch(tx: Tx, keys: list[ConditionKey], now: datetime, origin: AlertOrigin, *, ends: bool) -> None:
    """End conditions, or their blindness alone, and the sources that blind nobody any more for it."""
    rows = [row for key in keys if (row := stored.get(tx, key)) is not None]
    for row in rows:
        if ends:
            end_in(tx, row.key, now, origin, _NO_PROFILE)
        else:
            _put_seeing(tx, row, now)
    for source in sorted({row.blamed for row in rows if row.no_data}):
        if not stored.blinds_any(tx, source):
            end_in(tx, ConditionKey(SOURCES, source), now, origin, _NOBODY_BLIND)


def _put_seeing(tx: Tx, row: Condition, now: datetime) -> None:
    """Write a row whose blindness is over; that silence proved nothing until now stays known."""
    if row.no_data is not None:
        no_data_periods.insert(tx, row.blamed, row.no_data.since, now, 1)
    stored.put(tx, replace(row, no_data=None), now)
