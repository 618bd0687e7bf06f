"""B.5: an error of the database driver ended a run in a traceback, where a reader used the bare connection.

Input: a database whose index of waiting deliveries, conditions or silences is damaged. Right: `run` sets the file
aside, runs and says so; `status` and the other verbs end with one line that names the file, or work.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import apsw
import pytest

from tests.support.checkouts import is_of_a_team
from tests.support.damage import PAGE
from tests.support.filled import fill
from tests.support.host import ROOT, Host

pytestmark = pytest.mark.case("B.5")


@pytest.fixture
def host(tmp_path: Path) -> Host:
    host = Host(tmp_path)
    host.profile({"good": "print('fine')"})
    fill(host.cache / "monitoring.db", datetime.now(UTC), checks=True).close()
    return host


def overwrite_root(path: Path, name: str) -> None:
    connection = apsw.Connection(str(path))
    (root,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (name,)).fetchone()
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    with path.open("r+b") as file:
        file.seek((root - 1) * PAGE)
        file.write(b"\xff" * PAGE)


def test_a_run_over_a_damaged_outbox_sets_it_aside_and_ends_without_a_traceback(host: Host) -> None:
    overwrite_root(host.cache / "monitoring.db", "delivery_open")
    ran = host.automation("run", "hourly", ALERTS_CONSOLE="1")
    assert (ran.returncode, "Traceback" in ran.stderr) == (0, False), ran.stderr
    assert host.rows("SELECT status FROM runs ORDER BY id DESC LIMIT 1") == [("ok",)]
    assert host.rows("SELECT count(*) FROM alert_events WHERE title LIKE 'The database was damaged%'") == [(1,)]


@pytest.mark.parametrize("index", ["condition_firing", "condition_blind", "silence_end"])
@pytest.mark.parametrize("verb", ["status", "incidents"])
def test_a_verb_over_a_damaged_index_ends_with_one_line_that_names_the_file(host: Host, index: str, verb: str) -> None:
    overwrite_root(host.cache / "monitoring.db", index)
    done = host.automation(verb)
    assert "Traceback" not in done.stderr, done.stderr
    if done.returncode:
        assert "monitoring.db" in done.stderr


def test_nothing_outside_the_store_uses_the_bare_connection() -> None:
    used = re.compile(r"(?:database|store|_open\(\))\.connection\b")
    sources = [
        path
        for folder in ("automation", "monitoring", "utils", "protocols")
        for path in (ROOT / folder).rglob("*.py")
        if not is_of_a_team(path.relative_to(ROOT).as_posix())
    ]
    found = [str(path) for path in sources if "monitoring/store" not in str(path) and used.search(path.read_text())]
    assert found == []
