"""An edited history shows: every covered column, every row, the record of a day and the days before it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest

from automation.cli.main import main
from automation.evidence.digest_view import check_day, lines
from monitoring.base.clock import SystemClock, to_text
from monitoring.ledger.evidence.digest import digest_of, hash_rows
from monitoring.ledger.evidence.numbers import start_of
from monitoring.ledger.evidence.verify import DigestCheck, DigestResult, verify
from monitoring.store.db.database import Database
from monitoring.store.db.schema import open_database
from monitoring.store.evidence import closed_days
from monitoring.store.evidence.covered import COVERED, CoveredTable
from monitoring.store.maintenance.backups import back_up
from monitoring.store.maintenance.prune import prune
from monitoring.store.maintenance.restore import put_in_place, staged
from monitoring.store.people import pauses
from monitoring.store.people.pauses import PauseKind
from tests.support.days import DAY, NOW, YESTERDAY, report, watched_host

HOUR = timedelta(hours=1)
BY_NAME = {table.name: table for table in COVERED}


@pytest.fixture(scope="module")
def reported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database in which yesterday was reported; run 30 and alert 7 with what belongs to them are gaps in its ids."""
    path = tmp_path_factory.mktemp("days") / "monitoring.db"
    with watched_host(path, days=1) as database:
        change(database, "DELETE FROM runs WHERE id = 30")
        change(database, "DELETE FROM alert_events WHERE id = 7")
        assert report(database)
        database.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return path


@pytest.fixture
def database(reported: Path, tmp_path: Path) -> Iterator[Database]:
    path = tmp_path / "monitoring.db"
    path.write_bytes(reported.read_bytes())
    with open_database(path) as found:
        yield found


def check(database: Database, day: date = YESTERDAY) -> DigestCheck:
    [found] = check_day(database, day, NOW + timedelta(hours=1))
    return found


def change(database: Database, sql: str, *values: str | int) -> None:
    with database.write() as tx:
        tx.execute(sql, values)


def after(database: Database, *statements: str) -> set[str]:
    """Return what is said of yesterday after these statements, which are taken back."""
    database.connection.execute("PRAGMA foreign_keys=OFF")
    database.connection.execute("BEGIN")
    try:
        for sql in statements:
            database.connection.execute(sql)
        [closed] = closed_days.of_day(database.connection, YESTERDAY)
        return said(verify(database.connection, closed, NOW, None))
    finally:
        database.connection.execute("ROLLBACK")


def covered_id(database: Database, table: CoveredTable) -> int:
    """Return the id of a row that the day covers in full."""
    with database.snapshot() as tx:
        closed = closed_days.newest(tx)
        assert closed is not None
        rows = closed_days.rows_of(tx, closed.id)[table.name]
        assert rows.row_hashes, table.name
        return next(row_id for row_id in rows.row_hashes if row_id not in rows.open_ids)


def said(found: DigestCheck) -> set[str]:
    return {f"{each.table.name} {each.how}" for each in found.differences}


def test_every_column_is_covered_or_left_out_on_purpose(database: Database) -> None:
    for table in COVERED:
        columns = {row[1] for row in database.rows(f"PRAGMA table_info({table.name})")}
        assert columns == {*table.columns, *table.left_out}, table.name
        assert len(table.columns) == len(set(table.columns))


def test_what_nobody_changed_is_verified(database: Database) -> None:
    found = check(database)
    assert found.result is DigestResult.VERIFIED
    assert found.rows > 300


def test_a_change_of_any_covered_column_is_noticed(database: Database) -> None:
    for table in COVERED:
        row_id = covered_id(database, table)
        for column in table.columns:
            # Another value of the kind that the column has; a number far away, since some are unique.
            number, other = f"{column} + 999999", f"coalesce({column}, '') || 'x'"
            new = f"CASE WHEN typeof({column}) IN ('integer', 'real') THEN {number} ELSE {other} END"
            found = after(database, f"UPDATE {table.name} SET {column} = {new} WHERE id = {row_id}")
            assert f"{table.name} {'missing' if column == 'id' else 'changed'}" in found, column


def test_what_is_left_out_may_change(database: Database) -> None:
    for table in COVERED:
        row_id = covered_id(database, table)
        for column in table.left_out:
            assert after(database, f"UPDATE {table.name} SET {column} = 7 WHERE id = {row_id}") == set(), column


def test_a_row_that_is_deleted_is_noticed(database: Database) -> None:
    for table in COVERED:
        found = after(database, f"DELETE FROM {table.name} WHERE id = {covered_id(database, table)}")
        assert found == {f"{table.name} missing"}


@pytest.mark.parametrize(
    ("table", "gap", "unique"),
    [
        ("runs", 30, {"tick_at": "NULL"}), ("task_runs", 0, {"name": "'new'"}), ("alert_events", 7, {}),
        ("deliveries", 7, {"destination": "'new'"}),
    ],
)  # fmt: skip
def test_a_row_that_is_added_to_the_day_is_noticed(
    database: Database, table: str, gap: int, unique: dict[str, str]
) -> None:
    if not gap:  # of the tasks of the run that is gone
        [(gap,)] = database.rows(
            "SELECT id + 1 FROM task_runs t WHERE NOT EXISTS (SELECT 1 FROM task_runs o WHERE o.id = t.id + 1) LIMIT 1"
        )
    names = [row[1] for row in database.rows(f"PRAGMA table_info({table})")]
    values = ", ".join({"id": str(gap), **unique}.get(name, name) for name in names)
    row_id = covered_id(database, BY_NAME[table])
    sql = f"INSERT INTO {table} ({', '.join(names)}) SELECT {values} FROM {table} WHERE id = {row_id}"
    assert after(database, sql) == {f"{table} added"}


def test_a_row_dated_on_that_day_that_is_recorded_afterwards_is_counted(database: Database) -> None:
    change(
        database,
        "INSERT INTO runs (profile, trigger, status, started_at) "
        "SELECT profile, 'manual', 'ok', started_at FROM runs LIMIT 1 OFFSET 90",
    )
    found = check(database)
    assert (found.result, found.later) == (DigestResult.VERIFIED, ("1 run",))


def test_what_was_still_open_may_end_and_the_next_day_covers_its_end(database: Database, tmp_path: Path) -> None:
    path = tmp_path / "open.db"
    with watched_host(path, days=1) as open_one:
        change(open_one, "UPDATE runs SET status = 'running', ended_at = NULL, exit_code = NULL WHERE id = 20")
        change(open_one, "UPDATE deliveries SET status = 'pending', delivered_at = NULL WHERE id = 3")
        change(open_one, "UPDATE alert_events SET delivery_status = 'pending', delivered_at = NULL WHERE id = 3")
        change(open_one, "UPDATE silences SET ends_at = ? WHERE id = 2", to_text(NOW + 3 * DAY))
        assert report(open_one)
        change(open_one, "UPDATE runs SET status = 'ok', ended_at = started_at, exit_code = 0 WHERE id = 20")
        change(
            open_one, "UPDATE deliveries SET status = 'delivered', delivered_at = created_at, attempts = 4 WHERE id = 3"
        )
        change(
            open_one, "UPDATE alert_events SET delivery_status = 'delivered', delivered_at = created_at WHERE id = 3"
        )
        change(
            open_one, "UPDATE silences SET ends_at = ?, silenced = 5 WHERE id = 2", to_text(NOW + timedelta(hours=1))
        )
        assert check(open_one).result is DigestResult.VERIFIED
        change(open_one, "UPDATE runs SET profile = 'x' WHERE id = 20")
        assert said(check(open_one)) == {"runs changed"}, "what never changes of it is covered at once"
        change(open_one, "UPDATE runs SET profile = (SELECT profile FROM runs WHERE id = 19) WHERE id = 20")

        assert report(open_one, NOW + DAY)
        for table, row_id in (("runs", 20), ("deliveries", 3), ("alert_events", 3), ("silences", 2)):
            before = open_one.row(f"SELECT {BY_NAME[table].final[1]} FROM {table} WHERE id = {row_id}")
            change(open_one, f"UPDATE {table} SET {BY_NAME[table].final[1]} = 'x' WHERE id = {row_id}")
            assert f"{table} changed" in said(check_day(open_one, YESTERDAY + DAY, NOW + 2 * DAY)[0])
            assert before is not None
            change(open_one, f"UPDATE {table} SET {BY_NAME[table].final[1]} = ? WHERE id = {row_id}", before[0])
        assert check_day(open_one, YESTERDAY + DAY, NOW + 2 * DAY)[0].result is DigestResult.VERIFIED


def test_what_was_pruned_is_no_edit_and_what_is_kept_is_still_compared(database: Database) -> None:
    later = NOW + 3 * DAY
    for day in range(1, 4):
        report(database, NOW + day * DAY)
    prune(database, later, DAY)
    [found] = check_day(database, YESTERDAY, later)
    assert (found.result, found.broken) == (DigestResult.PRUNED, ())
    change(database, "UPDATE closed_days SET digest = 'x' WHERE id = 2")
    assert check_day(database, YESTERDAY, later)[0].result is DigestResult.DIFFERS


def test_what_the_release_before_forgot_without_a_note_is_no_edit(database: Database) -> None:
    prune(database, NOW + DAY, 90 * DAY)
    change(database, "DELETE FROM deliveries")
    change(database, "DELETE FROM alert_events WHERE kind <> 'daily_report'")
    [found] = check_day(database, YESTERDAY, NOW + 95 * DAY)
    assert (found.result, found.differences, found.broken) == (DigestResult.PRUNED, (), ())


def test_what_a_prune_forgot_before_it_was_killed_is_no_edit(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object, **__: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("monitoring.store.maintenance.prune._delete_in_batches", killed)
    with pytest.raises(KeyboardInterrupt):
        prune(database, NOW + 3 * DAY, DAY)
    assert check_day(database, YESTERDAY, NOW + 3 * DAY)[0].result is DigestResult.PRUNED


def test_a_run_that_goes_on_after_a_pause_may_count_what_it_held_back(database: Database) -> None:
    end = start_of(YESTERDAY + 2 * DAY)
    with database.write() as tx:
        pause = pauses.add(
            tx, PauseKind.PROFILE, "daily", now=end - 2 * HOUR, ends_at=end - HOUR / 2, reason="x", created_by="ana"
        )
    report(database, NOW + DAY)
    with database.write() as tx:
        pauses.count(tx, pause.id)
    assert check_day(database, YESTERDAY + DAY, NOW + DAY)[0].result is DigestResult.VERIFIED
    report(database, NOW + 2 * DAY)
    change(database, "UPDATE pauses SET held_back = held_back + 1 WHERE id = ?", pause.id)
    found = check_day(database, YESTERDAY + 2 * DAY, NOW + 2 * DAY)
    assert said(found[0]) == {"pauses changed"}, "the next day covers it"


def test_a_row_that_is_too_young_to_be_pruned_is_missing(database: Database) -> None:
    prune(database, NOW + DAY, 90 * DAY)
    change(database, "DELETE FROM pauses")
    assert said(check(database)) == {"pauses missing"}


def test_a_backup_that_was_put_back_is_named_and_the_days_reported_since_stay(
    database: Database, tmp_path: Path
) -> None:
    kept = back_up(database.path, tmp_path / "backups", NOW).backup.path
    assert report(database, NOW + DAY)
    before = database.read(closed_days.newest)
    with staged(kept, database.path) as ready:
        put_in_place(ready, kept, database.path, SystemClock(), by="ana", is_alive=lambda _: False)
    assert database.read(closed_days.newest) == before
    assert check(database).result is DigestResult.VERIFIED
    found = check_day(database, YESTERDAY + DAY, NOW + 2 * DAY)[0]
    assert (found.result, found.broken) == (DigestResult.RESTORED, ())
    assert "NOT VERIFIED: a backup was put back" in "\n".join(lines(YESTERDAY, [found]))


def test_a_day_that_is_deleted_is_missed_by_the_next(database: Database) -> None:
    report(database, NOW + DAY)
    report(database, NOW + 2 * DAY)
    change(database, "DELETE FROM closed_days WHERE day = ?", (YESTERDAY + DAY).isoformat())
    [found] = check_day(database, YESTERDAY + 2 * DAY, NOW + 3 * DAY)
    assert "the day before it was changed or deleted" in found.broken[0]
    assert check_day(database, YESTERDAY + DAY, NOW + 3 * DAY) == []


def test_who_rewrites_a_day_and_its_digest_is_noticed_by_the_next_day_and_the_message(database: Database) -> None:
    report(database, NOW + DAY)
    change(database, "UPDATE runs SET status = 'failed' WHERE id = 20")
    with database.write() as tx:
        [closed] = closed_days.of_day(tx, YESTERDAY)
        rows = closed_days.rows_of(tx, closed.id)
        old = rows["runs"]
        rows["runs"] = hash_rows(tx, BY_NAME["runs"], old.after_id, old.last_id, (), old.open_ids)
        tx.execute(
            "UPDATE closed_rows SET hash = ?, row_hashes = ? WHERE closed_id = ? AND table_name = 'runs'",
            (rows["runs"].hash, rows["runs"].packed or b"", closed.id),
        )
        tx.execute("UPDATE closed_days SET digest = ? WHERE id = ?", (digest_of(closed, rows.values()), closed.id))
    assert check(database).broken == (
        "2026-11-20 was built on another digest of this day",
        f"alert {closed.alert_id} carries another digest than the one that is stored",
    )


def run(database: Database, capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    code = main(["audit", *arguments])
    found = capsys.readouterr()
    return code, found.out + found.err


def test_the_verb_says_it_and_exits_1_where_something_differs(
    database: Database, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CACHE_DIR", str(database.path.parent))
    monkeypatch.setenv("MONITORING_ENV_FILE", "")
    code, text = run(database, capsys, "--digest", "2026-11-19")
    assert code == 0
    assert "VERIFIED: " in text
    assert max(map(len, text.splitlines())) <= 100
    change(database, "UPDATE runs SET status = 'failed' WHERE id IN (20, 21)")
    code, text = run(database, capsys, "--digest", "2026-11-19")
    assert code == 1
    assert "  2 runs changed: 20, 21\n" in text
    code, text = run(database, capsys, "--digest", "2026-11-19", "--json")
    [digest] = json.loads(text)["digests"]
    assert (code, digest["result"]) == (1, "differs")
    assert digest["differences"] == [{"table": "runs", "how": "changed", "ids": [20, 21]}]


@pytest.mark.parametrize(
    ("day", "says"),
    [
        ("2026-11-18", "2026-11-18 has no digest: days are reported from 2026-11-19 on"),
        ("2026-11-20", "2026-11-20 is not reported yet"),
        ("2199-01-01", "2199-01-01 is not over yet"),
        ("last", "'last' is no day: write it as 2026-11-29 (UTC), or yesterday"),
    ],
)
def test_a_day_without_a_digest_says_why(
    database: Database, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, day: str, says: str
) -> None:
    monkeypatch.setenv("CACHE_DIR", str(database.path.parent))
    monkeypatch.setenv("MONITORING_ENV_FILE", "")
    code, text = run(database, capsys, "--digest", day)
    assert code == 2
    assert says in text


def test_a_database_of_the_release_before_has_no_digests(tmp_path: Path) -> None:
    with open_database(tmp_path / "monitoring.db") as database, database.write() as tx:
        tx.execute("DROP TABLE closed_rows")
        tx.execute("DROP TABLE closed_days")
        assert closed_days.newest(tx) is None
        assert closed_days.prune(tx, NOW) == 0
