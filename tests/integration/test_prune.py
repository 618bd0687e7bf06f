"""Forgetting what is old in a real database: never what is still needed, and in nobody's way."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from monitoring.base.clock import to_text
from monitoring.base.errors import UsageError
from monitoring.conditions.condition import Condition, ConditionKey, State
from monitoring.store.db.database import Database, Tx
from monitoring.store.db.schema import open_database
from monitoring.store.maintenance.prune import prune
from monitoring.store.tables import (
    alerts,
    chain_memory,
    conditions,
    deliveries,
    digests,
    no_data_periods,
    runs,
    scheduler_events,
    schedules,
    silences,
    state,
)
from monitoring.store.tables.runs import TaskRun
from monitoring.store.tables.schedules import Schedule
from tests.support.child import hear, running_child
from tests.support.kill_upkeep import NOW, Deed, killing

OLD, OLDER, YOUNG = NOW - timedelta(days=91), NOW - timedelta(days=200), NOW - timedelta(days=89)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "cache" / "monitoring.db"
    path.parent.mkdir()
    return path


@pytest.fixture
def database(path: Path) -> Iterator[Database]:
    with open_database(path) as opened:
        yield opened


def alert(tx: Tx, message: str, at: datetime, *, ended: str | None = "delivered", **more: str) -> int:
    alert_id = alerts.insert(tx, alerts.NewAlert("aave", "HIGH", message, **more), ["telegram", "webhook"], at)
    if ended:
        tx.execute("UPDATE deliveries SET status = ? WHERE alert_id = ?", (ended, alert_id))
        deliveries.refresh_alerts(tx, [alert_id])
    return alert_id


def run(tx: Tx, profile: str, at: datetime, status: runs.RunStatus = "ok", *, tick: bool = True) -> int:
    run_id = runs.begin(
        tx, profile, tick_at=at if tick else None, trigger="cron", now=at, process="1:1:x", revision="", tasks_total=1
    )
    runs.record_task(tx, TaskRun(run_id, "task", "ok", "", at, at, 1.0, 0, output_tail="line\n" * 20))
    if status != "running":
        runs.finish(tx, run_id, status, exit_code=0, reason="", now=at)
    return run_id


def messages(database: Database) -> list[str]:
    return [row[0] for row in database.rows("SELECT message FROM alert_events ORDER BY id")]


def count(database: Database, table: str) -> int:
    return int(database.rows(f"SELECT count(*) FROM {table}")[0][0])


def test_what_is_older_than_ninety_days_goes_with_all_that_belongs_to_it(database: Database) -> None:
    with database.write() as tx:
        alert(tx, "old", OLD)
        alert(tx, "young", YOUNG)
        run(tx, "hourly", OLD)
        young = run(tx, "hourly", YOUNG)
    done = prune(database, NOW)
    assert messages(database) == ["young"]
    assert count(database, "deliveries") == 2
    assert database.rows("SELECT id FROM runs") == [(young,)]
    assert database.rows("SELECT run_id FROM task_runs") == [(young,)]
    assert (done.rows["alert"], done.rows["run"]) == (1, 1)
    assert str(done) == "forgotten of before 2026-08-25 10:00 UTC: 1 alert, 1 run"


@pytest.mark.parametrize("ended", [None, "skipped_missing_credentials"])
def test_an_alert_that_is_still_to_be_delivered_stays_however_old(database: Database, ended: str | None) -> None:
    with database.write() as tx:
        alert(tx, "waits", OLDER, ended=ended)
        half = alert(tx, "waits for the webhook alone", OLDER)
        tx.execute("UPDATE deliveries SET status = 'pending' WHERE alert_id = ? AND destination = 'webhook'", (half,))
        alert(tx, "gone", OLDER)
    prune(database, NOW)
    assert messages(database) == ["waits", "waits for the webhook alone"]
    assert count(database, "deliveries") == 4


@pytest.mark.parametrize("ended", ["failed", "skipped_debug", "not_attempted", "silenced"])
def test_an_alert_that_will_never_be_delivered_goes(database: Database, ended: str) -> None:
    with database.write() as tx:
        alert(tx, "visibly not delivered", OLD, ended=ended)
    prune(database, NOW)
    assert messages(database) == []


def test_what_something_live_refers_to_stays(database: Database) -> None:
    """A silenced condition that still fires is told when the silence ends, by its alert."""
    with database.write() as tx:
        told = alert(tx, "it fires", OLD, ended="silenced")
        over = alert(tx, "it fired", OLD)
        digest = alert(tx, "task failed", OLD)
        alert(tx, "an older drill", OLDER, kind="drill")
        alert(tx, "the last drill", OLD, kind="drill")
        conditions.put(tx, Condition(ConditionKey("aave", "a"), State.FIRING, alert_id=told, fired_at=OLD), OLD)
        conditions.put(tx, Condition(ConditionKey("aave", "b"), State.OK, alert_id=over, fired_at=OLD), OLD)
        digests.put(tx, "hourly", ("task",), OLD, digest)
    prune(database, NOW)
    assert messages(database) == ["it fires", "task failed", "the last drill"]
    with database.snapshot() as tx:
        assert [found.alert_id for found in conditions.silenced_and_firing(tx)] == [told]


def test_conditions_that_are_over_go_and_what_checks_remember_stays(database: Database) -> None:
    with database.write() as tx:
        for name, state_now, memory, at in (
            ("over", State.OK, {}, OLD), ("over lately", State.OK, {}, YOUNG), ("fires", State.FIRING, {}, OLD),
            ("builds up", State.PENDING, {}, OLD), ("remembers", State.OK, {"mark": "5"}, OLDER),
        ):  # fmt: skip
            key = ConditionKey("aave", name)
            conditions.put(tx, Condition(key, state_now, memory=memory), at)
        state.put(tx, "monitor:aave", "cursor", "5", OLDER)
    prune(database, NOW)
    kept = {row[0] for row in database.rows("SELECT check_name FROM conditions")}
    assert kept == {"over lately", "fires", "builds up", "remembers"}
    found = state.get(database, "monitor:aave", "cursor")
    assert found is not None
    assert found.value == "5"


def test_of_each_profile_the_newest_rows_stay_so_that_a_yearly_one_is_known_to_have_run(database: Database) -> None:
    with database.write() as tx:
        run(tx, "yearly", OLDER - timedelta(days=1))
        ok = run(tx, "yearly", OLDER)
        failed = run(tx, "yearly", OLDER + timedelta(days=1), "failed")
        runs.insert_unserved(tx, "yearly", OLDER + timedelta(days=2), "missed", reason="", held_by=None)
        by_hand = run(tx, "yearly", OLDER + timedelta(days=3), "failed", tick=False)
        going = run(tx, "hourly", OLDER, "running")
        run(tx, "hourly", OLD)
    prune(database, NOW)
    assert failed not in {row[0] for row in database.rows("SELECT id FROM runs")}
    last = runs.last_started(database, "yearly")
    assert last is not None
    assert last.id == by_hand
    assert {ok, going, by_hand} <= {row[0] for row in database.rows("SELECT id FROM runs")}


def test_the_schedule_history_stays_and_old_silences_calls_and_starts_go(database: Database) -> None:
    with database.write() as tx:
        schedules.record_in_force(tx, [Schedule("hourly", "5 * * * *")], OLDER, "test")
        schedules.record_in_force(tx, [Schedule("hourly", "7 * * * *")], OLD, "test")
        for ends_at in (OLD, YOUNG):
            silences.add(tx, "aave", None, now=OLDER, ends_at=ends_at, reason="", created_by="ana")
            tx.execute("INSERT INTO webhook_calls VALUES (?, 2, ?)", (to_text(ends_at), to_text(ends_at)))
        for started_at in (OLDER, OLD):
            scheduler_events.record_scheduler_start(tx, started_at=started_at, booted_at=OLDER, kind="cron")
    prune(database, NOW)
    tables = ("schedules", "silences", "webhook_calls", "scheduler_starts")
    assert {table: count(database, table) for table in tables} == {
        "schedules": 2, "silences": 1, "webhook_calls": 1, "scheduler_starts": 1,
    }  # fmt: skip


def test_blindness_that_ended_long_ago_goes_and_what_is_known_of_chains_stays(database: Database) -> None:
    with database.write() as tx:
        no_data_periods.insert(tx, "mainnet", OLDER, OLD, 3)
        no_data_periods.insert(tx, "base", OLDER, YOUNG, 1)
        chain_memory.put(tx, "token", "1:0xa0b8", "USDC 6", OLDER)
    assert prune(database, NOW).rows["blind spell"] == 1
    assert database.rows("SELECT source FROM blind_spells") == [("base",)]
    assert count(database, "chain_memory") == 1


def test_databases_set_aside_long_ago_go_with_their_sidecars(database: Database, path: Path) -> None:
    for stamp in ("20260101T000000000000Z", "20261101T000000000000Z"):
        for name in (f"damaged-{stamp}", f"damaged-{stamp}-wal", f"replaced-{stamp}"):
            path.with_name(f"monitoring.db.{name}").touch()
    path.with_name("monitoring.db.before-the-upgrade").touch()
    done = prune(database, NOW)
    assert len(done.files) == 3
    assert sorted(entry.name for entry in path.parent.glob("monitoring.db.*")) == [
        "monitoring.db.before-the-upgrade",
        "monitoring.db.damaged-20261101T000000000000Z",
        "monitoring.db.damaged-20261101T000000000000Z-wal",
        "monitoring.db.replaced-20261101T000000000000Z",
    ]


def test_less_than_a_day_cannot_be_kept(database: Database) -> None:
    with pytest.raises(UsageError, match="at least 1 day"):
        prune(database, NOW, timedelta(hours=23))


WRITER = """
import sys, time
from datetime import datetime, UTC
from pathlib import Path
from monitoring.store.tables import state
from monitoring.store.db.schema import open_database
with open_database(Path(sys.argv[1])) as database:
    print("ready", flush=True)
    sys.stdin.readline()
    worst, written = 0.0, 0
    while not sys.argv[2] or written == 0 or not Path(sys.argv[2]).exists():
        began = time.monotonic()
        with database.write() as tx:
            state.put(tx, "n", "k", str(written), datetime.now(UTC))
        worst, written = max(worst, time.monotonic() - began), written + 1
    print(written, worst, flush=True)
"""


def test_a_writer_beside_a_large_pruning_waits_for_no_more_than_a_batch(database: Database, path: Path) -> None:
    _fill(database, number=8000)
    done = path.with_name("done")
    with running_child(WRITER, path, done) as writer:
        assert hear(writer) == "ready"
        assert writer.stdin is not None
        writer.stdin.write("go\n")
        writer.stdin.flush()
        began = time.monotonic()
        pruned = prune(database, NOW)
        took_s = time.monotonic() - began
        done.touch()
        written, worst_s = hear(writer).split()
    assert pruned.rows["alert"] == 8000
    assert int(written) >= 16, "it must have written between the batches"
    assert float(worst_s) < max(0.5, took_s / 3)


def _fill(database: Database, number: int) -> None:
    with database.write() as tx:
        tx.executemany(
            "INSERT INTO alert_events (created_at, sort_at, source, protocol, message, delivery_status) "
            "VALUES (?, ?, 'protocol', 'aave', 'old', 'delivered')",
            [(to_text(OLD), to_text(OLD))] * number,
        )


def test_a_kill_at_any_step_forgets_less_and_the_next_one_the_rest(
    database: Database, path: Path, tmp_path: Path
) -> None:
    with database.write() as tx:
        for number in range(60):
            alert(tx, f"old {number}", OLD)
            run(tx, "hourly", OLD + timedelta(minutes=number))
        alert(tx, "waits", OLD, ended=None)
        alert(tx, "young", YOUNG)
    database.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with killing() as killer:
        expected = None
        code, steps = killer.do(Deed("prune", str(_copy(path, tmp_path / "unharmed"))))
        assert (code, steps > 20) == (0, True)
        for n in range(1, steps + 1, max(1, steps // 15)):
            copy = _copy(path, tmp_path / str(n))
            assert killer.do(Deed("prune", str(copy), kill_at=n))[0] == -9
            with open_database(copy) as killed:
                assert {"waits", "young"} <= set(messages(killed))
                assert killed.rows("PRAGMA integrity_check") == [("ok",)]
                prune(killed, NOW)
                found = (messages(killed), killed.rows("SELECT id FROM runs"))
            expected = expected or found
            assert found == expected
    assert expected is not None
    assert expected[0] == ["waits", "young"]


def _copy(path: Path, directory: Path) -> Path:
    directory.mkdir()
    return Path(shutil.copy(path, directory / "monitoring.db"))
