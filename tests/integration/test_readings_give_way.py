"""Readings give way to a full disk and to faults of their own; conditions and alerts never do."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import apsw
import pytest

from monitoring.alerts.recording.store_alert import NOBODY
from monitoring.base.clock import SystemClock
from monitoring.checks.builtin import TYPES
from monitoring.checks.config.load_all import load_all
from monitoring.checks.engine import runner
from monitoring.checks.engine.evidence import Evidence
from monitoring.checks.engine.formula_checks import FormulaPart
from monitoring.checks.engine.plan import ReadContext
from monitoring.checks.engine.point import EvaluationPoint
from monitoring.conditions.condition import Condition, ConditionKey
from monitoring.store.db.database import Database, Tx
from monitoring.store.db.handle import SteadyStore
from monitoring.store.db.schema import open_database
from monitoring.store.readings.dropping import dropped_so_far, lately_dropped, record_or_drop_in
from monitoring.store.readings.reading import CheckReading, ReadingState, Series
from monitoring.store.tables import conditions
from tests.support.checks_host import ChecksHost
from tests.support.rpc_server import Provider, serving

NOW = datetime(2026, 11, 23, 10, tzinfo=UTC)
A = "0x" + "11" * 20
SUPPLY = "totalSupply()(uint256)"
VAULT = f"""
monitor: vault
chain: 1
contracts: {{a: "{A}"}}
checks:
  - {{id: floor, require: a.totalSupply() >= 100, severity: high}}
"""


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with open_database(tmp_path / "monitoring.db") as opened:
        yield opened


def some_readings(number: int) -> list[CheckReading]:
    keys = [ConditionKey("vault", f"c{each}", 1, "x" * 200) for each in range(number)]
    return [CheckReading(Series(key, about="y" * 500), ReadingState.OK, each) for each, key in enumerate(keys)]


def keep(database: Database, number: int) -> None:
    """Write a condition and then some readings in one transaction."""
    with database.write() as tx:
        conditions.put(tx, Condition(ConditionKey("vault", "floor", 1), value="95"), NOW)
        record_or_drop_in(tx, some_readings(number), [], NOW)


def kept(database: Database) -> tuple[int, int]:
    """Return how many conditions and how many readings there are."""
    return database.rows("SELECT (SELECT count(*) FROM conditions), (SELECT count(*) FROM open_readings)")[0]


def test_a_fault_of_the_readings_loses_no_condition_and_is_counted(database: Database) -> None:
    with database.write() as tx:
        tx.execute("DROP TABLE reading_limits")
    keep(database, 3)
    keep(database, 4)
    assert kept(database) == (1, 0)
    found = dropped_so_far(database)
    assert found is not None
    assert (found.count, found.at) == (7, NOW)
    assert "no such table: reading_limits" in found.why
    assert lately_dropped(database, NOW) == found
    assert "7 readings could not be kept so far, the last at 2026-11-23 10:00 UTC" in found.in_words


def test_a_file_that_may_not_grow_takes_the_condition_without_the_readings(database: Database) -> None:
    """SQLite says that the disk is full within the transaction, by the same error as a disk does."""
    keep(database, 1)
    pages = int(database.rows("PRAGMA page_count")[0][0])
    database.connection.execute(f"PRAGMA max_page_count={pages + 2}")
    keep(database, 500)
    assert kept(database) == (1, 1)
    found = dropped_so_far(database)
    assert found is not None
    assert found.why.startswith("FullError")


def test_nothing_is_dropped_where_nothing_is_wrong(database: Database) -> None:
    keep(database, 5)
    assert kept(database) == (1, 5)
    assert dropped_so_far(database) is None


def test_a_damaged_file_is_not_taken_for_a_fault_of_the_readings(database: Database) -> None:
    def corrupt(*_: Any) -> None:
        raise apsw.CorruptError("CorruptError: database disk image is malformed")

    with pytest.MonkeyPatch.context() as patched, database.write() as tx:
        patched.setattr("monitoring.store.readings.writing.record_in", corrupt)
        with pytest.raises(apsw.CorruptError):
            record_or_drop_in(tx, some_readings(1), [], NOW)


# -- a run ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def provider() -> Iterator[Provider]:
    one = Provider(head_time=time.time, views={(A, SUPPLY): 50})
    with serving(one):
        yield one


class FullAtTheEnd(SteadyStore):
    """A store whose disk has no room for what a transaction with readings writes, as it turns out when it ends."""

    def write(self, act: Callable[[Tx], Any]) -> Any:
        def with_a_full_disk(tx: Tx) -> Any:
            found = act(tx)
            if tx.execute("SELECT count(*) FROM open_readings").fetchone() != (0,):
                raise apsw.FullError("FullError: database or disk is full")
            return found

        return super().write(with_a_full_disk)


def test_a_disk_that_is_full_when_the_transaction_ends_still_takes_alert_and_condition(
    tmp_path: Path, provider: Provider
) -> None:
    path = tmp_path / "monitor.yaml"
    path.write_text(VAULT)
    monitors, mistakes = load_all([str(path)], TYPES)
    assert not mistakes
    with closing(FullAtTheEnd(tmp_path / "monitoring.db", SystemClock())) as store:
        at = EvaluationPoint({"PROVIDER_URL_MAINNET": provider.url, "PROVIDER_PUBLIC": "off"})
        outcome = runner.run(monitors, at, store, NOBODY)
    assert (outcome.stored, outcome.error) == (1, None)
    with open_database(tmp_path / "monitoring.db") as database:
        assert kept(database) == (1, 0)
        found = dropped_so_far(database)
    assert found is not None
    assert found.count == 1
    assert "the disk is full" in found.why


@pytest.mark.ci
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")
def test_on_a_disk_that_is_nearly_full_readings_are_the_first_that_are_not_written(
    tmp_path: Path, provider: Provider
) -> None:
    state = tmp_path / "state"
    state.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "none", state], check=True)
    try:
        host = ChecksHost(state, {"PROVIDER_URL_MAINNET": provider.url})
        host.run(host.file(VAULT))
        assert host.rows("SELECT check_name, state FROM conditions") == [("floor", "firing")]
        assert host.rows("SELECT count(*) FROM open_readings") == [(0,)]
        ((why,),) = host.rows("SELECT json_extract(value, '$.why') FROM monitor_state WHERE namespace = 'readings'")
        assert "MiB left, the last 32 MiB are for alerts and conditions" in why
    finally:
        subprocess.run(["umount", "--lazy", state], check=True)


def test_a_bug_in_what_is_kept_of_one_check_stops_neither_it_nor_another(
    tmp_path: Path, provider: Provider, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "monitor.yaml"
    path.write_text(VAULT + "  - {id: cap, require: a.totalSupply() <= 100, severity: high}\n")
    monitors, _ = load_all([str(path)], TYPES)

    def broken(self: FormulaPart, context: ReadContext) -> Evidence:
        if self.key.check == "cap":
            raise ZeroDivisionError
        return evidence(self, context)

    evidence = FormulaPart.evidence
    with pytest.MonkeyPatch.context() as patched, closing(SteadyStore(tmp_path / "m.db", SystemClock())) as store:
        patched.setattr(FormulaPart, "evidence", broken)
        at = EvaluationPoint({"PROVIDER_URL_MAINNET": provider.url, "PROVIDER_PUBLIC": "off"})
        outcome = runner.run(monitors, at, store, NOBODY)
    assert (outcome.stored, outcome.crashed) == (1, False)
    with open_database(tmp_path / "m.db") as database:
        assert kept(database) == (2, 1)
    assert "what vault/cap/1 read is not kept: ZeroDivisionError" in caplog.text
