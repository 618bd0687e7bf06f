"""Drills of people: an unannounced message with a button, how fast it is answered, and who cannot be reached."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from zoneinfo import ZoneInfo

import pytest

from automation.cli.main import main
from automation.drills.plan import WITHIN, unannounced
from automation.drills.step import DrillVerdict, answered, judge, look_after, step
from automation.on_call.load import load_on_call
from automation.on_call.model import OnCall
from monitoring.alerts.recording.store_alert import NOBODY, AlertOrigin
from monitoring.conditions.condition import ConditionKey
from monitoring.ledger.reach import reach_problems
from monitoring.store.maintenance.prune import prune
from monitoring.store.people import people_drills
from monitoring.store.people.people_drills import PersonDrill
from monitoring.store.tables import conditions
from tests.support.fake_telegram import BOT_TOKEN, CHAT, TelegramStandIn
from tests.support.host import Host
from tests.support.outbox import settings_for
from tests.support.tapping import ALICE, BEN, HOUR, Chat, chat, data_under, labels
from tests.support.web import serving

DAY = 24 * HOUR
ON_CALL = f"""
zone: UTC
people:
  alice: {{telegram_id: {ALICE}}}
  ben: {{telegram_id: {BEN}}}
"""


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Chat]:
    with chat(tmp_path) as found:
        yield found


@pytest.fixture
def unread(tmp_path: Path) -> Iterator[Chat]:
    """A host on which nothing reads the chat."""
    with chat(tmp_path, is_read=False) as found:
        yield found


def team(host: Chat) -> OnCall:
    found = host.team()
    assert found is not None
    return found


def plan(host: Chat, name: str = "alice", in_: timedelta = timedelta(0)) -> int:
    with host.box.database.write() as tx:
        return people_drills.plan(tx, name, "monthly", host.clock.now() + in_)


def look(host: Chat, origin: AlertOrigin = NOBODY) -> None:
    """Do what a run does at its end, and deliver."""
    host.delivers()
    step(host.box.database, team(host), host.settings, host.clock.now(), origin)
    host.delivers()


def of(host: Chat, name: str = "alice") -> PersonDrill:
    return host.box.database.read(people_drills.last_of_each)[name]


def reported(host: Chat, name: str = "alice") -> str:
    """Return what is reported of somebody now; nothing where all is well."""
    found = host.box.database.read(lambda tx: conditions.get(tx, ConditionKey("automation", f"people/{name}")))
    return found.title if found is not None and found.is_firing else ""


def heard(host: Chat, account: int) -> list[str]:
    return [each.text for each in host.telegram.messages if each.chat_id == str(account)]


def tap(host: Chat, account: int = ALICE) -> list[str]:
    [shown] = [each for each in host.telegram.messages if each.chat_id == str(ALICE)][-1:]
    host.telegram.tap(account, data_under(shown, "This reached me"), shown)
    return host.reads()


def test_somebody_gets_a_button_at_the_time_that_was_planned_and_their_answer_is_timed(host: Chat) -> None:
    plan(host, in_=2 * HOUR)
    look(host)
    assert heard(host, ALICE) == []
    host.passes(2 * HOUR)
    look(host)
    [message] = [each for each in host.telegram.messages if each.chat_id == str(ALICE)]
    assert "DRILL for alice: does this message reach you?" in message.text
    assert "Tap the button within 1 d." in message.text
    assert labels(message) == [["This reached me"]]
    assert not message.silent
    host.passes(HOUR / 20)
    assert tap(host) == ["Thank you. You answered after 3 min."]
    assert tap(host) == ["You have answered this already. Thank you."]
    assert of(host).outcome == "answered"
    assert of(host).took == HOUR / 20
    host.passes(2 * DAY)
    look(host)
    assert len(heard(host, ALICE)) == 1
    assert reported(host) == ""


def test_it_goes_to_nobody_else_and_no_chat(host: Chat) -> None:
    plan(host)
    for _ in range(30):
        look_after(host.box.database, team(host), host.settings, host.clock.now(), NOBODY)
        host.delivers()
        host.passes(HOUR / 2)
    assert {each.chat_id for each in host.telegram.messages} == {str(ALICE)}
    assert len(host.telegram.messages) == 1


def test_who_does_not_answer_is_reported_once_and_recovers_with_the_answer(host: Chat) -> None:
    plan(host)
    look(host)
    host.passes(DAY - HOUR)
    look(host)
    assert reported(host) == ""
    host.passes(HOUR)
    for _ in range(3):
        look(host)
        host.passes(HOUR)
    assert reported(host) == "alice did not answer a drill for 1 d"
    assert sum("alice did not answer" in each.text for each in host.telegram.messages) == 1
    assert of(host).outcome == "unanswered"
    tap(host)
    assert reported(host) == ""
    host.delivers()
    assert "alice answered a drill, after 1 d 3 h" in host.telegram.messages[-1].text


def test_nothing_is_said_while_nobody_reads_the_chat(host: Chat) -> None:
    plan(host)
    look(host)
    host.is_read = False
    host.passes(2 * DAY)
    look(host)
    assert reported(host) == ""
    host.passes(8 * DAY)
    look(host)
    assert (reported(host), of(host).outcome) == ("", "accepted")


def test_without_a_reader_there_is_no_button_and_no_false_alert(unread: Chat) -> None:
    plan(unread)
    look(unread)
    [message] = unread.telegram.messages
    assert "There is nothing to do." in message.text
    assert labels(message) == []
    unread.passes(2 * DAY)
    look(unread)
    assert (reported(unread), of(unread).outcome) == ("", "accepted")


def test_a_chat_that_refuses_is_reported_after_an_hour(host: Chat) -> None:
    host.telegram.kicked_from.add(str(ALICE))
    plan(host)
    look(host)
    host.passes(HOUR / 2)
    look(host)
    assert reported(host) == ""
    host.passes(HOUR)
    look(host)
    assert reported(host) == "alice is not reached: a drill was not accepted (telegram)"
    assert reach_problems(host.box.database, host.clock.now()) == [], "one phone is no failure of every run"
    host.passes(DAY)
    look(host)
    assert of(host).outcome == "refused"


def test_somebody_without_any_destination_is_reported_and_asked_nowhere(host: Chat) -> None:
    file = host.directory / "on_call.yaml"
    file.write_text("zone: UTC\npeople: {alice: {}}\n")
    plan(host)
    step(host.box.database, team(host), settings_for(host.directory, {}), host.clock.now(), NOBODY)
    assert reported(host) == "alice cannot be reached: on_call.yaml names no account"
    assert not any("DRILL" in each.text for each in host.telegram.messages)


def test_who_left_the_file_is_not_asked_and_what_was_reported_ends(host: Chat) -> None:
    plan(host)
    look(host)
    host.passes(DAY)
    look(host)
    assert reported(host)
    plan(host)
    (host.directory / "on_call.yaml").write_text(f"zone: UTC\npeople: {{ben: {{telegram_id: {BEN}}}}}\n")
    look(host)
    assert reported(host) == ""
    assert len(heard(host, ALICE)) == 1


def test_who_left_the_file_with_no_drill_open_is_reported_no_more(host: Chat) -> None:
    plan(host)
    look(host)
    host.passes(DAY)
    look(host)
    assert reported(host)
    (host.directory / "on_call.yaml").write_text(f"zone: UTC\npeople: {{ben: {{telegram_id: {BEN}}}}}\n")
    look(host)
    assert reported(host) == ""


def test_a_drill_that_comes_late_wakes_nobody(host: Chat) -> None:
    """The host was off at the minute that was planned, and is on again at three in the night (03:12 UTC)."""
    quiet = f"zone: UTC\npeople: {{alice: {{telegram_id: {ALICE}, quiet_hours: 22:00-07:00}}}}\n"
    (host.directory / "on_call.yaml").write_text(quiet)
    plan(host, in_=-HOUR)
    look(host)
    assert heard(host, ALICE) == []
    host.passes(5 * HOUR)
    look(host)
    assert len(heard(host, ALICE)) == 1


def test_who_gets_two_and_answers_one_is_reached(host: Chat) -> None:
    plan(host)
    look(host)
    plan(host)
    look(host)
    host.passes(HOUR)
    tap(host)
    host.passes(DAY)
    look(host)
    assert reported(host) == ""
    assert host.box.database.read(people_drills.open_ones) == []


def test_a_process_that_sends_nothing_asks_nobody(host: Chat) -> None:
    plan(host)
    look(host, AlertOrigin(debug=True))
    assert host.telegram.messages == []


def test_a_drill_is_answered_by_its_person_alone_and_within_a_month(host: Chat) -> None:
    plan(host)
    look(host)
    assert tap(host, BEN) == ["This drill is for alice."]
    alert_id = of(host).alert_id or 0
    with host.box.database.write() as tx:
        words = answered(tx, alert_id, "alice", host.clock.now() + 31 * DAY)
    assert words[1] == "This drill is over: nothing was changed."
    assert of(host).answered_at is None


NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
ASKED = PersonDrill(1, "ana", "monthly", NOW, NOW, NOW + DAY, 7)
QUICK = {"telegram": timedelta(seconds=1)}
WAITS = {"telegram": timedelta(seconds=1), "apprise": None}


@pytest.mark.parametrize(
    ("after", "took", "had_button", "is_read", "verdict"),
    [
        (HOUR / 2, {}, True, True, DrillVerdict.WAIT),
        (2 * HOUR, {}, True, True, DrillVerdict.NOT_ACCEPTED),
        (2 * HOUR, WAITS, True, True, DrillVerdict.NOT_ACCEPTED),
        (2 * HOUR, QUICK, True, True, DrillVerdict.WAIT),
        (DAY, WAITS, True, True, DrillVerdict.REFUSED),
        (DAY, QUICK, True, True, DrillVerdict.UNANSWERED),
        (DAY, QUICK, False, True, DrillVerdict.ACCEPTED),
        (DAY, QUICK, True, False, DrillVerdict.WAIT),
        (8 * DAY, QUICK, True, False, DrillVerdict.ACCEPTED),
    ],
)
def test_what_becomes_of_one_that_is_not_answered(
    after: timedelta, took: dict[str, timedelta | None], had_button: bool, is_read: bool, verdict: DrillVerdict
) -> None:
    assert judge(ASKED, took, NOW + after, had_button=had_button, is_read=is_read) is verdict


@pytest.mark.parametrize("seed", range(40))
def test_a_drill_is_planned_for_a_minute_of_the_week_in_which_nobody_sleeps(tmp_path: Path, seed: int) -> None:
    file, now = tmp_path / "on_call.yaml", datetime(2026, 10, 22, 7, 23, tzinfo=UTC)  # clocks change on the 25th
    file.write_text('zone: Europe/Berlin\npeople: {ana: {telegram_id: 1, quiet_hours: "12:00-14:30"}}\n')
    found = load_on_call(file)
    assert found is not None
    at = unannounced(found, "ana", now, Random(seed))
    local = at.astimezone(ZoneInfo("Europe/Berlin"))
    assert now < at < now + WITHIN
    assert 9 <= local.hour < 19
    assert not (12, 0) <= (local.hour, local.minute) < (14, 30)


def test_somebody_who_is_quiet_all_day_is_drilled_in_what_is_left(tmp_path: Path) -> None:
    file = tmp_path / "on_call.yaml"
    file.write_text('zone: UTC\npeople: {ana: {telegram_id: 1, quiet_hours: "08:00-07:00"}}\n')
    found = load_on_call(file)
    assert found is not None
    assert unannounced(found, "ana", NOW, Random(1)).hour == 7


def test_the_newest_drill_of_each_person_survives_the_upkeep(host: Chat) -> None:
    for _ in range(3):
        plan(host)
        look(host)
        host.passes(DAY)
    prune(host.box.database, host.clock.now() + 100 * DAY)
    assert len(host.box.database.rows("SELECT id FROM people_drills")) == 1


@pytest.fixture
def telegram() -> Iterator[TelegramStandIn]:
    with TelegramStandIn() as standing_in:
        yield standing_in


@pytest.fixture
def shell(tmp_path: Path, telegram: TelegramStandIn) -> Host:
    made = Host(tmp_path)
    made.environ |= {
        "LOG_LEVEL": "INFO", "TELEGRAM_API_URL": telegram.url, "TELEGRAM_BOT_TOKEN_DEFAULT": BOT_TOKEN,
        "TELEGRAM_CHAT_ID_DEFAULT": CHAT,
    }  # fmt: skip
    (made.checkout / "automation").mkdir(exist_ok=True)
    (made.checkout / "automation" / "on_call.yaml").write_text(ON_CALL)
    return made


@pytest.mark.ci
def test_the_verb_asks_shows_what_was_accepted_and_says_that_nobody_reads(
    shell: Host, telegram: TelegramStandIn
) -> None:
    shell.profile({"calm": "print('ok')\n"})
    done = shell.automation("drill", "--people")
    assert done.returncode == 0, done.stderr
    assert "alice   telegram     accepted after" in done.stdout
    assert "Nobody could tap a button: nothing reads the chat on this host" in done.stdout
    assert {each.chat_id for each in telegram.messages} == {str(ALICE), str(BEN)}
    telegram.kicked_from.add(str(BEN))
    done = shell.automation("drill", "--people", "ben", "--timeout", "1s")
    assert done.returncode == 1
    assert "not accepted yet" in done.stdout
    shown = shell.automation("on-call").stdout
    assert "LAST DRILL" in shown
    assert "no answer yet" in shown
    assert max(map(len, shown.splitlines())) <= 80
    assert "no person is named 'bem'" in shell.automation("drill", "--people", "bem").stderr
    assert shell.automation("drill", "--people", LOG_LEVEL="DEBUG").returncode == 2


def test_the_page_shows_how_each_person_answered_last(host: Chat) -> None:
    plan(host)
    plan(host, "ben")
    look(host)
    host.passes(HOUR / 20)
    tap(host)
    with serving(host.directory) as web:
        text = " ".join(web.ask("/silences").text.split())
    assert "Last drill of each person" in text
    assert "answered after 3 min" in text
    assert "no answer yet" in text


def test_without_the_file_the_verb_says_what_to_write(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    jobs = tmp_path / "jobs.yaml"
    jobs.write_text("profiles: {}\n")
    assert main(["--config", str(jobs), "drill", "--people"]) == 2
    assert "nobody can be drilled: docs/on-call.md" in capsys.readouterr().err
