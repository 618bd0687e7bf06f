"""A database with a long history for the benchmarks: alerts with their deliveries, runs with their tasks, incidents.

`build` writes it through the schema's own tables and indexes. Alerts come evenly over the span that ends now, so that
a larger history is longer, not denser. `disorder` makes it one that was adopted from another system.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from monitoring.base.clock import to_text
from monitoring.ledger.cron import Cron
from monitoring.store.db import schema
from monitoring.store.db.database import Database
from monitoring.store.tables import schedules
from monitoring.store.tables.schedules import Schedule

ALERTS_A_DAY = 7_000
_BATCH = 200_000
_PROTOCOLS = (
    "aave",
    "compound",
    "euler",
    "fluid",
    "lido",
    "maple",
    "morpho",
    "pendle",
    "silo",
    "sky",
    "spark",
    "yearn",
)

# Number i as an alert: every combination of filters occurs, from every second row to a few in a million. Of a database
# with `disorder` the third fifth is a second host's history, and one row in a thousand came days late.
_ALERTS = """
WITH RECURSIVE n(i) AS (SELECT :first UNION ALL SELECT i + 1 FROM n WHERE i + 1 < :end),
r AS (SELECT i, (i * 2654435761) % 4294967296 AS h FROM n),
t AS (SELECT i, h, :begin + (i + (h % 7) / 10.0) * :step - CASE
    WHEN :disorder AND i > :total * 0.4 AND i <= :total * 0.6 THEN :total * 0.4 * :step
    WHEN :disorder AND h % 997 = 0 THEN (h % 90) * 86400.0
    ELSE 0 END AS at FROM r),
s AS (SELECT i, h, at, strftime('%Y-%m-%dT%H:%M:%S', at, 'unixepoch') || printf('.%06dZ', h % 1000000)
    AS created_at FROM t)
INSERT INTO alert_events (id, created_at, source, protocol, severity, message, delivery_status, delivered_at, sort_at,
    title)
SELECT i + 1, created_at,
    CASE WHEN h % 11 = 0 THEN 'crash' WHEN h % 400009 = 1 THEN 'envio_error' ELSE 'protocol' END,
    CASE WHEN h % 100003 = 1 THEN 'rare' ELSE json_extract(:protocols, '$[' || (h / 7 % 12) || ']') END,
    CASE WHEN h % 40 = 0 THEN 'CRITICAL' WHEN h % 9 = 0 THEN 'HIGH' WHEN h % 3 = 0 THEN 'MEDIUM' ELSE 'LOW' END,
    'USDC utilisation above 90 %' || char(10) || 'utilisation 9' || h % 10 || '.2 % of 412 M at block '
        || (21000000 + i) || char(10) || 'limit 90 %, was 88.1 % an hour ago; see the dashboard of the protocol',
    'delivered', strftime('%Y-%m-%dT%H:%M:%S', at + 2, 'unixepoch') || printf('.%06dZ', h % 1000000),
    max(:newest, max(created_at) OVER (ORDER BY i)), 'USDC utilisation above 90 %'
FROM s ORDER BY i
"""
_DELIVERIES = """
INSERT INTO deliveries (alert_id, destination, channel, severity_rank, status, created_at, next_attempt_at, attempts,
    delivered_at)
SELECT id, 'telegram', upper(protocol), 1, 'delivered', created_at, created_at, 1, delivered_at FROM alert_events
WHERE id > :first AND id <= :end
"""
_CRONS = {"hourly": ("5 * * * *", 3600, 9), "multisig": ("0/10 * * * *", 600, 3), "daily": ("19 8 * * *", 86400, 6)}
_RUNS = """
WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < :count)
INSERT INTO runs (profile, tick_at, trigger, status, started_at, ended_at, exit_code, revision, process, tasks_total)
SELECT :profile, strftime('%Y-%m-%dT%H:%M:%S.000000Z', :last - i * :every, 'unixepoch'), 'cron',
    CASE WHEN i % 50 = 20 THEN 'failed' ELSE 'ok' END,
    strftime('%Y-%m-%dT%H:%M:%S.400000Z', :last - i * :every, 'unixepoch'),
    strftime('%Y-%m-%dT%H:%M:%S.000000Z', :last - i * :every + 17, 'unixepoch'), 0, '4f2a9c1b7d30', '1:1:gone', :tasks
FROM n ORDER BY i DESC
"""
_TASKS = """
INSERT INTO task_runs (run_id, name, status, reason, started_at, ended_at, duration_s, exit_code, output_tail)
SELECT r.id, r.profile || '-' || t.value, CASE WHEN r.status = 'failed' AND t.value = 1 THEN 'failed' ELSE 'ok' END, '',
    r.started_at, r.ended_at, 1.7, 0, 'reading 12 markets at block 21442001' || char(10) || 'all within limits'
FROM runs r, json_each(:numbers) t WHERE r.profile = :profile ORDER BY r.id, t.value
"""
_INCIDENTS = """
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :count)
INSERT INTO conditions (monitor, check_name, state, severity, worst, title, fired_at, last_seen_at, times, alert_id,
    protocol, updated_at)
SELECT 'aave', 'utilisation/' || i, CASE WHEN i <= 12 THEN 'firing' ELSE 'ok' END, 'HIGH', 'HIGH',
    'USDC utilisation above 90 %', :at, :at, 3, i, 'aave', :at FROM n
"""


def build(
    path: Path, alerts: int, *, disorder: bool = False, alerts_a_day: int = ALERTS_A_DAY, is_bare: bool = False
) -> Path:
    """Write a database of so many alerts and return its path; one that is there already is kept.

    `is_bare`: alerts alone, which is all that a page of them reads, in half the time.
    """
    if path.exists():
        return path
    now = datetime.now(UTC)
    path.parent.mkdir(parents=True, exist_ok=True)
    with schema.open_database(path) as database:
        fill(database, alerts, max(2.0, alerts / alerts_a_day), now, disorder=disorder, is_bare=is_bare)
        database.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return path


def fill(
    database: Database, alerts: int, days: float, now: datetime, *, disorder: bool = False, is_bare: bool = False
) -> None:
    """Write so many alerts, and the runs, of the days that end now."""
    _fill_alerts(
        database, alerts, now - timedelta(days=days), days * 86400 / alerts, disorder=disorder, is_bare=is_bare
    )
    if not is_bare:
        _fill_ledger(database, days, now)


def _fill_alerts(
    database: Database, alerts: int, begins_at: datetime, step_s: float, *, disorder: bool, is_bare: bool
) -> None:
    values = {
        "total": alerts, "begin": begins_at.timestamp(), "step": step_s, "disorder": disorder,
        "protocols": json.dumps(_PROTOCOLS),
    }  # fmt: skip
    for first in range(0, alerts, _BATCH):
        end = min(first + _BATCH, alerts)
        newest = database.row("SELECT sort_at FROM alert_events ORDER BY id DESC LIMIT 1") or ("",)
        with database.write() as tx:
            tx.execute(_ALERTS, {**values, "first": first, "end": end, "newest": newest[0]})
            if not is_bare:
                tx.execute(_DELIVERIES, {"first": first, "end": end})


def _fill_ledger(database: Database, days: float, now: datetime) -> None:
    with database.write() as tx:
        begins_at = now - timedelta(days=days)
        schedules.record_in_force(
            tx, [Schedule(name, cron) for name, (cron, _, _) in _CRONS.items()], begins_at, "bench"
        )
        for profile, (cron, every_s, tasks) in _CRONS.items():
            last = Cron.parse(cron).previous_at_or_before(now)
            count = int((last - begins_at).total_seconds() // every_s)
            values = {
                "profile": profile,
                "last": int(last.timestamp()),
                "every": every_s,
                "count": count,
                "tasks": tasks,
            }
            tx.execute(_RUNS, values)
            tx.execute(_TASKS, {"profile": profile, "numbers": json.dumps(list(range(tasks)))})
        tx.execute("UPDATE schedules SET reconciled_to = ?", (to_text(now),))
        tx.execute(_INCIDENTS, {"count": 5_000, "at": to_text(now - timedelta(hours=2))})
