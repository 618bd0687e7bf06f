"""The database cannot be written while a run raises 25 alerts, the worst of them last.

Right: one direct message, with the worst first, the rest counted by severity, and what to do; all are kept, shown by
`status`, and stored under their own time and delivered by the next run that can write. Three profiles with the same
trouble make one message; a CRITICAL that is new makes another. Where the reserve is full the least severe are dropped,
and their number is told.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from automation.runner.store_failure import text_of
from monitoring.alerts.delivery.spooled import UNSTORED, Unstored, keep, store_kept
from monitoring.alerts.message.model import Alert
from monitoring.alerts.recording.store_alert import NOBODY
from monitoring.base.clock import to_text
from monitoring.ledger.reach import Cause, reach_problems
from monitoring.store.db.database import Database
from monitoring.store.db.schema import open_database
from monitoring.store.spool import unstored
from tests.support.fake_telegram import BOT_TOKEN, CHAT, TelegramStandIn
from tests.support.host import Host

pytestmark = pytest.mark.case("A.6")

NOW = datetime(2026, 11, 23, 10, 30, tzinfo=UTC)
RAISES = """
from utils.monitor import monitor

@monitor("{name}")
def main(m):
    for severity, count in {counts}:
        for number in range(count):
            m.alert(severity, f"{{severity.lower()}} {{number}} of {name}")

if __name__ == "__main__":
    main()
"""
MANY = [("LOW", 22), ("HIGH", 2), ("CRITICAL", 1)]


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


@pytest.fixture
def telegram(host: Host) -> Iterator[TelegramStandIn]:
    with TelegramStandIn() as stand_in:
        host.environ |= {
            "TELEGRAM_API_URL": stand_in.url,
            "TELEGRAM_BOT_TOKEN_DEFAULT": BOT_TOKEN,
            "TELEGRAM_CHAT_ID_DEFAULT": CHAT,
        }
        yield stand_in


def schedule(host: Host, **profiles: list[tuple[str, int]]) -> None:
    lines = ["profiles:"]
    for name, counts in profiles.items():
        script = host.script(name, RAISES.format(name=name, counts=counts))
        lines += [f"  {name}: {{cron: '5 * * * *', tasks: [{{name: {name}, script: {script}}}]}}"]
    host.jobs("\n".join(lines))


def run(host: Host, profile: str) -> int:
    """Run a profile, and do not wait for what cannot be delivered at once."""
    return host.automation("run", profile).returncode


def refuse_alerts(host: Host) -> None:
    """Make the store fail for whatever is an alert, as a full disk does."""
    with closing(sqlite3.connect(host.cache / "monitoring.db", timeout=30)) as connection:
        connection.execute(
            "CREATE TRIGGER refused BEFORE INSERT ON alert_events BEGIN SELECT RAISE(ABORT, 'the disk is full'); END"
        )


def accept_alerts(host: Host) -> None:
    with closing(sqlite3.connect(host.cache / "monitoring.db", timeout=30)) as connection:
        connection.execute("DROP TRIGGER refused")


@pytest.mark.ci
def test_the_worst_come_first_the_rest_is_counted_and_all_are_stored_afterwards(
    host: Host, telegram: TelegramStandIn
) -> None:
    schedule(host, many=[], quiet=[])
    assert run(host, "many") == 0
    refuse_alerts(host)
    schedule(host, many=MANY, quiet=[])
    assert run(host, "many") == 1
    (direct,) = telegram.messages
    named = [line for line in direct.text.split("\n") if " many: " in line]
    assert [line.split()[0] for line in named] == ["CRITICAL", "HIGH", "HIGH", *["LOW"] * 12]
    assert "Not stored yet: 1 CRITICAL, 2 HIGH, 22 LOW. The worst first:" in direct.text
    assert "and 10 more: 10 LOW" in direct.text
    assert "What to do: free disk space" in direct.text
    reach = json.loads(host.automation("status", "--json").stdout)["reach"]
    assert [(each["cause"], each["count"]) for each in reach["reasons"]] == [("unstored", 25)]
    accept_alerts(host)
    before = to_text(datetime.now(UTC))
    telegram.messages.clear()
    assert run(host, "quiet") == 0
    stored = host.rows("SELECT severity, created_at, delivery_status FROM alert_events WHERE protocol = 'many'")
    assert sorted(str(row[0]) for row in stored) == ["CRITICAL", "HIGH", "HIGH", *["LOW"] * 22]
    assert all(str(row[1]) < before for row in stored), "under the time at which they were raised"
    assert {row[2] for row in stored} == {"delivered"}
    assert "critical 0" in telegram.messages[0].text


@pytest.mark.ci
def test_one_cause_is_one_message_for_all_profiles_and_a_new_critical_one_more(
    host: Host, telegram: TelegramStandIn
) -> None:
    schedule(host, first=[], second=[], third=[])
    run(host, "first")
    refuse_alerts(host)
    schedule(host, first=[("HIGH", 1)], second=[("HIGH", 2)], third=[("CRITICAL", 1)])
    assert [run(host, name) for name in ("first", "second", "first")] == [1, 1, 1]
    assert len(telegram.messages) == 1
    assert [run(host, name) for name in ("third", "third", "second")] == [1, 1, 1]
    assert len(telegram.messages) == 2
    assert "CRITICAL third: critical 0 of third" in telegram.messages[1].text
    assert "3 HIGH" in telegram.messages[1].text, "what waits since before is counted with it"


@pytest.mark.ci
def test_a_message_that_did_not_arrive_is_tried_again_by_the_next_run(host: Host, telegram: TelegramStandIn) -> None:
    schedule(host, first=[], second=[])
    run(host, "first")
    refuse_alerts(host)
    schedule(host, first=[("CRITICAL", 1)], second=[])
    telegram.kicked_from = {CHAT}
    run(host, "first")
    telegram.kicked_from = set()
    run(host, "second")
    (direct,) = telegram.messages
    assert "critical 0 of first" in direct.text


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with open_database(tmp_path / "monitoring.db") as found:
        unstored.prepare(tmp_path)
        yield found


def alert(severity: str, title: str = "x", text: str = "", key: str | None = None) -> Unstored:
    return Unstored(Alert(severity, title, text, protocol="aave", key=key))


def test_a_full_reserve_drops_the_least_severe_and_says_how_many(database: Database, tmp_path: Path) -> None:
    size = unstored.RESERVE.own_file(tmp_path).stat().st_size
    low = [alert("LOW", f"low {number}", "x" * 2000) for number in range(200)]
    assert {line.partition(": ")[0] + ": " for line in keep(low, tmp_path, NOW, NOBODY)} == {UNSTORED}
    keep([alert("CRITICAL", "the worst", "y" * 2000)], tmp_path, NOW + timedelta(minutes=1), NOBODY)
    kept = unstored.look(tmp_path)
    assert kept.alerts[0].title == "the worst"
    assert len(kept.alerts) + kept.dropped["LOW"] == 201
    assert kept.dropped["LOW"] > 50
    assert unstored.RESERVE.own_file(tmp_path).stat().st_size == size, "no new block is asked of a full disk"
    assert store_kept(database, NOW) == len(kept.alerts)
    ((title,),) = database.rows("SELECT title FROM alert_events WHERE source = 'ops_error'")
    assert title.startswith(f"{kept.dropped['LOW']} alerts were lost")
    assert unstored.look(tmp_path) == unstored.Kept()


def test_an_alert_longer_than_all_others_is_kept_without_its_end(database: Database, tmp_path: Path) -> None:
    keep([alert("HIGH", "long", "z" * 100_000)], tmp_path, NOW, NOBODY)
    store_kept(database, NOW)
    ((title, message),) = database.rows("SELECT title, message FROM alert_events")
    assert title == "long"
    assert "The rest was cut" in message


def test_the_same_problem_of_every_run_is_kept_once_with_its_first_time(database: Database, tmp_path: Path) -> None:
    for hour in range(5):
        keep([alert("CRITICAL", f"{hour} left", key="empty")], tmp_path, NOW + timedelta(hours=hour), NOBODY)
    (kept,) = unstored.look(tmp_path).alerts
    assert (kept.at, kept.times, kept.title) == (NOW, 5, "0 left")
    store_kept(database, NOW + timedelta(hours=5))
    assert database.rows("SELECT created_at FROM alert_events") == [(to_text(NOW),)]


def test_what_another_release_wrote_is_read_and_what_is_torn_is_left_out(tmp_path: Path) -> None:
    keep([alert("HIGH", "whole")], tmp_path, NOW, NOBODY)
    file = unstored.RESERVE.own_file(tmp_path)
    place = file if file.exists() else next(each for each in unstored.RESERVE.places(tmp_path) if each.exists())
    line = place.read_bytes().strip(b"\n")
    place.write_bytes(line.replace(b'{"at"', b'{"later":[1],"at"') + b"\n" + line[:50] + b"\n[]\nnonsense\n")
    assert [each.title for each in unstored.look(tmp_path).alerts] == ["whole"]
    place.unlink()


def test_a_reserve_that_holds_nothing_costs_a_run_nothing(tmp_path: Path) -> None:
    unstored.prepare(tmp_path)
    began = time.process_time()
    for _ in range(4):  # as often as one run looks
        assert unstored.look(tmp_path) == unstored.Kept()
    assert time.process_time() - began < 0.25


def test_what_could_not_even_be_kept_is_named_by_its_severity_too() -> None:
    lost = ["task: LOW aave: a small thing", "task: CRITICAL aave: the vault is empty"]
    lines = text_of("the disk is full", unstored.Kept(), lost, "/srv/cache").split("\n")
    assert lines[1] == "Not stored yet: 1 CRITICAL, 1 LOW. The worst first:"
    assert lines[2:4] == lost[::-1]
    assert "2 of them could not be kept either" in lines[4]


def test_what_is_kept_counts_as_not_reached_until_it_is_stored(database: Database, tmp_path: Path) -> None:
    assert reach_problems(database, NOW) == []
    keep([alert("CRITICAL"), alert("LOW", "y")], tmp_path, NOW, NOBODY)
    (problem,) = reach_problems(database, NOW)
    assert (problem.cause, problem.count) == (Cause.UNSTORED, 2)
    assert "2 alerts wait to be stored (1 CRITICAL, 1 LOW)" in problem.text
