"""Who writes after whom: the queue says it, whatever is written and however soon somebody wants to write again."""

from __future__ import annotations

import fcntl
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from benchmarks.worlds.readings import reading_of
from monitoring.alerts.message.model import Alert
from monitoring.alerts.recording.store_alert import record
from monitoring.base.errors import StoreBusyError
from monitoring.store.db.schema import open_database
from monitoring.store.db.write_lock import FairLock
from monitoring.store.readings.writing import record_in
from tests.support.child import wait_until

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
LIMIT_S = 30


@pytest.fixture
def path(tmp_path: Path) -> Path:
    open_database(tmp_path / "monitoring.db").close()
    return tmp_path / "monitoring.db"


@pytest.fixture
def others() -> Iterator[ThreadPoolExecutor]:
    """Threads exclude each other as processes do: each opens the lock files anew."""
    with ThreadPoolExecutor(4) as pool:
        yield pool


def is_somebody_in_line(directory: Path) -> bool:
    """Return whether somebody waits for the lock, who then has the queue."""
    with (directory / "locks" / "write.lock.queue").open("rb") as queue:
        try:
            fcntl.flock(queue, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def test_who_stored_the_readings_of_a_run_stores_more_only_after_the_alert_that_waits(
    path: Path, others: ThreadPoolExecutor
) -> None:
    inside, go_on = threading.Event(), threading.Event()
    seen = list[int]()

    def store_readings() -> None:
        with open_database(path) as database:
            for run in range(3):
                found = [reading_of(number, run, changes=True) for number in range(700)]
                with database.write() as tx:
                    seen.append(tx.execute("SELECT count(*) FROM alert_events").fetchall()[0][0])
                    record_in(tx, found, (), NOW + timedelta(hours=run))
                    inside.set()
                    assert go_on.wait(LIMIT_S)

    def store_alert() -> None:
        with open_database(path) as database:
            record(database, Alert("HIGH", "utilisation 99 %", protocol="aave", key="utilisation"), now=NOW)

    readings = others.submit(store_readings)
    assert inside.wait(LIMIT_S)
    alert = others.submit(store_alert)
    wait_until(lambda: is_somebody_in_line(path.parent), "the alert waits")
    go_on.set()
    alert.result(LIMIT_S)
    readings.result(LIMIT_S)
    assert seen == [0, 1, 1]


def test_a_writer_that_gave_up_while_it_waited_keeps_its_place_from_nobody(
    path: Path, others: ThreadPoolExecutor
) -> None:
    lock = FairLock(path.parent / "locks" / "write.lock")

    def take() -> bool:
        with lock.hold(LIMIT_S):
            return True

    with lock.hold(LIMIT_S):
        for _ in range(3):  # the first leaves a thread that has the queue, the others threads that wait for that
            with pytest.raises(StoreBusyError), lock.hold(0):
                pass
        behind = [others.submit(take) for _ in range(3)]
        assert not any(one.done() for one in behind)
    assert all(one.result(LIMIT_S) for one in behind)
