"""Writes the readings of a run: a stretch in which nothing changed is prolonged, anything else begins another one.

Called in the transaction that writes the conditions they led to. A reading costs one small row of `open_readings`; what
ended is added to the day it ended on.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from operator import attrgetter
from typing import NamedTuple

from monitoring.conditions.condition import ConditionKey
from monitoring.store.db.compatibility import has_table
from monitoring.store.db.database import Tx, fetch
from monitoring.store.readings.cadence import NOT_KNOWN, Cadence
from monitoring.store.readings.exact_text import Column
from monitoring.store.readings.reading import CheckReading

DAY_S = 86_400


class OpenStretch(NamedTuple):
    """A row of `open_readings`, in unix seconds; `begun_with` are the inputs with which another state began.

    A tuple, since a run makes some for each of its checks while others wait for the transaction.
    """

    series: int
    first_at: int
    last_at: int
    runs: int
    value: Column
    reference: Column
    state: int
    severity: int
    limits: int
    first_block: int | None
    last_block: int | None
    gap: int
    inputs: str | None
    begun_with: str | None
    step_s: int
    gap_s: int
    mark: int

    def after(self, reading: OpenStretch) -> tuple[OpenStretch, bool]:
        """Return the stretch that goes on after one more reading, and whether this one is over. Pure."""
        cadence, is_gap = Cadence(self.step_s, self.gap_s).after(reading.last_at - self.last_at)
        if _judged(self) == _judged(reading) and not is_gap:
            return self._replace(
                last_at=reading.last_at, runs=self.runs + 1, last_block=reading.last_block, inputs=reading.inputs,
                step_s=cadence.step_s, gap_s=cadence.gap_s, mark=reading.mark,
            ), False  # fmt: skip
        same_state = (reading.state, reading.severity) == (self.state, self.severity)
        begun_with = None if same_state else reading.inputs
        begun = reading._replace(
            gap=int(is_gap), begun_with=begun_with, step_s=cadence.step_s, gap_s=cadence.gap_s,
        )  # fmt: skip
        return begun, True


# What has to stay equal for a stretch to go on.
_judged = attrgetter("value", "reference", "state", "severity", "limits")
_GOING = OpenStretch._fields[1:]
_OVER = (
    "lasted_s", "runs", "value", "reference", "state", "severity", "limits", "last_block", "blocks", "gap", "inputs",
)  # fmt: skip
_KNOWN = (
    f"SELECT s.check_name, s.chain, s.subject, s.id, {', '.join(f'o.{name}' for name in _GOING)} FROM reading_series s "  # noqa: S608 - names of our own
    "LEFT JOIN open_readings o ON o.series = s.id WHERE s.monitor = ?"
)


def _put(table: str, key: tuple[str, ...], columns: tuple[str, ...]) -> str:
    """Return the statement that writes a row over the one of its key: two readings of one second are one."""
    names, values = (*key, *columns), ", ".join(f"{name} = excluded.{name}" for name in columns)
    marks = ", ".join("?" * len(names))
    return f"INSERT INTO {table} ({', '.join(names)}) VALUES ({marks}) ON CONFLICT DO UPDATE SET {values}"  # noqa: S608


_PUT, _END = _put("open_readings", ("series",), _GOING), _put("readings", ("day", "series", "last_s"), _OVER)
_NEW_SERIES = (
    "INSERT INTO reading_series (monitor, check_name, chain, subject, protocol, severity, verb, unit, about, formula, "
    "contracts) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET protocol = excluded.protocol, "
    "severity = excluded.severity, verb = excluded.verb, unit = excluded.unit, about = excluded.about, "
    "formula = excluded.formula, contracts = excluded.contracts, gone_at = NULL RETURNING id"
)


def record_in(tx: Tx, readings: Sequence[CheckReading], gone: Iterable[ConditionKey], now: datetime) -> None:
    """Write the readings of a run, and that the checks of `gone` are in no file any more."""
    if not has_table(tx, "reading_series"):
        return
    at, limits = int(now.timestamp()), _LimitNumbers(tx)
    known = _known(tx, {one.series.key.monitor for one in readings})
    ended: list[tuple[Column, ...]] = []
    going: list[OpenStretch] = []
    for reading in readings:
        columns = reading.columns
        before, series = known.get(columns.key, (None, 0))
        if before is None or before.mark != columns.mark:
            series = _series(tx, reading)
        stretch = OpenStretch(
            series, at, at, 1, columns.value, columns.reference, reading.state, reading.severity,
            limits.id_of(columns.limits), reading.block, reading.block, 0, columns.inputs, columns.inputs,
            NOT_KNOWN.step_s, NOT_KNOWN.gap_s, columns.mark,
        )  # fmt: skip
        if before is not None:
            stretch, is_over = before.after(stretch)
            ended += [_ended(before)] if is_over else []
        going.append(stretch)
    tx.executemany(_END, ended)
    tx.executemany(_PUT, going)
    for key in gone:
        _leave(tx, key, at)


def _leave(tx: Tx, key: ConditionKey, at: int) -> None:
    """Say that no file has a check any more; its row is written again should it come back."""
    sql = "UPDATE reading_series SET gone_at = ? WHERE monitor = ? AND check_name = ? AND chain = ? AND subject = ? "
    found = tx.execute(f"{sql}RETURNING id", (at, *key.named.values())).fetchone()
    if found is not None:
        tx.execute("UPDATE open_readings SET mark = -1 WHERE series = ?", (found[0],))


class _LimitNumbers:
    """The numbers of limits; within a run each is looked up once."""

    def __init__(self, tx: Tx) -> None:
        self._tx = tx
        self._known: dict[str, int] = {}

    def id_of(self, content: str) -> int:
        if content not in self._known:
            sql = "SELECT id FROM reading_limits WHERE content = ?"
            found = self._tx.execute(sql, (content,)).fetchone()
            if found is None:
                self._tx.execute("INSERT INTO reading_limits (content) VALUES (?)", (content,))
            self._known[content] = int(found[0]) if found is not None else self._tx.last_insert_rowid()
        return self._known[content]


def _known(tx: Tx, monitors: Iterable[str]) -> dict[tuple[str, ...], tuple[OpenStretch | None, int]]:
    found: dict[tuple[str, ...], tuple[OpenStretch | None, int]] = {}
    for monitor in monitors:
        for check, chain, subject, *going in fetch(tx, _KNOWN, (monitor,)):
            series, first_at = going[:2]
            found[monitor, check, chain, subject] = (None if first_at is None else OpenStretch(*going), series)
    return found


def _series(tx: Tx, reading: CheckReading) -> int:
    found = tx.execute(_NEW_SERIES, (*reading.columns.key, *reading.series.columns)).fetchone()
    return int(found[0]) if found else 0


def _ended(one: OpenStretch) -> tuple[Column, ...]:
    day, last_s = divmod(one.last_at, DAY_S)
    blocks = one.last_block - one.first_block if one.last_block is not None and one.first_block is not None else None
    return (
        day, one.series, last_s, one.last_at - one.first_at, one.runs, *_judged(one), one.last_block, blocks, one.gap,
        one.begun_with,
    )  # fmt: skip
