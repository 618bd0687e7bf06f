"""Messages about one thing answer each other: the deliverer against a Bot API on a real socket."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from monitoring.alerts.message.model import Alert
from monitoring.alerts.recording.store_alert import record, resolve_in
from monitoring.base.clock import SystemClock
from monitoring.conditions.condition import ConditionKey
from monitoring.conditions.policy import Policy
from monitoring.store.db.schema import open_database, open_readonly
from monitoring.store.maintenance.backups import back_up
from monitoring.store.maintenance.prune import prune
from monitoring.store.maintenance.restore import put_in_place, staged
from monitoring.store.maintenance.salvage import salvage
from tests.support.fake_telegram import CHAT, Received, TelegramStandIn, error, migrated_to, too_many_requests
from tests.support.outbox import FAST, Outbox, alert
from tests.support.web import serving

KEY = ConditionKey("aave", "backing")
SAFE_TX = "safe-tx/1/0x5afe"
NOW = datetime.now(UTC)
HOUR = timedelta(hours=1)
OTHER_CHAT, NEW_CHAT = "-1009999999999", "-1008888888888"


@pytest.fixture
def telegram() -> Iterator[TelegramStandIn]:
    with TelegramStandIn() as server:
        yield server


@pytest.fixture
def outbox(tmp_path: Path, telegram: TelegramStandIn) -> Iterator[Outbox]:
    box = Outbox(tmp_path, telegram.url, {"TELEGRAM_CHAT_ID_TOPICS": CHAT, "TELEGRAM_CHAT_ID_OTHER": OTHER_CHAT})
    yield box
    box.close()


def fire(outbox: Outbox, severity: str = "HIGH", *blocks: object, at: datetime = NOW) -> None:
    found = Alert(severity, f"backing is {severity}", *blocks, protocol="aave", key="backing")
    record(outbox.database, found, now=at, policy=Policy(remind=HOUR))


def end(outbox: Outbox, at: datetime = NOW) -> None:
    with outbox.database.write() as tx:
        resolve_in(tx, KEY, now=at)


def put(outbox: Outbox, title: str, *threads: str, **more: object) -> None:
    record(outbox.database, alert(title, threads=threads, **more), now=NOW)


def replies(telegram: TelegramStandIn) -> list[tuple[str, int | None]]:
    """Return what each message said in a word, and the number of the message that it answers."""
    return [(_word(each), each.reply_to) for each in telegram.messages]


def _word(received: Received) -> str:
    return received.text.split("\n")[0].split(": ", 1)[1].split(" ")[0]


def test_worse_reminder_and_recovery_answer_the_first_message_and_the_next_incident_answers_none(
    outbox: Outbox, telegram: TelegramStandIn
) -> None:
    fire(outbox, "MEDIUM")
    outbox.drain()
    fire(outbox, "CRITICAL", at=NOW + HOUR / 2)
    outbox.drain()
    fire(outbox, "CRITICAL", at=NOW + 2 * HOUR)
    outbox.drain()
    end(outbox, NOW + 3 * HOUR)
    outbox.drain()
    fire(outbox, at=NOW + 4 * HOUR)
    outbox.drain()

    assert [each.reply_to for each in telegram.messages] == [None, 1, 1, 1, None]


def test_a_reply_is_sent_though_its_first_message_was_deleted(outbox: Outbox, telegram: TelegramStandIn) -> None:
    put(outbox, "queued", SAFE_TX)
    outbox.drain()
    telegram.delete(telegram.messages[0])

    put(outbox, "executed", SAFE_TX)
    assert outbox.drain().delivered == 1

    assert telegram.messages[1].payload["reply_parameters"] == {"message_id": 1, "allow_sending_without_reply": True}
    assert replies(telegram) == [("queued", None), ("executed", None)]


def test_a_list_says_of_each_of_its_things_in_a_thread_of_its_own(outbox: Outbox, telegram: TelegramStandIn) -> None:
    for title, thread in (("first", "safe-tx/1/0xa"), ("second", "safe-tx/1/0xb"), ("third", "safe-tx/1/0xa")):
        severity = {"first": "LOW", "second": "MEDIUM", "third": "HIGH"}[title]
        put(outbox, title, thread, severity=severity, key="queue")
        outbox.drain()
    with outbox.database.write() as tx:
        resolve_in(tx, ConditionKey("aave", "queue"), now=NOW, note="queue is empty")
    outbox.drain()

    assert replies(telegram) == [("first", None), ("second", None), ("third", 1), ("queue", 1)]


def test_of_several_threads_the_first_that_the_chat_knows_is_answered(
    outbox: Outbox, telegram: TelegramStandIn
) -> None:
    put(outbox, "one", "tx/1")
    outbox.drain()
    put(outbox, "two", "tx/2")
    outbox.drain()
    put(outbox, "both", "tx/unknown", "tx/2", "tx/1")
    outbox.drain()

    assert replies(telegram)[-1] == ("both", 2)


def test_each_chat_and_topic_has_its_own_first_message(outbox: Outbox, telegram: TelegramStandIn) -> None:
    outbox.environ |= {"TELEGRAM_TOPIC_ID_RISK": "7"}
    for title in ("queued", "executed"):
        for channel in ("aave", "risk", "other"):
            put(outbox, title, SAFE_TX, channel=channel)
        outbox.drain()

    first = {(each.chat_id, each.thread_id): each.message_id for each in telegram.messages[:3]}
    assert set(first) == {(CHAT, None), (CHAT, 7), (OTHER_CHAT, None)}
    assert [each.reply_to for each in telegram.messages[:3]] == [None] * 3
    for each in telegram.messages[3:]:
        assert each.reply_to == first[each.chat_id, each.thread_id]


def test_a_message_that_left_its_closed_topic_is_answered_where_it_arrived(
    outbox: Outbox, telegram: TelegramStandIn
) -> None:
    outbox.environ |= {"TELEGRAM_TOPIC_ID_RISK": "7"}
    telegram.closed_topics.add(7)
    put(outbox, "queued", SAFE_TX, channel="risk")
    outbox.drain()
    put(outbox, "executed", SAFE_TX)
    outbox.drain()

    assert [each.thread_id for each in telegram.messages] == [None, None]
    assert replies(telegram) == [("queued", None), ("executed", 1)]


def test_after_a_chat_moved_no_message_answers_a_number_of_the_old_chat(
    outbox: Outbox, telegram: TelegramStandIn
) -> None:
    put(outbox, "queued", SAFE_TX)
    outbox.drain()
    telegram.script(migrated_to(int(NEW_CHAT)))

    for title in ("executable", "executed"):
        put(outbox, title, SAFE_TX)
        outbox.drain()

    assert [each.chat_id for each in telegram.messages] == [CHAT, NEW_CHAT, NEW_CHAT]
    assert "reply_parameters" not in telegram.messages[1].payload
    assert replies(telegram)[2] == ("executed", 2)


def test_the_parts_of_a_long_message_answer_its_first_and_so_does_what_follows(
    outbox: Outbox, telegram: TelegramStandIn
) -> None:
    put(outbox, "short", SAFE_TX)
    outbox.drain()
    record(outbox.database, Alert("high", "long", *_pages(), protocol="aave", threads=["tx/2", SAFE_TX]), now=NOW)
    outbox.drain()
    put(outbox, "after", "tx/2")
    outbox.drain()

    assert replies(telegram) == [("short", None), ("long", 1), ("long", 2), ("long", 2), ("after", 2)]


def test_a_long_message_that_another_process_ends_is_still_one_thread(
    outbox: Outbox, telegram: TelegramStandIn
) -> None:
    record(outbox.database, Alert("high", "long", *_pages(), protocol="aave", threads=[SAFE_TX]), now=NOW)
    telegram.script(None, too_many_requests(3600))
    outbox.drain(within_s=1)
    assert len(telegram.messages) == 1
    with outbox.database.write() as tx:
        tx.execute("UPDATE lanes SET blocked_until = NULL")

    put(outbox, "executed", SAFE_TX)
    outbox.drain()

    assert sorted(replies(telegram), key=str) == [("executed", 1), ("long", 1), ("long", 1), ("long", None)]


def test_a_text_that_is_cut_into_pieces_keeps_all_of_their_numbers(outbox: Outbox, telegram: TelegramStandIn) -> None:

    telegram.script(error(400, "Bad Request: message is too long"))
    record(outbox.database, Alert("high", "long", "x" * 2500, protocol="aave", threads=[SAFE_TX]), now=NOW)
    outbox.drain()
    put(outbox, "after", SAFE_TX)
    outbox.drain()

    kept = outbox.database.rows("SELECT message_id, part FROM sent_messages ORDER BY id")
    assert kept == [(1, 1), (2, 1), (3, 1), (4, 1)]
    assert telegram.messages[-1].reply_to == 1


def test_one_message_for_many_alerts_is_the_first_of_each_of_their_threads(
    tmp_path: Path, telegram: TelegramStandIn
) -> None:
    outbox = Outbox(tmp_path, telegram.url, limits=FAST.__class__(chat=FAST.chat, bot=FAST.bot, fold_above=2))
    for number in range(30):
        put(outbox, f"queued {number}", f"tx/{number}", severity="LOW")
    outbox.drain()
    folded = next(each for each in telegram.messages if "alerts in one message" in each.text)
    assert folded.reply_to is None

    put(outbox, "executed", "tx/7")
    put(outbox, "cancelled", "tx/23")
    outbox.drain()
    outbox.close()

    assert [each.reply_to for each in telegram.messages[-2:]] == [folded.message_id] * 2


def test_one_message_for_many_alerts_of_one_thread_is_a_reply(tmp_path: Path, telegram: TelegramStandIn) -> None:
    outbox = Outbox(tmp_path, telegram.url, limits=FAST.__class__(chat=FAST.chat, bot=FAST.bot, fold_above=2))
    put(outbox, "queued", SAFE_TX)
    outbox.drain()
    for number in range(30):
        put(outbox, f"signed {number}", SAFE_TX, f"tx/{number}", severity="LOW")
    outbox.drain()
    outbox.close()

    assert {each.reply_to for each in telegram.messages[1:]} == {1}


def test_a_reply_never_waits_for_its_first_message_and_both_are_one_thread(
    outbox: Outbox, telegram: TelegramStandIn
) -> None:
    fire(outbox, "MEDIUM")
    fire(outbox, "CRITICAL")
    outbox.drain()

    assert [(each.text[:1], each.reply_to) for each in telegram.messages] == [("🔴", None), ("⚠", 1)]


def test_a_server_that_knows_no_replies_gets_the_message_without_one(outbox: Outbox, telegram: TelegramStandIn) -> None:
    telegram.refuses_replies = True
    put(outbox, "queued", SAFE_TX)
    outbox.drain()
    put(outbox, "executed", SAFE_TX)
    outbox.drain()

    assert replies(telegram) == [("queued", None), ("executed", None)]
    ((receipt,),) = outbox.database.rows(
        "SELECT receipt_json FROM deliveries WHERE alert_id = 2 AND destination = 'telegram'"
    )
    assert "sent without the message it answers: 400 Bad Request: REPLY_TO_INVALID" in str(receipt)


_KILLED = """
import os, signal, sys
from pathlib import Path
from tests.support.outbox import Outbox
from monitoring.alerts.senders.registry import Senders

class Killed(Senders):
    def send(self, *arguments):
        super().send(*arguments)
        os.kill(os.getpid(), signal.SIGKILL)

box = Outbox(Path(sys.argv[1]), sys.argv[2])
box.drain(open_senders=lambda: Killed(box.environ))
"""


class _Later(SystemClock):
    """Two minutes ahead: the lease of a process that was killed is over."""

    def now(self) -> datetime:
        return super().now() + timedelta(minutes=2)


def test_a_process_killed_between_sending_and_writing_leaves_a_thread_that_goes_on(
    outbox: Outbox, telegram: TelegramStandIn, tmp_path: Path
) -> None:
    put(outbox, "queued", SAFE_TX)
    killed = subprocess.run([sys.executable, "-c", _KILLED, str(tmp_path), telegram.url], check=False)
    assert (killed.returncode, len(telegram.messages)) == (-9, 1)

    outbox.clock = _Later()
    outbox.drain()
    put(outbox, "executed", SAFE_TX)
    outbox.drain()

    assert replies(telegram) == [("queued", None), ("queued", None), ("executed", 2)]


def test_what_the_release_before_sent_is_answered_by_nothing_and_the_thread_begins_with_the_next(
    outbox: Outbox, telegram: TelegramStandIn
) -> None:
    """That release writes neither of the two tables; its rows are what is left without them."""
    fire(outbox, "MEDIUM")
    outbox.drain()
    with outbox.database.write() as tx:
        tx.execute("DELETE FROM sent_messages; DELETE FROM alert_threads")
    fire(outbox, "HIGH")
    outbox.drain()
    end(outbox)
    outbox.drain()

    assert [each.reply_to for each in telegram.messages] == [None, None, 2]


def test_the_api_and_the_page_say_where_an_alert_arrived(outbox: Outbox, tmp_path: Path) -> None:
    outbox.environ |= {
        "TELEGRAM_TOPIC_ID_RISK": "7",
        "TELEGRAM_CHAT_ID_MINE": "77",
        "TELEGRAM_CHAT_ID_PUB": "@acme_risk",
    }
    for channel in ("risk", "mine", "pub"):
        put(outbox, "queued", SAFE_TX, channel=channel)
        outbox.drain()

    with serving(tmp_path) as web:
        found = [web.get(f"/v1/alerts/{number}") for number in (1, 2, 3)]
        assert [each["threads"] for each in found] == [[SAFE_TX]] * 3
        places = [(one["chat_id"], one["topic"], one["link"]) for each in found for one in each["messages"]]
        assert places == [
            (CHAT, 7, "https://t.me/c/1234567890/7/1"),
            ("77", None, None),
            ("@acme_risk", None, "https://t.me/acme_risk/3"),
        ]
        assert 'href="https://t.me/c/1234567890/7/1"' in web.ask("/alerts/1").text
        assert "Message 2 in chat 77" in web.ask("/alerts/2").text


def test_a_backup_put_back_knows_what_was_sent_since(outbox: Outbox, telegram: TelegramStandIn, tmp_path: Path) -> None:
    put(outbox, "queued", SAFE_TX)
    kept = back_up(outbox.path, tmp_path / "backups", NOW).backup.path
    outbox.drain()
    put(outbox, "signed", SAFE_TX, "tx/2")
    outbox.close()
    with staged(kept, outbox.path) as ready:
        put_in_place(ready, kept, outbox.path, SystemClock(), by="ana", is_alive=lambda _: False)
    outbox.database = open_database(outbox.path)

    outbox.drain()
    put(outbox, "executed", "tx/2")
    outbox.drain()

    signed = next(each.message_id for each in telegram.messages if "signed" in each.text)
    found = dict(replies(telegram))
    assert (found["signed"], found["executed"]) == (1, signed)


def test_an_alert_that_moves_out_of_a_damaged_database_keeps_its_thread(
    outbox: Outbox, telegram: TelegramStandIn
) -> None:
    put(outbox, "queued", SAFE_TX)
    fresh = open_database(outbox.directory / "fresh.db")
    with open_readonly(outbox.path) as source, fresh.write() as tx:
        assert salvage(source.connection, tx, NOW).is_complete
    outbox.close()
    outbox.path, outbox.database = fresh.path, fresh
    outbox.drain()
    put(outbox, "executed", SAFE_TX)
    outbox.drain()

    queued = next(each.message_id for each in telegram.messages if "queued" in each.text)
    assert replies(telegram)[-1] == ("executed", queued)


def test_messages_and_threads_are_forgotten_with_their_alert(outbox: Outbox, telegram: TelegramStandIn) -> None:
    put(outbox, "queued", SAFE_TX)
    outbox.drain()
    assert len(telegram.messages) == 1

    prune(outbox.database, NOW + timedelta(days=91))

    for table in ("alert_events", "sent_messages", "alert_threads"):
        assert outbox.database.row(f"SELECT count(*) FROM {table}") == (0,)


def _pages() -> list[str]:
    return ["a" * 3000, "b" * 3000, "c" * 3000]
