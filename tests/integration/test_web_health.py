"""`/healthz` says ok only while it is true: each of its three ways made false, and true again."""

from __future__ import annotations

import sqlite3
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from monitoring.base.clock import to_text
from monitoring.base.process_identity import Boot, current_process
from monitoring.store.db import schema
from monitoring.store.db.database import Database
from monitoring.store.tables import alerts, runs, schedules
from monitoring.store.tables.schedules import Schedule
from monitoring.web import health
from tests.support.web import serving

NOW = datetime(2026, 11, 23, 10, 30, tzinfo=UTC)
BOOT = Boot("", NOW - timedelta(days=9))
TICK = datetime(2026, 11, 23, 10, 5, tzinfo=UTC)


def schedule(database: Database, at: datetime, cron: str = "5 * * * *", **more: bool) -> None:
    with database.write() as tx:
        schedules.record_in_force(tx, [Schedule("hourly", cron, **more)], at, "test")


def run(database: Database, at: datetime, *, tick_at: datetime | None, process: str = "", ended: bool = True) -> int:
    with database.write() as tx:
        run_id = runs.begin(
            tx, "hourly", tick_at=tick_at, trigger="cron", now=at, process=process or str(current_process()),
            revision="", tasks_total=1,
        )  # fmt: skip
        if ended:
            runs.finish(tx, run_id, "failed", exit_code=1, reason="", now=at + timedelta(seconds=3))
    return run_id


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return schema.open_database(tmp_path / "monitoring.db")


def test_a_fresh_install_is_healthy_until_its_first_tick_and_the_grace_are_over(database: Database) -> None:
    schedule(database, TICK - timedelta(minutes=30))
    assert health.reasons(database, TICK + timedelta(minutes=2, seconds=-1), BOOT) == []
    (reason,) = health.reasons(database, TICK + timedelta(minutes=3), BOOT)
    assert reason.startswith("hourly is overdue: the tick of 2026-11-23 10:05 UTC was missed (")


def test_a_run_of_the_tick_makes_it_healthy_however_the_run_ended(database: Database) -> None:
    schedule(database, TICK - timedelta(minutes=30))
    run(database, TICK + timedelta(seconds=1), tick_at=TICK)
    assert health.reasons(database, NOW, BOOT) == []
    assert health.reasons(database, NOW + timedelta(hours=1), BOOT) != []


def test_a_run_by_hand_after_the_missed_tick_counts(database: Database) -> None:
    schedule(database, TICK - timedelta(minutes=30))
    run(database, TICK + timedelta(minutes=9), tick_at=None)
    assert health.reasons(database, NOW, BOOT) == []


def test_a_run_that_still_goes_holds_its_ticks_but_a_dead_one_does_not(database: Database) -> None:
    schedule(database, TICK - timedelta(hours=3))
    run_id = run(database, TICK - timedelta(hours=2), tick_at=TICK - timedelta(hours=2), ended=False)
    assert health.reasons(database, NOW, BOOT) == []
    with database.write() as tx:
        tx.execute("UPDATE runs SET process = '1:1:another-boot' WHERE id = ?", (run_id,))
    (reason,) = health.reasons(database, NOW, BOOT)
    assert f"run {run_id} died without a word" in reason


def test_a_disabled_profile_is_never_overdue(database: Database) -> None:
    schedule(database, TICK - timedelta(hours=3), enabled=False)
    assert health.reasons(database, NOW, BOOT) == []


@pytest.mark.parametrize(
    ("age", "status", "healthy"),
    [
        (timedelta(minutes=9), "pending", True),
        (timedelta(minutes=11), "pending", False),
        (timedelta(minutes=11), "skipped_missing_credentials", False),
        (timedelta(minutes=11), "delivered", True),
    ],
)
def test_an_alert_that_waits_for_more_than_ten_minutes(
    database: Database, age: timedelta, status: str, *, healthy: bool
) -> None:
    with database.write() as tx:
        alert_id = alerts.insert(tx, alerts.NewAlert("aave", "HIGH", "x"), ["telegram"], NOW - age)
        tx.execute("UPDATE deliveries SET status = ? WHERE alert_id = ?", (status, alert_id))
    found = health.reasons(database, NOW, BOOT)
    assert (found == []) is healthy
    if not healthy:
        assert found[0].startswith("1 alert waits for telegram, the oldest for 11 min")
        assert ("credentials" in found[0]) == (status != "pending")


def test_a_database_replaced_again_and_again_is_a_503_with_its_reason_or_the_truth(tmp_path: Path) -> None:
    """As `repair` and a restore do it: set aside with its sidecars, and another one appears, while people look."""
    cache = tmp_path / "cache"
    cache.mkdir()
    path = cache / "monitoring.db"
    over, said = threading.Event(), Counter[tuple[str, int]]()
    with serving(cache) as web, ThreadPoolExecutor(3) as people:

        def look(address: str) -> None:
            while not over.is_set():
                reply = web.ask(address)
                said[address, reply.status] += 1
                if reply.status == 503 and address != "/":
                    assert str(path) in reply.json["message"], reply.body

        looking = [people.submit(look, address) for address in ("/healthz", "/v1/alerts?limit=2", "/")]
        try:
            for number in range(12):
                with schema.open_database(path) as database, database.write() as tx:
                    alerts.insert(tx, alerts.NewAlert("aave", "LOW", f"file {number}"), [], NOW, status="delivered")
                assert [row["message"] for row in web.get("/v1/alerts?limit=3")["data"]] == [f"file {number}"]
                for leftover in ("", "-wal", "-shm"):
                    path.with_name(path.name + leftover).rename(cache / f"aside-{number}{leftover}")
        finally:
            over.set()
        for each in looking:
            each.result(60)
        assert {status for _, status in said} == {200, 503}
        schema.open_database(path).close()
        assert web.ask_until("/healthz", 200).json == {"status": "ok"}


def test_a_locked_database_makes_it_false_until_it_answers_again(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    path = cache / "monitoring.db"
    schema.open_database(path).close()
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("PRAGMA journal_mode=DELETE")
    holder.execute("BEGIN EXCLUSIVE")
    with serving(cache) as web:
        locked = web.ask("/healthz")
        assert locked.status == 503
        assert "locked" in locked.json["message"]
        assert "does not answer" in web.ask("/").text
        holder.execute("COMMIT")
        holder.close()
        assert web.ask_until("/healthz", 200).json == {"status": "ok"}


def test_the_route_turns_false_in_each_way_and_true_again(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    path = cache / "monitoring.db"
    now = datetime.now(UTC)
    with serving(cache) as web:
        assert web.ask("/healthz").status == 503, "the database does not answer"
        with schema.open_database(path) as database:
            assert web.ask_until("/healthz", 200).json == {"status": "ok"}

            schedule(database, now, cron="* * * * *")
            assert web.ask("/healthz").status == 200, "its first tick is to come"
            with database.write() as tx:
                began = to_text(now - timedelta(minutes=9))
                tx.execute("UPDATE schedules SET effective_from = ?, reconciled_to = ?", (began, began))
            overdue = web.ask_until("/healthz", 503).json
            assert overdue["reasons"][0].startswith("hourly is overdue")
            run(database, now, tick_at=None)
            web.ask_until("/healthz", 200)

            with database.write() as tx:
                alert = alerts.NewAlert("aave", "HIGH", "x")
                alert_id = alerts.insert(tx, alert, ["telegram"], now - timedelta(minutes=12))
            waiting = web.ask_until("/healthz", 503).json
            assert waiting["error"] == "unhealthy"
            assert "1 alert waits for telegram" in waiting["message"]
            with database.write() as tx:
                tx.execute("UPDATE deliveries SET status = 'delivered' WHERE alert_id = ?", (alert_id,))
            web.ask_until("/healthz", 200)
