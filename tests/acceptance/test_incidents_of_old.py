"""What broke in systems like this one, about delivery, text and dedupe: each a test that the naive design fails."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from monitoring.alerts.delivery.fallback_send import send_directly
from monitoring.alerts.message.model import Alert
from monitoring.alerts.message.text import code, kv, quote
from monitoring.alerts.recording.store_alert import record, record_in, store_in
from monitoring.base.clock import from_text
from monitoring.store.tables import state
from tests.support.fake_telegram import (
    BOT_TOKEN,
    CHAT,
    HANG,
    NOT_FOUND,
    RESET,
    UNAUTHORISED,
    TelegramStandIn,
    error,
    migrated_to,
    too_many_requests,
)
from tests.support.fake_webhook import SECRET, FakeWebhook
from tests.support.outbox import Outbox, alert, settings_for


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


def texts(telegram: TelegramStandIn) -> list[str]:
    return [message.text for message in telegram.messages]


def test_a_refused_message_neither_loses_alerts_nor_holds_a_cursor(outbox: Outbox, telegram: TelegramStandIn) -> None:
    """2026-05-28: a 400 was logged, the cursor advanced, two timelock alerts were gone; the token stood in the log."""
    telegram.script(error(400, "Bad Request: can't parse entities: character '_' is reserved"), None)
    with outbox.database.write() as tx:
        for number in (1, 2):
            record_in(tx, Alert("HIGH", f"YEARN_TIMELOCK _{number}_", kv(a_b="c_d"), protocol="timelock"), now=now())
        state.put(tx, "cursors", "TIMELOCK_LAST_TS", "2", now())
    outbox.drain()
    assert len({text.split("\n")[0] for text in texts(telegram)}) == 2
    assert outbox.statuses() == {"delivered": 2}


def test_a_text_cut_at_the_limit_is_neither_refused_nor_sent_again_every_hour(
    outbox: Outbox, telegram: TelegramStandIn
) -> None:
    """2026-06-24 and (d) 1: a cut Markdown span gave 400 and the same batch came again hourly."""
    long = Alert(
        "HIGH", "batch", *[f"[label_{n}](https://x.example/{n}) *bold* " * 30 for n in range(20)], protocol="a"
    )
    record(outbox.database, long, now=now())
    outbox.drain()
    sent = len(telegram.requests)
    outbox.drain()
    assert len(telegram.requests) == sent == len(telegram.messages), "accepted at the first try, and never again"


def test_a_threshold_that_stays_broken_is_one_message_and_a_reminder_every_six_hours(
    outbox: Outbox, telegram: TelegramStandIn
) -> None:
    """2026-07-10 and (d) 18: the peg floor was CRITICAL every ten minutes, 144 times a day."""
    start = now()
    for run in range(144):
        record(outbox.database, alert("peg below 0.98", "CRITICAL", key="peg"), now=start + timedelta(minutes=10 * run))
    outbox.drain()
    raised = outbox.database.rows("SELECT kind, created_at FROM alert_events ORDER BY created_at")
    assert [kind for kind, _ in raised] == ["alert", "reminder", "reminder", "reminder"]
    hours = [(from_text(str(at)) - start).total_seconds() / 3600 for _, at in raised]
    assert [round(one) for one in hours] == [0, 6, 12, 18]
    assert len(telegram.messages) == 4


def test_a_message_too_many_waits_as_long_as_it_is_told_and_loses_no_detail(
    outbox: Outbox, telegram: TelegramStandIn
) -> None:
    """2026-09-17: the 21st message in 43 s got 429 with retry_after 17, detail was lost and the script crashed."""
    telegram.script(*[None] * 5, too_many_requests(1))
    for number in range(21):
        record(outbox.database, alert(f"flow {number}", "LOW"), now=now())
    outbox.drain()
    assert {text.partition(": ")[2] for text in texts(telegram)} == {f"flow {number}" for number in range(21)}
    assert outbox.statuses() == {"delivered": 21}


def test_a_dead_chat_counts_as_failed_and_never_as_told(outbox: Outbox, telegram: TelegramStandIn) -> None:
    """(d) 2 and H10: a refused send, missing credentials and DEBUG counted as success."""
    telegram.kicked_from.add(CHAT)
    record(outbox.database, alert("lost"), now=now())
    outbox.drain()
    assert "delivered" not in outbox.statuses()
    record(outbox.database, alert("no credentials"), now=now())
    outbox.drain({"TELEGRAM_API_URL": telegram.url})
    record(outbox.database, alert("debug"), now=now(), run_id=1)
    outbox.drain({**outbox.environ, "LOG_LEVEL": "DEBUG"}, run_id=1, within_s=1)
    assert "delivered" not in outbox.statuses()


def test_alerts_of_two_protocols_go_to_two_chats(outbox: Outbox, telegram: TelegramStandIn) -> None:
    """(d) 7: all messages of a run went to the first protocol's channel."""
    outbox.environ |= {"TELEGRAM_CHAT_ID_AAVE": "1", "TELEGRAM_CHAT_ID_CAP_MONEY": "2"}
    record(outbox.database, alert("a"), now=now())
    record(outbox.database, alert("b", protocol="CAP MONEY"), now=now())
    outbox.drain()
    assert {message.chat_id: message.text for message in telegram.messages} == {
        "1": "🚨 HIGH aave: a",
        "2": "🚨 HIGH CAP MONEY: b",
    }


def test_an_error_text_full_of_markup_is_told_as_it_is(outbox: Outbox, telegram: TelegramStandIn) -> None:
    """(d) 4 and 5: exception texts sent as Markdown made the error about the error disappear."""
    words = "KeyError: '_unbalanced *[x](' <class 'a_b'> `tick` & \\_"
    record(outbox.database, Alert("HIGH", words, quote(words), code(words), words, protocol="a_b"), now=now())
    outbox.drain()
    (message,) = telegram.messages
    assert message.text.count(words) == 4
    assert "parse_mode" not in message.payload


def test_operational_errors_stay_out_of_the_risk_chats(outbox: Outbox, telegram: TelegramStandIn) -> None:
    """(d) 9: operational noise in risk channels trained people to ignore them."""
    outbox.environ |= {"TELEGRAM_CHAT_ID_AAVE": "1", "TELEGRAM_CHAT_ID_ERRORS": "9"}
    for source in ("protocol", "crash", "ops_error"):
        record(outbox.database, alert(source, source=source), now=now())
    outbox.drain()
    assert {message.text.split("\n")[0].partition(": ")[2]: message.chat_id for message in telegram.messages} == {
        "protocol": "1",
        "crash": "9",
        "ops_error": "9",
    }


def test_a_crash_without_an_errors_route_is_left_to_the_digest(outbox: Outbox, telegram: TelegramStandIn) -> None:
    """One fault, one page."""
    record(outbox.database, alert("aave crashed", source="crash"), now=now())
    outbox.drain()
    assert telegram.messages == []
    assert outbox.statuses() == {"not_attempted": 1}
    assert "digest" in str(outbox.database.row("SELECT delivery_error FROM alert_events"))


def test_every_alert_has_a_severity_and_the_severe_ones_reach_the_machine(
    outbox: Outbox, telegram: TelegramStandIn
) -> None:
    """H7: Safe and timelock alerts bypassed severities, so the hook never fired for them."""
    with FakeWebhook() as machine:
        outbox.environ |= {"WEBHOOK_URL_SAFE": machine.url, "WEBHOOK_SECRET": SECRET}
        record(outbox.database, alert("unexpected proposer", "CRITICAL", protocol="safe"), now=now())
        outbox.drain()
        assert [body["severity"] for body in machine.verified] == ["CRITICAL"]
    assert outbox.database.row("SELECT count(*) FROM alert_events WHERE severity IS NULL") == (0,)


def test_a_batch_that_fails_halfway_is_told_whole_and_once(outbox: Outbox, telegram: TelegramStandIn) -> None:
    """(d) 13, H2, H18: the highest nonce was stored before the rest was sent; a failed send lost the lower ones."""
    telegram.script(None, error(502, "Bad Gateway"), RESET)
    with outbox.database.write() as tx:
        for nonce in (9, 8, 7):
            store_in(tx, alert(f"nonce {nonce}"), now=now())
        state.put(tx, "nonces.txt", "0xSafe", "9", now())
    outbox.drain()
    titles = [text.partition(": ")[2] for text in texts(telegram)]
    assert titles[0] == "nonce 9"
    assert sorted(set(titles)) == ["nonce 7", "nonce 8", "nonce 9"]


def test_a_zero_that_was_seen_is_not_never_seen(outbox: Outbox) -> None:
    """H21: 0 meant never seen."""
    with outbox.database.write() as tx:
        state.put(tx, "cache", "zero", "0", now())
    assert state.get(outbox.database, "cache", "zero") is not None
    assert state.get(outbox.database, "cache", "never") is None


def test_a_text_full_of_emoji_passes_since_length_is_counted_as_telegram_counts(
    outbox: Outbox, telegram: TelegramStandIn
) -> None:
    """H24: length was counted in code points, Telegram counts UTF-16 units."""
    record(outbox.database, Alert("HIGH", "🔥" * 100, "🚨" * 3900, protocol="aave"), now=now())
    outbox.drain()
    assert sum(text.count("🚨") for text in texts(telegram)) >= 3900
    assert len(telegram.requests) == len(telegram.messages)


@pytest.mark.parametrize(
    "answers",
    [
        [UNAUTHORISED],
        [NOT_FOUND],
        [RESET] * 3,
        [error(400, f"Bad Request: https://api.telegram.org/bot{BOT_TOKEN}/sendMessage")] * 3,
        [error(403, "Forbidden: bot was kicked")],
        [too_many_requests(1)],
        [migrated_to(-100999)],
        [error(500, BOT_TOKEN)] * 3,
    ],
    ids=["401", "404", "reset", "400", "403", "429", "migrated", "500"],
)
def test_no_token_is_in_any_log_row_or_message_whatever_fails(
    outbox: Outbox, telegram: TelegramStandIn, caplog: pytest.LogCaptureFixture, answers: list[object]
) -> None:
    """(d) 3: the HTTP error text contained the bot token and was logged."""
    telegram.script(*answers)  # type: ignore[arg-type]
    with FakeWebhook() as machine, caplog.at_level("DEBUG"):
        secret_path = "hook-3f9a7c81d2e64b50"
        outbox.environ |= {"WEBHOOK_URL_AAVE": f"{machine.url}/{secret_path}", "WEBHOOK_SECRET": SECRET}
        machine.script(None, error(500, "no"))  # type: ignore[arg-type]
        record(outbox.database, alert("severe", "CRITICAL"), now=now())
        outbox.drain(within_s=3)
    tables = ("alert_events", "deliveries", "conditions", "lanes", "chat_migrations", "webhook_calls")
    stored = "".join(str(outbox.database.rows(f"SELECT * FROM {table}")) for table in tables)
    everything = caplog.text + stored + "".join(texts(telegram))
    for secret in (BOT_TOKEN, BOT_TOKEN.split(":")[1], SECRET, secret_path):
        assert secret not in everything


def test_when_nothing_can_be_stored_one_message_goes_straight_to_the_errors_chat(
    tmp_path: Path, telegram: TelegramStandIn
) -> None:
    environ = {
        "TELEGRAM_API_URL": telegram.url,
        "TELEGRAM_BOT_TOKEN_DEFAULT": BOT_TOKEN,
        "TELEGRAM_CHAT_ID_DEFAULT": CHAT,
        "TELEGRAM_CHAT_ID_ERRORS": "-9",
    }
    assert send_directly(settings_for(tmp_path, environ), f"disk full; {BOT_TOKEN}") == []
    (message,) = telegram.messages
    assert message.chat_id == "-9"
    assert "disk full" in message.text
    assert BOT_TOKEN not in message.text
    telegram.script(UNAUTHORISED)
    (trouble,) = send_directly(settings_for(tmp_path, environ), "disk full")
    assert "was refused" in trouble
    assert BOT_TOKEN not in trouble
    (trouble,) = send_directly(settings_for(tmp_path, {}), "disk full")
    assert "missing" in trouble


def test_a_critical_alert_raised_while_another_chat_hangs_arrives_within_a_second(
    outbox: Outbox, telegram: TelegramStandIn
) -> None:
    """One stuck socket silenced a profile (H13)."""
    outbox.environ["TELEGRAM_CHAT_ID_SLOW"] = "5"
    telegram.script(HANG)
    with outbox.delivering():
        record(outbox.database, alert("hangs", protocol="slow"), now=now())
        assert telegram.wait_for(lambda: len(telegram.requests) == 1)
        raised_at = telegram.now_s()
        record(outbox.database, alert("urgent", "CRITICAL"), now=now())
        (message,) = telegram.wait_for_messages(1)
        assert message.at_s - raised_at < 1
