"""The first day of a database: findings about the host's own set-up are one LOW message, and fire once after it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.support.host import Host

pytestmark = pytest.mark.ci

LARGE = "monitor: box\nhost: {database: 1B, wal: 1TiB, load: 9999, memory-free: 0%, swap-free: 0%, disk-free: 0%, "
FULL = "disk-free-critical: 100%, inodes-free: 0%}\n"
SOUND = "disk-free-critical: 0%, inodes-free: 0%}\n"
VAULT = """
from utils.monitor import CRITICAL, monitor

@monitor("acme")
def main(m):
    m.alert(CRITICAL, "the vault is empty", key="vault")

if __name__ == "__main__":
    main()
"""


@pytest.fixture
def host(tmp_path: Path) -> Host:
    made = Host(tmp_path)
    made.environ |= {"LOG_LEVEL": "INFO"}
    watch(made, LARGE + SOUND)
    return made


def watch(host: Host, text: str) -> None:
    folder = host.checkout / "protocols" / "box"
    folder.mkdir(exist_ok=True)
    (folder / "monitor.yaml").write_text(text)
    script = host.script("vault", VAULT)
    host.jobs(
        "profiles:\n  hourly:\n    cron: '5 * * * *'\n    tasks:\n"
        "      - {name: box, monitors: [protocols/box/monitor.yaml]}\n"
        f"      - {{name: vault, script: {script}}}\n"
    )


def sent(host: Host) -> list[tuple[str, str]]:
    """Return severity and title of every alert about the set-up, in order; the clock of the test's host is its own."""
    found = host.rows("SELECT severity, title, kind FROM alert_events WHERE protocol <> 'acme' ORDER BY id")
    return [(str(severity), str(title)) for severity, title, _ in found if "clock" not in str(title)]


def age(host: Host, by: timedelta) -> None:
    """Let the first run have been so long ago."""
    at = f"{datetime.now(UTC) - by:%Y-%m-%dT%H:%M:%S.%fZ}"
    with closing(sqlite3.connect(host.cache / "monitoring.db")) as connection, connection:
        connection.execute("UPDATE runs SET started_at = ? WHERE id = (SELECT min(id) FROM runs)", (at,))


def test_findings_of_the_first_day_are_one_low_message_and_fire_once_after_it(host: Host) -> None:
    host.automation("run", "hourly")
    host.automation("run", "hourly")
    [(severity, title)] = sent(host)
    assert severity == "LOW"
    assert title.startswith("First day: ")
    assert title.endswith("about this host's own set-up")
    [[message, silent]] = host.rows("SELECT message, silent FROM alert_events WHERE title = ?", title)
    assert "MEDIUM box" in str(message)
    assert "database is" in str(message)
    assert "Quiet until" in str(message)
    assert "doctor" in str(message)
    assert silent == 1

    age(host, timedelta(hours=25))
    host.automation("run", "hourly")
    host.automation("run", "hourly")
    after = [(severity, title) for severity, title in sent(host)[1:]]
    assert [severity for severity, title in after if "database is" in title] == ["MEDIUM"]
    [over] = [title for _, title in after if title.startswith("the first day is over: ")]
    assert "count at their own severity" in over
    assert len(after) == 2
    assert host.rows("SELECT count(*) FROM monitor_state WHERE namespace LIKE 'first-day%'") == [(0,)]


def test_what_is_critical_is_never_held_back(host: Host) -> None:
    watch(host, LARGE + FULL)
    host.automation("run", "hourly")
    assert "CRITICAL" in {severity for severity, _ in sent(host)}
    assert host.rows("SELECT severity, title FROM alert_events WHERE protocol = 'acme'") == [
        ("CRITICAL", "the vault is empty")
    ]


def test_a_finding_that_is_gone_before_the_day_ends_is_never_reported_by_itself(host: Host) -> None:
    host.automation("run", "hourly")
    watch(host, LARGE.replace("database: 1B", "database: 1TiB") + SOUND)
    host.automation("run", "hourly")
    age(host, timedelta(hours=25))
    host.automation("run", "hourly")
    assert [title for _, title in sent(host) if "database is" in title] == []


@pytest.mark.parametrize("older", ["row", "file"])
def test_a_database_that_follows_another_is_not_new(host: Host, older: str) -> None:
    """Restored or adopted: some row is older. Replaced after damage: the damaged one lies next to it."""
    host.automation("alerts")
    watch(host, "monitor: box\nhost: {}\n")
    host.automation("run", "hourly", "--task", "vault")
    if older == "row":
        with closing(sqlite3.connect(host.cache / "monitoring.db")) as connection, connection:
            connection.execute("UPDATE alert_events SET created_at = '2026-01-01T00:00:00.000000Z'")
    else:
        (host.cache / "monitoring.db.damaged-20260101T000000Z").touch()
    watch(host, LARGE + SOUND)
    host.automation("run", "hourly")
    assert [severity for severity, title in sent(host) if "database is" in title] == ["MEDIUM"]


def test_a_source_without_data_waits_for_the_end_of_the_day_too(host: Host) -> None:
    watch(
        host,
        'monitor: box\nchain: mainnet\ncontracts: {token: "0x5A98FcBEA516Cf06857215779Fd812CA3beF1B32"}\n'
        "checks:\n  - {id: supply, changed: token.totalSupply(), severity: high}\n",
    )
    for _ in range(4):
        host.automation("run", "hourly", "--task", "box")
    assert {severity for severity, _ in sent(host)} == {"LOW"}
    age(host, timedelta(hours=25))
    host.automation("run", "hourly", "--task", "box")
    assert [severity for severity, title in sent(host) if "cannot be read" in title] == ["HIGH"]
