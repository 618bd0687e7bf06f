"""Who is on call at an instant, and which steps of an escalation are due: pure decisions with an injected clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automation.listen.process import People
from automation.on_call.load import load_on_call
from automation.on_call.model import OnCall
from automation.on_call.rota import on_duty
from automation.on_call.steps import DueQuestion, next_ask
from monitoring.conditions.severity import Severity
from monitoring.store.people.escalations import EscalationProgress

TEXT = """
zone: Europe/Berlin
people:
  ana: {telegram_id: 111, quiet_hours: "22:00-07:00"}
  ben: {telegram_id: 222}
  eve: {telegram_id: 333, quiet_hours: "00:00-06:00"}
rota:
  order: [ana, ben]
  handover: monday 09:00
  starts: 2026-10-12T09:00
  overrides:
    - {who: eve, starts: 2026-10-14T09:00, ends: 2026-10-15T09:00, reason: dentist}
escalation:
  critical: {steps: [{after: 5m, to: on-call}, {after: 15m, to: everybody}], repeat: 30m}
  high: {steps: [{after: 30m, to: chat}, {after: 1h, to: on-call}], repeat: 2h}
"""
BEGAN = datetime(2026, 10, 13, 12, 0, tzinfo=UTC)


def team_of(tmp_path: Path, text: str = TEXT) -> OnCall:
    file = tmp_path / "on_call.yaml"
    file.write_text(text)
    team = load_on_call(file)
    assert team is not None
    return team


@pytest.fixture
def team(tmp_path: Path) -> OnCall:
    return team_of(tmp_path)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("at", "who"),
    [
        ("2026-01-01T00:00", "ana"),  # before the first handover
        ("2026-10-19T06:59", "ana"),
        ("2026-10-19T07:00", "ben"),  # 09:00 in Berlin, in summer
        ("2026-10-25T23:00", "ben"),  # clocks went back that night
        ("2026-10-26T07:59", "ben"),
        ("2026-10-26T08:00", "ana"),  # 09:00 in Berlin, in winter
        ("2027-03-29T06:59", "ben"),  # clocks went forward the day before
        ("2027-03-29T07:00", "ana"),
    ],
)
def test_a_handover_is_at_the_same_hour_of_the_clock_all_year(team: OnCall, at: str, who: str) -> None:
    assert on_duty(team, utc(at)).people == (who,)


def test_an_override_replaces_the_rota_until_it_ends_and_says_why(team: OnCall) -> None:
    before, during = on_duty(team, utc("2026-10-14T06:59")), on_duty(team, utc("2026-10-14T07:00"))
    assert (before.people, before.until) == (("ana",), utc("2026-10-14T07:00"))
    assert (during.people, during.until) == (("eve",), utc("2026-10-15T07:00"))
    assert during.why == "override (dentist)", "its end is said by `until`, in the zone of the reader"
    assert on_duty(team, utc("2026-10-15T07:00")).people == ("ana",)


def test_quiet_hours_choose_somebody_else_but_not_for_what_is_critical(team: OnCall) -> None:
    night = utc("2026-10-13T21:00")  # 23:00 in Berlin
    assert on_duty(team, night, Severity.CRITICAL).people == ("ana",)
    chosen = on_duty(team, night, Severity.HIGH)
    assert (chosen.people, chosen.instead_of) == (("ben",), ("ana",))
    assert "ana has quiet hours" in chosen.why
    assert chosen.until == utc("2026-10-13T22:00")  # then those of eve begin


def test_quiet_hours_of_everybody_leave_the_one_on_call(tmp_path: Path) -> None:
    team = team_of(tmp_path, TEXT.replace("222}", '222, quiet_hours: "20:00-08:00"}'))
    chosen = on_duty(team, utc("2026-10-13T23:00"), Severity.HIGH)
    assert chosen.people == ("ana",)
    assert "everybody" in chosen.why


def test_somebody_disabled_is_passed_over(tmp_path: Path) -> None:
    team = team_of(tmp_path, TEXT.replace("222}", "222, enabled: false}"))
    assert on_duty(team, utc("2026-10-20T12:00")).people == ("ana",)


def test_without_a_rota_everybody_is_on_call(tmp_path: Path) -> None:
    head, _, rest = TEXT.partition("rota:")
    team = team_of(tmp_path, head + "escalation:" + rest.partition("escalation:")[2].replace("on-call", "everybody"))
    assert on_duty(team, BEGAN).people == ("ana", "ben", "eve")


@given(minutes=st.integers(0, 60 * 24 * 800), severity=st.sampled_from(list(Severity)))
def test_somebody_is_on_call_at_every_instant(
    tmp_path_factory: pytest.TempPathFactory, minutes: int, severity: Severity
) -> None:
    team = team_of(tmp_path_factory.mktemp("team"))
    at = utc("2026-10-01T00:00") + timedelta(minutes=minutes)
    duty = on_duty(team, at, severity)
    assert duty.people
    assert duty.until is not None
    assert duty.until > at
    just_before = on_duty(team, duty.until - timedelta(microseconds=1), severity)
    assert just_before.people == duty.people


def ask(
    team: OnCall, before: EscalationProgress | None, minutes: float, severity: Severity = Severity.CRITICAL
) -> DueQuestion | None:
    assert team.escalation is not None
    return next_ask(
        team, team.escalation, before, "episode", severity, BEGAN, BEGAN + timedelta(minutes=minutes)
    )  # fmt: skip


def test_each_step_comes_at_its_minute_and_the_last_is_repeated(team: OnCall) -> None:
    assert ask(team, None, 4.9) is None
    first = ask(team, None, 5)
    assert first is not None
    assert first.people == {"ana": "the week of ana"}
    assert ask(team, first.asked, 14.9) is None
    second = ask(team, first.asked, 15)
    assert second is not None
    assert list(second.people) == ["ana", "ben", "eve"]
    assert ask(team, second.asked, 44.9) is None
    again = ask(team, second.asked, 45)
    assert again is not None
    assert list(again.people) == ["ana", "ben", "eve"]
    assert again.asked.count == 3


def test_steps_that_came_due_together_are_one_question_to_each(team: OnCall) -> None:
    late = ask(team, None, 300)
    assert late is not None
    assert list(late.people) == ["ana", "ben", "eve"]
    assert late.asked.count == 2
    assert ask(team, late.asked, 301) is None


def test_a_step_to_the_chat_asks_nobody_in_person(team: OnCall) -> None:
    found = ask(team, None, 30, Severity.HIGH)
    assert found is not None
    assert (found.people, found.chat) == ({}, True)


def test_what_becomes_worse_begins_the_steps_of_its_new_severity(team: OnCall) -> None:
    high = ask(team, None, 30, Severity.HIGH)
    assert high is not None
    worse = ask(team, high.asked, 31)
    assert worse is not None
    assert (worse.people, worse.chat) == ({}, False)  # seen to be worse: five minutes from now
    assert ask(team, worse.asked, 35) is None
    seen = ask(team, worse.asked, 36)
    assert seen is not None
    assert list(seen.people) == ["ana"]


def test_a_new_episode_starts_again_and_a_severity_without_steps_asks_nobody(team: OnCall) -> None:
    asked = EscalationProgress("another episode", Severity.CRITICAL, BEGAN, 9, BEGAN)
    found = ask(team, asked, 5)
    assert found is not None
    assert found.asked.count == 1
    assert ask(team, None, 9999, Severity.MEDIUM) is None
    assert ask(team, None, 9999, Severity.LOW) is None


def test_instants_that_a_clock_left_in_the_future_hold_no_question_back(team: OnCall) -> None:
    ahead = BEGAN + timedelta(days=400)
    asked = EscalationProgress("episode", Severity.CRITICAL, BEGAN, 2, ahead, ("ana",))
    again = ask(team, asked, 45)
    assert again is not None
    assert again.people

    begun = ask(team, EscalationProgress("episode", Severity.CRITICAL, ahead), 0)
    assert begun is not None
    first = ask(team, begun.asked, 5)
    assert first is not None
    assert list(first.people) == ["ana"]


def test_a_severity_that_comes_and_goes_does_not_start_the_minutes_again(team: OnCall) -> None:
    asked, people = EscalationProgress("episode", Severity.CRITICAL, BEGAN), []
    for minutes in range(1, 17):
        found = ask(team, asked, minutes, Severity.HIGH if minutes % 2 else Severity.CRITICAL)
        if found is not None:
            asked = found.asked
            people.append(list(found.people))
    assert people[-1] == ["ana", "ben", "eve"]


@given(looks=st.lists(st.integers(1, 90), min_size=1, max_size=60))
def test_whenever_it_is_looked_nobody_waits_longer_than_the_file_says(
    tmp_path_factory: pytest.TempPathFactory, looks: list[int]
) -> None:
    team = team_of(tmp_path_factory.mktemp("team"))
    asked, at, last_asked = None, 0, 0
    for wait in looks:
        at += wait
        found = ask(team, asked, at)
        if found is not None:
            asked, last_asked = found.asked, at
        elif asked is None:
            assert at < 5
        else:
            assert at - last_asked < 30


def test_while_the_file_has_mistakes_those_of_its_last_version_are_asked_and_nobody_may_act(tmp_path: Path) -> None:
    file = tmp_path / "on_call.yaml"
    team = People(file)
    assert (team(), team.to_ask()) == (None, None)
    file.write_text("zone: UTC\npeople: {ana: {telegram_id: 1}}\n")
    assert team() is not None
    file.write_text("zone: UTC\npeople: {ana: {telegram_id: 1}}\nrotta: 1\n")
    assert team() is None, "it may have named somebody who was removed"
    asked = team.to_ask()
    assert asked is not None
    assert list(asked.people) == ["ana"]
    file.unlink()
    assert (team(), team.to_ask()) == (None, None), "a file that was taken away asks nobody"
