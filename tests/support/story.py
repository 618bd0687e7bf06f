"""A market's utilisation over ten days, by the product's own writes: fine, too high, without data, and an incident.

What each page says of it is in the tests; the numbers here are chosen so that they can be checked by eye.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from fractions import Fraction
from pathlib import Path

from monitoring.alerts.message.guidance import Guidance
from monitoring.alerts.message.model import Alert
from monitoring.alerts.message.text import addr, line
from monitoring.alerts.recording.acknowledge import acknowledge_in
from monitoring.alerts.recording.incident import with_incident
from monitoring.alerts.recording.store_alert import AlertKind, store_in
from monitoring.base.clock import to_text
from monitoring.chains.networks import network
from monitoring.conditions.condition import Condition, ConditionKey, State
from monitoring.conditions.severity import Severity
from monitoring.store.db.database import Database, Tx
from monitoring.store.db.schema import open_database
from monitoring.store.readings.dropping import record_or_drop_in
from monitoring.store.readings.limits import Bound, ReadingLimits
from monitoring.store.readings.reading import CheckReading, ReadingState, Series
from monitoring.store.tables import conditions, configured_protocols, runs, schedules, sent_messages, silences
from monitoring.store.tables.schedules import Schedule
from monitoring.store.tables.sent_messages import ChatPlace

KEY = ConditionKey("aave", "utilisation/USDC", 1)
FINE = ConditionKey("aave", "backing", 1, "")
INCIDENT = "/incident?monitor=aave&check=utilisation%2FUSDC&chain=1"
CHECK = "/check?monitor=aave&check=utilisation%2FUSDC&chain=1"
FINE_CHECK = "/check?monitor=aave&check=backing&chain=1"
TITLE = "USDC: hardly anything can be withdrawn"
POOL = "0x87870Bca3F3fD6335C3F4ce8392D69350B4fA4E2"
DAYS = 10
GUIDANCE = Guidance("protocols/aave/README.md#utilisation", "Ask in the forum first.")
HOUR = timedelta(hours=1)
_SERIES = Series(
    KEY, "aave", Severity.CRITICAL, "limit", "%", "USDC: share of the deposits that is lent out", "borrowed / supplied",
    ((1, POOL, "pool"),),
)  # fmt: skip
_FINE = Series(
    FINE, "aave", Severity.HIGH, "limit", "usd", "aUSDC is backed", "held - owed", ((1, POOL, "pool"),)
)  # fmt: skip


def limits(percent: int) -> ReadingLimits:
    return ReadingLimits(
        (), (Bound(Fraction(percent, 100), Severity.HIGH), Bound(Fraction(97, 100), Severity.CRITICAL)),
        f"≤ {percent}%",
    )  # fmt: skip


def hourly(now: datetime, days: int = DAYS) -> list[tuple[datetime, Fraction | None, int]]:
    """Return (when, value, limit in per cent) of each run, the oldest first."""
    found: list[tuple[datetime, Fraction | None, int]] = []
    for back in range(days * 24, -1, -1):
        value: Fraction | None = Fraction(640 + (back * 37) % 90, 1000)
        if 140 < back <= 144:
            value = Fraction(93, 100)
        elif 44 < back <= 50:
            value = None
        elif back <= 4:
            value = Fraction((951, 947, 938, 929, 915)[back], 1000)
        found.append((now - back * HOUR, value, 92 if back > 96 else 90))
    return found


def build(path: Path, now: datetime, *, held: bool = False, days: int = DAYS) -> Database:
    """Make the database; `held`: somebody has the incident and has muted it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    database = open_database(path)
    with database.write() as tx:
        schedules.record_in_force(tx, [Schedule("hourly", "5 * * * *")], now - timedelta(days=days), "test")
        about = [{"file": "protocols/aave/monitor.yaml", "runbook": "protocols/aave/README.md"}]
        task = {"name": "aave", "monitors": ["protocols/aave/monitor.yaml"], "args": {}, "profile": "hourly",
                "cron": "5 * * * *", "about": about}  # fmt: skip
        configured_protocols.put(tx, [{"name": "aave", "tasks": [task]}], now)
        for at, value, percent in hourly(now, days):
            _run(tx, at, "4f2a9c1b7d30" if at < now - 6 * HOUR else "9d0e1f2a3b4c")
            record_or_drop_in(tx, [_reading(value, percent), _fine(value)], (), at)
        _fine_condition(tx, now)
        _episode(tx, now - 144 * HOUR, now - 140 * HOUR)
        condition = _incident(tx, now)
        other = Alert("MEDIUM", "USDC oracle is 70 min old", protocol="chainlink", key="oracle/USDC")
        store_in(tx, other, now=now - 4 * HOUR + timedelta(minutes=9))
        if held:
            acknowledge_in(tx, condition, by="ana", note="asking the team", now=now - 2 * HOUR)
            silences.add(
                tx, "aave", "utilisation/*", now=now - HOUR, ends_at=now + HOUR, reason="known", created_by="ana"
            )
    return database


def _run(tx: Tx, at: datetime, revision: str) -> None:
    run_id = runs.begin(
        tx, "hourly", tick_at=at, trigger="cron", now=at, process="gone", revision=revision, tasks_total=1
    )
    runs.finish(tx, run_id, "ok", exit_code=0, reason="", now=at + timedelta(seconds=9))


def _reading(value: Fraction | None, percent: int) -> CheckReading:
    if value is None:
        return CheckReading(_SERIES, ReadingState.NO_DATA, limits=limits(percent))
    is_bad = value > Fraction(percent, 100)
    inputs = (("borrowed", round(value * 1_200_000_000)), ("supplied", 1_200_000_000))
    return CheckReading(
        _SERIES, ReadingState.FIRING if is_bad else ReadingState.OK, value, None, Severity.HIGH, limits(percent),
        21_442_001, inputs,
    )  # fmt: skip


def _fine(value: Fraction | None) -> CheckReading:
    over = None if value is None else round(1_000_000 + value * 300_000)
    bound = ReadingLimits((Bound(0, Severity.HIGH),), (), "≥ $0")
    state = ReadingState.NO_DATA if over is None else ReadingState.OK
    return CheckReading(_FINE, state, over, None, Severity.LOW, bound, 21_442_001, (("held", 9), ("owed", 8)))


def _fine_condition(tx: Tx, now: datetime) -> None:
    conditions.put(tx, Condition(
        FINE, about="aUSDC is backed", value="$1,285,300", judged_at=now, protocol="aave", declared=True,
        owner_task="aave",
    ), now)  # fmt: skip


def _condition(fired_at: datetime, now: datetime) -> Condition:
    return Condition(
        KEY, State.FIRING, Severity.HIGH, Severity.HIGH, TITLE, since=fired_at, fired_at=fired_at, last_seen_at=now,
        last_sent_at=fired_at, times=5, protocol="aave", about="USDC: share of the deposits that is lent out",
        value="95.1%", judged_at=now, declared=True, heard_at=fired_at, remind_every=timedelta(hours=6),
        owner_task="aave",
    )  # fmt: skip


def _alert(severity: str, title: str, value: str) -> Alert:
    pool = line("Pool ", addr(POOL, "pool", network(1)))
    said = line(f"{value} of the deposits are lent out, limit 90%.")
    return Alert(severity, title, said, pool, protocol="aave", key=KEY.text, guidance=GUIDANCE)


def _sent(tx: Tx, alert: Alert, at: datetime, kind: AlertKind, condition: Condition) -> None:
    stored = store_in(tx, alert, now=at, kind=kind, about=condition, metadata=with_incident(None, condition))
    done = to_text(at + timedelta(seconds=1))
    tx.execute(
        "UPDATE deliveries SET status = 'delivered', attempts = 1, delivered_at = ? WHERE alert_id = ?",
        (done, stored.alert_id),
    )
    tx.execute(
        "UPDATE alert_events SET delivery_status = 'delivered', delivered_at = ? WHERE id = ?", (done, stored.alert_id)
    )
    found = tx.execute("SELECT min(id) FROM deliveries WHERE alert_id = ?", (stored.alert_id,)).fetchone()
    if found and found[0]:
        place = ChatPlace("bot", "-1001234567890", 7)
        sent_messages.put(tx, found[0], place, stored.alert_id + 400, 1, at + timedelta(seconds=1))


def _episode(tx: Tx, began: datetime, ended: datetime) -> None:
    condition = _condition(began, ended)
    _sent(tx, _alert("HIGH", TITLE, "93%"), began, AlertKind.ALERT, condition)
    _sent(tx, _alert("LOW", "USDC can be withdrawn again", "70%"), ended, AlertKind.RECOVERY, condition)


def _incident(tx: Tx, now: datetime) -> Condition:
    condition = _condition(now - 4 * HOUR, now)
    _sent(tx, _alert("HIGH", TITLE, "91.5%"), now - 4 * HOUR, AlertKind.ALERT, condition)
    conditions.put(tx, condition, now)
    return condition


def recovered(database: Database, now: datetime) -> None:
    """End the incident."""
    with database.write() as tx:
        found = conditions.get(tx, KEY)
        assert found is not None
        _sent(tx, _alert("LOW", "USDC can be withdrawn again", "70%"), now, AlertKind.RECOVERY, found)
        conditions.put(tx, replace(found, state=State.OK), now)
        record_or_drop_in(tx, [_reading(Fraction(7, 10), 90)], (), now)


def unsent(database: Database) -> None:
    """Put every message back into the outbox, as if none had been sent yet."""
    with database.write() as tx:
        tx.execute("UPDATE deliveries SET status = 'pending', attempts = 0, delivered_at = NULL")
        tx.execute("DELETE FROM sent_messages")
