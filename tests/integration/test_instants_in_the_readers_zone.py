"""An instant is shown in the reader's own time zone where the server can, else in UTC; a refusal is remembered."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from monitoring.alerts.message.model import Alert
from monitoring.alerts.message.render import render_html, render_plain
from monitoring.alerts.message.text import bold, code, kv, line, quote, since
from monitoring.alerts.recording.store_alert import record
from monitoring.alerts.senders.telegram.text import render_telegram
from monitoring.store.tables import rate_limits
from tests.support.fake_telegram import BOT_TOKEN, TelegramStandIn
from tests.support.outbox import Outbox

AT = datetime(2026, 11, 29, 3, 57, tzinfo=UTC)
SHOWN = "2026-11-29 03:57 UTC"


@pytest.fixture
def telegram() -> Iterator[TelegramStandIn]:
    with TelegramStandIn() as server:
        yield server


@pytest.fixture
def outbox(tmp_path: Path, telegram: TelegramStandIn) -> Iterator[Outbox]:
    box = Outbox(tmp_path, telegram.url)
    yield box
    box.close()


def instants(shown: Alert) -> list[tuple[str, dict[str, object]]]:
    (part,) = render_telegram(shown, now=AT + timedelta(hours=2)).parts
    units = part.text.encode("utf-16-le")
    return [
        (units[2 * one.offset : 2 * (one.offset + one.length)].decode("utf-16-le"), one.payload())
        for one in part.entities
        if one.type == "date_time"
    ]


def test_title_text_values_and_ages_all_carry_the_instant(outbox: Outbox, telegram: TelegramStandIn) -> None:
    said = Alert(
        "MEDIUM", f"🔑 expires at {SHOWN}", line(bold(f"until {SHOWN}"), " and ", since(AT)),
        kv(Last="2026-11-29 03:57:08 UTC"), protocol="aave",
    )  # fmt: skip
    found = instants(said)
    assert [text for text, _ in found] == [SHOWN, SHOWN, SHOWN, "2026-11-29 03:57:08 UTC"]
    assert [one["unix_time"] for _, one in found] == [1795924620] * 3 + [1795924628]
    assert [one["date_time_format"] for _, one in found] == ["dt", "dt", "dt", "dT"]

    record(outbox.database, said, now=AT)
    outbox.drain()
    assert telegram.messages[0].marked("date_time") == [text for text, _ in found], "as the Bot API's rules want them"


@pytest.mark.parametrize(
    "block",
    [code(SHOWN), line(code(SHOWN)), quote(SHOWN), "2026-02-31 03:57 UTC", "2026-11-29 03:57", "12026-11-29 03:57 UTC",
     "2026-11-29 03:57 UTCX"],
)  # fmt: skip
def test_what_is_literal_or_no_instant_stays_as_it_is(block: object) -> None:
    assert instants(Alert("LOW", "said", block, protocol="aave")) == []


def test_elsewhere_the_zone_is_named() -> None:
    said = Alert("LOW", f"until {SHOWN}", since(AT), protocol="aave")
    assert render_plain(said, now=AT).count(SHOWN) == 2
    assert render_html(said, now=AT).count(f'<time datetime="2026-11-29T03:57:00.000000Z">{SHOWN}</time>') == 2


def test_an_instant_that_is_cut_in_two_names_none() -> None:
    parts = render_telegram(Alert("LOW", "long", "x" * 4060 + f" {SHOWN}", protocol="aave"), now=AT).parts
    assert len(parts) == 2
    assert all(one.length == len(SHOWN) for part in parts for one in part.entities if one.type == "date_time")


def test_a_server_that_refuses_gets_it_at_once_in_utc_and_is_not_asked_again(
    outbox: Outbox, telegram: TelegramStandIn
) -> None:
    telegram.unknown_entities.add("date_time")
    record(outbox.database, Alert("HIGH", "first", f"until {SHOWN}", protocol="aave"), now=AT)
    outbox.drain()
    assert len(telegram.requests) == 2, "refused, then accepted"
    assert SHOWN in telegram.messages[0].text
    assert telegram.messages[0].marked("bold") == ["first"], "only that entity is left out"
    receipt = outbox.database.rows("SELECT receipt_json FROM deliveries")
    assert "sent with times in UTC: 400" in str(receipt)

    record(outbox.database, Alert("HIGH", "second", f"until {SHOWN}", protocol="aave"), now=AT)
    outbox.drain()
    assert [message.text.split("\n")[0] for message in telegram.messages] == [
        "🚨 HIGH aave: first",
        "🚨 HIGH aave: second",
    ]
    assert len(telegram.requests) == 3, "remembered by another deliverer"


def test_a_refusal_is_of_one_server_and_is_believed_for_a_week(outbox: Outbox) -> None:
    with outbox.database.write() as tx:
        rate_limits.remember_utc_only(tx, "bot:1 aa", AT)
        assert rate_limits.shows_utc_only(tx, "bot:1 aa", AT + timedelta(days=6))
        assert not rate_limits.shows_utc_only(tx, "bot:1 aa", AT + timedelta(days=8))
        assert not rate_limits.shows_utc_only(tx, "bot:1 bb", AT), "other settings reach another server"
        assert rate_limits.refused(tx) == []


def test_a_text_that_is_refused_for_another_reason_is_still_sent_bare(
    outbox: Outbox, telegram: TelegramStandIn
) -> None:
    telegram.unknown_entities |= {"date_time", "bold"}
    record(outbox.database, Alert("HIGH", "first", f"until {SHOWN}", protocol="aave"), now=AT)
    outbox.drain()
    assert [message.entities for message in telegram.messages] == [()]
    assert BOT_TOKEN not in str(outbox.database.rows("SELECT * FROM lanes"))
