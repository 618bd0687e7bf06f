"""The reader of the chat against what Telegram really does: offsets, ids that begin lower, other readers, outages."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import apsw
import pytest

from automation.listen.answers import BotCall, Handled, message_to
from automation.listen.buttons import TapContext
from automation.listen.updates import Update
from monitoring.alerts.senders.telegram.bot import BotAccount
from monitoring.base.errors import StoreError
from monitoring.base.locks.chat_reader import KIND, bot_read_now, read_state
from monitoring.base.locks.profile_lock import SingleLock
from monitoring.store.db.database import Tx
from monitoring.store.tables import state
from tests.support import fake_telegram
from tests.support.chat_reader import ANA, BEN, BOT_ID, CHAT, ChatHost
from tests.support.fake_telegram import BOT_TOKEN, Answer, TelegramStandIn
from tools.scripted_server import Request


@pytest.fixture
def telegram() -> Iterator[TelegramStandIn]:
    with TelegramStandIn() as standing_in:
        yield standing_in


@pytest.fixture
def host(tmp_path: Path, telegram: TelegramStandIn) -> Iterator[ChatHost]:
    made = ChatHost(tmp_path, telegram)
    made.dispatcher.handle_tap = counted
    yield made
    made.close()


def counted(tap: Update, person: str, tx: Tx, now: datetime, context: TapContext) -> Handled:
    """An effect that shows when it happens twice: it counts."""
    sql = "SELECT value FROM monitor_state WHERE namespace = 'taps' AND key = ?"
    before = tx.execute(sql, (tap.data,)).fetchone()
    state.put(tx, "taps", tap.data, str(int(before[0] if before else 0) + 1), now)
    return Handled("done", (BotCall("answerCallbackQuery", {"callback_query_id": tap.query_id}),))


def effects(host: ChatHost) -> dict[str, str]:
    sql = "SELECT key, value FROM monitor_state WHERE namespace = 'taps' ORDER BY key"
    return dict(host.outbox.database.rows(sql))  # type: ignore[arg-type]


def offsets(host: ChatHost) -> list[int | None]:
    polls = [each for each in host.telegram.requests if each.path.endswith("getUpdates")]
    return [json.loads(each.body).get("offset") for each in polls]


def test_a_batch_is_confirmed_once_and_later_polls_ask_for_what_is_not_confirmed(host: ChatHost) -> None:
    number = host.telegram.tap(ANA, "one")
    for _ in range(3):
        host.turn()
    assert offsets(host) == [None, number + 1, None]
    assert host.telegram.updates == []


def test_ids_that_begin_lower_after_a_quiet_week_are_read(host: ChatHost) -> None:
    host.telegram.tap(ANA, "before")
    host.turn()
    host.turn()
    host.clock.advance(timedelta(days=8).total_seconds())
    host.telegram.next_update_id = 5
    host.telegram.tap(ANA, "after")
    host.turn()
    host.start()
    host.dispatcher.handle_tap = counted
    host.turn()
    assert effects(host) == {"before": "1", "after": "1"}


def test_an_id_that_is_used_again_after_months_is_another_update(host: ChatHost) -> None:
    host.telegram.next_update_id = 5
    host.telegram.tap(ANA, "before")
    host.turn()
    host.turn()
    host.clock.advance(timedelta(days=60).total_seconds())
    host.telegram.next_update_id = 5
    host.telegram.tap(ANA, "after")
    host.turn()
    assert effects(host) == {"before": "1", "after": "1"}


def test_an_update_that_was_handled_and_not_confirmed_counts_once_after_a_restart(host: ChatHost) -> None:
    host.telegram.tap(ANA, "one")
    host.turn()
    host.start()
    host.dispatcher.handle_tap = counted
    host.turn()
    assert effects(host) == {"one": "1"}
    host.turn()
    assert host.telegram.updates == []


def test_an_answer_that_was_stored_and_not_sent_goes_out_after_a_restart(host: ChatHost) -> None:
    host.telegram.tap(ANA, "one")
    host.telegram.script(None, None, fake_telegram.error(502, "Bad Gateway"))
    host.turn()
    assert host.telegram.answered_taps == []
    host.start()
    host.dispatcher.handle_tap = counted
    host.turn()
    assert len(host.telegram.answered_taps) == 1
    assert effects(host) == {"one": "1"}


def test_an_answer_for_which_nobody_waits_any_more_is_dropped(host: ChatHost) -> None:
    host.telegram.tap(ANA, "one")
    host.telegram.script(None, None, fake_telegram.error(502, "Bad Gateway"))
    host.turn()
    host.clock.advance(3600)
    host.turn()
    assert host.telegram.answered_taps == []
    assert host.outbox.database.rows("SELECT calls FROM handled_updates") == [("",)]


def test_a_chat_that_wants_to_wait_holds_up_no_other_answer(host: ChatHost) -> None:
    host.telegram.tap(ANA, "one")
    host.telegram.tap(ANA, "two")
    host.telegram.script(None, None, fake_telegram.too_many_requests(30))
    host.turn()
    assert len(host.telegram.answered_taps) == 1
    host.clock.advance(29)
    host.turn()
    assert len(host.telegram.answered_taps) == 1, "it asked for 30 s"
    host.clock.advance(2)
    host.turn()
    assert len(host.telegram.answered_taps) == 2


def test_a_chat_with_many_answers_that_wait_is_left_alone_and_holds_up_no_other(host: ChatHost) -> None:
    asked: list[str] = []
    real = host.telegram.respond

    def limited(request: Request) -> Answer:
        if b'"chat_id": -1001234567890' in request.body and request.path.endswith("sendMessage"):
            asked.append(request.path)
            return fake_telegram.too_many_requests(300)
        return real(request)

    host.telegram.respond = limited  # type: ignore[method-assign]
    for _ in range(4):
        for _ in range(6):  # as many of a minute are answered
            host.telegram.write(ANA, "/oncall", chat=CHAT)
        host.turn()
        host.clock.advance(61)
    assert host.outbox.database.rows("SELECT count(*) FROM handled_updates WHERE calls <> ''") == [(24,)]
    host.telegram.write(BEN, "/oncall")
    assert [chat for chat, _ in host.turn()] == [str(BEN)]
    assert len(asked) == 1
    host.clock.advance(61)
    host.turn()
    assert len(asked) == 2, "its time is over"


def test_details_of_a_chat_that_wants_to_wait_do_not_hold_up_the_answer_to_the_tap(host: ChatHost) -> None:
    def both(tap: Update, *_args: object) -> Handled:
        message = message_to(CHAT, "details")
        return Handled("done", (BotCall("answerCallbackQuery", {"callback_query_id": tap.query_id}), message))

    host.dispatcher.handle_tap = both
    for name in ("one", "two"):
        host.telegram.tap(ANA, name)
    host.telegram.script(None, None, None, fake_telegram.too_many_requests(30))
    host.turn()
    assert len(host.telegram.answered_taps) == 2
    assert host.telegram.messages == []
    host.clock.advance(31)
    host.turn()
    assert [each.text for each in host.telegram.messages] == ["details", "details"]


def test_a_handler_with_a_bug_leaves_a_row_and_stops_no_other_update(host: ChatHost) -> None:
    def breaks_once(tap: Update, person: str, tx: Tx, now: datetime, context: TapContext) -> Handled:
        found = counted(tap, person, tx, now, context)
        if tap.data == "bad":
            raise KeyError("a secret of somebody")
        return found

    host.dispatcher.handle_tap = breaks_once
    for data in ("bad", "good"):
        host.telegram.tap(ANA, data)
    host.turn()
    assert effects(host) == {"good": "1"}
    assert [outcome for _, _, outcome in host.handled()] == ["failed: KeyError", "done"]


def test_what_the_store_cannot_take_is_not_confirmed_and_is_handled_later(host: ChatHost) -> None:
    def full(tap: Update, person: str, tx: Tx, now: datetime, context: TapContext) -> Handled:
        raise StoreError("the disk is full")

    host.telegram.tap(ANA, "one")
    host.dispatcher.handle_tap = full
    host.turn()
    assert host.waits[-1] > 0
    assert "disk is full" in read_state(host.settings.locks).problem
    host.dispatcher.handle_tap = counted
    host.turn()
    assert effects(host) == {"one": "1"}


@pytest.mark.parametrize("what", ["webhook", "poller"])
def test_another_reader_of_the_bot_is_named_and_waited_for_patiently(host: ChatHost, what: str) -> None:
    host.telegram.webhook = "https://example.org/hook" if what == "webhook" else ""
    host.telegram.read_elsewhere = what == "poller"
    host.telegram.tap(ANA, "one")
    host.turn()
    assert host.waits == [60]
    problem = read_state(host.settings.locks).problem
    expected = "a webhook gets the updates" if what == "webhook" else "another program reads the updates"
    assert problem.startswith(f"{expected} of @stand_in_bot: ")
    host.telegram.webhook, host.telegram.read_elsewhere = "", False
    host.turn()
    assert effects(host) == {"one": "1"}
    assert read_state(host.settings.locks).problem == ""


def test_a_second_poller_ends_our_poll_and_we_say_so(host: ChatHost) -> None:
    host.turn()
    host.telegram.longest_poll_s = 30
    ours = threading.Thread(target=host.turn)
    ours.start()
    assert host.telegram.wait_for(lambda: len(offsets(host)) == 2)
    BotAccount.of(BOT_TOKEN, host.settings.environ).ask("getUpdates", timeout=0)
    ours.join(60)
    assert read_state(host.settings.locks).problem.startswith("another program reads the updates of @stand_in_bot")


@pytest.mark.parametrize(
    "answer",
    [
        fake_telegram.error(500, "Internal Server Error"), fake_telegram.error(502, "Bad Gateway"), fake_telegram.HTML,
        fake_telegram.WRONG_JSON, fake_telegram.RESET, fake_telegram.HALF_A_BODY, fake_telegram.too_many_requests(5),
        fake_telegram.Answer.of_json(200, {"ok": True, "result": {"not": "a list"}}),
        fake_telegram.Answer.of_json(200, {"ok": True, "result": [None, 3, {}, {"update_id": "x"}]}),
    ],
)  # fmt: skip
def test_an_answer_that_makes_no_sense_loses_no_update(host: ChatHost, answer: fake_telegram.Answer) -> None:
    host.telegram.tap(ANA, "one")
    host.telegram.script(None, answer)
    host.turn()
    host.turn()
    assert effects(host) == {"one": "1"}


@pytest.mark.parametrize(
    "update",
    [
        {}, {"message": None}, {"message": []}, {"message": {"text": 5, "from": {"id": 111}}},
        {"message": {"text": "/firing", "chat": {"id": 2**80}, "from": {"id": 2**80}}},
        {"message": {"text": "/firing", "from": {"id": "111"}, "chat": {"id": 111, "type": "private"}}},
        {"message": {"text": "/firing", "from": {"id": 111, "is_bot": True}, "chat": {"id": 111, "type": "private"}}},
        {"message": {"text": "/firing", "from": {"id": 111}, "sender_chat": {"id": -5}, "chat": {"id": 111}}},
        {"callback_query": {"id": 5, "from": {"id": 111}, "data": "x"}},
        {"callback_query": {"id": "5", "from": {"id": 111}}},
    ],
)  # fmt: skip
def test_an_update_that_is_malformed_is_confirmed_and_does_nothing(host: ChatHost, update: dict[str, object]) -> None:
    host.telegram.add_update(update)
    host.turn()
    host.telegram.allowed_updates = []
    host.telegram.add_update(update)
    host.turn()
    host.turn()
    assert (host.handled(), host.telegram.updates) == ([], [])


def test_an_hour_without_network_costs_no_update_and_few_requests(host: ChatHost) -> None:
    host.turn()
    server, host.settings.environ["TELEGRAM_API_URL"] = host.telegram.url, "http://127.0.0.1:9"  # type: ignore[index]
    ends_at = host.clock.now() + timedelta(hours=1)
    turns = 0
    while host.clock.now() < ends_at:
        host.clock.advance(host.reader.turn())
        turns += 1
    assert turns < 70
    lock = SingleLock(host.settings.locks, KIND)
    lock.take_or_refuse()
    assert bot_read_now(host.settings.locks, host.clock.now()) == ""
    lock.release()
    assert "127.0.0.1" in read_state(host.settings.locks).problem
    host.settings.environ["TELEGRAM_API_URL"] = server  # type: ignore[index]
    host.telegram.tap(ANA, "one")
    host.turn()
    assert effects(host) == {"one": "1"}
    assert read_state(host.settings.locks).problem == ""


def test_who_reads_the_bot_is_known_by_lock_and_poll_together(host: ChatHost) -> None:
    locks, now = host.settings.locks, host.clock.now
    assert bot_read_now(locks, now()) == ""
    host.turn()
    assert bot_read_now(locks, now()) == ""  # a poll, and no process that holds the lock
    lock = SingleLock(locks, KIND)
    lock.take_or_refuse()
    assert bot_read_now(locks, now()) == BOT_ID
    host.clock.advance(181)
    assert bot_read_now(locks, now()) == ""  # the lock alone
    host.turn()
    assert bot_read_now(locks, now()) == BOT_ID
    said = (locks / "listen.json").read_text()
    assert BOT_TOKEN not in said
    for odd in ("", "[]", "[" * 100_000, "1" * 5000):
        (locks / "listen.json").write_text(odd)
        assert bot_read_now(locks, now()) == "", "alerts are sent, without buttons"
    (locks / "listen.json").write_text(said)
    lock.release()
    assert bot_read_now(locks, now()) == ""


def test_a_hundred_taps_of_one_person_are_bounded_and_the_minutes_go_on(host: ChatHost) -> None:
    host.fire()
    for number in range(100):
        host.telegram.tap(ANA, f"tap{number:03}")
    for _ in range(3):
        host.turn()
    assert len(effects(host)) == 20
    host.clock.advance(300)
    assert host.minutes.look() == 1
    assert host.telegram.messages[-1].chat_id == str(ANA)
    host.telegram.write(ANA, "/help", CHAT)
    assert host.turn() != []


ODD = [
    {"callback_query": {"id": "1", "from": {"id": 666}, "data": "\ud800", "message": {"chat": {"id": -1}}}},
    {"callback_query": {"id": "\ud800", "from": {"id": ANA}, "data": "\ud800" * 64, "message": {}}},
    {"callback_query": {"id": "1", "from": {"id": ANA}, "data": "x", "message": {"chat": {"username": "\ud800"}}}},
    {"message": {"from": {"id": ANA}, "chat": {"type": "private"}, "text": "/firing"}},
    {
        "message": {
            "from": {"id": ANA, "first_name": "\ud800"},
            "chat": {"id": 2**70, "type": "private"},
            "text": "/help",
        }
    },
]


@pytest.mark.parametrize("said", ODD)
def test_an_update_that_nobody_foresaw_stops_no_other(host: ChatHost, said: dict[str, object]) -> None:
    host.telegram.updates.append({"update_id": host.telegram.next_update_id, **said})
    host.telegram.next_update_id += 1
    host.telegram.tap(ANA, "behind it")
    host.turn()
    host.turn()
    assert effects(host)["behind it"] == "1"
    assert host.telegram.updates == [], "it is confirmed, and does not come again"


def test_an_update_that_cannot_be_written_for_want_of_room_is_not_confirmed(host: ChatHost) -> None:
    def full(tap: Update, person: str, tx: Tx, now: datetime, context: TapContext) -> Handled:
        raise apsw.FullError("database or disk is full")

    host.dispatcher.handle_tap = full
    host.telegram.tap(ANA, "one")
    assert host.reader.turn() > 0
    assert host.handled() == []
    host.dispatcher.handle_tap = counted
    host.turn()
    assert effects(host) == {"one": "1"}


def test_an_answer_that_nobody_can_send_stops_no_other(host: ChatHost) -> None:
    host.telegram.tap(ANA, "one")
    host.turn()
    with host.outbox.database.write() as tx:
        tx.execute("UPDATE handled_updates SET calls = '[[]]'")
    host.telegram.tap(ANA, "two")
    host.turn()
    host.turn()
    assert host.outbox.database.rows("SELECT count(*) FROM handled_updates WHERE calls <> ''") == [(0,)]


def test_the_chat_counts_as_read_only_when_what_came_is_handled(host: ChatHost) -> None:
    """A drill that waits for an answer is judged by another process: the answer must be there when it looks."""
    seen: list[str] = []

    def look(tap: Update, person: str, tx: Tx, now: datetime, context: TapContext) -> Handled:
        seen.append(read_state(host.settings.locks).polled_at)
        return Handled("done")

    host.dispatcher.handle_tap = look
    host.telegram.tap(ANA, "one")
    host.turn()
    assert seen == [""]
    assert read_state(host.settings.locks).polled_at
