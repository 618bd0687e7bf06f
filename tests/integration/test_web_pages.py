"""The way from an alert to its incident and back, on rows that the alerts' own code has written."""

from __future__ import annotations

import html
import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from monitoring.alerts.message.model import Alert
from monitoring.alerts.recording.store_alert import record, resolve_in
from monitoring.conditions.condition import ConditionKey
from monitoring.store.db import schema
from monitoring.store.db.database import Database
from monitoring.store.people import pauses
from monitoring.store.people.pauses import PauseKind
from monitoring.store.tables import chain_memory, silences
from tests.support.filled import fill
from tests.support.web import Web, serving

NOW = datetime.now(UTC)
KEY = 'utilisation/USDC "main" & more'


@pytest.fixture
def database(tmp_path: Path) -> Database:
    (tmp_path / "cache").mkdir()
    return schema.open_database(tmp_path / "cache" / "monitoring.db")


def addresses(web: Web, path: str, begins: str) -> list[str]:
    found = re.findall(rf'href="({begins}[^"]*)"', web.ask(path).text)
    return [html.unescape(address) for address in found]


def test_an_alert_leads_to_its_incident_and_the_incident_to_all_that_was_told(
    database: Database, tmp_path: Path
) -> None:
    first = record(database, Alert("MEDIUM", "92 %", protocol="aave", key=KEY), now=NOW - timedelta(hours=2))
    worse = record(database, Alert("HIGH", "99 %", protocol="aave", key=KEY), now=NOW - timedelta(hours=1))
    other = record(database, Alert("HIGH", "99 %", protocol="lido", key=KEY), now=NOW)
    with serving(tmp_path / "cache") as web:
        (incident,) = addresses(web, f"/alerts/{first}", "/incident[?]")
        assert incident in addresses(web, "/", "/incident[?]")
        page = web.ask(incident).text
        assert addresses(web, incident, "/alerts/") == [f"/alerts/{worse}", f"/alerts/{first}"]
        assert f"/alerts/{other}" not in page
        command = "silence --protocol aave --key 'utilisation/USDC \"main\" & more' --for 2h"
        assert command in html.unescape(re.sub("<[^>]+>", "", page))

        with database.write() as tx:
            resolve_in(tx, ConditionKey("aave", KEY), now=NOW)
        over = web.ask(incident).text
        assert "recovered" in over
        assert "Command that silences it" not in over, "nothing to mute any more"
        assert len(addresses(web, incident, "/alerts/")) == 3, "the recovery was told too"


def test_every_check_of_a_monitor_file_is_shown_with_its_value_and_what_blinds_it(tmp_path: Path) -> None:
    fill(tmp_path / "cache" / "monitoring.db", NOW, checks=True).close()
    with serving(tmp_path / "cache") as web:
        checks = {row["check"]: row for row in web.get("/v1/monitoring")["checks"]}
        assert {name: (row["state"], row["value"]) for name, row in checks.items()} == {
            "backing": ("firing", "-2 cUSD"),
            "big-mint": ("ok", "300 cUSD"),
            "share-price": ("ok", "1.081"),
        }
        assert checks["big-mint"]["blind_by"] == "mainnet"
        assert checks["share-price"]["severity"] is None, "nothing is wrong with it"
        page = html.unescape(web.ask("/monitoring").text)
        assert "stcUSD: the share price never falls" in page
        assert "no data: mainnet" in page
        assert len(addresses(web, "/monitoring", "/incident[?]monitor=cap")) == 1


def test_a_source_of_which_no_answer_was_parsed_is_shown_as_unconfirmed(tmp_path: Path) -> None:
    with fill(tmp_path / "cache" / "monitoring.db", NOW, checks=True) as database, database.write() as tx:
        kept = {"reserve": {"of": "1"}, "supply": {"of": "2", "shape": "number"}}
        chain_memory.put(tx, chain_memory.SHAPE, "cap", json.dumps(kept), NOW)
        chain_memory.put(tx, chain_memory.SHAPE, "odd", "[", NOW)
    with serving(tmp_path / "cache") as web:
        page = html.unescape(web.ask("/monitoring").text)
        assert "1 unconfirmed" in page
        assert "Unconfirmed: no answer of reserve has been read yet" in page


def test_what_a_silence_held_back_is_said_to_be_told_to_nobody(database: Database, tmp_path: Path) -> None:
    with database.write() as tx:
        silences.add(tx, "aave", None, now=NOW, ends_at=NOW + timedelta(hours=1), reason="upgrade", created_by="ana")
    record(database, Alert("HIGH", "99 %", protocol="aave", key="utilisation"), now=NOW)
    with serving(tmp_path / "cache") as web:
        assert "silenced until" in web.ask("/incidents").text
        page = web.ask("/incident?monitor=aave&check=utilisation").text
        assert "not sent yet" in page
        assert re.search(r"Silenced until .* by ana: upgrade\.", page)
        with database.write() as tx:
            silences.end(tx, 1, datetime.now(UTC))
        assert "not sent yet" in web.ask("/incidents").text
        assert "No silence is in force" in web.ask("/silences").text


def test_what_is_paused_is_on_the_first_page_with_who_why_and_how_to_end_it(database: Database, tmp_path: Path) -> None:
    with database.write() as tx:
        for kind, name in ((PauseKind.PROFILE, "hourly"), (PauseKind.CHECK, "aave/utilisation/*")):
            pauses.add(
                tx, kind, name, now=NOW, ends_at=NOW + timedelta(hours=1), reason="provider moves", created_by="ana"
            )
    with serving(tmp_path / "cache") as web:
        for path in ("/", "/silences"):
            text = web.ask(path).text
            assert "aave/utilisation/*" in text
            assert "provider moves" in text
            assert "by ana" in text
            assert "resume 1" in text
        with database.write() as tx:
            pauses.end(tx, 1, "ben", datetime.now(UTC))
        assert "hourly" not in web.ask("/").text.partition('id="pauses"')[2].partition("</section>")[0]
        assert "ended by ben" in web.ask("/silences").text


@pytest.mark.parametrize(
    ("path", "status"),
    [("/incident", 404), ("/incident?monitor=aave&check=nothing", 404), ("/incident?chek=x", 400)],
)
def test_an_incident_that_is_none_is_a_page_that_says_so(
    database: Database, tmp_path: Path, path: str, status: int
) -> None:
    with serving(tmp_path / "cache") as web:
        reply = web.ask(path)
        assert reply.status == status
        assert "<!doctype html>" in reply.text
