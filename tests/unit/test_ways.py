"""From what waits to the far sides it goes to, without a secret in any name."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from monitoring.alerts.delivery.coalesce import Folded, Why, fold
from monitoring.alerts.delivery.routes import FanOut, RouteResolver, Undeliverable
from monitoring.alerts.message.model import Severity
from monitoring.alerts.senders.telegram import TelegramChat
from monitoring.alerts.senders.telegram.text import render_telegram
from monitoring.store.tables.deliveries import EndedDelivery, overall
from monitoring.store.tables.outbox import Group
from tests.support.fake_telegram import BOT_TOKEN, CHAT

NOW = datetime(2026, 3, 1, tzinfo=UTC)
ENVIRON = {"TELEGRAM_BOT_TOKEN_DEFAULT": BOT_TOKEN, "TELEGRAM_CHAT_ID_DEFAULT": CHAT}


def group(destination: str, channel: str, worst: Severity = Severity.LOW, first_id: int = 1) -> Group:
    return Group(destination, channel, 1, worst, first_id)


def test_channels_of_one_chat_share_a_lane_and_the_worst_lane_comes_first() -> None:
    ways = RouteResolver({**ENVIRON, "TELEGRAM_CHAT_ID_MAPLE": "-1", "TELEGRAM_CHAT_ID_AAVE": "-1"})
    groups = [
        group("telegram", "ELSE", Severity.MEDIUM, 1),
        group("telegram", "AAVE", Severity.LOW, 2),
        group("telegram", "MAPLE", Severity.HIGH, 3),
    ]
    lanes, rest = ways.sort_out(groups)
    assert rest == []
    assert [(lane.peer.key, lane.channels) for lane in lanes] == [
        ("telegram:123456789:-1", ("AAVE", "MAPLE")),
        (f"telegram:123456789:{CHAT}", ("ELSE",)),
    ]
    assert {lane.peer.shared_key for lane in lanes} == {"bot:123456789"}
    assert BOT_TOKEN.split(":")[1] not in str(lanes)


def test_what_has_no_way_says_why() -> None:
    ways = RouteResolver({"TELEGRAM_BOT_TOKEN_DEFAULT": BOT_TOKEN})
    waits = ways.destination("telegram", "AAVE")
    assert isinstance(waits, Undeliverable)
    assert (waits.status, waits.why) == ("skipped_missing_credentials", "waiting for TELEGRAM_CHAT_ID_DEFAULT")
    machine = ways.destination("webhook", "AAVE")
    assert isinstance(machine, Undeliverable)
    assert machine.status == "not_attempted"
    debug = RouteResolver({**ENVIRON, "LOG_LEVEL": "DEBUG"}).destination("telegram", "AAVE")
    assert isinstance(debug, Undeliverable)
    assert debug.status == "skipped_debug"


def test_the_placeholder_becomes_one_delivery_for_each_further_address() -> None:
    urls = "json://one.example/a-secret-path, json://two.example"
    ways = RouteResolver({**ENVIRON, "NOTIFY_URLS_AAVE": urls})
    split = ways.destination("notify", "AAVE")
    assert isinstance(split, FanOut)
    assert len(split.destinations) == 2
    assert "a-secret-path" not in str(split)
    found = [ways.destination(name, "AAVE") for name in split.destinations]
    assert [str(each) for each in found] == list(split.destinations)
    assert ways.destination("notify", "MAPLE") == FanOut(())
    gone = RouteResolver(ENVIRON).destination(split.destinations[0], "AAVE")
    assert isinstance(gone, Undeliverable)
    assert gone.status == "not_attempted"


def test_a_chat_is_followed_through_all_its_moves_and_a_circle_ends() -> None:
    ways = RouteResolver(ENVIRON, {CHAT: "-2", "-2": "-3", "-3": CHAT})
    found = ways.destination("telegram", "AAVE")
    assert isinstance(found, TelegramChat)
    assert found.chat_id == "-3"


def test_people_are_told_only_when_something_people_read_took_it() -> None:
    def of(**statuses: str) -> str:
        return overall([EndedDelivery(kind, status, None, None) for kind, status in statuses.items()])[0]  # type: ignore[arg-type]

    assert of(telegram="delivered", webhook="failed") == "delivered"
    assert of(telegram="failed", apprise="delivered") == "failed"
    assert of(telegram="pending", apprise="delivered") == "pending"
    assert of(telegram="skipped_missing_credentials", webhook="delivered") == "skipped_missing_credentials"
    assert of(telegram="skipped_missing_credentials", apprise="delivered") == "delivered"
    assert of(telegram="skipped_missing_credentials", apprise="failed") == "skipped_missing_credentials"
    assert of(telegram="not_attempted", apprise="pending") == "pending"
    assert of(telegram="not_attempted", apprise="failed") == "failed"
    assert of(telegram="not_attempted") == "not_attempted"


def test_a_fold_counts_all_names_the_worst_first_and_stays_one_message() -> None:
    found = [
        Folded(n, Severity.HIGH if n == 400 else Severity.LOW, "aave", "🔥" * 200, NOW + timedelta(minutes=n))
        for n in range(1, 501)
    ]
    alert = fold(found, Why.WAITED, NOW + timedelta(days=2))
    assert alert.title == "500 alerts in one message (1 HIGH, 499 LOW)"
    assert alert.is_silent
    rendered = render_telegram(alert, now=NOW)
    text = "\n".join(part.text for part in rendered.parts)
    assert len(rendered.parts) == 1
    assert text.index("(#400)") < text.index("(#1)")
    named = text.count("(#")
    assert named >= 15
    assert f"and {500 - named} more" in text
