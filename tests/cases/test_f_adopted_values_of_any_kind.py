"""F: what the replaced system left is of no one kind: bytes, instants, states.

Input: `cache-id.txt` with one Latin-1 byte, with a BOM, in UTF-16; `created_at` and `updated_at` that are NULL or no
instant; alerts the old system left `pending`. Right: only the line that cannot be read is left out and named; the
first key has no BOM; `automation alerts`, the API, the page and `cache.get` answer; nothing adopted stays `pending`.
"""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from monitoring.store.db.schema import open_database
from monitoring.store.maintenance.prune import prune
from monitoring.store.tables import alerts
from tests.support.host import Host
from tests.support.old_database import build
from tests.support.web import serving
from utils import cache

pytestmark = pytest.mark.case("F")

ODD = [None, "", "yesterday", "2026-13-45T99:99:99Z", "0000-00-00", b"yesterday", b"\xff\xfe"]
NOW = datetime.now(UTC)


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def migrate(host: Host, *arguments: str) -> tuple[str, str]:
    done = subprocess.run(
        [sys.executable, "-m", "utils.migrate_cache_to_db", *arguments],
        cwd=host.checkout, env=host.environ, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


def test_a_latin_1_byte_costs_its_own_line_alone(host: Host) -> None:
    (host.cache / "cache-id.txt").write_bytes(b"aave:7\nk\xfcche:9\ncomp:8\n")
    said, wrong = migrate(host)
    assert "cache-id.txt: 2 imported, 0 kept, 1 invalid" in said
    assert "cache-id.txt:2: not a key:value line, left out: 'k\\\\xfcche:9'" in wrong
    assert (host.cache / "cache-id.txt").read_bytes() == b"aave:7\nk\xfcche:9\ncomp:8\n", "the file stays as it is"


def test_a_bom_is_no_part_of_the_first_key(host: Host) -> None:
    (host.cache / "cache-id.txt").write_bytes(b"\xef\xbb\xbfaave:7\r\ncomp:8\r\n")
    assert "cache-id.txt: 2 imported, 0 kept, 0 invalid" in migrate(host)[0]
    assert host.rows("SELECT key, value FROM monitor_state ORDER BY key") == [("aave", "7"), ("comp", "8")]


def test_a_file_in_another_encoding_is_named_line_by_line(host: Host) -> None:
    (host.cache / "cache-id.txt").write_bytes("aave:7\ncomp:8\n".encode("utf-16"))
    said, wrong = migrate(host)
    assert "cache-id.txt: 0 imported, 0 kept, 3 invalid" in said
    assert "cache-id.txt:1: not a key:value line" in wrong


def test_writing_to_a_file_with_unreadable_lines_keeps_them_in_a_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"CACHE_DIR": str(tmp_path), "MONITORING_ENV_FILE": "", "CACHE_BACKEND": "file"}.items():
        monkeypatch.setenv(name, value)
    before = b"aave:7\nk\xfcche:9\n"
    (tmp_path / "cache-id.txt").write_bytes(before)
    assert cache.get("cache-id.txt", "aave") == "7"
    cache.set("cache-id.txt", "comp", "8")
    cache.set("cache-id.txt", "comp", "9")
    assert (tmp_path / "cache-id.txt").read_bytes() == b"aave:7\ncomp:9\n"
    (copy,) = tmp_path.glob("cache-id.txt.damaged-*")
    assert copy.read_bytes() == before


@pytest.mark.parametrize("odd", ODD)
def test_an_alert_whose_time_is_no_instant_is_listed_everywhere(host: Host, odd: str | bytes | None) -> None:
    old_with(host, "UPDATE alert_events SET created_at = ?, delivered_at = ? WHERE id IN (2, 5)", odd, odd)
    listed = host.automation("alerts")
    assert listed.returncode == 0, listed.stderr
    assert sum(" unknown " in line for line in listed.stdout.splitlines()) == 2
    assert host.automation("alerts", "--json").returncode == 0
    assert "Traceback" not in host.automation("audit", "--since", "1h").stderr
    with serving(host.cache) as web:
        assert len(web.get("/v1/alerts")["data"]) == 5
        for page in ("/v1/alerts/2", "/alerts", "/alerts/2", "/", "/metrics"):
            assert web.ask(page).status == 200, page


@pytest.mark.parametrize("odd", ODD)
def test_a_value_whose_time_is_no_instant_is_still_a_value(
    host: Host, monkeypatch: pytest.MonkeyPatch, odd: str | bytes | None
) -> None:
    old_with(host, "UPDATE monitor_state SET updated_at = ?", odd)
    monkeypatch.setenv("CACHE_DIR", str(host.cache))
    monkeypatch.setenv("MONITORING_ENV_FILE", "")
    assert cache.get("nonces.txt", "0xSafe") == "41"


def test_text_that_was_kept_as_bytes_is_text(host: Host) -> None:
    """The old columns took any type."""
    old_with(host, "UPDATE alert_events SET channel = ?, protocol = ?, message = ? WHERE id = 2", *[b"caf\xe9"] * 3)
    for verb in ("alerts", "doctor", "status"):
        assert "Traceback" not in host.automation(verb).stderr
    assert host.rows("SELECT channel, protocol, message FROM alert_events WHERE id = 2") == [("caf\\xe9",) * 3]


@pytest.mark.parametrize("written", [1_700_000_000, 1_700_000_000_000, "1700000000000", "1700000000"])
def test_seconds_and_milliseconds_are_instants(host: Host, written: str | int) -> None:
    old_with(host, "UPDATE alert_events SET created_at = ? WHERE id = 2", written)
    host.automation("alerts")
    assert host.rows("SELECT created_at FROM alert_events WHERE id = 2") == [("2023-11-14T22:13:20.000000Z",)]


def test_nothing_adopted_waits_in_the_api_for_good(host: Host) -> None:
    old_with(host, "UPDATE alert_events SET delivery_status = CASE id WHEN 1 THEN 'pending' ELSE 'generated' END")
    with serving(host.cache) as web:
        assert {each["delivery_status"] for each in web.get("/v1/alerts")["data"]} == {"not_attempted"}


def test_what_was_adopted_before_is_put_right_by_the_daily_prune(tmp_path: Path) -> None:
    with open_database(tmp_path / "monitoring.db") as database:
        with database.write() as tx:
            for status in ("pending", "generated", "delivered"):
                tx.execute(
                    "INSERT INTO alert_events (created_at, source, protocol, message, sort_at, delivery_status) "
                    "VALUES ('', 'protocol', 'aave', 'adopted', '9999', ?)",
                    (status,),
                )
            alerts.insert(tx, alerts.NewAlert("aave", "HIGH", "our own, waiting"), ["telegram"], NOW)
        prune(database, NOW, timedelta(days=1))
        found = database.rows("SELECT message, delivery_status FROM alert_events ORDER BY id")
    assert [row[1] for row in found if row[0] == "adopted"] == ["not_attempted", "not_attempted", "delivered"]
    assert found[-1] == ("our own, waiting", "pending")


def old_with(host: Host, change: str, *values: object) -> None:
    """Leave a database of the replaced system with a change to its rows, and let the first opening adopt it."""
    path = host.cache / "monitoring.db"
    build(path, rows=5)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(change, values)
    open_database(path).close()
