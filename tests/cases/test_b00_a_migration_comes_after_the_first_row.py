"""A new revision migrated the live database before it had shown that it can run.

Right: its row comes first. A migration that dies on this host's own data leaves the row and the old schema, so that the
revision before can read what happened and go on.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from monitoring.store.db.compatibility import MIGRATIONS
from tests.support.host import Host

pytestmark = pytest.mark.case("B.0")
KNOWN = len(MIGRATIONS)
GOOD = "CREATE TABLE extra (id INTEGER PRIMARY KEY, note TEXT NOT NULL DEFAULT '');\n"
DIES = "CREATE TABLE extra (id INTEGER CHECK (id IS NULL));\nINSERT INTO extra SELECT id FROM runs;\n"


@pytest.fixture
def host(tmp_path: Path) -> Host:
    """A host that has run once, whose checkout then gets another migration."""
    made = Host(tmp_path)
    made.profile({"good": "print('fine')"})
    assert made.automation("run", "hourly").returncode == 0
    return made


def migrate_by(host: Host, sql: str) -> None:
    (host.checkout / f"monitoring/store/migrations/{KNOWN + 1:04}_extra.sql").write_text(sql)


def test_a_migration_that_dies_leaves_the_row_and_the_old_schema(host: Host) -> None:
    migrate_by(host, DIES)
    done = host.automation("run", "hourly")

    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "good | fine" in done.stderr, "checks run all the same"
    assert host.rows("PRAGMA user_version") == [(KNOWN,)]
    assert host.rows("SELECT id, status FROM runs ORDER BY id") == [(1, "ok"), (2, "running")]


def test_a_good_migration_follows_the_row_and_the_run_ends_in_it(host: Host) -> None:
    migrate_by(host, GOOD)

    assert host.automation("run", "hourly").returncode == 0
    assert host.rows("PRAGMA user_version") == [(KNOWN + 1,)]
    assert host.rows("SELECT count(*) FROM extra") == [(0,)]
    assert host.rows("SELECT id, status FROM runs ORDER BY id") == [(1, "ok"), (2, "ok")]
