"""The pages of an incident and of a check, of a database that the product's own writes made."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from monitoring.alerts.message.model import Alert
from monitoring.alerts.recording.store_alert import record
from monitoring.base.process_identity import current_boot
from monitoring.base.settings import CHECKOUT, Settings
from monitoring.store.db.database import Database
from monitoring.store.queries import revisions
from monitoring.web import pages
from monitoring.web.route import RequestContext
from tests.support import story
from tests.support.sqlite_steps import steps_of
from tests.support.web import Web, serving

NOW = datetime.now(UTC)


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    found = story.build(tmp_path_factory.mktemp("story") / "cache" / "monitoring.db", NOW, held=True)
    record(found, Alert("HIGH", "92 %", protocol="lido", key="peg"), now=NOW - timedelta(hours=1))
    yield found
    found.close()


@pytest.fixture(scope="module")
def web(database: Database) -> Iterator[Web]:
    with serving(database.path.parent) as found:
        yield found


def text_of(web: Web, path: str) -> str:
    """Return what a page says, without its markup and with single blanks."""
    reply = web.ask(path)
    assert reply.status == 200, reply.text
    body = re.sub(r"<(desc|details)\b.*?</\1>", " ", reply.text, flags=re.DOTALL)
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", body)))


def test_an_incident_says_how_bad_it_is_since_when_and_where_it_goes(web: Web) -> None:
    said = text_of(web, story.INCIDENT)
    for words in (
        "Value now 95.1%", "Limit ≤ 90% CRITICAL at 97%", "over by 5.1%", "At its worst 95.1%",
        "Getting worse: 91.5% when it fired, 95.1% now.", "firing for 4 h",
    ):  # fmt: skip
        assert words in said


def test_an_incident_says_who_has_it_and_what_people_did(web: Web) -> None:
    said = text_of(web, story.INCIDENT)
    assert re.search(r"Who has it ana until", said)
    timeline = said.partition("Timeline")[2].partition("Message as sent")[0]
    assert re.search(r"muted by ana until .*: known.*ana has it: asking the team.*fired HIGH", timeline)
    assert timeline.count("ana has it") == 1, "the message about it says nothing more"


def test_an_incident_shows_the_message_that_raised_it_and_where_it_arrived(web: Web) -> None:
    said = text_of(web, story.INCIDENT)
    message = said.partition("Message as sent")[2]
    assert "91.5% of the deposits are lent out, limit 90%." in message
    assert re.search(r"telegram AAVE delivered", message)
    assert "in chat -1001234567890, topic 7" in message
    assert 'href="https://t.me/c/1234567890/7/' in web.ask(story.INCIDENT).text


def test_an_incident_shows_its_formula_its_contracts_and_its_past(web: Web) -> None:
    said = text_of(web, story.INCIDENT)
    assert "borrowed / supplied With its inputs: 1,141,200,000 / 1,200,000,000" in said
    assert f'href="https://etherscan.io/address/{story.POOL}"' in web.ask(story.INCIDENT).text
    assert re.search(r"What else fired then USDC oracle is 70 min old", said)
    assert re.search(r"Earlier incidents 1 .* lasted 4 h", said)
    assert "protocols/aave/README.md#utilisation" in said
    assert "Ask in the forum first." in said


def test_the_chart_marks_the_alert_the_people_and_the_deploy(web: Web) -> None:
    page = web.ask(story.INCIDENT).text
    (figure,) = re.findall(r'<figure class="plot">.*?</figure>', page, re.DOTALL)
    for title in ("fired HIGH", "ana has it: asking the team", "new revision 9d0e1f2a3b4c"):
        assert f"<title>{title}</title>" in figure
    assert re.search(r"<title>muted by ana until [^<]*: known</title>", figure)
    assert "limit 90%" in figure


def test_a_fine_check_says_its_headroom_where_it_is_declared_and_when_it_runs_next(web: Web) -> None:
    said = text_of(web, story.FINE_CHECK)
    assert re.search(r"Limit ≥ \$0 Headroom \$1,\d\d\d,\d\d\d", said)
    assert re.search(r"Profile hourly 5 \* \* \* \* Next run", said)
    assert "it has not fired" in said
    assert "held - owed With its inputs: 9 - 8" in said


def test_the_ranges_of_a_check_show_more_of_its_past(web: Web) -> None:
    day, week = (web.ask(f"{story.CHECK}&range={name}").text for name in ("24h", "7d"))
    assert "no data (" not in day
    assert "no data (7 h)" in week, "six runs had none"
    assert re.search(r'aria-current="true">7 d<', week)
    assert "protocols/aave/monitor.yaml:" in week
    assert "Readings of it are kept since" not in week
    assert "Readings of it are kept since" in web.ask(f"{story.CHECK}&range=30d").text
    assert web.ask(f"{story.CHECK}&range=2y").status == 400


def test_the_id_of_the_api_leads_to_the_page_and_the_page_to_the_csv(web: Web) -> None:
    by_id = web.ask("/checks/aave/utilisation/USDC/1")
    assert by_id.status == 200
    assert "share of the deposits that is lent out" in by_id.text
    (address,) = re.findall(r'<a href="([^"]+)">Readings as CSV', by_id.text)
    csv = web.ask(html.unescape(address))
    assert csv.status == 200
    assert csv.text.count("\n") > 20
    assert web.ask("/checks/aave/nothing").status == 404
    assert web.ask("/check?monitor=aave&check=nothing").status == 404


def test_an_incident_without_readings_says_so_plainly(web: Web) -> None:
    said = text_of(web, "/incident?monitor=lido&check=peg")
    assert "No reading of it is kept, so there is no chart: a script raised it." in said
    assert "fired HIGH" in said


@pytest.mark.ci
def test_a_recovered_incident_says_how_long_it_took_and_offers_nothing_to_do(tmp_path: Path) -> None:
    with story.build(tmp_path / "cache" / "monitoring.db", NOW) as database:
        story.recovered(database, NOW)
    with serving(tmp_path / "cache") as web:
        said = text_of(web, story.INCIDENT)
    assert re.search(r"Over since .* after 4 h", said)
    assert "At its worst 95.1%" in said
    assert "Say that you have it" not in said
    assert "Mute it" not in said


def test_a_deploy_is_the_first_run_of_another_revision(database: Database) -> None:
    found = revisions.changes(database, "hourly", NOW - timedelta(days=3), NOW)
    assert [revision for _, revision in found] == ["9d0e1f2a3b4c"]
    assert revisions.changes(database, "hourly", NOW - timedelta(hours=3), NOW) == []
    assert revisions.changes(database, "nothing", NOW - timedelta(days=3), NOW) == []


def test_a_page_costs_what_it_shows_and_not_what_is_kept(tmp_path: Path) -> None:
    """Counted in SQLite's own steps: eight days of readings and runs against eighty."""
    asked = {"monitor": "aave", "check": "utilisation/USDC", "chain": "1"}
    routes = {route.path: route for route in pages.ROUTES if route.path in ("/incident", "/check", "/checks/{id:path}")}
    steps: dict[str, list[int]] = {path: [] for path in routes}
    for days in (8, 80):
        with story.build(tmp_path / str(days) / "monitoring.db", NOW, days=days) as database:
            for path, route in routes.items():
                by_id = "{id" in path
                context = RequestContext(
                    database, {"id": "aave/utilisation/USDC/1"} if by_id else {}, {} if by_id else asked, NOW,
                    current_boot(), Settings({}, CHECKOUT, tmp_path),
                )  # fmt: skip
                steps[path].append(steps_of(database, lambda: route.find(context)))  # noqa: B023
    assert len(routes) == 3
    for path, (short, long) in steps.items():
        assert long <= short * 1.2 + 500, (path, short, long)
