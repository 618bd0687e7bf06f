"""`alerts show ID`: for each way in which an alert is not sent, the state, its cause, and the command that helps."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from automation.cli.commands import command_names
from automation.cli.main import main
from monitoring.alerts.delivery.lease import Claimer
from monitoring.alerts.delivery.outbox import drop
from monitoring.alerts.delivery.pace import Pace
from monitoring.alerts.delivery.routes import RouteResolver
from monitoring.alerts.delivery.states import DeliveryState, table
from monitoring.alerts.message.model import Alert
from monitoring.alerts.recording.store_alert import AlertOrigin, record, store_in
from monitoring.base.http.retry import Backoff
from monitoring.base.settings import CHECKOUT
from monitoring.store.tables import outbox as waiting
from tests.support.fake_telegram import CHAT, UNAUTHORISED, Answer, TelegramStandIn, error, too_many_requests
from tests.support.outbox import FAST, Outbox, alert

KICKED = error(403, "Forbidden: bot was kicked from the supergroup chat")
NOW = datetime.now(UTC)
BAD_TEXT = error(400, "Bad Request: text must be encoded in UTF-8")


@pytest.fixture
def telegram() -> Iterator[TelegramStandIn]:
    with TelegramStandIn() as server:
        yield server


@pytest.fixture
def outbox(tmp_path: Path, telegram: TelegramStandIn, monkeypatch: pytest.MonkeyPatch) -> Iterator[Outbox]:
    box = Outbox(tmp_path, telegram.url)
    monkeypatch.setenv("CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("MONITORING_ENV_FILE", "")
    for name, value in box.environ.items():
        monkeypatch.setenv(name, value)
    yield box
    box.close()


def put(outbox: Outbox, **more: object) -> int:
    found = record(outbox.database, alert("utilisation is 99%", **more), now=datetime.now(UTC))
    assert found is not None
    return found


def shown(capsys: pytest.CaptureFixture[str], alert_id: int) -> tuple[dict[str, object], str]:
    """Return the first delivery as JSON, and what a person reads."""
    capsys.readouterr()
    assert main(["alerts", "show", str(alert_id), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert main(["alerts", "show", str(alert_id)]) == 0
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= 80
    assert "utilisation is 99%" in text
    return (found["deliveries"] or [{}])[0], text


def test_one_that_nobody_tried_yet_says_who_sends_it(outbox: Outbox, capsys: pytest.CaptureFixture[str]) -> None:
    first, text = shown(capsys, put(outbox))
    assert (first["status"], first["state"], first["attempts"]) == ("pending", "next in line", 0)
    assert "next try   as soon as a run, or `deliver`, looks" in text
    assert "command    python -m automation deliver" in text
    assert "DELIVERY to Telegram chat -1001234567890 by TELEGRAM_BOT_TOKEN_DEFAULT" in text


@pytest.mark.parametrize(
    ("answer", "state", "says", "least_s"),
    [
        (KICKED, DeliveryState.REFUSED, "bot was kicked", 50),
        (BAD_TEXT, DeliveryState.TEXT_REFUSED, "text must be encoded", 50),
        (UNAUTHORISED, DeliveryState.TOKEN_REFUSED, "was refused", 50),
        (too_many_requests(300), DeliveryState.ASKED_TO_WAIT, "retry after 300", 200),
        (error(502, "Bad Gateway"), DeliveryState.RETRYING, "502 Bad Gateway", 0),
    ],
)
def test_what_the_destination_said_is_the_state(
    outbox: Outbox, telegram: TelegramStandIn, capsys: pytest.CaptureFixture[str], answer: Answer, state: DeliveryState,
    says: str, least_s: float,
) -> None:  # fmt: skip
    telegram.script(*[answer] * 5)
    alert_id = put(outbox)
    outbox.drain(within_s=0)
    first, text = shown(capsys, alert_id)
    assert first["state"] == state.value.name
    assert first["status"] == state.value.status
    assert says in str(first["error"])
    assert first["attempts"] == 1
    next_try = datetime.fromisoformat(str(first["next_try"]))
    assert next_try >= datetime.now(UTC) + timedelta(seconds=least_s - 5)
    assert first["command"] == state.command(alert_id, "AAVE")
    assert str(first["command"]) in text


def test_one_that_is_being_sent_names_the_process_that_holds_it(
    outbox: Outbox, capsys: pytest.CaptureFixture[str]
) -> None:
    alert_id, ways = put(outbox), RouteResolver(outbox.environ)
    with outbox.database.write() as tx:
        queues, _ = ways.sort_out(waiting.groups(tx))
        Claimer(ways, Pace("4711-abc", FAST, Backoff(), lambda: 0.0)).claim(tx, queues, datetime.now(UTC), [])
    first, text = shown(capsys, alert_id)
    assert (first["state"], first["lease_owner"]) == ("being sent", "4711-abc")
    assert "lease      4711-abc until" in text


def test_one_without_a_token_names_the_variable_and_shows_the_route(
    outbox: Outbox, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TELEGRAM_BOT_TOKEN_DEFAULT")
    del outbox.environ["TELEGRAM_BOT_TOKEN_DEFAULT"]
    alert_id = put(outbox)
    outbox.drain(within_s=0)
    first, text = shown(capsys, alert_id)
    assert first["state"] == "no credentials"
    assert "waiting for TELEGRAM_BOT_TOKEN_DEFAULT" in text
    assert "command    python -m automation alerts --route AAVE" in text


def test_one_that_is_part_of_another_message_leads_to_that_alert(
    outbox: Outbox, capsys: pytest.CaptureFixture[str]
) -> None:
    leader, member = put(outbox), put(outbox)
    with outbox.database.write() as tx:
        ids = [record.waiting.id for number in (leader, member) for record in waiting.records_of(tx, number, NOW)[:1]]
        waiting.fold(tx, ids[0], ids)
    first, text = shown(capsys, member)
    assert first["state"] == "part of another message"
    assert f"command    python -m automation alerts show {leader}" in text


def test_what_arrived_is_named_part_by_part_with_a_link_where_telegram_has_one(
    outbox: Outbox, capsys: pytest.CaptureFixture[str]
) -> None:
    found = record(outbox.database, alert("utilisation is 99%", "HIGH", threads=["tx/1"]), now=NOW)
    long = record(
        outbox.database, Alert("HIGH", "utilisation is 99%", "aa " * 1000, "bb " * 1000, protocol="x"), now=NOW
    )
    outbox.drain()

    first, text = shown(capsys, found or 0)
    link = "https://t.me/c/1234567890/1"
    assert first["messages"] == [
        {"chat_id": CHAT, "topic": None, "message_id": 1, "part": 1, "link": link, "sent_at": first["delivered_at"]}
    ]
    assert f"part 1     message 1 in chat {CHAT}: {link}" in text
    assert [line.split()[:4] for line in shown(capsys, long or 0)[1].splitlines() if "  part " in line] == [
        ["part", "1", "message", "2"],
        ["part", "2", "message", "3"],
    ]


def test_what_ended_says_how(outbox: Outbox, capsys: pytest.CaptureFixture[str]) -> None:
    sent = put(outbox)
    outbox.drain()
    assert shown(capsys, sent)[0]["state"] == "delivered"
    dropped = put(outbox)
    with outbox.database.write() as tx:
        drop(tx, [dropped], who="kim", reason="chat was deleted", now=datetime.now(UTC))
    first, text = shown(capsys, dropped)
    assert first["state"] == "given up"
    assert "last error dropped by kim: chat was deleted" in text
    with outbox.database.write() as tx:
        quiet = store_in(tx, alert("utilisation is 99%"), now=datetime.now(UTC), status="silenced").alert_id
        debug = store_in(
            tx, alert("utilisation is 99%"), now=datetime.now(UTC), origin=AlertOrigin(debug=True)
        ).alert_id
    assert "command    python -m automation silence --list" in shown(capsys, quiet)[1]
    assert "state      skipped_debug: recorded only" in shown(capsys, debug)[1]


def test_a_destination_without_a_route_says_which_settings_decide(
    outbox: Outbox, capsys: pytest.CaptureFixture[str]
) -> None:
    alert_id = put(outbox, severity="HIGH")
    outbox.drain()
    found = json.loads(_out(capsys, ["alerts", "show", str(alert_id), "--json"]))
    machine = next(each for each in found["deliveries"] if each["destination"].startswith("webhook"))
    assert machine["state"] == "not sent here"
    assert "nothing is configured for AAVE" in machine["error"]


def _out(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> str:
    capsys.readouterr()
    assert main(arguments) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["show"], ["show", "soon"], ["show", "99"], ["5021"]])
def test_what_cannot_be_shown_is_a_usage_error_that_says_what_to_type(
    outbox: Outbox, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    assert main(["alerts", *arguments]) == 2
    assert "alerts" in capsys.readouterr().err


def test_the_page_holds_the_table_of_states() -> None:
    assert table() in (CHECKOUT / "docs" / "alert-states.md").read_text()


def test_every_command_of_the_table_exists() -> None:
    for state in DeliveryState:
        assert state.value.command.split()[3] in command_names()
