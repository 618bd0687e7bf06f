"""Input: the only chat refuses once (kicked, chat not found, revoked token), or a webhook answers a redirect or a 4xx.
Right: the alert waits, visibly, is tried again after 1, 5 and 30 minutes, then hourly, at once by `deliver` or with
other settings; the errors chat is notified once, and once when it works again. Only a person or age ends an alert
undelivered.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from monitoring.alerts.recording.store_alert import record
from monitoring.base.clock import SystemClock, to_text
from monitoring.store.tables import alerts
from tests.support.fake_telegram import (
    BOT_TOKEN,
    CHAT,
    NOT_FOUND,
    UNAUTHORISED,
    Answer,
    TelegramStandIn,
    error,
    migrated_to,
)
from tests.support.fake_webhook import SECRET, FakeWebhook, Request
from tests.support.outbox import Outbox, alert
from tests.support.verbs import automation

pytestmark = pytest.mark.case("A.2")

KICKED = error(403, "Forbidden: bot was kicked from the supergroup chat")
GONE = error(400, "Bad Request: chat not found")
LANE, BOT = f"telegram:123456789:{CHAT}", "bot:123456789"
NEW_TOKEN = BOT_TOKEN[:-1] + "1"


class Simulated(SystemClock):
    """A wall clock that is set by hand."""

    def __init__(self) -> None:
        self.at = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)

    def now(self) -> datetime:
        return self.at


@pytest.fixture
def telegram() -> Iterator[TelegramStandIn]:
    with TelegramStandIn() as server:
        yield server


@pytest.fixture
def clock() -> Simulated:
    return Simulated()


@pytest.fixture
def outbox(tmp_path: Path, telegram: TelegramStandIn, clock: Simulated) -> Iterator[Outbox]:
    box = Outbox(tmp_path, telegram.url, clock=clock)
    yield box
    box.close()


@pytest.fixture
def live(tmp_path: Path, telegram: TelegramStandIn) -> Iterator[Outbox]:
    """An outbox under the machine's own clock, for the verbs."""
    box = Outbox(tmp_path, telegram.url)
    yield box
    box.close()


def put(outbox: Outbox, title: str, severity: str = "CRITICAL", **more: object) -> None:
    record(outbox.database, alert(title, severity, **more), now=outbox.clock.now())


def titles(telegram: TelegramStandIn, chat: str = CHAT) -> list[str]:
    found = [message for message in telegram.messages if message.chat_id == chat]
    return [message.text.split("\n")[0].partition(": ")[2] for message in found]


def tried_after_minutes(outbox: Outbox, clock: Simulated, telegram: TelegramStandIn, minutes: int) -> list[int]:
    """Deliver once a minute, as runs do, and return the minutes in which something was tried."""
    began, tried = clock.at, []
    for minute in range(minutes + 1):
        clock.at = began + timedelta(minutes=minute)
        before = len(telegram.requests)
        outbox.drain(within_s=0)
        tried += [minute] if len(telegram.requests) > before else []
    return tried


@pytest.mark.parametrize(
    ("refusal", "status"),
    [
        (KICKED, "pending"), (GONE, "pending"),
        (UNAUTHORISED, "skipped_missing_credentials"), (NOT_FOUND, "skipped_missing_credentials"),
    ],
    ids=["kicked", "chat not found", "401", "404"],
)  # fmt: skip
def test_it_waits_with_longer_pauses_and_arrives_when_the_chat_accepts_again(
    outbox: Outbox, clock: Simulated, telegram: TelegramStandIn, refusal: Answer, status: str
) -> None:
    telegram.script(*[refusal] * 6)
    put(outbox, "waits")
    assert tried_after_minutes(outbox, clock, telegram, 180) == [0, 1, 6, 36, 96, 156]
    assert outbox.statuses() == {status: 1}
    reasons = [row[0] for row in outbox.database.rows("SELECT block_reason FROM lanes WHERE block_reason <> ''")]
    assert [reason.split(" ")[0] for reason in reasons] == ["refused"]
    clock.at += timedelta(minutes=36)
    outbox.drain(within_s=5)
    assert titles(telegram) == ["waits"]
    assert outbox.statuses() == {"delivered": 1}
    assert outbox.database.rows("SELECT key FROM lanes WHERE block_reason <> ''") == []


@pytest.mark.parametrize("refusal", [KICKED, GONE, UNAUTHORISED], ids=["kicked", "chat not found", "401"])
def test_deliver_tries_at_once_and_the_next_critical_alert_does_too(
    live: Outbox, telegram: TelegramStandIn, refusal: Answer
) -> None:
    telegram.script(refusal)
    put(live, "waits")
    first = automation(live.directory, "deliver", "--within", "5s", **live.environ)
    assert first.returncode == 1
    assert "1 waiting" in first.stdout
    assert json.loads(refusal.body)["description"] in first.stdout
    again = automation(live.directory, "deliver", **live.environ)
    assert (again.returncode, again.stdout.strip()) == (0, "1 delivered, 0 failed, 0 waiting")
    assert titles(telegram) == ["waits"]


def test_a_new_critical_alert_asks_a_chat_that_refuses_but_once_a_minute(
    outbox: Outbox, clock: Simulated, telegram: TelegramStandIn
) -> None:
    telegram.kicked_from.add(CHAT)
    put(outbox, "first")
    assert tried_after_minutes(outbox, clock, telegram, 4) == [0, 1]
    clock.at += timedelta(seconds=70)
    for number in range(30):
        put(outbox, f"number {number}")
    outbox.drain(within_s=2)
    assert len(telegram.requests) == 3, "thirty of them ask once"
    telegram.kicked_from.clear()
    clock.at += timedelta(seconds=70)
    outbox.drain(within_s=2)
    assert titles(telegram) == [], "nothing new was raised"
    put(outbox, "the last")
    outbox.drain(within_s=20)
    assert len(titles(telegram)) == 32, "a new one opens the way for all"


@pytest.mark.parametrize("refusal", [KICKED, UNAUTHORISED], ids=["kicked", "401"])
@pytest.mark.parametrize("change", ["token", "chat"])
def test_other_settings_are_tried_at_once(
    outbox: Outbox, telegram: TelegramStandIn, refusal: Answer, change: str
) -> None:
    telegram.script(refusal)
    put(outbox, "waits")
    outbox.drain(within_s=2)
    assert titles(telegram) == []
    if change == "token" or refusal is UNAUTHORISED:
        outbox.environ["TELEGRAM_BOT_TOKEN_DEFAULT"] = NEW_TOKEN
    if change == "chat":
        outbox.environ["TELEGRAM_CHAT_ID_DEFAULT"] = "-100555"
    outbox.drain(within_s=5)
    assert titles(telegram, outbox.environ["TELEGRAM_CHAT_ID_DEFAULT"]) == ["waits"]
    assert outbox.database.rows("SELECT key FROM lanes WHERE block_reason <> ''") == []


def test_everything_that_waited_arrives_the_worst_first(
    outbox: Outbox, clock: Simulated, telegram: TelegramStandIn
) -> None:
    telegram.kicked_from.add(CHAT)
    for severity in ("LOW", "MEDIUM", "HIGH", "CRITICAL"):
        put(outbox, severity.lower(), severity)
        outbox.drain(within_s=1)
        clock.at += timedelta(minutes=2)
    telegram.kicked_from.clear()
    clock.at += timedelta(hours=1)
    outbox.drain(within_s=10)
    assert titles(telegram) == ["critical", "high", "medium", "low"]


def test_the_errors_chat_is_notified_once_for_each_destination_and_once_when_it_works_again(
    outbox: Outbox, clock: Simulated, telegram: TelegramStandIn
) -> None:
    outbox.environ |= {"TELEGRAM_CHAT_ID_ERRORS": "-100666", "TELEGRAM_CHAT_ID_MAPLE": "-100777"}
    telegram.kicked_from.update({CHAT, "-100777"})
    for number in range(5):
        put(outbox, f"number {number}")
        put(outbox, f"number {number}", protocol="maple")
    tried_after_minutes(outbox, clock, telegram, 120)
    assert titles(telegram, "-100666") == ["Alerts are not accepted"] * 2
    telegram.kicked_from.clear()
    clock.at += timedelta(hours=1)
    outbox.drain(within_s=10)
    assert titles(telegram, "-100666")[2:] == ["alerts are accepted again"] * 2
    assert len(titles(telegram)) == len(titles(telegram, "-100777")) == 5


@pytest.mark.parametrize("status", [301, 302, 307, 308, 400, 401, 403, 404, 409, 410, 423, 451])
def test_a_webhook_that_refuses_once_is_called_again(
    outbox: Outbox, clock: Simulated, telegram: TelegramStandIn, status: int
) -> None:
    with FakeWebhook() as machine:
        outbox.environ |= {"WEBHOOK_URL_AAVE": f"{machine.url}/hook", "WEBHOOK_SECRET": SECRET}
        machine.script(Answer(status, headers={"Location": "https://new.example/a-key"} if status < 400 else {}))
        put(outbox, "withdraw")
        outbox.drain(within_s=2)
        (why,) = [row[2] for row in outbox.deliveries() if row[0] == "webhook"]
        assert f"webhook WEBHOOK_URL_AAVE: HTTP {status}" in str(why)
        assert ("https://new.example/…" in str(why)) == (status < 400)
        clock.at += timedelta(seconds=61)
        outbox.drain(within_s=5)
        assert len(machine.verified) == 2
    assert {row[1] for row in outbox.deliveries() if row[0] == "webhook"} == {"delivered"}
    assert titles(telegram)[:2] == ["withdraw", "Alerts are not accepted"]


def test_one_text_that_is_refused_waits_alone_and_is_named_once(
    outbox: Outbox, clock: Simulated, telegram: TelegramStandIn
) -> None:
    real = telegram.respond
    telegram.respond = lambda request: (  # type: ignore[method-assign]
        error(400, "Bad Request: strange text")
        if b"poison" in request.body and b"not accepted" not in request.body
        else real(request)
    )
    put(outbox, "poison")
    put(outbox, "second")
    outbox.drain(within_s=3)
    clock.at += timedelta(minutes=3)
    put(outbox, "third")
    outbox.drain(within_s=3)
    assert titles(telegram) == ["second", "One alert is not accepted", "third"]
    telegram.respond = real  # type: ignore[method-assign]
    clock.at += timedelta(minutes=6)
    outbox.drain(within_s=3)
    assert titles(telegram)[3:] == ["poison", "alerts are accepted again"]


@pytest.mark.parametrize("hops", [[CHAT], ["-1001", CHAT], ["-1001", "-1002", CHAT], ["-1001", "-1001"]])
@pytest.mark.case("A.8")
def test_a_chat_that_moves_in_a_ring_is_a_chat_that_refuses(
    live: Outbox, telegram: TelegramStandIn, hops: list[str]
) -> None:
    moves = dict(zip([CHAT, *hops], hops, strict=False))
    real = telegram.respond

    def respond(request: Request) -> Answer:
        chat = str(json.loads(request.body)["chat_id"])
        return migrated_to(int(moves[chat])) if chat in moves else real(request)

    telegram.respond = respond  # type: ignore[method-assign]
    put(live, "waits")
    live.drain(within_s=3)
    assert len(telegram.requests) == len(moves), "each chat is asked once"
    assert "back again" in str(live.deliveries()[0][2])
    telegram.respond = real  # type: ignore[method-assign]
    live.drain(within_s=5, at_once=True)
    assert [message.text for message in telegram.messages] == ["🔴 CRITICAL aave: waits"]


# -- how an alert ends undelivered -------------------------------------------------------------------------------------


def test_a_person_drops_an_alert_and_that_is_said_and_stays_countable(live: Outbox, telegram: TelegramStandIn) -> None:
    telegram.kicked_from.add("-100777")
    live.environ["TELEGRAM_CHAT_ID_MAPLE"] = "-100777"
    put(live, "stays")
    put(live, "dropped", protocol="maple")
    live.drain(within_s=2)
    done = automation(live.directory, "deliver", "--drop", "2", "--reason", "chat was deleted", **live.environ)
    assert (done.returncode, done.stderr) == (0, "")
    stored = alerts.get(live.database.connection, 2)
    assert stored is not None
    assert stored.delivery_status == "failed"
    assert "dropped by " in (stored.delivery_error or "")
    assert "chat was deleted; last: Telegram chat -100777: 403" in (stored.delivery_error or "")
    live.drain(within_s=5)
    (told,) = [message for message in telegram.messages if "dropped by" in message.text]
    assert told.silent
    assert "chat was deleted" in told.text
    assert "#2 CRITICAL maple: dropped" in told.text
    again = automation(live.directory, "deliver", "--drop", "2", "--reason", "twice", **live.environ)
    assert again.returncode == 2
    assert "nothing of alert 2 waits: its delivery status is failed" in again.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--drop", "1"), "--drop needs --reason"),
        (("--drop", "1", "--reason", " "), "--drop needs --reason"),
        (("--reason", "why"), "--reason belongs to --drop"),
        (("--drop", "1", "99", "--reason", "why"), "there is no alert 99"),
    ],
)
def test_a_drop_that_makes_no_sense_ends_nothing(live: Outbox, arguments: tuple[str, ...], said: str) -> None:
    put(live, "waits")
    done = automation(live.directory, "deliver", *arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert live.statuses() == {"pending": 1}


def test_age_gives_an_alert_up_and_one_message_says_so(
    outbox: Outbox, clock: Simulated, telegram: TelegramStandIn
) -> None:
    outbox.environ["TELEGRAM_CHAT_ID_AAVE"] = "-4711"
    telegram.kicked_from.add("-4711")
    put(outbox, "high", "HIGH")
    put(outbox, "critical")
    began, ended = clock.at, {}
    for day in range(32):
        clock.at = began + timedelta(days=day, minutes=1)
        outbox.drain(within_s=1)
        for title, status in outbox.database.rows(
            "SELECT title, delivery_status FROM alert_events WHERE protocol = 'aave' AND delivery_status = 'failed'"
        ):
            ended.setdefault(f"{title} {status}", day)
    assert ended == {"high failed": 7, "critical failed": 30}
    errors = [row[0] for row in outbox.database.rows("SELECT delivery_error FROM alert_events WHERE protocol = 'aave'")]
    assert all(str(why).startswith("given up after ") and "kicked" in str(why) for why in errors)
    assert titles(telegram)[1:] == ["1 alert given up undelivered"] * 2


@pytest.mark.parametrize("step", [timedelta(days=8), timedelta(days=366)], ids=str)
def test_a_clock_that_was_far_ahead_for_a_few_runs_gives_nothing_up(
    outbox: Outbox, clock: Simulated, telegram: TelegramStandIn, step: timedelta
) -> None:
    telegram.kicked_from.add(CHAT)
    put(outbox, "waits")
    outbox.drain(within_s=1)
    for minutes in (1, 2, 60):
        clock.at += step + timedelta(minutes=minutes)
        outbox.drain(within_s=1)
        clock.at -= step
        outbox.drain(within_s=1)
    assert outbox.statuses() == {"pending": 1}
    telegram.kicked_from.clear()
    outbox.drain(within_s=5, at_once=True)
    assert titles(telegram) == ["waits"]


def test_an_old_alert_is_given_up_where_time_passed_evenly(live: Outbox, telegram: TelegramStandIn) -> None:
    telegram.kicked_from.add(CHAT)
    put(live, "old", "HIGH")
    put(live, "old but critical")
    live.drain(within_s=1)
    with live.database.write() as tx:
        tx.execute("UPDATE deliveries SET created_at = ?", (to_text(datetime.now(UTC) - timedelta(days=8)),))
    done = automation(live.directory, "deliver", "--within", "2s", **live.environ)
    assert done.returncode == 1
    rows = dict(live.database.rows("SELECT title, delivery_status FROM alert_events WHERE protocol = 'aave'"))
    assert rows == {"old": "failed", "old but critical": "pending"}
