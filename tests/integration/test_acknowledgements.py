"""Somebody has an incident: what stops, what does not, and when it ends, by the product's own path."""

from __future__ import annotations

import getpass
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from automation.cli.main import main
from automation.on_call.escalate import escalate
from automation.on_call.load import load_on_call
from monitoring.alerts.message.model import Alert
from monitoring.alerts.recording.acknowledge import acknowledge_in, end_in, settle_in
from monitoring.alerts.recording.reminders import remind_in
from monitoring.alerts.recording.store_alert import NOBODY, Recorded, raise_in, resolve_in
from monitoring.base.clock import SystemClock
from monitoring.conditions.condition import Condition, ConditionKey
from monitoring.conditions.policy import Policy
from monitoring.store.db.schema import open_database
from monitoring.store.maintenance.backups import back_up
from monitoring.store.maintenance.restore import put_in_place, staged
from monitoring.store.people import acknowledgements
from monitoring.store.tables import conditions
from tests.support.fake_telegram import TelegramStandIn
from tests.support.outbox import Outbox
from tests.support.web import serving

KEY = ConditionKey("aave", "backing")
NOW = datetime.now(UTC)
HOUR = timedelta(hours=1)
ME = getpass.getuser()


@pytest.fixture
def telegram() -> Iterator[TelegramStandIn]:
    with TelegramStandIn() as server:
        yield server


@pytest.fixture
def outbox(tmp_path: Path, telegram: TelegramStandIn, monkeypatch: pytest.MonkeyPatch) -> Iterator[Outbox]:
    box = Outbox(tmp_path, telegram.url)
    monkeypatch.setenv("CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("MONITORING_ENV_FILE", "")
    yield box
    box.close()


def look(outbox: Outbox, severity: str = "CRITICAL", at: datetime = NOW) -> Recorded:
    """Raise the condition as a run of a script does, reminders included."""
    alert = Alert(severity, "backing is 93 %", protocol="aave", key="backing")
    with outbox.database.write() as tx:
        found = raise_in(tx, alert, now=at, key=KEY, policy=Policy(remind=HOUR), reminds_later=True)
        remind_in(tx, [found.due] if found.due else [], at, NOBODY)
    return found


def acknowledge(outbox: Outbox, at: datetime = NOW, by: str = "ana") -> None:
    found = condition(outbox)
    with outbox.database.write() as tx:
        acknowledge_in(tx, found, by=by, note="looking", now=at)


def condition(outbox: Outbox) -> Condition:
    found = outbox.database.read(lambda tx: conditions.get(tx, KEY))
    assert found is not None
    return found


def settle(outbox: Outbox, at: datetime) -> int:
    with outbox.database.write() as tx:
        return settle_in(tx, at)


def kinds(outbox: Outbox) -> list[tuple[str, str]]:
    return outbox.database.rows("SELECT kind, title FROM alert_events ORDER BY id")  # type: ignore[return-value]


def holder(outbox: Outbox, at: datetime) -> str:
    found = condition(outbox)
    held = outbox.database.read(lambda tx: acknowledgements.of(tx, found, at))
    return held.by if held else ""


def test_reminders_stop_and_are_counted_and_come_again_once_its_time_is_over(outbox: Outbox) -> None:
    look(outbox)
    acknowledge(outbox)
    for hours in (1.5, 3, 3.9):
        look(outbox, at=NOW + hours * HOUR)
        assert settle(outbox, NOW + hours * HOUR) == 0
    assert [kind for kind, _ in kinds(outbox)] == ["alert", "alert"]
    assert outbox.database.row("SELECT held_back FROM acknowledgements") == (2,)

    assert settle(outbox, NOW + 4 * HOUR) == 1
    assert settle(outbox, NOW + 4 * HOUR) == 0
    assert kinds(outbox)[-1] == ("reminder", "Still: backing is 93 %")
    assert holder(outbox, NOW + 4 * HOUR) == ""
    look(outbox, at=NOW + 4.5 * HOUR)
    assert len(kinds(outbox)) == 3, "the report counts as a reminder"
    look(outbox, at=NOW + 5.5 * HOUR)
    assert [kind for kind, _ in kinds(outbox)][-1] == "reminder"


def test_what_is_milder_than_critical_may_be_had_for_a_day(outbox: Outbox) -> None:
    look(outbox, "HIGH")
    acknowledge(outbox)
    assert settle(outbox, NOW + 23 * HOUR) == 0
    assert settle(outbox, NOW + 24 * HOUR) == 1


def test_one_that_a_clock_put_into_the_future_holds_nothing_back(outbox: Outbox) -> None:
    look(outbox)
    acknowledge(outbox, at=NOW + timedelta(days=400))
    assert holder(outbox, NOW + HOUR / 2) == ""
    assert settle(outbox, NOW + HOUR / 2) == 1
    assert kinds(outbox)[-1] == ("reminder", "Still: backing is 93 %")
    assert settle(outbox, NOW + HOUR / 2) == 0


def test_a_worse_level_is_sent_and_ends_it(outbox: Outbox) -> None:
    look(outbox, "HIGH")
    acknowledge(outbox)
    look(outbox, "CRITICAL", at=NOW + HOUR / 2)

    assert kinds(outbox)[-1][0] == "worsened"
    assert holder(outbox, NOW + HOUR / 2) == ""
    assert settle(outbox, NOW + 30 * HOUR) == 0
    assert outbox.database.row("SELECT ended_by FROM acknowledgements") == ("it is CRITICAL now",)


def test_the_recovery_is_sent_and_the_next_incident_is_nobodys(outbox: Outbox) -> None:
    look(outbox)
    acknowledge(outbox)
    with outbox.database.write() as tx:
        resolve_in(tx, KEY, now=NOW + HOUR / 2)
    look(outbox, at=NOW + HOUR)

    assert [kind for kind, _ in kinds(outbox)] == ["alert", "alert", "recovery", "alert"]
    assert holder(outbox, NOW + HOUR) == ""
    assert settle(outbox, NOW + HOUR) == 0
    assert outbox.database.row("SELECT ended_by FROM acknowledgements") == ("the incident is over",)


def test_it_is_announced_in_the_thread_of_the_alert_and_so_is_its_end(
    outbox: Outbox, telegram: TelegramStandIn
) -> None:
    look(outbox)
    outbox.drain()
    acknowledge(outbox)
    outbox.drain()
    found = condition(outbox)
    with outbox.database.write() as tx:
        held = acknowledgements.of(tx, found, NOW)
        assert held is not None
        end_in(tx, found, held, by="ben", now=NOW)
    outbox.drain()

    assert [each.reply_to for each in telegram.messages] == [None, 1, 1]
    assert "ana has it: backing is 93 %" in telegram.messages[1].text
    assert "Note: looking" in telegram.messages[1].text
    assert "ben ended the acknowledgement by ana." in telegram.messages[2].text


def test_a_delivery_of_a_run_reports_again_what_nobody_ended(outbox: Outbox, telegram: TelegramStandIn) -> None:
    look(outbox, at=NOW - 6 * HOUR)
    acknowledge(outbox, at=NOW - 5 * HOUR)
    outbox.drain()

    assert [each.text for each in telegram.messages if "Still: backing is 93 %" in each.text]
    assert outbox.database.row("SELECT ended_by FROM acknowledgements") == ("its time is over",)


def test_who_takes_it_over_has_it_alone(outbox: Outbox) -> None:
    look(outbox)
    acknowledge(outbox)
    acknowledge(outbox, NOW + HOUR, by="ben")

    assert holder(outbox, NOW + HOUR) == "ben"
    assert outbox.database.rows("SELECT by, ended_by FROM acknowledgements ORDER BY id") == [
        ("ana", "ben"),
        ("ben", ""),
    ]
    assert settle(outbox, NOW + 4.5 * HOUR) == 0, "four hours count from the second"


def test_nobody_is_asked_about_what_somebody_has(outbox: Outbox, tmp_path: Path) -> None:
    file = tmp_path / "on_call.yaml"
    file.write_text(
        "zone: UTC\npeople:\n  ana: {telegram_id: 123456789}\n"
        "escalation:\n  critical:\n    steps:\n      - {after: 5m, to: everybody}\n    repeat: 30m\n"
    )
    team = load_on_call(file)
    look(outbox)
    assert escalate(outbox.database, team, NOW + HOUR / 6, NOBODY) == 1
    acknowledge(outbox, NOW + HOUR / 5)
    assert escalate(outbox.database, team, NOW + 3 * HOUR, NOBODY) == 0
    assert escalate(outbox.database, team, NOW + 5 * HOUR, NOBODY) == 1, "its time is over"


def test_the_verb_says_who_has_it_and_everything_that_shows_incidents_too(
    outbox: Outbox, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    look(outbox)
    assert main(["ack", "aave/backing", "--note", "looking"]) == 0
    assert capsys.readouterr().out.startswith(f"{ME} has aave/backing until ")
    assert main(["incidents"]) == 0
    assert f"firing, {ME} has it" in capsys.readouterr().out
    assert main(["incidents", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["acknowledgement"]["note"] == "looking"
    assert main(["audit", "--since", "1h"]) in (0, 1)
    assert f"aave: backing: {ME} has had it since" in " ".join(capsys.readouterr().out.split())
    with serving(tmp_path) as web:
        (found,) = [each for each in web.get("/v1/incidents")["data"] if each["check"] == "backing"]
        assert (found["acknowledgement"]["by"], found["acknowledgement"]["held_back"]) == (ME, 0)
        assert f"acknowledged by {ME} until" in web.ask("/incident?monitor=aave&check=backing").text
        assert f"{ME} has it" in web.ask("/incidents").text

    assert main(["ack", "backing", "--end"]) == 0
    assert "aave/backing is no longer acknowledged" in capsys.readouterr().out
    assert holder(outbox, datetime.now(UTC)) == ""
    assert main(["audit", "--since", "1h"]) in (0, 1)
    assert f"; ended by {ME} (looking)" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["aave/baking"], "there is no incident aave/baking: one of aave/backing"),
        (["aave/backing", "--end"], "aave/backing is not acknowledged: there is nothing to end"),
        (["aave/backing", "--note", "x" * 201], "--note is 201 characters long: write at most 200"),
    ],
)
def test_a_mistake_is_said_and_changes_nothing(
    outbox: Outbox, capsys: pytest.CaptureFixture[str], arguments: list[str], says: str
) -> None:
    look(outbox)
    assert main(["ack", *arguments]) == 2
    assert says in capsys.readouterr().err
    assert outbox.database.row("SELECT count(*) FROM acknowledgements") == (0,)


def test_after_a_backup_was_put_back_nobody_has_anything(outbox: Outbox, tmp_path: Path) -> None:
    look(outbox)
    acknowledge(outbox)
    kept = back_up(outbox.path, tmp_path / "backups", NOW).backup.path
    outbox.close()
    with staged(kept, outbox.path) as ready:
        put_in_place(ready, kept, outbox.path, SystemClock(), by="ana", is_alive=lambda _: False)
    outbox.database = open_database(outbox.path)

    assert holder(outbox, NOW + HOUR) == ""


def test_a_reader_of_the_schema_before_finds_nobody(tmp_path: Path) -> None:
    with open_database(tmp_path / "monitoring.db") as database:
        with database.write() as tx:
            conditions.put(tx, Condition(KEY), NOW)
            tx.execute("DROP TABLE acknowledgements")
        assert database.read(lambda tx: acknowledgements.of(tx, Condition(KEY), NOW)) is None
        assert database.read(lambda tx: acknowledgements.within(tx, NOW, NOW)) == []
