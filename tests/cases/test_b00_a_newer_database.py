"""B.0: a database that the next release migrated, used by this one: a revert, a rollback, a run that still drains.

Input: a database in use, then `user_version` 1 or 7 higher, with columns, a table and an index more. Right: a run with
alerts, the API, `status`, `audit`, `backup`, `restore` and `prune` work as before; what the newer release keeps in its
columns survives, and no release lowers `user_version` of a file it writes to. Where the newer release says that this
one is too old, everything refuses with one line that says what to do.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import apsw
import pytest

from monitoring.base.clock import SystemClock
from monitoring.base.errors import StoreError
from monitoring.base.locks.maintenance_lock import no_runs
from monitoring.store.db.compatibility import OLDEST_READABLE, VERSION, SchemaNumbers
from monitoring.store.db.schema import create_or_migrate, open_database, open_readonly
from monitoring.store.maintenance.backups import back_up
from monitoring.store.maintenance.restore import put_in_place, staged
from monitoring.store.tables import alerts, state
from tests.support.fake_telegram import BOT_TOKEN, CHAT, TelegramStandIn
from tests.support.filled import fill
from tests.support.host import Host
from tests.support.newer_database import make_newer, marks
from tests.support.web import Web, serving

pytestmark = pytest.mark.case("B.0")

NOW = datetime.now(UTC)
PAGES = (
    "/v1/alerts", "/v1/protocols", "/v1/profiles", "/v1/runs", "/v1/incidents", "/v1/monitoring", "/v1/audit",
    "/metrics", "/", "/alerts", "/runs", "/incidents", "/silences", "/monitoring",
)  # fmt: skip
RAISES = """
from utils.monitor import monitor

@monitor("aave")
def main(m):
    m.remember("seen", 1 + int(m.recall("seen") or 0))
    m.alert("CRITICAL", f"alert number {m.recall('seen')}", key="again")

if __name__ == "__main__":
    main()
"""


@dataclass
class Deployed:
    """A host with a history, this release's code, a Bot API, and the database of a newer release."""

    host: Host
    path: Path
    telegram: TelegramStandIn

    def numbers(self) -> SchemaNumbers:
        with open_readonly(self.path) as database:
            return database.numbers()


@pytest.fixture
def telegram() -> Iterator[TelegramStandIn]:
    with TelegramStandIn() as server:
        yield server


@pytest.fixture
def deployed(tmp_path: Path, telegram: TelegramStandIn) -> Deployed:
    """It has run once by this release and its database was then migrated by nobody."""
    host = Host(tmp_path)
    host.environ |= {
        "TELEGRAM_API_URL": telegram.url, "TELEGRAM_BOT_TOKEN_DEFAULT": BOT_TOKEN, "TELEGRAM_CHAT_ID_DEFAULT": CHAT,
    }  # fmt: skip
    path = host.cache / "monitoring.db"
    fill(path, NOW, checks=True).close()
    host.profile({"raises": RAISES, "fails": "raise SystemExit(3)"})
    return Deployed(host, path, telegram)


@pytest.mark.parametrize("by", [1, pytest.param(7, marks=pytest.mark.ci)])
def test_everything_works_on_the_database_of_a_newer_release_and_takes_nothing_from_it(
    deployed: Deployed, by: int
) -> None:
    host, path = deployed.host, deployed.path
    assert host.automation("run", "hourly").returncode == 1, "one task fails, as it should"
    make_newer(path, by=by)
    kept = marks(path)
    assert kept["task_runs"], "the newer release has marked the tasks"
    for number in (2, 3):
        ran = host.automation("run", "hourly")
        assert (ran.returncode, "ALERT NOT STORED" in ran.stderr) == (1, False), ran.stderr
        assert host.rows("SELECT value FROM monitor_state WHERE key = 'seen'") == [(str(number),)]
    assert host.rows("SELECT count(*) FROM deliveries WHERE status = 'pending'") == [(0,)]
    for verb in (["status"], ["alerts"], ["incidents"], ["deliver"], ["backup"], ["prune"], ["silence", "--list"]):
        done = host.automation(*verb)
        assert done.returncode == 0, (verb, done.stderr)
    audit = host.automation("audit", "--since", "1h")
    assert (audit.returncode in (0, 1), "Traceback" in audit.stderr) == (True, False), audit.stderr
    assert deployed.numbers() == SchemaNumbers(VERSION + by)
    now = marks(path)
    assert {table: now[table] for table in kept} == kept
    assert host.rows("SELECT note FROM added_table") == [("of the newer release",)]


def test_the_api_serves_it_also_when_it_is_migrated_while_it_serves(deployed: Deployed) -> None:
    with serving(deployed.host.cache) as web:
        before = web.get("/v1/alerts?limit=5")
        make_newer(deployed.path)
        assert web.get("/v1/alerts?limit=5") == before
        every_page_answers(web)
    with serving(deployed.host.cache) as web:
        assert web.get("/v1/alerts?limit=5") == before
        every_page_answers(web)


def every_page_answers(web: Web) -> None:
    for page in PAGES:
        assert web.ask(page).status == 200, page
    assert "schema" not in web.ask("/healthz").text


def test_a_backup_of_a_newer_release_is_restored_as_it_is(deployed: Deployed) -> None:
    path = deployed.path
    made = back_up(path, path.parent / "backups", NOW - timedelta(hours=1)).backup.path
    make_newer(made)
    with open_database(path) as database, database.write() as tx:
        alerts.insert(tx, alerts.NewAlert("aave", "HIGH", "waits in the older one"), ["telegram"], NOW)
    kept = marks(made)
    restore(made, path)
    assert deployed.numbers() == SchemaNumbers(VERSION + 1)
    now = marks(path)
    assert {table: rows for table, rows in now.items() if table == "alert_events"} == {
        "alert_events": kept["alert_events"]
    }
    with open_readonly(path) as database:
        assert database.rows("SELECT message FROM alert_events WHERE message LIKE 'waits%'") == [
            ("waits in the older one",)
        ]


def test_what_waits_in_a_newer_database_comes_along_into_a_newer_backup_with_its_columns(deployed: Deployed) -> None:
    path = deployed.path
    make_newer(path)
    made = back_up(path, path.parent / "backups", NOW - timedelta(hours=1)).backup.path
    with open_database(path) as database, database.write() as tx:
        alerts.insert(tx, alerts.NewAlert("aave", "HIGH", "waits"), ["telegram"], NOW)
        tx.execute("UPDATE alert_events SET added_number = 4711 WHERE message = 'waits'")
        tx.execute("UPDATE deliveries SET added_number = 4712 WHERE id = (SELECT max(id) FROM deliveries)")
        tx.execute("INSERT INTO webhook_calls VALUES ('a machine', 2, '2026-11-29T00:00:00.000000Z', 'own', 4713)")
    restore(made, path)
    with open_readonly(path) as database:
        found = database.rows("SELECT added_number FROM alert_events WHERE message = 'waits'")
        found += database.rows(
            "SELECT added_number FROM deliveries WHERE status = 'pending' AND channel = ''"
            " AND alert_id = (SELECT id FROM alert_events WHERE message = 'waits')"
        )
        found += database.rows("SELECT added_number FROM webhook_calls")
        assert found == [(4711,), (4712,), (4713,)]


def test_an_older_backup_takes_the_place_of_a_newer_database_and_what_waits_comes_along(deployed: Deployed) -> None:
    path = deployed.path
    made = back_up(path, path.parent / "backups", NOW - timedelta(hours=1)).backup.path
    make_newer(path)
    with open_database(path) as database, database.write() as tx:
        alerts.insert(tx, alerts.NewAlert("aave", "HIGH", "waits in the newer one"), ["telegram"], NOW)
    restore(made, path)
    assert deployed.numbers() == SchemaNumbers(VERSION)
    assert [(name, count) for name, count in open_readonly(path).rows(
        "SELECT message, count(*) FROM alert_events WHERE message LIKE 'waits%'"
    )] == [("waits in the newer one", 1)]  # fmt: skip


def test_a_release_that_is_too_old_refuses_with_one_line_that_says_what_to_do(deployed: Deployed) -> None:
    host, path = deployed.host, deployed.path
    make_newer(path, by=2, oldest_release=VERSION + 1)
    before = path.read_bytes()
    for verb in (["status"], ["audit"], ["alerts"], ["prune"]):
        done = host.automation(*verb)
        assert "Traceback" not in done.stderr, done.stderr
        assert f"only a release that knows version {VERSION + 1}" in done.stdout + done.stderr, (verb, done.stderr)
        assert "Go forward to that release" in done.stdout + done.stderr
        assert verb == ["status"] or done.returncode != 0, verb
    with pytest.raises(StoreError, match="Go forward"):
        open_readonly(path)
    assert path.read_bytes() == before


def test_a_process_that_has_it_open_stops_writing_when_a_later_release_takes_it_over(deployed: Deployed) -> None:
    with open_database(deployed.path) as database:
        make_newer(deployed.path, by=1, oldest_release=VERSION + 1)
        with pytest.raises(StoreError, match="only a release that knows version"), database.write() as tx:
            state.put(tx, "test", "key", "value", NOW)
        assert database.row("SELECT 1 FROM monitor_state WHERE namespace = 'test'") is None


def test_a_serving_api_says_so_when_a_later_release_takes_the_database_over(deployed: Deployed) -> None:
    with serving(deployed.host.cache) as web:
        assert web.ask("/v1/alerts").status == 200
        make_newer(deployed.path, by=1, oldest_release=VERSION + 1)
        reply = web.ask_until("/v1/alerts", 503)
        assert f"only a release that knows version {VERSION + 1}" in reply.text


def test_a_second_number_that_no_release_wrote_counts_for_nothing(tmp_path: Path) -> None:
    """As an id of another program in the header of an adopted file."""
    path = tmp_path / "monitoring.db"
    open_database(path).close()
    apsw.Connection(str(path)).execute(f"PRAGMA application_id = 252006674; PRAGMA user_version = {VERSION}")
    with open_database(path) as database:
        assert database.numbers() == SchemaNumbers(VERSION, 252006674)


@pytest.mark.parametrize("version", range(OLDEST_READABLE, VERSION + 1))
def test_between_the_upgrade_of_the_code_and_its_first_run_everything_that_reads_answers(
    tmp_path: Path, version: int
) -> None:
    """Readers never migrate: they answer from what is there. A new migration brings its own row of this test."""
    host = Host(tmp_path)
    path = host.cache / "monitoring.db"
    create_or_migrate(path, until=version).close()
    host.profile({"good": "print('fine')"})
    with serving(host.cache) as web:
        every_page_answers(web)
    for verb in (["status"], ["alerts"], ["incidents"]):
        done = host.automation(*verb)
        assert done.returncode == 0, (verb, done.stderr)
    with open_readonly(path) as database:
        assert database.numbers().version == version, "nobody who reads has migrated it"


def restore(backup: Path, path: Path) -> None:
    with staged(backup, path) as ready, no_runs(path.parent / "locks", 1):
        put_in_place(ready, backup, path, SystemClock(), by="ana", is_alive=lambda _: False)
