"""Buttons under messages, from the tap to the row, the message and the page, against a Bot API with its real limits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path

import pytest

from automation.cli.main import main
from automation.listen.updates import read_update
from monitoring.alerts.message.guidance import Guidance
from monitoring.alerts.message.model import Alert
from monitoring.alerts.recording.acknowledge import end_in
from monitoring.alerts.recording.store_alert import NOBODY, AlertKind, ConditionAlert, record_message_in
from monitoring.alerts.senders import Button, ButtonAction
from monitoring.alerts.senders.telegram.buttons import data_of, key_of
from monitoring.conditions.condition import Condition, ConditionKey
from monitoring.conditions.policy import Policy
from monitoring.conditions.severity import Severity
from monitoring.conditions.transition import Breach, apply_verdict, happened
from monitoring.store.people import acknowledgements
from monitoring.store.tables import conditions
from tests.support.fake_telegram import BOT_TOKEN, CHAT, too_many_requests
from tests.support.tapping import ALICE, BEN, BOT, HOUR, KEY, STRANGER, Chat, chat, data_under, labels
from tests.support.web import serving

DETAILS = """\
🔴 CRITICAL aave: Details: backing is 93 %
Since: 2026-11-30 03:12 UTC (30 min before this answer)
Who has it: alice, from 2026-11-30 03:12 UTC until 2026-11-30 07:12 UTC at most
As reported at 2026-11-30 03:12 UTC:
Required: held >= owed
New, 2026-11-30 03:12 UTC.
Runbook: https://example.org/runbook
Mute: silence --protocol aave --key backing --for 2h --reason …
Acknowledge: ack aave/backing"""

STILL_SENT = "A new incident, anything worse, and the recovery are still sent."
ALL = [["I have it", "Mute 1 h", "Details"]]


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Chat]:
    with chat(tmp_path) as found:
        yield found


def test_i_have_it_is_seen_in_the_message_the_row_and_the_thread(host: Chat) -> None:
    host.fires()
    sent = host.telegram.messages[0]
    assert host.taps(ALICE, "I have it") == [
        "You have it until 07:12 UTC, or until it is worse. Reminders and questions to others stop."
    ]
    shown = host.now_shown(sent)
    assert shown.text == (
        f"{sent.text}\n\n✋ alice has it since 2026-11-30 03:12 UTC, until 2026-11-30 07:12 UTC at most."
    )
    assert shown.entities[: len(sent.entities)] == sent.entities
    assert labels(shown) == [["Mute 1 h", "Details"]]
    assert host.held() == [("alice", "aave/backing")]
    announced = host.telegram.messages[-1]
    assert "alice has it: backing is 93 %" in announced.text
    assert announced.reply_to == sent.message_id
    assert not announced.silent, "one tap on one account is heard"
    assert host.outcomes() == ["alice acknowledged aave/backing"]


def test_two_people_at_once_the_first_has_it_and_the_second_reads_who(host: Chat) -> None:
    host.fires()
    shown = host.newest()
    for account in (BEN, ALICE):
        host.telegram.tap(account, data_under(shown, "I have it"), shown)
    assert host.reads()[1] == "ben has it already, since 03:12 UTC."
    assert host.held() == [("ben", "aave/backing")]
    assert host.outcomes() == ["ben acknowledged aave/backing", "nothing changed: ben has aave/backing"]


def test_double_taps_do_nothing_twice(host: Chat) -> None:
    host.fires()
    shown = host.newest()
    for label in ("I have it", "I have it", "Mute 1 h", "Mute 1 h"):
        host.telegram.tap(ALICE, data_under(shown, label), shown)
    answers = host.reads()
    assert answers[1] == "You have it already, since 03:12 UTC."
    assert answers[3] == "It is silenced already until 04:12 UTC, by alice."
    assert [len(host.held()), len(host.muted())] == [1, 1]
    assert len(host.telegram.messages) == 3, "the alert, who has it, who muted it"


def test_a_mute_covers_one_condition_for_an_hour_and_is_announced_with_sound(host: Chat) -> None:
    host.fires("HIGH")
    assert host.taps(ALICE, "Mute 1 h") == [f"Muted until 04:12 UTC, announced in the chat. {STILL_SENT}"]
    announced = host.telegram.messages[-1]
    assert announced.text.startswith("🚨 HIGH aave: alice silenced aave backing, at most HIGH\nReason: from the chat\n")
    assert not announced.silent
    assert announced.reply_to == host.telegram.messages[0].message_id
    assert host.newest().text.endswith(f"🔕 Silenced by alice until 2026-11-30 04:12 UTC. {STILL_SENT}")
    assert labels(host.newest()) == [["I have it", "Details"]]

    count = len(host.telegram.messages)
    host.passes(HOUR * 0.9)
    host.fires("HIGH")
    host.fires("HIGH", key=ConditionKey("aave", "backing/2"))
    assert [each.text.partition("\n")[0] for each in host.telegram.messages[count:]] == [
        "🚨 HIGH aave: backing is 93 %"
    ]
    host.fires("CRITICAL")
    assert host.telegram.messages[-1].text.startswith("🔴 CRITICAL aave: backing is 93 %"), "what is worse is sent"
    host.recovers()
    assert host.telegram.messages[-1].text.startswith("✅ aave: backing is ok again")


@pytest.mark.parametrize("severity", ["HIGH", "CRITICAL"])
def test_a_new_incident_of_a_muted_condition_is_sent_and_can_be_muted_too(host: Chat, severity: str) -> None:
    host.fires(severity)
    host.taps(ALICE, "Mute 1 h")
    host.passes(HOUR * 0.25)
    host.recovers()
    host.passes(HOUR * 0.25)
    host.fires(severity, text="backing is 92 %")
    sent = host.telegram.messages[-1]
    assert sent.text.partition("\n")[0].endswith(f"{severity} aave: backing is 92 %")
    assert not sent.silent
    assert labels(sent) == ALL, "the mute of the incident before is not shown under this one"
    assert host.taps(BEN, "Mute 1 h")[0].startswith("Muted until 04:42 UTC")
    host.passes(HOUR)
    assert host.muted() == [("alice", "aave", "backing"), ("ben", "aave", "backing")]


def test_what_becomes_worse_within_its_severity_is_sent_through_a_mute(host: Chat) -> None:
    policy = Policy(worse_by=Fraction(5))
    for measure, text in ((10, "10 % lost"), (16, "16 % lost"), (17, "17 % lost")):
        with host.box.database.write() as tx:
            before = conditions.get(tx, KEY) or Condition(KEY)
            breach = Breach((Severity.CRITICAL,), 0, Fraction(measure))
            outcome = apply_verdict(before, breach, host.clock.now(), policy)
            condition = replace(outcome.condition, protocol="aave", title=text)
            conditions.put(tx, condition, host.clock.now())
            if outcome.transition is not None:
                kind = AlertKind.WORSENED if before.is_firing else AlertKind.ALERT
                message = ConditionAlert(Alert("CRITICAL", text, protocol="aave", key="backing"), kind)
                record_message_in(tx, condition, message, now=host.clock.now(), origin=NOBODY, was_firing=True)
        host.delivers()
        if measure == 10:
            host.taps(ALICE, "Mute 1 h")
        host.passes(HOUR * 0.1)
    assert [
        each.text.partition("\n")[0] for each in host.telegram.messages if "lost" in each.text and labels(each)
    ] == [
        "🔴 CRITICAL aave: 10 % lost",
        "🔴 CRITICAL aave: 16 % lost",
    ]


def test_a_mute_of_what_happened_holds_back_more_of_it_but_no_news_of_a_critical(host: Chat) -> None:
    for severity, key in (("HIGH", ConditionKey("aave", "transfer")), ("CRITICAL", ConditionKey("aave", "upgrade"))):
        for text in ("first", "second"):
            with host.box.database.write() as tx:
                outcome = happened(conditions.get(tx, key) or Condition(key), host.clock.now(), Severity[severity])
                message = ConditionAlert(Alert(severity, text, protocol="aave", key=key.check), AlertKind.ALERT)
                condition = replace(outcome.condition, protocol="aave", title=text)
                record_message_in(tx, condition, message, now=host.clock.now(), origin=NOBODY, was_firing=False)
            host.delivers()
            if text == "first":
                host.taps(ALICE, "Mute 1 h")
            host.passes(HOUR * 0.1)
    sent = [each.text.partition("\n")[0] for each in host.telegram.messages if labels(each)]
    assert sent == ["🚨 HIGH aave: first", "🔴 CRITICAL aave: first", "🔴 CRITICAL aave: second"]
    host.passes(HOUR)
    host.delivers()
    assert host.telegram.messages[-1].text.startswith("🚨 HIGH aave: second"), "what was held back is sent at its end"


def test_what_a_mute_held_back_is_sent_when_its_hour_is_over(host: Chat) -> None:
    host.fires()
    host.taps(ALICE, "Mute 1 h")
    count = len(host.telegram.messages)
    host.passes(HOUR * 0.99)
    host.fires(text="backing is 91 %")
    host.passes(HOUR * 0.5)
    host.fires(text="backing is 91 %")
    assert len(host.telegram.messages) > count
    host.shows()
    assert "🔕" not in host.now_shown(host.telegram.messages[0]).text


def test_only_three_mutes_of_a_condition_in_a_day(host: Chat) -> None:
    host.fires()
    for _ in range(3):
        assert host.taps(ALICE, "Mute 1 h", host.telegram.messages[0])[0].startswith("Muted until")
        host.passes(HOUR * 1.5)
        host.reads()
    assert host.taps(BEN, "Mute 1 h", host.telegram.messages[0]) == [
        "It was muted 3 times from the chat within 24 h. To silence it for longer: `silence` on the host."
    ]
    assert len(host.muted()) == 3
    host.passes(HOUR * 24)
    host.reads()
    assert host.taps(BEN, "Mute 1 h", host.telegram.messages[0])[0].startswith("Muted until")


@pytest.mark.ci
def test_one_person_mutes_ten_incidents_an_hour_and_no_more(host: Chat) -> None:
    for number in range(11):
        host.fires("HIGH", key=ConditionKey("aave", f"check-{number}"), text=f"check {number} is bad")
    first_messages = [each for each in host.telegram.messages if labels(each)]
    answers = [host.taps(ALICE, "Mute 1 h", each)[0] for each in first_messages]
    assert [answer.startswith("Muted until") for answer in answers] == [True] * 10 + [False]
    assert host.taps(BEN, "Mute 1 h", first_messages[-1])[0].startswith("Muted until")


def test_a_key_that_looks_like_a_pattern_is_muted_alone(host: Chat) -> None:
    patterned = ConditionKey("aave", "pool[ab]*")
    host.fires("HIGH", key=patterned)
    host.passes(HOUR * 0.5)
    host.taps(ALICE, "Mute 1 h")
    assert "alice silenced aave pool[ab]*, at most HIGH" in host.telegram.messages[-1].text
    count = len(host.telegram.messages)
    host.fires("HIGH", key=ConditionKey("aave", "poola-other"), text="another pool is bad")
    assert "another pool is bad" in host.telegram.messages[count].text
    host.passes(HOUR * 0.6)
    host.fires("HIGH", key=patterned)  # its reminder
    assert [row[0] for row in host.box.database.rows("SELECT delivery_status FROM alert_events ORDER BY id")][-1] == (
        "silenced"
    )


def test_the_same_check_of_another_monitor_is_not_muted(host: Chat) -> None:
    for monitor in ("aave-v2", "aave-v3"):
        host.fires("HIGH", key=ConditionKey(monitor, "backing"), text=f"{monitor} is bad", protocol="aave")
    first = host.telegram.messages[0]
    host.passes(HOUR * 0.5)
    host.taps(ALICE, "Mute 1 h", first)
    count = len(host.telegram.messages)
    host.passes(HOUR * 0.6)
    for monitor in ("aave-v2", "aave-v3"):  # their reminders
        host.fires("HIGH", key=ConditionKey(monitor, "backing"), text=f"{monitor} is bad", protocol="aave")
    assert [
        each.text.partition("\n")[0]
        for each in host.telegram.messages[count:]
        if "is bad" in each.text.partition("\n")[0]
    ] == ["🚨 HIGH aave: aave-v3 is bad"]


def test_a_muted_critical_is_still_asked_about_and_a_muted_high_is_not(host: Chat) -> None:
    high = ConditionKey("aave", "use")
    host.fires("CRITICAL")
    host.taps(ALICE, "Mute 1 h")
    host.fires("HIGH", key=high, text="use is 99 %")
    host.taps(ALICE, "Mute 1 h")
    host.passes(HOUR * 0.7)
    assert host.escalates() == 2, "by then everybody"
    [asked] = host.telegram.shown(str(BEN))
    assert asked.text.startswith("🔴 CRITICAL aave: Open for 42 min, not acknowledged: backing is 93 %")
    assert labels(asked) == ALL


def test_a_question_to_a_person_is_answered_in_their_private_chat_and_shown_everywhere(host: Chat) -> None:
    host.fires()
    host.passes(HOUR * 0.1)
    assert host.escalates() == 1
    [asked] = host.telegram.shown(str(BEN))
    host.telegram.tap(BEN, data_under(asked, "I have it"), asked)
    host.reads()
    said = "✋ ben has it since 2026-11-30 03:18 UTC"
    assert [said in each.text for each in (host.now_shown(asked), host.now_shown(host.telegram.messages[0]))] == [
        True
    ] * 2
    host.passes(HOUR)
    assert host.escalates() == 0


def test_a_button_of_an_incident_that_is_over_changes_nothing(host: Chat) -> None:
    host.fires()
    sent = host.telegram.messages[0]
    host.recovers()
    host.telegram.tap(ALICE, data_under(sent, "I have it"), sent)
    assert host.reads() == ["That incident is over. Nothing was changed."]
    shown = host.now_shown(sent)
    assert labels(shown) == []
    assert shown.text == f"{sent.text}\n\n✅ Over since 2026-11-30 03:12 UTC."
    host.passes(HOUR)
    host.fires()
    host.telegram.tap(ALICE, data_under(sent, "Mute 1 h"), sent)
    assert host.reads() == ["That incident is over, and it fires again: use the newer message. Nothing was changed."]
    assert host.held() == host.muted() == []
    assert host.box.database.rows("SELECT count(*) FROM message_buttons") == [(1,)], "what is over is forgotten"


def test_a_button_of_an_alert_that_was_pruned_changes_nothing_and_says_where_to_look(host: Chat) -> None:
    host.fires()
    shown = host.newest()
    with host.box.database.write() as tx:
        tx.execute("DELETE FROM alert_events")
    host.telegram.tap(ALICE, data_under(shown, "I have it"), shown)
    assert host.reads() == ["This alert is not known here any more. /firing lists what is open."]
    assert host.held() == []


def test_a_bot_that_was_removed_from_the_chat_acts_all_the_same_and_shows_it_when_it_is_back(host: Chat) -> None:
    host.fires()
    shown = host.newest()
    host.telegram.kicked_from.add(CHAT)
    host.telegram.tap(ALICE, data_under(shown, "I have it"), shown)
    host.telegram.write(ALICE, "/firing", chat=CHAT)
    assert host.reads()[0].startswith("You have it until 07:12 UTC")
    assert host.held() == [("alice", "aave/backing")]
    assert host.box.database.rows("SELECT count(*) FROM handled_updates WHERE calls <> ''") == [(0,)]
    host.telegram.kicked_from.clear()
    host.passes(HOUR)
    host.delivers()
    assert any("alice has it: backing is 93 %" in each.text for each in host.telegram.messages)


def test_a_clock_that_is_set_back_after_a_tap_takes_the_incident_from_nobody(host: Chat) -> None:
    host.fires("HIGH")
    host.taps(ALICE, "I have it")
    host.passes(timedelta(seconds=-20))
    host.delivers()
    assert host.held() == [("alice", "aave/backing")]
    assert "Nobody has it now" not in host.telegram.messages[-1].text


def test_a_chat_that_asked_to_wait_is_changed_again_after_the_clock_was_set_back(host: Chat) -> None:
    host.fires("HIGH")
    host.passes(HOUR)
    host.recovers()
    host.passes(timedelta(seconds=2))
    host.telegram.script(too_many_requests(3000))
    assert host.edits.look() == 3000
    host.passes(timedelta(hours=-5))
    assert host.edits.look() is None
    assert "✅ Over since" in host.now_shown(host.telegram.messages[0]).text


@pytest.mark.parametrize("data", ["", "x", "AQEA" * 10 + "AA", "ü" * 32, "I have it", "A" * 64])
def test_data_that_is_not_ours_is_refused_and_recorded(host: Chat, data: str) -> None:
    host.fires()
    host.telegram.tap(ALICE, data, host.newest())
    assert host.reads() == ["This button is not valid here, or no longer. Use a newer message, or /firing."]
    assert host.outcomes() == ["refused: a button that is not ours in this chat"]
    assert host.held() == []


def test_a_button_carried_to_another_chat_is_refused(host: Chat) -> None:
    host.fires()
    host.telegram.tap(ALICE, data_under(host.newest(), "I have it"), chat=str(ALICE))
    host.telegram.tap(ALICE, data_under(host.newest(), "I have it"), chat="-1009999999999")
    assert {answer[:24] for answer in host.reads()} == {"This button is not valid"}
    assert host.held() == []


@pytest.mark.parametrize("now_named", ["alice: {enabled: false, ", "alicia: {"])
def test_who_leaves_the_file_has_nothing_any_more(host: Chat, now_named: str) -> None:
    host.fires()
    host.taps(ALICE, "I have it")
    host.passes(timedelta(minutes=30))
    assert host.escalates() == 0
    file = host.directory / "on_call.yaml"
    file.write_text(file.read_text().replace("alice: {", now_named))
    assert host.escalates() > 0, "nobody has it: people are asked"
    assert host.held() == []
    assert any("A change of on_call.yaml ended the acknowledgement by alice." in e.text for e in host.telegram.messages)


def test_while_the_file_has_mistakes_who_taps_reads_that_and_nobody_is_called_a_stranger(host: Chat) -> None:
    host.fires()
    host.dispatcher.team = lambda: None
    assert host.taps(ALICE, "I have it") == [
        "on_call.yaml is missing or has mistakes (`validate`), so nobody can act here. Use `ack` on the host."
    ]
    host.telegram.write(ALICE, "/firing", chat=CHAT)
    host.reads()
    assert host.telegram.messages[-1].text.startswith("1 incident open"), "the chat gets alerts anyway"
    host.telegram.write(ALICE, "/firing", chat=str(ALICE))
    host.reads()
    assert "is missing, or has mistakes that `validate` lists" in host.telegram.messages[-1].text
    assert f"Your account: {ALICE}" in host.telegram.messages[-1].text
    assert host.outcomes()[0] == "refused: nobody is named: on_call.yaml cannot be read"
    assert host.held() == []
    host.dispatcher.team = host.team
    assert host.taps(ALICE, "I have it")[0].startswith("You have it until"), "once it is corrected"


def test_a_time_of_another_day_has_its_date(host: Chat) -> None:
    host.fires("HIGH")
    assert host.taps(ALICE, "I have it")[0].startswith("You have it until 2026-12-01 03:12 UTC, or until it is worse.")


def test_a_stranger_and_somebody_disabled_are_refused_and_recorded(host: Chat) -> None:
    host.fires()
    shown = host.newest()
    for account in (STRANGER, 333333):
        host.telegram.tap(account, data_under(shown, "I have it"), shown)
    assert host.reads() == [
        f"You are not named in on_call.yaml, so this button does nothing for you. Your account: {account}"
        for account in (STRANGER, 333333)
    ]
    assert [each["show_alert"] for each in host.telegram.answered_taps] == [True, True]
    assert host.outcomes() == ["refused: not named in on_call.yaml"] * 2
    assert host.box.database.rows("SELECT account, person FROM handled_updates ORDER BY id")[0] == (STRANGER, "")
    assert host.held() == []


def test_a_tap_under_a_message_that_telegram_shows_no_more_counts(host: Chat) -> None:
    host.fires()
    host.taps(ALICE, "I have it", is_accessible=False)
    assert host.held() == [("alice", "aave/backing")]
    assert "alice has it" in host.now_shown(host.telegram.messages[0]).text


def test_an_acknowledgement_ends_after_four_hours_and_the_same_tap_does_not_prolong_it(host: Chat) -> None:
    host.fires()
    host.taps(ALICE, "I have it")
    host.passes(HOUR * 4)
    host.delivers()
    assert host.telegram.messages[-1].text.startswith("🔴 CRITICAL aave: Still: backing is 93 %")
    [answer] = host.taps(ALICE, "I have it")
    assert answer.startswith(
        "You had it for 4 h, since 03:12 UTC. Ask somebody else to tap, or acknowledge it on the host:"
    )
    assert host.escalates() == 2, "people are asked again"
    assert host.taps(BEN, "I have it", host.telegram.messages[0])[0].startswith("You have it until 11:12 UTC")


def test_a_tap_that_ends_nothing_is_counted_from_the_first(host: Chat) -> None:
    host.fires()
    host.taps(ALICE, "I have it")
    host.passes(HOUR)
    condition = host.condition()
    with host.box.database.write() as tx:
        held = acknowledgements.of(tx, condition, host.clock.now())
        assert held is not None
        end_in(tx, condition, held, by="ben", now=host.clock.now())
    host.reads()
    assert host.taps(ALICE, "I have it", host.telegram.messages[0])[0].startswith("You have it until 07:12 UTC")


def test_details_say_what_is_known_now_and_change_nothing(host: Chat) -> None:
    runbook = Guidance(runbook="https://example.org/runbook")
    host.fires(blocks=["Required: held >= owed"], guidance=runbook)
    sent = host.telegram.messages[0]
    host.taps(ALICE, "I have it")
    host.passes(HOUR * 0.5)
    before = host.box.database.rows("SELECT count(*) FROM alert_events")
    assert host.taps(BEN, "Details", sent) == ["Details follow."]
    answer = host.telegram.messages[-1]
    assert answer.text == DETAILS
    assert (answer.reply_to, answer.silent) == (sent.message_id, True)
    assert host.box.database.rows("SELECT count(*) FROM alert_events") == before
    assert host.outcomes()[-1] == "showed details of aave/backing"


def test_a_group_that_became_a_supergroup_keeps_its_buttons(host: Chat) -> None:
    host.fires()
    sent = host.telegram.messages[0]
    host.telegram.migrated[CHAT] = "-1009"
    host.passes(HOUR * 0.1)
    host.fires("HIGH", key=ConditionKey("aave", "use"), text="use is 99 %")
    host.telegram.tap(ALICE, data_under(sent, "I have it"), chat="-1009")
    assert host.reads()[0].startswith("You have it until")
    assert host.held() == [("alice", "aave/backing")]
    host.taps(ALICE, "I have it", host.newest("-1009"))
    assert "✋ alice has it" in host.newest("-1009").text


def test_another_token_makes_old_buttons_invalid(host: Chat) -> None:
    host.fires()
    data = data_under(host.newest(), "I have it")
    other = Button(ButtonAction.HAVE_IT, "I have it", 1, host.clock.now())
    assert data == data_of(key_of(BOT_TOKEN), other, CHAT)
    host.telegram.tap(ALICE, data_of(key_of(f"{BOT}:another-token"), other, CHAT), host.newest())
    assert host.reads()[0].startswith("This button is not valid here")
    assert host.held() == []


def test_a_button_of_a_database_that_was_lost_is_about_nothing(host: Chat) -> None:
    host.fires()
    shown = host.newest()
    lost = Button(ButtonAction.HAVE_IT, "I have it", 1, host.clock.now() - HOUR)
    host.telegram.tap(ALICE, data_of(key_of(BOT_TOKEN), lost, CHAT), shown)
    assert host.reads() == ["This alert is not known here any more. /firing lists what is open."]
    assert host.held() == []


def test_a_reader_that_dies_between_the_effect_and_the_rest_leaves_nothing_undone_or_done_twice(host: Chat) -> None:
    host.fires()
    sent = host.newest()
    host.telegram.tap(ALICE, data_under(sent, "I have it"), sent)
    update = read_update(host.telegram.updates[0])
    assert update is not None
    assert host.dispatcher.handle(update, host.clock.now()) is not None
    host.restart()  # it was neither confirmed, nor answered, nor shown
    assert host.reads() == [
        "You have it until 07:12 UTC, or until it is worse. Reminders and questions to others stop."
    ]
    assert "✋ alice has it" in host.now_shown(sent).text
    assert (host.held(), len(host.telegram.messages)) == ([("alice", "aave/backing")], 2)


def test_the_answer_to_a_tap_that_is_too_old_is_given_up_and_the_tap_counts(host: Chat) -> None:
    host.fires()
    shown = host.newest()
    host.telegram.tap(ALICE, data_under(shown, "I have it"), shown)
    host.telegram.forget_taps()
    assert host.reads() == []
    assert host.held() == [("alice", "aave/backing")]
    assert host.box.database.rows("SELECT calls FROM handled_updates") == [("",)]


def test_what_a_tap_did_is_seen_in_the_lists_the_audit_and_on_the_page(
    host: Chat, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CACHE_DIR", str(host.directory))
    monkeypatch.setenv("MONITORING_ENV_FILE", "")
    # Before that of the commands and the page, whatever is done meanwhile.
    host.passes(datetime.now(UTC) - host.clock.now() - HOUR / 4)
    host.fires()
    host.taps(ALICE, "I have it")
    host.taps(BEN, "Mute 1 h", host.telegram.messages[0])
    assert main(["incidents"]) == 0
    assert "alice has it" in capsys.readouterr().out
    assert main(["silence", "--list"]) == 0
    assert "ben from the chat" in " ".join(capsys.readouterr().out.split())
    main(["audit", "--since", "1h"])
    audited = " ".join(capsys.readouterr().out.split())
    assert "aave: backing: alice has had it since" in audited
    assert "(from the chat)" in audited
    with serving(host.directory) as web:
        assert "acknowledged by alice, from the chat, until" in web.ask("/incident?monitor=aave&check=backing").text
        assert "alice has it" in web.ask("/incidents").text
        assert "from the chat" in web.ask("/silences").text


def test_an_admin_who_is_anonymous_is_refused_and_reads_why(host: Chat) -> None:
    host.fires()
    shown = host.newest()
    host.telegram.tap(STRANGER, data_under(shown, "I have it"), shown)
    query = host.telegram.updates[-1]["callback_query"]
    query["from"] = {"id": 1087968824, "is_bot": True, "username": "GroupAnonymousBot", "first_name": "Group"}
    assert host.reads()[0].startswith("You are not named in on_call.yaml")
    assert host.held() == []


def test_a_channel_known_by_its_name_has_buttons_that_work(tmp_path: Path) -> None:
    with chat(tmp_path, environ={"TELEGRAM_CHAT_ID_AAVE": "@aave_alerts"}) as host:
        host.fires()
        [sent] = host.telegram.messages
        host.telegram.tap(ALICE, data_under(sent, "I have it"), chat="-100777")
        query = host.telegram.updates[-1]["callback_query"]
        query["message"] |= {"message_id": sent.message_id, "date": 0}
        query["message"]["chat"] |= {"type": "channel", "username": "Aave_Alerts"}
        assert host.reads()[0].startswith("You have it until")
        assert "✋ alice has it" in host.now_shown(sent).text
