"""A database as a host has it after some days: schedules, runs with output, alerts of every kind, an incident."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from datetime import datetime, timedelta
from fractions import Fraction
from pathlib import Path

from monitoring.alerts.message.model import Alert
from monitoring.alerts.message.render import render_plain
from monitoring.alerts.message.text import addr, bold, code, kv, line, link, quote, table, usd
from monitoring.base.clock import to_text
from monitoring.conditions.condition import Condition, ConditionKey, NoData, State
from monitoring.conditions.severity import Severity
from monitoring.ledger.cron import Cron
from monitoring.store.db.database import Database, Tx
from monitoring.store.db.schema import open_database
from monitoring.store.readings.dropping import record_or_drop_in
from monitoring.store.readings.limits import Bound, ReadingLimits
from monitoring.store.readings.reading import CheckReading, ReadingState, Series
from monitoring.store.tables import alerts, conditions, configured_protocols, runs, schedules, silences
from monitoring.store.tables.runs import TaskRun
from monitoring.store.tables.schedules import Schedule

HOSTILE = "<script>document.title='owned'</script><img src=x onerror=alert(1)> & \"quotes\" {{ 7*7 }}"
OUTPUT = "reading 12 markets at block 21442001\n  usdc  utilisation 91.2 %\n  weth  utilisation 64.0 %\n"
CRONS = {"hourly": "5 * * * *", "daily": "19 8 * * *", "multisig": "0/10 * * * *"}
TASKS = {"hourly": ("aave", "lido", "maple"), "daily": ("peg", "governance"), "multisig": ("safes",)}


def fill(path: Path, now: datetime, *, days: int = 2, healthy: bool = True, checks: bool = False) -> Database:
    """Fill the database up to `now`; an unhealthy host has a failing task and a message that waits.

    `checks`: a monitor file runs too.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    database = open_database(path)
    begins_at = now - timedelta(days=days)
    with database.write() as tx:
        chosen = [Schedule(name, cron) for name, cron in CRONS.items()]
        schedules.record_in_force(tx, chosen, begins_at, "test")
        ticks = sorted((tick, name) for name, cron in CRONS.items() for tick in Cron.parse(cron).ticks(begins_at, now))
        chance = random.Random(5)
        for tick_at, profile in ticks:
            late = healthy is False and now - tick_at < timedelta(hours=2)
            _run(tx, profile, tick_at, chance, fails=profile == "hourly" and late)
        configured_protocols.put(tx, [_protocol(name) for name in TASKS["hourly"]], begins_at)
        _alerts(tx, now, chance, healthy=healthy)
        _incidents(tx, now)
        if checks:
            _checks(tx, now)
        silences.add(
            tx, "maple", None, now=now - timedelta(hours=1), ends_at=now + timedelta(hours=3),
            reason="pool migration", created_by="ana",
        )  # fmt: skip
    return database


def _protocol(name: str) -> dict[str, object]:
    task = {"name": name, "script": f"protocols/{name}/main.py", "args": {}}
    said = {"watches": f"{name}: is what it holds still worth what it owes?", "runbook": f"protocols/{name}/README.md"}
    about = [{"file": task["script"], **said}]
    return {"name": name, "tasks": [{**task, "profile": "hourly", "cron": CRONS["hourly"], "about": about}]}


def _run(tx: Tx, profile: str, tick_at: datetime, chance: random.Random, *, fails: bool) -> int:
    started_at = tick_at + timedelta(seconds=0.4)
    names = TASKS[profile]
    run_id = runs.begin(
        tx, profile, tick_at=tick_at, trigger="cron", now=started_at, process="gone", revision="4f2a9c1b7d30",
        tasks_total=len(names),
    )  # fmt: skip
    at = started_at
    for number, name in enumerate(names):
        failed = fails and number == 0
        took_s = chance.uniform(0.8, 9.0) * (2.5 if profile == "daily" else 1)
        ended_at = at + timedelta(seconds=took_s)
        tail = OUTPUT + (
            "Traceback (most recent call last):\n  …\nTimeoutError: no provider answered\n" if failed else ""
        )
        runs.record_task(tx, TaskRun(
            run_id, name, "failed" if failed else "ok", "exit 1: no provider answered" if failed else "", at, ended_at,
            took_s, 1 if failed else 0, None, 1, took_s / 9, 41_000_000, len(tail), tail,
        ))  # fmt: skip
        at = ended_at
    reason = f"{names[0]} failed" if fails else ""
    runs.finish(tx, run_id, "failed" if fails else "ok", exit_code=int(fails), reason=reason, now=at)
    return run_id


def store(tx: Tx, alert: Alert, now: datetime, *, delivered_after_s: float | None = 1.2, **more: object) -> int:
    """Store one alert as a monitor's, delivered unless told otherwise."""
    row = alerts.NewAlert(
        protocol=alert.protocol, severity=alert.severity.name, message=render_plain(alert, now=now), title=alert.title,
        channel=alert.channel, source=alert.source, silent=alert.is_silent, body_json=alert.to_json(), **more,
    )  # fmt: skip
    alert_id = alerts.insert(tx, row, ["telegram"], now, route=alert.protocol.upper())
    if delivered_after_s is not None:
        at = to_text(now + timedelta(seconds=delivered_after_s))
        tx.execute(
            "UPDATE deliveries SET status = 'delivered', delivered_at = ?, attempts = 1 WHERE alert_id = ?",
            (at, alert_id),
        )
        alerts.update_delivery_status(tx, alert_id, "delivered", at, None)
    return alert_id


def _alerts(tx: Tx, now: datetime, chance: random.Random, *, healthy: bool) -> None:
    severities = ("LOW", "LOW", "LOW", "MEDIUM", "MEDIUM", "HIGH")
    titles = (
        "USDC utilisation above 90 %", "stETH trades 0.8 % below ETH", "Pool cash ratio fell to 12 %",
        "New proposal 214: raise the debt ceiling", "Oracle answer is 70 min old",
    )  # fmt: skip
    for number in range(60, 0, -1):
        at = now - timedelta(minutes=45 * number)
        alert = Alert(
            chance.choice(severities), chance.choice(titles), line("seen at block ", code(21_442_000 + number)),
            protocol=chance.choice(("aave", "lido", "maple")),
        )  # fmt: skip
        store(tx, alert, at, delivered_after_s=chance.choice((0.4, 0.9, 1.2, 2.0, 4.5)))
    rich = Alert(
        "CRITICAL", "Timelock queued a transaction", line("A call of ", bold("upgradeTo"), " waits for two days."),
        kv(("Safe", addr("0x" + "5afe" * 10)), ("Value", usd(1_250_000)), ("Proof", link("explorer", "https://example.org/tx/1"))),
        table(["target", "call"], [["proxy", "upgradeTo(address)"], ["vault", "pause()"]]),
        quote("Upgrade as discussed in the forum."), protocol="maple", key="timelock/0x1",
    )  # fmt: skip
    store(
        tx, rich, now - timedelta(minutes=31), metadata_json=json.dumps({"chain": 1, "block": 21442001}), task="maple"
    )
    store(tx, Alert("HIGH", HOSTILE, HOSTILE, protocol="aave"), now - timedelta(minutes=22))
    waits = None if not healthy else 0.7
    at = now - timedelta(minutes=3 if healthy else 14)
    store(tx, Alert("MEDIUM", "Reserve factor changed", protocol="aave"), at, delivered_after_s=waits)


def _checks(tx: Tx, now: datetime) -> None:
    """Three checks of a monitor file: one that is well, one that fires, one that sees nothing."""
    well = Condition(
        ConditionKey("cap", "share-price", 1, "stcUSD"), about="stcUSD: the share price never falls", value="1.081",
        judged_at=now - timedelta(minutes=5), protocol="cap", declared=True,
    )  # fmt: skip
    fires = replace(
        well, key=ConditionKey("cap", "backing", 1), about="stcUSD holds what it owes", value="-2 cUSD",
        state=State.FIRING, severity=Severity.CRITICAL, worst=Severity.CRITICAL, title="stcUSD holds less than it owes",
        since=now - timedelta(hours=1), fired_at=now - timedelta(hours=1), last_sent_at=now - timedelta(hours=1),
    )  # fmt: skip
    blind = replace(
        well, key=ConditionKey("cap", "big-mint", 1), about="cUSD is not minted in bulk", value="300 cUSD",
        no_data=NoData(now - timedelta(minutes=50), source="mainnet", reason="mainnet: HTTP 503"),
    )  # fmt: skip
    for condition in (well, fires, blind):
        conditions.put(tx, condition, now)
    for hour in range(24, -1, -1):
        at = now - timedelta(minutes=60 * hour + 5)
        record_or_drop_in(tx, [_reading(one, hour) for one in (well, fires, blind)], [], at)


def _reading(condition: Condition, hours_ago: int) -> CheckReading:
    """What a check read so many hours ago: a share price that rises, a backing that fell, a mint that is not seen."""
    key, unit = condition.key, {"share-price": "USD", "backing": "cUSD", "big-mint": "cUSD"}[condition.key.check]
    contract = (1, "0x" + "11" * 20, "vault")
    series = Series(key, "cap", Severity.CRITICAL, "limit", unit, condition.about, f"{key.check} >= 0", (contract,))
    limits = ReadingLimits((Bound(0, Severity.CRITICAL),), (), f"≥ 0 {unit}")
    state = ReadingState.OK
    value: Fraction | None = Fraction(1_081_000 - hours_ago * 17, 10**6)
    if key.check == "backing":
        value, state = (Fraction(-2), ReadingState.FIRING) if hours_ago == 0 else (Fraction(hours_ago, 3), state)
    if key.check == "big-mint":
        value, state = (None, ReadingState.NO_DATA) if hours_ago == 0 else (Fraction(300), state)
    made_of = () if value is None else (("vault.totalAssets()", value + 1), ("vault.owed()", Fraction(1)))
    return CheckReading(series, state, value, None, Severity.CRITICAL, limits, 21_442_000 - 300 * hours_ago, made_of)


def _incidents(tx: Tx, now: datetime) -> None:
    for minutes, severity, name, title in (
        (190, Severity.HIGH, "utilisation/USDC", "USDC utilisation above 90 %"),
        (31, Severity.CRITICAL, "timelock/0x1", "Timelock queued a transaction"),
    ):
        fired_at = now - timedelta(minutes=minutes)
        key = ConditionKey("aave", name)
        conditions.put(tx, Condition(
            key, State.FIRING, severity, severity, title, since=fired_at, fired_at=fired_at, last_seen_at=now,
            last_sent_at=fired_at, times=minutes // 10, protocol="aave", alert_id=1, heard_at=fired_at,
            remind_every=timedelta(days=1),
        ), now)  # fmt: skip
