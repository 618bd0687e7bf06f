"""A.7: the database is deleted, replaced or cut to nothing while a run, its delivery and a monitor have it open.

Input: a run whose monitor has stored alerts, most of which still wait; then the file is deleted (alone, or with its
`-wal` and `-shm`), replaced by another database, or cut to 0 bytes; the run goes on. Right: every alert that was stored
arrives, each once; one message says what happened, with the right count, and a run does not wait 30 s per alert.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import apsw
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitoring.base.clock import SystemClock
from monitoring.ledger.outcomes import why_rows_are_lost
from monitoring.store.db import lost
from monitoring.store.db.database import Database, StoreDamagedError, StoreReplacedError
from monitoring.store.db.handle import SteadyStore
from monitoring.store.db.schema import open_database
from monitoring.store.maintenance.backups import back_up
from monitoring.store.maintenance.repair import open_or_repair, repair
from monitoring.store.maintenance.salvage import Salvaged, salvage
from monitoring.store.tables import alerts, schedules, silences, state
from monitoring.store.tables.schedules import Schedule
from tests.support.damage import PAGE
from tests.support.fake_telegram import BOT_TOKEN, CHAT, TelegramStandIn
from tests.support.filled import fill
from tests.support.host import Host, wait_until
from tests.support.newer_database import make_newer

pytestmark = pytest.mark.case("A.7")

COUNT = 12  # within what one chat takes in a minute
NOW = datetime.now(UTC)
RAISES = """
import pathlib, time
from utils.monitor import monitor

@monitor("aave")
def main(m):
    for number in range({count}):
        m.alert("HIGH", f"alert number {{number:02d}}.")
    pathlib.Path({stored!r}).write_text("")
    while not pathlib.Path({go!r}).exists():
        time.sleep(0.02)
    m.alert("HIGH", "the last one.")

if __name__ == "__main__":
    main()
"""


def delete_all(path: Path) -> None:
    for file in path.parent.glob("monitoring.db*"):
        file.unlink()


def delete_the_file_alone(path: Path) -> None:
    path.unlink()


def replace_by_another(path: Path) -> None:
    """By another database in use, whose ids collide with those of the lost one."""
    other = path.with_name("other.db")
    with fill(other, NOW) as database:
        database.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    other.replace(path)


def cut_to_nothing(path: Path) -> None:
    os.truncate(path, 0)


LOSSES = [delete_all, delete_the_file_alone, replace_by_another, cut_to_nothing]


@pytest.fixture
def telegram() -> Iterator[TelegramStandIn]:
    with TelegramStandIn() as server:
        yield server


@pytest.fixture
def host(tmp_path: Path, telegram: TelegramStandIn) -> Host:
    host = Host(tmp_path)
    host.environ |= {
        "TELEGRAM_API_URL": telegram.url, "TELEGRAM_BOT_TOKEN_DEFAULT": BOT_TOKEN, "TELEGRAM_CHAT_ID_DEFAULT": CHAT,
    }  # fmt: skip
    script = RAISES.format(count=COUNT, stored=str(tmp_path / "stored"), go=str(tmp_path / "go"))
    host.profile({"raises": script})
    return host


@pytest.mark.ci
@pytest.mark.parametrize("lose", LOSSES)
def test_every_alert_stored_before_and_after_the_loss_arrives_and_one_message_says_so(
    host: Host, tmp_path: Path, telegram: TelegramStandIn, lose: Callable[[Path], None]
) -> None:
    began = time.monotonic()
    run = host.start("run", "hourly")
    wait_until((tmp_path / "stored").exists, "the alerts are stored")
    lose(host.cache / "monitoring.db")
    (tmp_path / "go").write_text("")
    output, _ = run.communicate(timeout=120)
    assert run.returncode == 0, output
    assert "ALERT NOT STORED" not in output
    host.automation("deliver")
    texts = [message.text for message in telegram.messages]
    missing = [number for number in range(COUNT) if not any(f"alert number {number:02d}." in text for text in texts)]
    assert missing == [], output
    assert sum("the last one." in text for text in texts) == 1
    reports = [text for text in texts if "The database was" in text]
    assert len(reports) == 1, reports
    assert "others may be lost" not in reports[0]
    assert time.monotonic() - began < 60


@pytest.mark.ci
def test_of_a_long_history_cut_to_nothing_the_run_goes_on_at_once_and_says_what_may_be_lost(
    host: Host, tmp_path: Path, telegram: TelegramStandIn
) -> None:
    """Each alert arrives, or a message says that alerts may be lost; what is stored from then on arrives."""
    fill(host.cache / "monitoring.db", NOW).close()
    began = time.monotonic()
    run = host.start("run", "hourly")
    wait_until((tmp_path / "stored").exists, "the alerts are stored")
    cut_to_nothing(host.cache / "monitoring.db")
    (tmp_path / "go").write_text("")
    output, _ = run.communicate(timeout=120)
    assert (run.returncode, "ALERT NOT STORED" in output) == (0, False), output
    texts = [message.text for message in telegram.messages]
    assert sum("the last one." in text for text in texts) == 1, output
    reports = [text for text in texts if "The database was" in text]
    assert reports
    arrived = sum("alert number" in text for text in texts)
    assert arrived >= COUNT or any("others may be lost" in text for text in reports), reports
    assert time.monotonic() - began < 60


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "cache" / "monitoring.db"
    path.parent.mkdir()
    return path


def store(path_or_database: Database, *messages: str) -> None:
    with path_or_database.write() as tx:
        for message in messages:
            alerts.insert(tx, alerts.NewAlert("aave", "HIGH", message), ["telegram"], NOW)


def waiting(path: Path) -> list[str]:
    with closing(open_database(path)) as database:
        found = database.rows(
            "SELECT message FROM alert_events WHERE id IN (SELECT alert_id FROM deliveries WHERE status = 'pending') "
            "AND source = 'protocol' ORDER BY id"
        )
        return [row[0] for row in found]


def reported(path: Path) -> list[str]:
    with closing(open_database(path)) as database:
        return [row[0] for row in database.rows("SELECT message FROM alert_events WHERE source = 'ops_error'")]


@pytest.mark.parametrize("lose", LOSSES)
def test_whoever_notices_first_carries_all_over_and_the_others_nothing_again(
    path: Path, lose: Callable[[Path], None]
) -> None:
    clock = SystemClock()
    writers = [SteadyStore(path, clock) for _ in range(3)]
    for number, writer in enumerate(writers):
        writer.write(lambda tx, n=number: alerts.insert(tx, alerts.NewAlert("a", "HIGH", f"of {n}"), ["telegram"], NOW))
    lose(path)
    for number, writer in enumerate(writers):
        writer.write(lambda tx, n=number: state.put(tx, "test", str(n), "after", NOW))
        writer.close()
    assert waiting(path) == ["of 0", "of 1", "of 2"]
    (message,) = reported(path)
    assert "3 undelivered alerts were carried over" in message
    with open_database(path) as database:
        assert state.keys(database, "test") == ["0", "1", "2"]


def test_a_writer_that_writes_no_more_carries_over_when_it_ends(path: Path) -> None:
    writer = SteadyStore(path, SystemClock())
    writer.write(lambda tx: alerts.insert(tx, alerts.NewAlert("aave", "HIGH", "the only one"), ["telegram"], NOW))
    delete_all(path)
    writer.close()
    assert waiting(path) == ["the only one"]


def test_a_fresh_file_that_a_newcomer_made_meanwhile_gets_what_waits_and_no_ids_collide(path: Path) -> None:
    old = open_database(path)
    store(old, "one", "two")
    delete_all(path)
    with open_database(path) as newcomer:
        store(newcomer, "of the newcomer")
    lost.reopen(old, SystemClock()).close()
    assert waiting(path) == ["of the newcomer", "one", "two"]


def test_silences_the_schedule_and_the_growing_ids_come_along(path: Path) -> None:
    old = open_database(path)
    with old.write() as tx:
        silences.add(tx, "aave", None, now=NOW, ends_at=NOW + timedelta(hours=1), reason="", created_by="ana")
        schedules.record_in_force(tx, [Schedule("hourly", "5 * * * *")], NOW, "test")
        tx.execute("UPDATE sqlite_sequence SET seq = 4711 WHERE name = 'runs'")
        tx.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('runs', 4711)")
    delete_all(path)
    with lost.reopen(old, SystemClock()) as fresh:
        assert [found.schedule.profile for found in schedules.in_force(fresh)] == ["hourly"]
        assert len(silences.active(fresh.connection, NOW)) == 1
        assert fresh.row("SELECT max(seq) FROM sqlite_sequence WHERE name = 'runs'") == (4711,)


def test_an_alert_that_was_delivered_before_the_loss_is_not_sent_again(path: Path) -> None:
    old = open_database(path)
    store(old, "arrived", "waits")
    with old.write() as tx:
        tx.execute("UPDATE deliveries SET status = 'delivered' WHERE alert_id = 1")
    delete_all(path)
    lost.reopen(old, SystemClock()).close()
    assert waiting(path) == ["waits"]


def test_a_full_disk_while_carrying_over_loses_nothing(path: Path) -> None:
    """What cannot be written now is tried again with the next write, because the lost file stays open."""
    writer = SteadyStore(path, SystemClock())
    writer.write(lambda tx: alerts.insert(tx, alerts.NewAlert("aave", "HIGH", "waits"), ["telegram"], NOW))
    delete_all(path)
    path.mkdir()  # nothing can be opened there
    with pytest.raises(Exception, match=r"monitoring\.db"):
        writer.write(lambda tx: state.put(tx, "test", "key", "value", NOW))
    path.rmdir()
    writer.write(lambda tx: state.put(tx, "test", "key", "value", NOW))
    writer.close()
    assert waiting(path) == ["waits"]


def test_a_file_cut_to_nothing_is_damage_for_who_has_it_open_and_for_who_opens_it(path: Path) -> None:
    with open_database(path) as database:
        store(database, "waits")
        cut_to_nothing(path)
        with pytest.raises(StoreDamagedError, match="0 bytes"), database.write():
            pass
        with pytest.raises(StoreDamagedError, match="0 bytes"):
            Database(path, readonly=True)
        fresh, repaired = open_or_repair(path, SystemClock())
        fresh.close()
        assert repaired is not None
        assert repaired.salvaged == Salvaged(1)
        with pytest.raises(StoreReplacedError), database.write():
            pass
    assert waiting(path) == ["waits"]


def test_when_what_was_cut_off_cannot_be_read_the_count_says_so(path: Path) -> None:
    """The alert was in the file and not in its log any more: nobody can bring it back, and nobody says `0` alone."""
    with fill(path, NOW) as database:
        store(database, "lost for good")
        database.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        database.connection.execute("PRAGMA user_version")
        with database.write() as tx:
            state.put(tx, "test", "key", "in the log", NOW)
        cut_to_nothing(path)
        open_or_repair(path, SystemClock())[0].close()
    (message,) = reported(path)
    assert "0 undelivered alerts were carried over; others may be lost, because a part of it cannot be read" in message


def test_a_fresh_file_of_nobody_is_no_damage(path: Path) -> None:
    path.touch()
    database, repaired = open_or_repair(path, SystemClock())
    database.close()
    assert repaired is None


@pytest.mark.parametrize("index", ["delivery_open", "sqlite_autoindex_deliveries_1", "run_started"])
@pytest.mark.parametrize("of_the_next_release", [False, True])
def test_a_damaged_index_costs_no_waiting_alert(path: Path, index: str, *, of_the_next_release: bool) -> None:
    with fill(path, NOW) as database:
        store(database, "waits")
    if of_the_next_release:
        make_newer(path)
    overwrite_root(path, index)
    fresh, repaired = repair(path, NOW, "test")
    fresh.close()
    assert repaired is not None
    assert waiting(path) == ["waits"]


def test_a_source_that_lacks_a_column_of_the_target_is_read_as_far_as_it_goes(path: Path, tmp_path: Path) -> None:
    """As when the next release repairs the damaged file of this one."""
    with open_database(path) as database:
        store(database, "waits")
    newer = tmp_path / "newer.db"
    open_database(newer).close()
    make_newer(newer)
    with open_database(newer) as target, target.write() as tx, closing(apsw.Connection(str(path))) as source:
        assert salvage(source, tx, NOW) == Salvaged(1)


def overwrite_root(path: Path, name: str) -> None:
    connection = apsw.Connection(str(path))
    (root,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (name,)).fetchone()
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    with path.open("r+b") as file:
        file.seek((root - 1) * PAGE)
        file.write(b"\xff" * PAGE)


def test_a_backup_of_a_file_that_was_cut_is_refused_and_its_log_stays(path: Path) -> None:
    """SQLite deletes the log of a file of 0 bytes when anything opens it: nothing of ours may."""
    with open_database(path) as database:
        store(database, "waits")
        cut_to_nothing(path)
        with pytest.raises(StoreDamagedError, match="0 bytes"):
            back_up(path, path.parent / "backups", NOW)
        assert path.with_name("monitoring.db-wal").stat().st_size > PAGE


def test_the_audit_says_why_rows_are_missing(path: Path) -> None:
    old = open_database(path)
    delete_all(path)
    with lost.reopen(old, SystemClock()) as fresh:
        assert why_rows_are_lost(fresh).startswith("the database was deleted or replaced at 20")


_STATUSES = st.sampled_from(["pending", "skipped_missing_credentials", "delivered", "failed"])
_HISTORIES = st.lists(st.tuples(st.integers(0, 9), _STATUSES, st.booleans()), max_size=8)


@settings(max_examples=25)
@given(lost_rows=_HISTORIES, rows_here=_HISTORIES, times=st.integers(1, 3))
def test_whatever_ids_meet_each_waiting_alert_waits_once_and_what_was_there_stays(
    lost_rows: list[tuple[int, str, bool]], rows_here: list[tuple[int, str, bool]], times: int
) -> None:
    with tempfile.TemporaryDirectory() as directory:
        source = with_history(Path(directory) / "lost" / "monitoring.db", "lost", lost_rows)
        target = with_history(Path(directory) / "here" / "monitoring.db", "here", rows_here)
        with source, target:
            before = target.rows(_ROWS)
            for _ in range(times):
                with target.write() as tx:
                    assert salvage(source.connection, tx, NOW).is_complete
            after = target.rows(_ROWS)
            waits = [row for row in source.rows(_ROWS) if row[2] in ("pending", "skipped_missing_credentials")]
            assert after[: len(before)] == before
            assert [row[1:] for row in after[len(before) :]] == [row[1:] for row in waits]
            folded = "SELECT count(*) FROM deliveries WHERE folded_into IS NOT NULL AND folded_into NOT IN "
            assert target.row(f"{folded}(SELECT id FROM deliveries)") == (0,)


_ROWS = "SELECT a.id, a.message, d.status FROM alert_events a JOIN deliveries d ON d.alert_id = a.id ORDER BY a.id"


def with_history(path: Path, name: str, rows: list[tuple[int, str, bool]]) -> Database:
    """Make a database whose ids have gaps; some deliveries are folded into the first one."""
    path.parent.mkdir()
    database = open_database(path)
    with database.write() as tx:
        for number, (gap, status, is_folded) in enumerate(rows):
            tx.execute("UPDATE sqlite_sequence SET seq = seq + ?", (gap,))
            alert_id = alerts.insert(tx, alerts.NewAlert("aave", "HIGH", f"{name} {number}"), ["telegram"], NOW)
            leader = "(SELECT min(id) FROM deliveries)" if is_folded else "NULL"
            tx.execute(
                f"UPDATE deliveries SET status = ?, folded_into = {leader} WHERE alert_id = ?", (status, alert_id)
            )
    return database
