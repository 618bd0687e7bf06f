"""Input: a far side asks to wait for 100,000,000 or 1e12 seconds, or for what is no span of time; answers 200 with a
maintenance page. Right: it is asked again after six hours at most, nobody else's result is dropped, and a page is not
an acceptance. (Chats that move in a ring: `test_a02`.)
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.alerts.delivery.pace import asked_wait
from monitoring.alerts.recording.store_alert import record
from monitoring.store.db.waits import LONGEST_WAIT
from tests.support.fake_telegram import CHAT, HTML, Answer, TelegramStandIn, error
from tests.support.fake_webhook import SECRET, FakeWebhook
from tests.support.outbox import Outbox, alert

pytestmark = pytest.mark.case("A.8")

PAGE = Answer(200, b"<!DOCTYPE html><title>Maintenance</title>", {"Content-Type": "text/html"})


@pytest.fixture
def telegram() -> Iterator[TelegramStandIn]:
    with TelegramStandIn() as server:
        yield server


@pytest.fixture
def outbox(tmp_path: Path, telegram: TelegramStandIn) -> Iterator[Outbox]:
    box = Outbox(tmp_path, telegram.url)
    yield box
    box.close()


def put(outbox: Outbox, title: str, **more: object) -> None:
    record(outbox.database, alert(title, "CRITICAL", **more), now=datetime.now(UTC))


def asking_for(value: bytes) -> Answer:
    body = b'{"ok": false, "error_code": 429, "description": "Too Many Requests", "parameters": {"retry_after": %b}}'
    return Answer(429, body % value, {"Content-Type": "application/json"})


@pytest.mark.parametrize("value", [b"100000000", b"1e12", b"1e308", b"1e999", b"-5", b"NaN", b'"soon"', b"null", b"[]"])
def test_a_chat_that_asks_for_too_much_is_asked_again_within_six_hours_and_takes_nobody_along(
    outbox: Outbox, telegram: TelegramStandIn, value: bytes
) -> None:
    outbox.environ["TELEGRAM_CHAT_ID_MAPLE"] = "4711"
    real = telegram.respond
    telegram.respond = lambda request: asking_for(value) if CHAT.encode() in request.body else real(request)  # type: ignore[method-assign]
    put(outbox, "waits")
    put(outbox, "passes", protocol="maple")
    drained = outbox.drain(within_s=0.5)
    assert [(message.chat_id, message.text) for message in telegram.messages] == [("4711", "🔴 CRITICAL maple: passes")]
    assert (drained.delivered, drained.waiting) == (1, 1)
    assert drained.next_attempt_at is not None
    assert drained.next_attempt_at <= datetime.now(UTC) + LONGEST_WAIT


def test_a_webhook_that_asks_for_years_is_asked_again_within_six_hours(
    outbox: Outbox, telegram: TelegramStandIn
) -> None:
    with FakeWebhook() as machine:
        outbox.environ |= {"WEBHOOK_URL_AAVE": machine.url, "WEBHOOK_SECRET": SECRET}
        machine.script(Answer(503, headers={"Retry-After": "999999999"}))
        put(outbox, "withdraw")
        drained = outbox.drain(within_s=2)
    assert drained.next_attempt_at is not None
    assert drained.next_attempt_at <= datetime.now(UTC) + LONGEST_WAIT


@given(st.one_of(st.none(), st.floats(allow_nan=True, allow_infinity=True), st.integers(-(10**30), 10**30)))
def test_whatever_is_asked_for_is_a_wait_of_six_hours_at_most(seconds: float | None) -> None:
    wait = asked_wait(seconds)
    assert wait is None or timedelta(0) <= wait <= LONGEST_WAIT


@pytest.mark.parametrize("moved", [0, 7, True], ids=str)
def test_a_group_that_moved_to_where_no_group_is_is_not_followed(
    outbox: Outbox, telegram: TelegramStandIn, moved: int
) -> None:
    body = {"ok": False, "error_code": 400, "description": "Bad Request", "parameters": {"migrate_to_chat_id": moved}}
    telegram.script(Answer.of_json(400, body))
    put(outbox, "stays")
    outbox.drain(within_s=2)
    assert [(message.chat_id, message.text) for message in telegram.messages] == [(CHAT, "🔴 CRITICAL aave: stays")]


@pytest.mark.parametrize(
    "page",
    [
        HTML,
        PAGE,
        Answer(200, b""),
        Answer(200, b"ok"),
        Answer(200, b'{"ok": "true"}'),
        Answer(204),
        Answer(200, b'{"ok": true, "message": "maintenance"}'),
        Answer(200, b'{"ok": true, "result": null}'),
    ],
    ids=["html", "doctype", "empty", "ok", "ok in words", "204", "a status that is ok", "ok and no message"],
)
def test_a_page_in_the_place_of_telegrams_answer_is_no_delivery(
    outbox: Outbox, telegram: TelegramStandIn, page: Answer
) -> None:
    telegram.script(page)
    put(outbox, "arrives")
    outbox.drain(within_s=5)
    assert [message.text for message in telegram.messages] == ["🔴 CRITICAL aave: arrives"]
    assert len(telegram.requests) == 2


@pytest.mark.parametrize(
    "page",
    [
        HTML,
        PAGE,
        Answer(200, b"\xef\xbb\xbf<HTML>"),
        Answer(200, b"<!-- x -->\n<!DOCTYPE html>"),
        Answer(200, b'<?xml version="1.0"?>\n<html>'),
        Answer(200, b"<head><title>Maintenance</title>"),
    ],
    ids=["html", "doctype", "byte order mark", "comment", "xhtml", "head alone"],
)
def test_a_page_in_the_place_of_a_machines_answer_is_no_call(
    outbox: Outbox, telegram: TelegramStandIn, page: Answer
) -> None:
    with FakeWebhook() as machine:
        outbox.environ |= {"WEBHOOK_URL_AAVE": machine.url, "WEBHOOK_SECRET": SECRET}
        machine.script(page)
        put(outbox, "withdraw")
        outbox.drain(within_s=2)
        (why,) = [row[2] for row in outbox.deliveries() if row[0] == "webhook"]
        assert "HTTP 200 with a web page" in str(why)
        outbox.drain(within_s=5, at_once=True)
        assert len({request.body for request in machine.requests}) == 1
        assert len(machine.requests) == 2
    assert {row[1] for row in outbox.deliveries() if row[0] == "webhook"} == {"delivered"}


def test_a_row_that_cannot_be_read_stops_only_itself_and_stays_visible(
    outbox: Outbox, telegram: TelegramStandIn
) -> None:
    put(outbox, "unreadable")
    put(outbox, "after it")
    with outbox.database.write() as tx:
        tx.execute("UPDATE alert_events SET created_at = 'no instant' WHERE title = 'unreadable'")
    outbox.drain(within_s=2)
    assert [message.text for message in telegram.messages][-1:] == ["🔴 CRITICAL aave: after it"]
    assert any(row[1] == "delivered" or "cannot be read" in str(row[2]) for row in outbox.deliveries()[:1])


def test_an_error_without_parameters_still_backs_off(outbox: Outbox, telegram: TelegramStandIn) -> None:
    telegram.script(error(429, "Too Many Requests: retry after 999999999"))
    put(outbox, "waits")
    drained = outbox.drain(within_s=1)
    assert drained.next_attempt_at is not None
    assert timedelta(hours=5) < drained.next_attempt_at - datetime.now(UTC) <= LONGEST_WAIT
