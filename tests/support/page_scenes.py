"""Databases as pages meet them: nothing yet, all is well, nothing can be read, a storm, five thousand checks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from fractions import Fraction
from pathlib import Path

from monitoring.alerts.message.model import Alert
from monitoring.conditions.condition import Condition, ConditionKey, NoData, State
from monitoring.conditions.severity import Severity
from monitoring.store.db.database import Database, Tx
from monitoring.store.db.schema import open_database
from monitoring.store.people import acknowledgements, pauses
from monitoring.store.people.pauses import PauseKind
from monitoring.store.readings.limits import Bound, ReadingLimits
from monitoring.store.readings.reading import CheckReading, ReadingState, Series
from monitoring.store.readings.writing import record_in
from monitoring.store.tables import conditions, schedules, silences
from monitoring.store.tables.schedules import Schedule
from tests.support.filled import fill, store

PROTOCOLS = ("aave", "cap", "compound", "euler", "fluid", "lido", "maple", "morpho", "pegs", "silo", "sky", "yearn")
CHAINS = (1, 42161, 8453)
CHECKS = 147
BLIND = 136


def checks(count: int, now: datetime) -> list[Condition]:
    """Return as many checks of monitor files, all of them well."""
    return [
        Condition(
            ConditionKey(
                PROTOCOLS[number % 12], f"utilisation-{number // 36}", CHAINS[number // 12 % 3], f"market {number}"
            ),
            severity=(Severity.LOW, Severity.MEDIUM, Severity.HIGH, Severity.CRITICAL)[number % 4],
            about=f"Market {number}: at least a tenth can be withdrawn",
            value=f"{10 + number * 7 % 83}.{number % 10} %",
            judged_at=now - timedelta(seconds=40 + number % 200),
            protocol=PROTOCOLS[number % 12],
            declared=True,
        )
        for number in range(count)
    ]


def without_data(row: Condition, now: datetime, source: str, reason: str) -> Condition:
    return replace(row, no_data=NoData(now - timedelta(minutes=53), 12, True, source, reason))


def firing(row: Condition, now: datetime, severity: Severity, title: str, minutes: int) -> Condition:
    at = now - timedelta(minutes=minutes)
    return replace(
        row, state=State.FIRING, severity=severity, worst=severity, title=title, since=at, fired_at=at,
        last_seen_at=now, last_sent_at=at, heard_at=at, times=minutes // 5, remind_every=timedelta(hours=6),
    )  # fmt: skip


def well(database: Database, now: datetime) -> None:
    """Hundred and forty-seven checks, each of them read and good."""
    with database.write() as tx:
        _put(tx, checks(CHECKS, now), now)


def blind(database: Database, now: datetime) -> None:
    """All but eleven of them cannot be read: one chain is to blame for most, a second one and a host for others."""
    sources = [("mainnet", "mainnet: HTTP 503")] * 9 + [("arbitrum", "arbitrum: no answer within 10 s")] * 2
    sources += [("api.example.org", "api.example.org: HTTP 429")]
    with database.write() as tx:
        rows = checks(CHECKS, now)
        _put(tx, [without_data(row, now, *sources[at % 12]) for at, row in enumerate(rows[:BLIND])], now)
        _put(tx, rows[BLIND:], now)


def storm(database: Database, now: datetime) -> None:
    """Sixty things fire at once; some are acknowledged, muted or paused, and others cannot be read."""
    ladder = [Severity.CRITICAL] * 2 + [Severity.HIGH] * 10 + [Severity.MEDIUM] * 28 + [Severity.LOW] * 20
    rows = checks(CHECKS, now)
    with database.write() as tx:
        found = [
            firing(row, now, severity, f"Market {at}: only {at % 9} % of it can be withdrawn", 4 + at * 3)
            for at, (row, severity) in enumerate(zip(rows, ladder, strict=False))
        ]
        _put(tx, found, now)
        _put(tx, [without_data(row, now, "arbitrum", "arbitrum: HTTP 503") for row in rows[60:72]], now)
        _put(tx, rows[72:], now)
        for row, who in ((found[0], "ana"), (found[3], "ben")):
            acknowledgements.put(tx, row, by=who, note="looking", now=now, ends_at=now + timedelta(hours=2))
        silences.add(
            tx, "pegs", None, now=now, ends_at=now + timedelta(hours=1), reason="known depeg", created_by="ben"
        )
        pauses.add(
            tx, PauseKind.PROFILE, "daily", now=now, ends_at=now + timedelta(hours=2), reason="provider moves",
            created_by="ana",
        )  # fmt: skip
        for at, row in enumerate(found[:12]):
            alert = Alert(row.severity, row.title, protocol=row.protocol, key=row.key.text)
            store(tx, alert, now - timedelta(minutes=4 + at * 3), dedupe_key=row.key.text)


def many(database: Database, now: datetime) -> None:
    """Five thousand checks: one fires, forty cannot be read."""
    rows = checks(5_000, now)
    rows[7] = firing(rows[7], now, Severity.CRITICAL, "Market 7: nothing of it can be withdrawn", 12)
    rows[100:140] = [without_data(row, now, "base", "base: HTTP 502") for row in rows[100:140]]
    with database.write() as tx:
        _put(tx, rows, now)


def _put(tx: Tx, rows: list[Condition], now: datetime) -> None:
    """Write the conditions and, as a run does in the same transaction, what was read: now and earlier today."""
    for row in rows:
        conditions.put(tx, row, now)
    for hours in (2, 0):
        at = now - timedelta(hours=hours)
        record_in(tx, [_reading(row, number, hours) for number, row in enumerate(rows)], (), at)


def _reading(row: Condition, number: int, hours: int) -> CheckReading:
    series = Series(row.key, row.protocol, row.severity, "limit", "%", row.about, "cash / supplied")
    limits = ReadingLimits((Bound(Fraction(1, 10), row.severity),), (), "≥ 10%")
    if row.no_data is not None and not hours:
        return CheckReading(series, ReadingState.NO_DATA, limits=limits)
    if row.is_firing:
        state = ReadingState.OK if hours else ReadingState.FIRING
        return CheckReading(series, state, Fraction(number % 9 + 4 * hours, 100), limits=limits, severity=row.severity)
    return CheckReading(series, ReadingState.OK, Fraction(20 + number * 7 % 70 + hours, 100), limits=limits)


FILLED: Mapping[str, Callable[[Database, datetime], None]] = {
    "well": well,
    "blind": blind,
    "storm": storm,
    "many": many,
}


def build(scene: str, path: Path, now: datetime) -> Database:
    """Make the database of a scene; of `first` nothing has run yet."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if scene not in FILLED:
        database = open_database(path)
        if scene == "first":
            with database.write() as tx:
                schedules.record_in_force(tx, [Schedule("hourly", "5 * * * *")], now, "test")
        return database
    database = fill(path, now)
    with database.write() as tx:
        for row in conditions.incidents(tx, now):
            conditions.forget(tx, row.key)
    FILLED[scene](database, now)
    return database
