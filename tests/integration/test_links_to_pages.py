"""Alerts lead to the page of their incident, where the pages have an address."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from monitoring.alerts.recording.store_alert import record, resolve_in
from monitoring.conditions.condition import ConditionKey
from tests.support.fake_telegram import TelegramStandIn
from tests.support.fake_webhook import SECRET, FakeWebhook
from tests.support.outbox import Outbox, alert
from tests.support.web import serving

PAGES = {"MONITORING_PUBLIC_URL": "https://watch.example/monitoring/"}
BEGAN = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
KEY = 'utilisation/USDC "main" & more'
PAGE = (
    "https://watch.example/monitoring/incident?monitor=aave&check=utilisation%2FUSDC+%22main%22+%26+more"
    "&since=2026-11-23T08%3A00%3A00Z"
)


@pytest.fixture
def telegram() -> Iterator[TelegramStandIn]:
    with TelegramStandIn() as server:
        yield server


@pytest.fixture
def outbox(tmp_path: Path, telegram: TelegramStandIn) -> Iterator[Outbox]:
    (tmp_path / "cache").mkdir()
    box = Outbox(tmp_path / "cache", telegram.url, PAGES)
    yield box
    box.close()


def links(telegram: TelegramStandIn) -> list[tuple[str, Any]]:
    return [
        (text, entity["url"])
        for message in telegram.messages
        for text, entity in zip(
            message.marked("text_link"), (e for e in message.entities if e["type"] == "text_link"), strict=True
        )
    ]


def test_every_message_of_one_incident_leads_to_the_same_page(outbox: Outbox, telegram: TelegramStandIn) -> None:
    record(outbox.database, alert("92 %", "MEDIUM", key=KEY), now=BEGAN)
    record(outbox.database, alert("99 %", "HIGH", key=KEY), now=BEGAN + timedelta(hours=1))
    with outbox.database.write() as tx:
        resolve_in(tx, ConditionKey("aave", KEY), now=BEGAN + timedelta(hours=2))
    record(outbox.database, alert("92 %", "MEDIUM", key=KEY), now=BEGAN + timedelta(hours=3))
    outbox.drain()
    *first, second = sorted(links(telegram))
    assert first == [("Incident page", PAGE)] * 3
    assert second == ("Incident page", PAGE.replace("08%3A00%3A00Z", "11%3A00%3A00Z")), "another incident"


def test_an_alert_without_a_key_leads_to_its_own_page(outbox: Outbox, telegram: TelegramStandIn) -> None:
    number = record(outbox.database, alert(), now=BEGAN)
    outbox.drain()
    assert links(telegram) == [("Alert page", f"https://watch.example/monitoring/alerts/{number}")]


@pytest.mark.parametrize("address", ["", "watch.example", "ftp://watch.example", "https://who:secret@watch.example"])
def test_without_an_address_that_people_can_use_there_is_no_link(
    outbox: Outbox, telegram: TelegramStandIn, address: str
) -> None:
    record(outbox.database, alert(key=KEY), now=BEGAN)
    outbox.drain({**outbox.environ, "MONITORING_PUBLIC_URL": address})
    assert links(telegram) == []
    assert "page" not in telegram.messages[0].text


def test_a_machine_gets_the_link_as_a_field(outbox: Outbox) -> None:
    with FakeWebhook() as hook:
        record(outbox.database, alert(key=KEY), now=BEGAN)
        outbox.drain({**outbox.environ, "WEBHOOK_URL_AAVE": hook.url, "WEBHOOK_SECRET": SECRET})
        (body,) = hook.verified
    assert body["link"] == PAGE
    assert "Incident page" not in body["message"]


def test_the_page_answers_under_that_address_and_says_which_incident_it_shows(outbox: Outbox) -> None:
    path = PAGE.removeprefix("https://watch.example/monitoring")
    record(outbox.database, alert("92 %", "HIGH", key=KEY), now=BEGAN)
    with serving(outbox.directory, **PAGES) as web:
        current = web.ask(path)
        assert current.status == 200
        assert "which is over" not in current.text
        assert "HIGH aave: 92 %" in current.text

        with outbox.database.write() as tx:
            resolve_in(tx, ConditionKey("aave", KEY), now=BEGAN + timedelta(hours=2))
        record(outbox.database, alert("93 %", "HIGH", key=KEY), now=BEGAN + timedelta(hours=3))
        later = web.ask(path).text
        assert "incident of 2026-11-23 08:00:00 UTC, which is over" in later
        assert "HIGH aave: 93 %" in later
