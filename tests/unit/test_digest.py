"""The digest: who is named, when it makes a sound, what folds into one line."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from automation.executor.task import TaskResult, TaskStatus
from automation.jobs.model import Profile
from automation.runner.digest_input import digest_input
from monitoring.alerts.message.digest import DigestInput, DigestKind, TaskOutcome, judge, record_digest
from monitoring.base.secrets.redact import Redactor
from monitoring.store.db.database import Database
from monitoring.store.db.schema import open_database
from monitoring.store.tables import alerts, digests
from monitoring.store.tables.alerts import StoredAlert

NOW = datetime(2026, 3, 1, 0, 5, tzinfo=UTC)
OK = TaskOutcome("compound", failed=False)
AAVE = TaskOutcome("aave", failed=True, reason="exit code 1", duration_s=3.1, last_lines=("Traceback", "boom"))
MAPLE = TaskOutcome("maple", failed=True, reason="timed out", duration_s=600.0)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with open_database(tmp_path / "monitoring.db") as opened:
        yield opened


def hours(count: float) -> datetime:
    return NOW + timedelta(hours=count)


def digest(*tasks: TaskOutcome, note: str = "") -> DigestInput:
    return DigestInput("hourly", tasks, run_id=None, note=note)


def stored(database: Database, alert_id: int | None) -> StoredAlert:
    assert alert_id is not None
    found = alerts.get(database.connection, alert_id)
    assert found is not None
    return found


def test_a_run_without_failures_says_nothing(database: Database) -> None:
    assert record_digest(database, digest(OK), NOW) == (DigestKind.NOTHING, None)
    assert database.row("SELECT count(*) FROM alert_events") == (0,)


def test_it_names_every_failed_task_and_none_that_succeeded(database: Database) -> None:
    _, alert_id = record_digest(database, digest(OK, AAVE, MAPLE), NOW)
    row = stored(database, alert_id)
    assert (row.source, row.protocol, row.channel) == ("automation_digest", "automation", "")
    assert "2 of 3" in row.message
    assert "aave: exit code 1 after 3.1 s" in row.message
    assert "boom" in row.message
    assert "maple: timed out after 10 min" in row.message
    assert "compound" not in row.message
    assert not row.silent
    assert database.row("SELECT channel FROM deliveries WHERE destination = 'telegram'") == ("AUTOMATION",)


def test_the_same_failures_again_are_stored_silently_and_not_sent(database: Database) -> None:
    _, first = record_digest(database, digest(OK, AAVE), NOW)
    verdict, again = record_digest(database, digest(OK, AAVE), hours(1))
    row = stored(database, again)
    assert verdict is DigestKind.SAME
    assert (row.delivery_status, row.silent) == ("not_attempted", True)
    assert f'"repeat_of":{first}' in (row.metadata_json or "")
    assert database.row("SELECT count(*) FROM deliveries WHERE alert_id = ?", (again,)) == (0,)


def test_the_same_failures_are_brought_up_silently_once_a_day(database: Database) -> None:
    record_digest(database, digest(AAVE), NOW)
    verdicts = [record_digest(database, digest(AAVE), hours(hour))[0] for hour in range(1, 50)]
    assert [number for number, verdict in enumerate(verdicts, 1) if verdict is DigestKind.REMINDER] == [24, 48]
    rows = database.rows("SELECT silent FROM alert_events WHERE delivery_status = 'pending' ORDER BY id")
    assert rows == [(0,), (1,), (1,)]


def test_another_set_of_failures_makes_a_sound(database: Database) -> None:
    record_digest(database, digest(AAVE), NOW)
    verdict, alert_id = record_digest(database, digest(AAVE, MAPLE), hours(1))
    assert verdict is DigestKind.CHANGED
    assert not stored(database, alert_id).silent
    assert record_digest(database, digest(MAPLE), hours(2))[0] is DigestKind.CHANGED


def test_the_first_clean_run_says_so_once(database: Database) -> None:
    record_digest(database, digest(AAVE, OK), NOW)
    verdict, alert_id = record_digest(database, digest(replace(AAVE, failed=False), OK), hours(1))
    assert verdict is DigestKind.CLEAN
    assert "ok again" in stored(database, alert_id).message
    assert stored(database, alert_id).silent, "good news wakes nobody"
    assert record_digest(database, digest(OK), hours(2)) == (DigestKind.NOTHING, None)


def test_a_task_that_has_not_failed_often_enough_is_named_without_a_sound_until_it_has(database: Database) -> None:
    def patient(runs: int) -> TaskOutcome:
        return replace(AAVE, failed_runs=runs, alert_after=3, failing_since=NOW, failing_since_run=7)

    seen = []
    for run in (1, 2, 3, 4):
        verdict, alert_id = record_digest(database, digest(patient(run)), hours(run))
        row = stored(database, alert_id)
        assert "aave" in row.message
        seen.append((verdict, row.silent))
    assert seen == [
        (DigestKind.NOT_YET, True),
        (DigestKind.SAME, True),
        (DigestKind.CHANGED, False),
        (DigestKind.SAME, True),
    ]
    assert "4 consecutive failures" in row.message
    assert "(run 7)" in row.message


def test_tasks_that_failed_only_because_of_one_dependency_are_one_line(database: Database) -> None:
    blind = [replace(AAVE, name=f"task-{n}", dependency="the RPC of mainnet", last_lines=("long",)) for n in range(9)]
    _, alert_id = record_digest(database, digest(*blind, MAPLE), NOW)
    lines = stored(database, alert_id).message.splitlines()
    (line,) = [line for line in lines if "the RPC of mainnet" in line]
    assert all(f"task-{n}" in line for n in range(9))
    assert not any("task-" in other for other in lines if other is not line)
    assert any(other.startswith("maple: ") for other in lines)


def test_a_run_that_broke_beside_its_tasks_is_told_too(database: Database) -> None:
    verdict, alert_id = record_digest(database, digest(OK, note="The ledger could not be written."), NOW)
    assert verdict is DigestKind.NEW
    assert "ledger" in stored(database, alert_id).message
    assert record_digest(database, digest(OK), hours(1))[0] is DigestKind.CLEAN


def test_no_secret_of_the_environment_stands_in_a_digest(database: Database) -> None:
    url = "https://eth.example/v2/3f9a7c81d2e64b50"
    failing = replace(AAVE, reason=f"exit code 1 ({url})", last_lines=(f"cannot reach {url}",))
    _, alert_id = record_digest(database, digest(failing), NOW, redact=Redactor({"PROVIDER_URL_MAINNET": url}))
    row = stored(database, alert_id)
    assert "3f9a7c81d2e64b50" not in row.message + (row.body_json or "")
    assert "[PROVIDER_URL_MAINNET]" in row.message


def test_a_silenced_digest_is_told_again_by_the_next_run(database: Database) -> None:
    from monitoring.store.tables import silences

    with database.write() as tx:
        silences.add(tx, "automation", None, now=NOW, ends_at=hours(0.5), reason="deploy", created_by="ops")
    _, silenced = record_digest(database, digest(AAVE), NOW)
    verdict, told = record_digest(database, digest(AAVE), hours(1))
    assert stored(database, silenced).delivery_status == "silenced"
    assert (verdict, stored(database, told).delivery_status) == (DigestKind.NEW, "pending")


def test_under_debug_it_is_recorded_and_remembered_as_untold(database: Database) -> None:
    _, alert_id = record_digest(database, digest(AAVE), NOW, debug=True)
    assert stored(database, alert_id).delivery_status == "skipped_debug"
    with database.snapshot() as tx:
        assert digests.get(tx, "hourly") is None


def test_nothing_before_and_nothing_now_is_nothing() -> None:
    assert judge((), None, NOW) is DigestKind.NOTHING
    assert judge((), digests.LastDigest((), NOW, 1), NOW) is DigestKind.NOTHING


def test_a_task_whose_checks_share_a_reason_shows_it_once(database: Database) -> None:
    output = """\
safes/owners/1/0x01  unknown: mainnet: no answer within 5 s  -      ok  no data
safes/modules/1/0x01  unknown: mainnet: no answer within 5 s  holds  ok  no data
safes/owners/10/0x02  unknown: optimism: no answer within 5 s  -     ok  no data
safes/queue/1/0x01  2 pending  -  firing  breached, fired
4 checks: 0 ok, 1 firing, 3 no data (mainnet 2, optimism 1)"""
    result = TaskResult("safes", TaskStatus.FAILED, "exit 1", NOW, NOW, output_tail=output)
    profile = Profile(name="multisig", cron="0/10 * * * *", tasks=())

    [task] = digest_input(database, profile, [result], run_id=1).tasks

    assert task.last_lines == tuple(line for line in output.splitlines() if "modules" not in line)
