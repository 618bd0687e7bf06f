"""Writes the readings of a run: a stretch in which nothing changed is prolonged, anything else begins another one.

Called in the transaction that writes the conditions they led to. A reading costs one small row of `open_readings`; what
ended is added to the day it ended on.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple

from monitoring.conditions.condition import ConditionKey
from monitoring.store.db.compatibility import has_table
from monitoring.store.db.database import Row, Tx, fetch
from monitoring.store.readings.cadence import NOT_KNOWN, Cadence
from monitoring.store.readings.exact_text import Column
from monitoring.store.readings.reading import CheckReading

DAY_S = 86_400


class JudgedColumns(NamedTuple):
    """What has to stay equal for a stretch to go on, as columns."""

    value: Column
    reference: Column
    state: int
    severity: int
    limits: int


@dataclass(frozen=True, slots=True)
class OpenStretch:
    """An open stretch, in unix seconds; `begun_with` are the inputs with which another state began."""

    series: int
    first_at: int
    last_at: int
    runs: int
    seen: JudgedColumns
    first_block: int | None = None
    last_block: int | None = None
    gap: bool = False
    inputs: str | None = None
    begun_with: str | None = None
    cadence: Cadence = NOT_KNOWN
    mark: int = 0

    def after(self, reading: OpenStretch) -> tuple[OpenStretch, bool]:
        """Return the stretch that goes on after one more reading, and whether this one is over. Pure."""
        cadence, gap = self.cadence.after(reading.last_at - self.last_at)
        if self.seen == reading.seen and not gap:
            longer = replace(self, last_at=reading.last_at, runs=self.runs + 1, last_block=reading.last_block)
            return replace(longer, inputs=reading.inputs, cadence=cadence, mark=reading.mark), False
        judged, before = reading.seen, self.seen
        same_state = (judged.state, judged.severity) == (before.state, before.severity)
        begun_with = None if same_state else reading.inputs
        return replace(reading, gap=gap, begun_with=begun_with, cadence=cadence), True


_GOING = (
    "first_at", "last_at", "runs", "value", "reference", "state", "severity", "limits", "first_block", "last_block",
    "gap", "inputs", "begun_with", "step_s", "gap_s", "mark",
)  # fmt: skip
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
    going: list[tuple[Column, ...]] = []
    for reading in readings:
        before, series = known.get(reading.series.key, (None, 0))
        if before is None or before.mark != reading.columns.mark:
            series = _series(tx, reading)
        fresh = _fresh(reading, series, limits.id_of(reading.columns.limits), at)
        stretch, is_over = replace(fresh, begun_with=fresh.inputs), False
        if before is not None:
            stretch, is_over = before.after(fresh)
            ended += [_ended(before)] if is_over else []
        going.append(_going(stretch))
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


def _known(tx: Tx, monitors: Iterable[str]) -> dict[ConditionKey, tuple[OpenStretch | None, int]]:
    found: dict[ConditionKey, tuple[OpenStretch | None, int]] = {}
    for monitor in monitors:
        for row in fetch(tx, _KNOWN, (monitor,)):
            key = ConditionKey.of_texts(monitor, *row[:3])
            found[key] = (_stretch(row[3:]) if row[4] is not None else None, row[3])
    return found


def _series(tx: Tx, reading: CheckReading) -> int:
    found = tx.execute(_NEW_SERIES, (*reading.series.key.named.values(), *reading.series.columns)).fetchone()
    return int(found[0]) if found else 0


def _stretch(row: Row) -> OpenStretch:
    series, first_at, last_at, runs = row[:4]
    first_block, last_block, gap, inputs, begun_with, step_s, gap_s, mark = row[9:]
    return OpenStretch(
        series, first_at, last_at, runs, JudgedColumns(*row[4:9]), first_block, last_block, bool(gap), inputs,
        begun_with, Cadence(step_s, gap_s), mark,
    )  # fmt: skip


def _fresh(reading: CheckReading, series: int, limits: int, at: int) -> OpenStretch:
    value, reference, _, inputs, mark = reading.columns
    seen = JudgedColumns(value, reference, int(reading.state), int(reading.severity), limits)
    return OpenStretch(series, at, at, 1, seen, reading.block, reading.block, inputs=inputs, mark=mark)


def _ended(one: OpenStretch) -> tuple[Column, ...]:
    day, last_s = divmod(one.last_at, DAY_S)
    blocks = one.last_block - one.first_block if one.last_block is not None and one.first_block is not None else None
    return (
        day, one.series, last_s, one.last_at - one.first_at, one.runs, *one.seen, one.last_block, blocks, int(one.gap),
        one.begun_with,
    )  # fmt: skip


def _going(one: OpenStretch) -> tuple[Column, ...]:
    return (
        one.series, one.first_at, one.last_at, one.runs, *one.seen, one.first_block, one.last_block, int(one.gap),
        one.inputs, one.begun_with, one.cadence.step_s, one.cadence.gap_s, one.mark,
    )  # fmt: skip
