"""The deliverer against a Bot API on a real socket and a real database file."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from monitoring.alerts.message.model import Alert
from monitoring.alerts.recording.store_alert import record
from monitoring.alerts.senders import Destination, Message, OnPart, Sent, ignore_part
from monitoring.alerts.senders.registry import Senders
from monitoring.base.clock import SystemClock, to_text
from monitoring.store.tables import outbox as outbox_table
from monitoring.store.tables import rate_limits
from tests.support.fake_telegram import (
    BOT_TOKEN,
    CHAT,
    HALF_A_BODY,
    HTML,
    NO_ANSWER,
    NOT_FOUND,
    RESET,
    UNAUTHORISED,
    TelegramStandIn,
    error,
    migrated_to,
    too_many_requests,
)
from tests.support.fake_webhook import SECRET, Answer, FakeWebhook, Request
from tests.support.outbox import Outbox, alert

# Apprise imports a module of the standard library that is deprecated.
_APPRISE = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")


@pytest.fixture
def telegram() -> Iterator[TelegramStandIn]:
    with TelegramStandIn() as server:
        yield server


@pytest.fixture
def outbox(tmp_path: Path, telegram: TelegramStandIn) -> Iterator[Outbox]:
    box = Outbox(tmp_path, telegram.url)
    yield box
    box.close()


def now() -> datetime:
    return datetime.now(UTC)


def put(outbox: Outbox, *alerts: Alert, at: datetime | None = None) -> None:
    for each in alerts:
        record(outbox.database, each, now=at or now())


def titles(telegram: TelegramStandIn) -> list[str]:
    return [message.text.split("\n")[0].partition(": ")[2] for message in telegram.messages]


def test_an_alert_arrives_once_and_its_row_says_so(outbox: Outbox, telegram: TelegramStandIn) -> None:
    put(outbox, alert("backing below 1"))
    drained = outbox.drain()
    assert titles(telegram) == ["backing below 1"]
    assert (drained.delivered, drained.waiting, drained.failed) == (1, 0, 0)
    status, delivered_at = outbox.database.row("SELECT delivery_status, delivered_at FROM alert_events") or ()
    assert status == "delivered"
    assert delivered_at is not None
    assert outbox.drain().delivered == 0


def test_the_worst_goes_first_and_within_a_severity_the_order_stays(outbox: Outbox, telegram: TelegramStandIn) -> None:
    for number in range(3):
        for severity in ("LOW", "MEDIUM", "HIGH", "CRITICAL"):
            put(outbox, alert(f"{severity} {number}", severity))
    outbox.drain()
    order = ("CRITICAL", "HIGH", "MEDIUM", "LOW")
    assert titles(telegram) == [f"{severity} {number}" for severity in order for number in range(3)]


@pytest.mark.parametrize(
    "answer",
    [error(500, "Internal Server Error"), error(502, "Bad Gateway"), RESET, HALF_A_BODY, NO_ANSWER, HTML],
    ids=["500", "502", "reset", "half a body", "no answer", "html"],
)
def test_a_passing_trouble_is_tried_again_until_it_arrives(
    outbox: Outbox, telegram: TelegramStandIn, answer: object
) -> None:
    telegram.script(answer, answer)  # type: ignore[arg-type]
    put(outbox, alert("first"), alert("second"))
    drained = outbox.drain()
    assert titles(telegram) == ["first", "second"], "in order although the first one was refused twice"
    assert drained.delivered == 2
    assert outbox.statuses() == {"delivered": 2}


def answer_if(telegram: TelegramStandIn, marker: bytes, *answers: object) -> None:
    """Give these answers to the requests whose body holds the marker, the last of them for ever."""
    real, left = telegram.respond, list(answers)

    def respond(request: Request) -> object:
        if marker not in request.body:
            return real(request)
        answer = left.pop(0) if len(left) > 1 else left[0]
        return real(request) if answer is None else answer

    telegram.respond = respond  # type: ignore[method-assign, assignment]


def test_a_retry_after_is_honoured_for_that_chat_alone(outbox: Outbox, telegram: TelegramStandIn) -> None:
    outbox.environ["TELEGRAM_CHAT_ID_MAPLE"] = "4711"
    answer_if(telegram, b"limited", too_many_requests(2), None)
    put(outbox, alert("limited"))
    put(outbox, alert("free", protocol="maple", severity="LOW"))
    started = time.monotonic()
    outbox.drain()
    by_title = {
        title: message.at_s - started for title, message in zip(titles(telegram), telegram.messages, strict=True)
    }
    assert by_title["limited"] >= 2
    assert by_title["free"] < 2


def test_what_a_chat_asked_to_wait_holds_for_the_next_process_too(outbox: Outbox, telegram: TelegramStandIn) -> None:
    telegram.script(too_many_requests(30))
    put(outbox, alert())
    outbox.drain(within_s=0.5)
    drained = outbox.drain(within_s=0.5)
    assert len(telegram.requests) == 1
    assert drained.waiting == 1
    assert drained.next_attempt_at is not None
    assert drained.next_attempt_at > now() + timedelta(seconds=20)


def test_a_critical_alert_is_tried_at_once_although_the_chat_is_backing_off(
    outbox: Outbox, telegram: TelegramStandIn
) -> None:
    from monitoring.base.http.retry import Backoff

    outbox.backoff = Backoff(first_s=30, cap_s=60)
    telegram.script(error(500, "Internal Server Error"))
    put(outbox, alert("low", "LOW"))
    outbox.drain(within_s=0.5)
    put(outbox, alert("critical", "CRITICAL"))
    outbox.drain(within_s=5)
    assert titles(telegram)[0] == "critical"


def test_a_poisoned_message_steps_aside_and_the_others_of_its_chat_pass(
    outbox: Outbox, telegram: TelegramStandIn
) -> None:
    answer_if(telegram, b"poison", error(500, "Internal Server Error"))
    put(outbox, alert("poison"), alert("second"), alert("third"))
    outbox.drain(within_s=6)
    assert titles(telegram) == ["second", "third"]
    assert outbox.statuses() == {"delivered": 2, "pending": 1}


@pytest.mark.parametrize(
    "refusal",
    [error(403, "Forbidden: bot was kicked from the supergroup chat"), error(400, "Bad Request: chat not found")],
    ids=["kicked", "chat not found"],
)
def test_a_chat_that_refuses_is_announced_once_in_the_default_chat_and_gets_everything_later(
    outbox: Outbox, telegram: TelegramStandIn, refusal: object
) -> None:
    outbox.environ["TELEGRAM_CHAT_ID_AAVE"] = "-4711"
    answer_if(telegram, b'"chat_id": -4711', refusal, refusal, None)
    put(outbox, alert("waits"))
    drained = outbox.drain(within_s=5)
    assert (drained.failed, drained.waiting) == (0, 1)
    put(outbox, alert("waits too", "CRITICAL"))
    outbox.drain(within_s=5, at_once=True)
    (told,) = telegram.messages
    assert told.chat_id == CHAT
    assert "Alerts are not accepted" in told.text
    assert "aave: waits" in told.text
    put(outbox, alert("taken again"))
    outbox.drain(at_once=True)
    sent = [(message.chat_id, title) for message, title in zip(telegram.messages, titles(telegram), strict=True)]
    assert [title for chat, title in sent if chat == "-4711"] == ["waits too", "waits", "taken again"]
    assert [title for chat, title in sent if chat == CHAT][1:] == ["alerts are accepted again"]
    assert outbox.statuses() == {"delivered": 5}


def test_a_default_chat_that_refuses_does_not_make_alerts_about_alerts(
    outbox: Outbox, telegram: TelegramStandIn
) -> None:
    telegram.kicked_from.add(CHAT)
    put(outbox, alert("a"), alert("b"))
    outbox.drain()
    assert outbox.statuses() == {"pending": 2}, "a chat is not asked to announce that it refuses"
    assert len(telegram.requests) == 1
    telegram.kicked_from.clear()
    outbox.drain(at_once=True)
    assert titles(telegram) == ["a", "b"]


@pytest.mark.parametrize("refusal", [UNAUTHORISED, NOT_FOUND], ids=["401", "404"])
def test_a_revoked_token_keeps_alerts_waiting_until_another_one_comes(
    outbox: Outbox, telegram: TelegramStandIn, refusal: object
) -> None:
    telegram.script(refusal)  # type: ignore[arg-type]
    put(outbox, alert("first"), alert("second", "CRITICAL"))
    drained = outbox.drain(within_s=3)
    assert len(telegram.requests) == 1, "one refusal is enough for a minute"
    assert outbox.statuses() == {"skipped_missing_credentials": 2}
    assert drained.next_attempt_at is not None
    assert timedelta(seconds=50) < drained.next_attempt_at - now() < timedelta(seconds=61)
    outbox.environ["TELEGRAM_BOT_TOKEN_DEFAULT"] = BOT_TOKEN[:-1] + "1"
    outbox.drain()
    assert titles(telegram) == ["2 alerts in one message (1 CRITICAL, 1 HIGH)"]
    assert telegram.messages[0].text.index("second") < telegram.messages[0].text.index("first")
    assert outbox.statuses() == {"delivered": 2}


def test_without_credentials_alerts_wait_and_go_out_once_there_are_some(
    outbox: Outbox, telegram: TelegramStandIn
) -> None:
    put(outbox, alert("waiting"))
    bare = {"TELEGRAM_API_URL": telegram.url, "TELEGRAM_BOT_TOKEN_DEFAULT": BOT_TOKEN}
    drained = outbox.drain(bare)
    assert (drained.delivered, drained.waiting) == (0, 1)
    assert outbox.statuses() == {"skipped_missing_credentials": 1}
    assert "TELEGRAM_CHAT_ID_DEFAULT" in str(outbox.database.row("SELECT delivery_error FROM alert_events"))
    outbox.drain()
    assert titles(telegram) == ["waiting"]


def test_what_waited_a_day_for_credentials_is_folded_into_a_count(outbox: Outbox, telegram: TelegramStandIn) -> None:
    long_ago = now() - timedelta(hours=30)
    put(outbox, *(alert(f"old {number}", "CRITICAL") for number in range(5)), at=long_ago)
    outbox.drain({"TELEGRAM_API_URL": telegram.url, "TELEGRAM_BOT_TOKEN_DEFAULT": BOT_TOKEN})
    put(outbox, alert("young"))
    outbox.drain()
    assert titles(telegram) == ["5 alerts in one message (5 CRITICAL)", "young"]
    folded = next(message for message in telegram.messages if "5 alerts" in message.text)
    assert folded.silent
    assert all(f"old {number}" in folded.text for number in range(5))
    assert outbox.statuses() == {"delivered": 6}


def test_a_group_that_became_a_supergroup_is_followed_and_remembered(outbox: Outbox, telegram: TelegramStandIn) -> None:
    telegram.script(migrated_to(-1009999))
    put(outbox, alert("moved"))
    outbox.drain()
    put(outbox, alert("after"))
    outbox.drain()
    assert [(message.chat_id, title) for message, title in zip(telegram.messages, titles(telegram), strict=True)] == [
        ("-1009999", "moved"),
        ("-1009999", "after"),
    ]
    assert len(telegram.requests) == 3, "the old chat is asked once"
    assert rate_limits.moved_chats(outbox.database.connection) == {CHAT: "-1009999"}


def test_a_closed_topic_gives_way_to_its_chat(outbox: Outbox, telegram: TelegramStandIn) -> None:
    outbox.environ |= {"TELEGRAM_TOPIC_ID_AAVE": "7", "TELEGRAM_CHAT_ID_TOPICS": "-100777"}
    telegram.closed_topics.add(7)
    put(outbox, alert("to the chat"))
    outbox.drain()
    assert [(each.chat_id, each.thread_id) for each in telegram.messages] == [("-100777", None)]
    assert "topic 7 is closed" in str(outbox.database.row("SELECT receipt_json FROM deliveries"))


def test_a_long_message_goes_on_at_the_part_that_failed(outbox: Outbox, telegram: TelegramStandIn) -> None:
    blocks = [f"block {number} " + "x" * 3000 for number in range(4)]
    telegram.script(None, error(502, "Bad Gateway"))
    put(outbox, Alert("HIGH", "long", *blocks, protocol="aave"))
    outbox.drain()
    seen = [block for block in range(4) for message in telegram.messages if f"block {block} " in message.text]
    assert seen == [0, 1, 2, 3], "each part once, in order"
    assert outbox.statuses() == {"delivered": 1}


def test_an_urgent_alert_overtakes_the_rest_of_a_long_one_that_has_to_wait(
    outbox: Outbox, telegram: TelegramStandIn
) -> None:
    from dataclasses import replace

    from monitoring.alerts.senders.limits import RateLimit

    outbox.limits = replace(outbox.limits, chat=RateLimit(1, 3.0))
    with outbox.delivering():
        put(outbox, Alert("LOW", "long", *["x" * 3000] * 3, protocol="aave"))
        telegram.wait_for_messages(1)
        put(outbox, alert("urgent", "CRITICAL"))
        telegram.wait_for_messages(2)
        assert telegram.messages[1].text.startswith("🔴 CRITICAL aave: urgent")
        telegram.wait_for_messages(4)
    assert outbox.statuses() == {"delivered": 2}


def test_several_low_ones_are_folded_with_their_count_when_the_minute_is_full(
    outbox: Outbox, telegram: TelegramStandIn
) -> None:
    from dataclasses import replace

    outbox.limits = replace(outbox.limits, fold_above=3)
    put(outbox, *(alert(f"low {number}", "LOW") for number in range(10)), alert("high"))
    outbox.drain()
    assert titles(telegram) == ["high", "10 alerts in one message (10 LOW)"]
    assert outbox.statuses() == {"delivered": 11}
    folded = outbox.database.rows("SELECT count(*) FROM deliveries WHERE folded_into IS NOT NULL")
    assert folded == [(9,)]


def test_a_folded_message_that_fails_is_sent_again_as_it_was(outbox: Outbox, telegram: TelegramStandIn) -> None:
    from dataclasses import replace

    outbox.limits = replace(outbox.limits, fold_above=3)
    telegram.script(error(502, "Bad Gateway"))
    put(outbox, *(alert(f"low {number}", "LOW") for number in range(6)))
    outbox.drain()
    assert titles(telegram) == ["6 alerts in one message (6 LOW)"]
    assert outbox.statuses() == {"delivered": 6}


def test_debug_ends_the_alerts_of_its_own_run_and_leaves_those_of_others(
    outbox: Outbox, telegram: TelegramStandIn
) -> None:
    record(outbox.database, alert("mine"), now=now(), run_id=8)
    record(outbox.database, alert("of a run that sends"), now=now(), run_id=9)
    debug = {**outbox.environ, "LOG_LEVEL": "DEBUG"}
    outbox.drain(debug, run_id=8, within_s=2)
    assert telegram.requests == []
    assert outbox.statuses() == {"skipped_debug": 1, "pending": 1}
    outbox.drain(debug, within_s=1)
    assert outbox.statuses() == {"skipped_debug": 1, "pending": 1}, "by hand nothing is ended under DEBUG"


def test_in_test_mode_everything_goes_to_the_test_chat_and_no_machine_is_called(
    outbox: Outbox, telegram: TelegramStandIn
) -> None:
    with FakeWebhook() as machine:
        outbox.environ |= {
            "TELEGRAM_TEST_CHAT_ID": "999",
            "TELEGRAM_TOPIC_ID_AAVE": "7",
            "TELEGRAM_CHAT_ID_TOPICS": "-100777",
            "WEBHOOK_URL_AAVE": machine.url,
            "WEBHOOK_SECRET": SECRET,
        }
        record(outbox.database, alert("drill", "CRITICAL"), now=now(), run_id=1)
        record(outbox.database, alert("other", protocol="maple"), now=now(), run_id=1)
        outbox.drain(run_id=1)
        assert machine.requests == []
    assert [(each.chat_id, each.thread_id) for each in telegram.messages] == [("999", None), ("999", None)]
    assert telegram.messages[0].text.startswith("[aave] 🔴 CRITICAL drill"), "its name once"
    assert "[maple]" in telegram.messages[1].text
    assert {row[1] for row in outbox.deliveries() if row[0] == "webhook"} == {"not_attempted"}


def test_the_machine_is_called_when_telegram_is_down(outbox: Outbox, telegram: TelegramStandIn) -> None:
    telegram.script(*[error(502, "Bad Gateway")] * 50)
    with FakeWebhook() as machine:
        outbox.environ |= {"WEBHOOK_URL_AAVE": f"{machine.url}/hook", "WEBHOOK_SECRET": SECRET}
        put(outbox, alert("withdraw", "CRITICAL", key="backing"))
        outbox.drain(within_s=2)
        (body,) = machine.verified
    assert (body["severity"], body["title"], body["key"]) == ("CRITICAL", "withdraw", "backing")
    assert outbox.statuses() == {"pending": 1}, "a machine that heard it does not make people told"


def test_the_machine_is_called_once_for_a_condition_and_level_and_again_when_it_worsens(
    outbox: Outbox, telegram: TelegramStandIn
) -> None:
    with FakeWebhook() as machine:
        outbox.environ |= {"WEBHOOK_URL_AAVE": machine.url, "WEBHOOK_SECRET": SECRET}
        for severity in ("MEDIUM", "HIGH", "HIGH", "CRITICAL", "HIGH", "CRITICAL"):
            put(outbox, alert("backing", severity, key="backing"))
        outbox.drain()
        assert [body["severity"] for body in machine.verified] == ["CRITICAL", "HIGH"]
        keys = {request.headers["idempotency-key"] for request in machine.requests}
        assert len(keys) == 2


def test_a_machine_that_fails_is_called_again_with_the_same_bytes_and_key(
    outbox: Outbox, telegram: TelegramStandIn
) -> None:
    with FakeWebhook() as machine:
        outbox.environ |= {"WEBHOOK_URL_AAVE": machine.url, "WEBHOOK_SECRET": SECRET}
        machine.script(Answer(503), Answer(manner="reset"))
        put(outbox, alert("withdraw", "CRITICAL"))
        outbox.drain()
        assert len(machine.verified) == 3
        assert len({(request.body, request.headers["idempotency-key"]) for request in machine.requests}) == 1
        assert len(telegram.messages) == 1


def test_under_debug_no_machine_is_called(outbox: Outbox, telegram: TelegramStandIn) -> None:
    with FakeWebhook() as machine:
        outbox.environ |= {"WEBHOOK_URL_AAVE": machine.url, "WEBHOOK_SECRET": SECRET, "LOG_LEVEL": "DEBUG"}
        record(outbox.database, alert("withdraw", "CRITICAL"), now=now(), run_id=1)
        outbox.drain(run_id=1, within_s=1)
        assert machine.requests == []
    assert outbox.statuses() == {"skipped_debug": 1}


def test_a_hanging_chat_does_not_delay_another_one(outbox: Outbox, telegram: TelegramStandIn) -> None:
    from tests.support.fake_telegram import HANG

    outbox.environ["TELEGRAM_CHAT_ID_MAPLE"] = "4711"
    telegram.script(HANG)
    with outbox.delivering():
        put(outbox, alert("hangs", "CRITICAL"))
        assert telegram.wait_for(lambda: len(telegram.requests) == 1)
        started = time.monotonic()
        put(outbox, alert("passes", protocol="maple"))
        telegram.wait_for_messages(1)
        assert time.monotonic() - started < 5
        assert titles(telegram) == ["passes"]


def test_a_deliverer_that_died_loses_its_lease_and_another_one_sends(outbox: Outbox, telegram: TelegramStandIn) -> None:
    put(outbox, alert("orphan", "LOW"))
    with outbox.database.write() as tx:
        soon = (now() + timedelta(seconds=1)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        tx.execute("UPDATE deliveries SET lease_owner = 'dead', lease_until = ?", (soon,))
        rate_limits.put(tx, rate_limits.Lane(f"telegram:123456789:{CHAT}", "dead", now() + timedelta(seconds=1)))
    started = time.monotonic()
    outbox.drain()
    assert titles(telegram) == ["orphan"]
    assert telegram.messages[0].at_s - started > 0.5


def test_an_alert_of_the_old_system_without_structured_text_is_sent_as_its_plain_text(
    outbox: Outbox, telegram: TelegramStandIn
) -> None:
    from monitoring.store.tables import alerts

    with outbox.database.write() as tx:
        row = alerts.NewAlert(protocol="aave", severity="HIGH", message="first line\nsecond *line*")
        alerts.insert(tx, row, ["telegram"], now())
        alerts.insert(tx, alerts.NewAlert("aave", "HIGH", "text", body_json="{broken"), ["telegram"], now())
        tx.execute("UPDATE alert_events SET severity = 'INFO' WHERE id = 2")
    outbox.drain()
    assert [message.text for message in telegram.messages] == [
        "🚨 HIGH aave: first line\nsecond *line*",
        "⚠️ MEDIUM aave: text",
    ]


def test_a_sender_that_breaks_stops_only_its_message_and_shows_no_token(
    outbox: Outbox, telegram: TelegramStandIn, caplog: pytest.LogCaptureFixture
) -> None:
    class Breaking(Senders):
        def send(self, message: Message, destination: Destination, on_part: OnPart = ignore_part) -> Sent:
            if "broken" in message.alert.title:
                raise RuntimeError(f"https://api.telegram.org/bot{BOT_TOKEN}/sendMessage")
            return super().send(message, destination, on_part)

    outbox.environ["TELEGRAM_CHAT_ID_MAPLE"] = "4711"
    put(outbox, alert("broken"), alert("fine", protocol="maple"))
    outbox.drain(within_s=2, open_senders=lambda: Breaking(outbox.environ))
    assert titles(telegram) == ["fine"]
    assert BOT_TOKEN not in caplog.text + str(outbox.deliveries())
    assert "the sender broke (RuntimeError)" in caplog.text


def test_a_run_that_ends_writes_down_what_was_in_flight(outbox: Outbox, telegram: TelegramStandIn) -> None:
    real, entered = telegram.respond, threading.Event()

    def slowly(request: object) -> object:
        entered.set()
        time.sleep(0.5)
        return real(request)  # type: ignore[arg-type]

    telegram.respond = slowly  # type: ignore[method-assign, assignment]
    with outbox.delivering():
        put(outbox, alert("in flight"))
        assert entered.wait(10)
    assert outbox.statuses() == {"delivered": 1}


def test_an_alert_stored_by_another_process_is_accepted_within_a_second(
    outbox: Outbox, telegram: TelegramStandIn
) -> None:
    latencies = []
    with outbox.delivering():
        for number in range(30):
            started = time.monotonic()
            put(outbox, alert(f"number {number}"))
            telegram.wait_for_messages(number + 1)
            latencies.append(telegram.messages[-1].at_s - started)
    assert max(latencies) < 1.0


def test_a_clock_that_jumps_back_neither_loses_nor_holds_back_an_alert(
    outbox: Outbox, telegram: TelegramStandIn
) -> None:
    class Jumping(SystemClock):
        def now(self) -> datetime:
            return super().now() - timedelta(hours=2)

    put(outbox, alert("before"))
    outbox.drain()
    outbox.clock = Jumping()
    record(outbox.database, alert("after"), now=outbox.clock.now())
    outbox.drain(within_s=5)
    assert titles(telegram) == ["before", "after"]


@_APPRISE
def test_every_further_address_has_a_delivery_of_its_own(outbox: Outbox, telegram: TelegramStandIn) -> None:
    with FakeWebhook() as first, FakeWebhook() as second:
        urls = [server.url.replace("http://", "json://") for server in (first, second)]
        outbox.environ["NOTIFY_URLS_AAVE"] = ", ".join(urls)
        second.script(*[Answer(503)] * 2)
        put(outbox, alert("for everybody", "LOW"))
        outbox.drain(within_s=30)
        assert len(first.requests) == 1, "a failing neighbour does not repeat it"
        assert len(second.requests) == 3
    assert titles(telegram) == ["for everybody"]
    kinds = [(destination.split(" ")[0], status) for destination, status, _ in outbox.deliveries()]
    assert kinds == [("telegram", "delivered"), ("apprise", "delivered"), ("apprise", "delivered")]


@_APPRISE
def test_without_any_chat_another_address_that_people_read_counts_as_told(outbox: Outbox) -> None:
    with FakeWebhook() as server:
        put(outbox, alert("told elsewhere"))
        outbox.drain({"NOTIFY_URLS_AAVE": server.url.replace("http://", "json://")})
        assert len(server.requests) == 1
    assert outbox.statuses() == {"delivered": 1}


def test_the_console_shows_alerts_where_it_is_asked_for(outbox: Outbox, capsys: pytest.CaptureFixture[str]) -> None:
    outbox.environ["ALERTS_CONSOLE"] = "1"
    put(outbox, alert("on the terminal"))
    outbox.drain()
    assert "on the terminal" in capsys.readouterr().out


def test_a_loop_outlives_an_error_of_its_own_and_delivers_what_comes_after(
    outbox: Outbox, telegram: TelegramStandIn, caplog: pytest.LogCaptureFixture
) -> None:
    jitters = iter([RuntimeError(BOT_TOKEN)])

    def broken_once() -> float:
        for error_of_its_own in jitters:
            raise error_of_its_own
        return 1.0

    outbox.environ["TELEGRAM_CHAT_ID_MAPLE"] = "4711"
    answer_if(telegram, b"first", error(500, "Internal Server Error"), None)
    with outbox.delivering(jitter=broken_once):
        put(outbox, alert("first"))
        assert telegram.wait_for(lambda: len(telegram.requests) == 1)
        put(outbox, alert("after it", protocol="maple"))
        telegram.wait_for_messages(1)
    assert titles(telegram) == ["after it"]
    assert "an error of its own: RuntimeError" in caplog.text
    assert BOT_TOKEN not in caplog.text


def test_a_delivery_that_cannot_be_read_lets_the_others_pass_for_an_hour(outbox: Outbox) -> None:
    at = now()
    record(outbox.database, alert("unreadable"), now=at)
    with outbox.database.write() as tx:
        outbox_table.step_aside(tx, 1, 3, at, "its text is damaged")
    found = outbox.database.rows("SELECT attempts, next_attempt_at, error FROM deliveries WHERE id = 1")
    assert found == [(3, to_text(at + timedelta(hours=1)), "its text is damaged")]


def test_two_chats_that_ask_to_wait_delay_no_critical_of_a_third(outbox: Outbox, telegram: TelegramStandIn) -> None:
    outbox.environ |= {"TELEGRAM_CHAT_ID_MAPLE": "-4711", "TELEGRAM_CHAT_ID_CAP": "-4712"}
    answer_if(telegram, b"limited", too_many_requests(600))
    put(outbox, alert("limited"))
    put(outbox, alert("limited too", protocol="maple"))
    outbox.drain(within_s=0.5)
    put(outbox, alert("mild", "LOW", protocol="cap"))
    put(outbox, alert("holds too little", "CRITICAL", protocol="cap"))
    put(outbox, alert("limited as well", "CRITICAL", protocol="maple"))
    outbox.drain(within_s=1)
    assert titles(telegram) == ["holds too little"], "the bot as a whole is slowed down for what can wait"
    asked = [request for request in telegram.requests if b"limited" in request.body]
    assert len(asked) == 2, "what a chat asked for holds for all that goes there"
