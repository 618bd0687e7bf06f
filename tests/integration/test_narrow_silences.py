"""Silences by severity, chain and hours of a week: what is held back, counted, released, reported and announced."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from automation.on_call.silencing import announce_silence
from monitoring.alerts.message.model import Alert, Severity
from monitoring.alerts.recording.release_silenced import release_in
from monitoring.alerts.recording.store_alert import raise_in, resolve_in, store_in
from monitoring.base.process_identity import current_boot
from monitoring.conditions.condition import ConditionKey
from monitoring.conditions.silence import Silence, SilenceWindow, covered_now
from monitoring.ledger.findings import ProblemKind, find
from monitoring.ledger.outcomes import gather
from monitoring.store.db.database import Database
from monitoring.store.db.recorded_time import is_any_ahead, take_back
from monitoring.store.db.schema import open_database
from monitoring.store.maintenance.merge_after_restore import carry_over
from monitoring.store.maintenance.salvage import salvage
from monitoring.store.tables import conditions, silences
from tests.support.child import CHECKOUT

NOW = datetime(2026, 3, 2, 21, 0, tzinfo=UTC)  # a Monday
KEY = ConditionKey("aave", "utilisation", 8453, "USDC")
NIGHT = SilenceWindow.parse("mon-fri 22:00-07:00")


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with open_database(tmp_path / "monitoring.db") as opened:
        yield opened


def silence(database: Database, days: float = 1, **more: object) -> Silence:
    values: dict[str, object] = {"protocol": "aave", "key": None, "reason": "known", "created_by": "ana"}
    wanted = Silence(id=0, starts_at=NOW, ends_at=NOW + timedelta(days=days), **{**values, **more})  # type: ignore[arg-type]
    with database.write() as tx:
        silence_id = silences.put(tx, wanted)
    return next(each for each in silences.newest(database, 9) if each.id == silence_id)


def see(database: Database, at: datetime, severity: str, key: ConditionKey = KEY) -> str | None:
    alert = Alert(severity, f"{key.text} is {severity}", protocol=key.monitor, key=key.text)
    with database.write() as tx:
        return raise_in(tx, alert, now=at, key=key).status


def hours(count: float) -> datetime:
    return NOW + timedelta(hours=count)


def test_a_worse_level_and_the_recovery_pass_and_what_is_held_back_is_counted(database: Database) -> None:
    made = silence(database, severity=Severity.MEDIUM)
    assert see(database, hours(0.1), "MEDIUM") == "silenced"
    assert see(database, hours(0.2), "HIGH") == "pending"
    with database.write() as tx:
        assert resolve_in(tx, KEY, now=hours(0.3)).status == "pending"
    (found,) = silences.newest(database, 9)
    assert (found.id, found.silenced, found.last_at) == (made.id, 1, hours(0.1))


def test_a_silence_of_a_chain_leaves_the_others_and_what_has_none(database: Database) -> None:
    silence(database, protocol="", chain=8453)
    assert see(database, hours(0.1), "CRITICAL") == "silenced"
    assert see(database, hours(0.1), "CRITICAL", ConditionKey("aave", "utilisation", 1, "USDC")) == "pending"
    assert see(database, hours(0.1), "CRITICAL", ConditionKey("maple", "by-hand")) == "pending"


def test_what_a_night_holds_back_is_sent_in_the_morning_if_it_still_fires(database: Database) -> None:
    silence(database, 60, severity=Severity.HIGH, window=NIGHT)
    other = ConditionKey("aave", "peg")
    assert see(database, hours(0.5), "MEDIUM", other) == "pending"
    assert see(database, hours(2), "HIGH") == "silenced"
    with database.write() as tx:
        assert release_in(tx, hours(9.9)) == []
        assert len(release_in(tx, hours(10))) == 1
        assert release_in(tx, hours(10)) == []
        assert silences.active(tx, hours(10)) == []
        assert len(silences.not_ended(tx, hours(10))) == 1


def test_ids_are_shared_with_the_silences_that_the_release_before_knows(database: Database) -> None:
    ids = [silence(database).id, silence(database, chain=1).id, silence(database).id]
    assert ids == [1, 2, 3]
    assert database.rows("SELECT id FROM silences ORDER BY id") == [(1,), (3,)]
    with database.write() as tx:
        assert silences.end(tx, 2, hours(1))
        assert not silences.end(tx, 2, hours(1))


def test_a_narrow_silence_is_no_row_that_the_release_before_reads(database: Database) -> None:
    silence(database, chain=8453)
    assert database.row("SELECT count(*) FROM silences") == (0,)


def test_one_whose_zone_is_not_known_here_holds_nothing_back(database: Database) -> None:
    silence(database, 60, severity=Severity.HIGH, window=NIGHT)
    with database.write() as tx:
        tx.execute("UPDATE narrow_silences SET hours = 'mon-fri 00:00-23:00 Mars/Olympus'")
    assert see(database, hours(2), "HIGH") == "pending"


def test_they_come_along_into_a_restored_and_into_a_new_database(tmp_path: Path, database: Database) -> None:
    silence(database, 60, severity=Severity.HIGH, window=NIGHT)
    with open_database(tmp_path / "staged.db") as staged:
        carry_over(staged, database, hours(1), lambda _: True)
        assert silences.newest(staged, 9) == silences.newest(database, 9)
    with open_database(tmp_path / "fresh.db") as fresh, fresh.write() as tx:
        salvage(database.connection, tx, hours(1))
        assert [each.what for each in silences.not_ended(tx, hours(1))] == [f"aave, at most HIGH, {NIGHT}"]


def test_one_that_a_clock_ahead_began_is_taken_back(database: Database) -> None:
    silence(database, 60, severity=Severity.HIGH, window=NIGHT)
    assert is_any_ahead(database, 9, hours(-1))
    with database.write() as tx:
        take_back(tx, 9, hours(-1), hours(-1))
        assert silences.not_ended(tx, hours(2)) == []


KILLED = """
import os, sys
from datetime import datetime
from monitoring.alerts.message.model import Alert
from monitoring.alerts.recording.store_alert import raise_in
from monitoring.conditions.condition import ConditionKey
from monitoring.store.db.schema import open_database
from pathlib import Path
with open_database(Path(sys.argv[1])) as database, database.write() as tx:
    alert = Alert("LOW", "late", protocol="aave", key="late")
    raise_in(tx, alert, now=datetime.fromisoformat(sys.argv[2]), key=ConditionKey("aave", "late"))
    print(tx.execute("SELECT silenced FROM narrow_silences").fetchone()[0], flush=True)
    os.kill(os.getpid(), 9)
"""


def test_a_kill_between_alert_and_count_leaves_neither_and_the_next_run_both(database: Database) -> None:
    silence(database, severity=Severity.LOW)
    command = [sys.executable, "-c", KILLED, str(database.path), hours(0.1).isoformat()]
    killed = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=60, check=False)
    assert (killed.returncode, killed.stdout.strip()) == (-9, "1")
    assert database.row("SELECT count(*) FROM alert_events") == (0,)
    assert silences.newest(database, 1)[0].silenced == 0
    assert see(database, hours(0.2), "LOW", ConditionKey("aave", "late")) == "silenced"
    assert silences.newest(database, 1)[0].silenced == 1


def findings(database: Database, now: datetime) -> list[str]:
    facts = gather(database, since=now - timedelta(days=1), until=now, now=now, boot=current_boot())
    return [found.text for found in find(facts, None) if found.kind is ProblemKind.SILENCE]


def test_the_audit_names_the_critical_that_is_covered_and_what_covers_nothing(database: Database) -> None:
    assert see(database, hours(0), "CRITICAL") == "pending"
    silence(database, chain=8453)
    (text,) = findings(database, hours(1))
    assert text.endswith("; CRITICAL now and covered by this silence of ana: aave: utilisation/8453/USDC")
    silence(database, 90, protocol="maple", severity=Severity.LOW, window=NIGHT)
    late = NOW + timedelta(days=31)
    (text,) = findings(database, late)
    assert "nothing to hold back for 31 d: end it with `silence --end 2`" in text


def test_a_silence_of_something_critical_is_announced_with_sound_in_its_chat(database: Database) -> None:
    see(database, hours(0), "CRITICAL")
    made = silence(database, chain=8453)
    with database.write() as tx:
        covered = covered_now(made, conditions.incidents(tx, hours(1)), hours(1))
        assert announce_silence(tx, made, covered, hours(1))
        assert not announce_silence(tx, made, [], hours(1))
    last = database.rows("SELECT title, severity, silent, protocol, delivery_status FROM alert_events ORDER BY id")[-1]
    assert last == ("ana silenced aave, chain 8453", "HIGH", 0, "aave", "pending")


def test_what_is_stored_without_a_condition_is_held_against_severity_too(database: Database) -> None:
    silence(database, severity=Severity.MEDIUM)
    with database.write() as tx:
        statuses = [
            store_in(tx, Alert(each, "note", protocol="aave"), now=hours(1)).status for each in ("MEDIUM", "HIGH")
        ]
    assert statuses == ["silenced", "pending"]


def automation(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    environ = {**inherited, "CACHE_DIR": str(directory), "MONITORING_ENV_FILE": ""}
    command = [sys.executable, "-m", "automation", *arguments]
    return subprocess.run(
        command, cwd=CHECKOUT, env=environ, capture_output=True, text=True, timeout=60, check=False
    )  # fmt: skip


def test_a_silence_that_recurs_is_made_listed_and_ended(tmp_path: Path) -> None:
    more = ("--severity", "medium", "--window", "mon-sun 00:00-23:59 Europe/Berlin", "--for", "90d", "--reason", "calm")
    made = automation(tmp_path, "silence", "--protocol", "aave", "--force", *more)
    what = "silence 1: aave, at most MEDIUM, mon-sun 00:00-23:59 Europe/Berlin for 90 d"
    assert (made.returncode, made.stdout.split(", until")[0]) == (0, what), made.stderr
    listed = automation(tmp_path, "silence", "--list").stdout
    assert "at most MEDIUM, mon-sun 00:00-23:59 Europe/Berlin" in listed
    assert automation(tmp_path, "silence", "--end", "1").returncode == 0


@pytest.mark.ci
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--severity", "low", "--for", "2h", "--reason", "x"), "needs --protocol or --chain"),
        (("--chain", "base", "--key", "a", "--for", "2h", "--reason", "x"), "write --protocol too"),
        (("--chain", "bsae", "--for", "2h", "--reason", "x"), "did you mean base?"),
        (("--chain", "base", "--severity", "bad", "--for", "2h", "--reason", "x"), "is not a severity"),
        (("--chain", "base", "--window", "mon 1-2", "--for", "2h", "--reason", "x"), "are no hours"),
        (("--chain", "base", "--window", "mon 01:00-02:00", "--for", "2h", "--reason", "x"), "needs --severity"),
        (("--chain", "base", "--for", "31d", "--reason", "x"), "a silence ends within 30 days"),
        (
            ("--chain", "1", "--severity", "low", "--window", "mon 01:00-02:00", "--for", "91d", "--reason", "x"),
            "a silence that recurs ends within 90 days",
        ),
    ],
)
def test_each_mistake_is_refused_with_what_to_write(tmp_path: Path, arguments: tuple[str, ...], words: str) -> None:
    refused = automation(tmp_path, "silence", *arguments)
    assert refused.returncode == 2
    assert words in " ".join(refused.stderr.split())


def test_listing_and_making_a_plain_silence_imports_no_time_zones(tmp_path: Path) -> None:
    code = (
        "import sys; from automation.cli.main import main\n"
        "try: main(['silence', '--protocol', 'aave', '--force', '--for', '2h', '--reason', 'x'])\n"
        "except SystemExit: pass\n"
        "sys.exit('zoneinfo' in sys.modules)"
    )
    environ = {**os.environ, "CACHE_DIR": str(tmp_path), "MONITORING_ENV_FILE": ""}
    command = [sys.executable, "-c", code]
    done = subprocess.run(
        command, cwd=CHECKOUT, env=environ, capture_output=True, text=True, timeout=60, check=False
    )  # fmt: skip
    assert (done.returncode, done.stdout[:10]) == (0, "silence 1:"), done.stderr
