"""An incident and its check as somebody on call meets them: on a phone at night, by a link, with two taps at most."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from monitoring.alerts.message.model import Alert
from monitoring.alerts.recording.store_alert import record
from monitoring.store.db.schema import open_database
from monitoring.web.pages.templating import incident_address
from tests.browser.conftest import PATIENCE_MS
from tests.support import story
from tests.support.axe import faults
from tests.support.fake_telegram import TelegramStandIn
from tests.support.outbox import Outbox
from tests.support.web import Web, serving

pytestmark = [pytest.mark.browser, pytest.mark.ci]

LOOKS = ((390, "light", True), (390, "dark", False), (1280, "light", False), (1280, "dark", True))
BY_A_SCRIPT = "/incident?monitor=lido&check=peg"
NOW = datetime.now(UTC)


@pytest.fixture(scope="module")
def webs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Web]]:
    """A host on which it fires, one on which somebody has it, one on which it is over, one with only a script."""
    with ExitStack() as stack:
        found = {}
        for name in ("firing", "held", "over", "script"):
            cache = tmp_path_factory.mktemp(name) / "cache"
            if name == "script":
                with open_database(cache / "monitoring.db") as database:
                    record(
                        database, Alert("HIGH", "stETH 0.92", protocol="lido", key="peg"), now=NOW - timedelta(hours=1)
                    )
            else:
                with story.build(cache / "monitoring.db", NOW, held=name == "held") as database:
                    if name == "over":
                        story.recovered(database, NOW)
            found[name] = stack.enter_context(serving(cache))
        yield found


def opened(browser: Browser, look: tuple[int, str, bool]) -> Page:
    width, scheme, scripts = look
    page = browser.new_page(viewport={"width": width, "height": 844}, color_scheme=scheme)  # type: ignore[arg-type]
    page.set_default_timeout(PATIENCE_MS)
    if not scripts:  # axe is a script itself: only ours are taken away
        page.route("**/static/*.js", lambda route: route.fulfill(body="", content_type="text/javascript"))
    return page


@pytest.mark.parametrize("look", LOOKS, ids=str)
def test_no_page_of_an_incident_or_a_check_has_a_fault(
    browser: Browser, webs: dict[str, Web], look: tuple[int, str, bool]
) -> None:
    page = opened(browser, look)
    found = {}
    for name, path in (
        ("firing", story.INCIDENT), ("held", story.INCIDENT), ("over", story.INCIDENT), ("script", BY_A_SCRIPT),
        ("firing", f"{story.CHECK}&range=7d"), ("firing", story.FINE_CHECK), ("over", f"{story.CHECK}&range=90d"),
    ):  # fmt: skip
        page.goto(webs[name].url + path)
        page.locator("details.as-table").evaluate_all("all => all.forEach((one) => { one.open = true; })")
        found[name, path] = faults(page)
    page.close()
    assert {path: each for path, each in found.items() if each} == {}


def answers(page: Page) -> dict[str, Locator]:
    """Return where each question of three in the morning is answered."""
    head = page.locator("article.card")
    return {
        "what is wrong": head.get_by_role("heading", name=story.TITLE),
        "how bad": head.locator(".figures").get_by_text("over by 5.1%"),
        "since when": head.get_by_text(re.compile("firing for 4 h")),
        "is it getting worse": head.get_by_text("Getting worse: 91.5% when it fired, 95.1% now."),
        "who has it": head.get_by_text("nobody", exact=True),
    }


def expect_all_answers(page: Page) -> None:
    for question, answer in answers(page).items():
        expect(answer, question).to_be_in_viewport()
    what_to_do = page.get_by_role("heading", name="What to do")
    expect(what_to_do).to_be_in_viewport()
    expect(page.get_by_text("protocols/aave/README.md#utilisation").first).to_be_visible()
    expect(page.get_by_label("Command that acknowledges it")).to_contain_text("ack aave/utilisation/USDC/1")


@pytest.mark.parametrize("scripts", [True, False])
def test_five_questions_are_answered_by_one_tap_on_the_overview(
    browser: Browser, webs: dict[str, Web], *, scripts: bool
) -> None:
    page = opened(browser, (390, "dark", scripts))
    page.goto(webs["firing"].url)
    page.get_by_role("link", name=story.TITLE).first.click()
    expect_all_answers(page)
    page.close()


def test_the_link_of_a_message_answers_them_without_another_tap(
    browser: Browser, webs: dict[str, Web], tmp_path: Path
) -> None:
    with TelegramStandIn() as telegram:
        (tmp_path / "cache").mkdir()
        box = Outbox(tmp_path / "cache", telegram.url, {"MONITORING_PUBLIC_URL": webs["firing"].url})
        story.build(box.directory / "monitoring.db", NOW).close()
        story.unsent(box.database)
        box.drain()
        box.close()
        links = [entity["url"] for message in telegram.messages for entity in message.entities if "url" in entity]
    since = (NOW - 4 * story.HOUR).replace(microsecond=0)
    page = opened(browser, (390, "light", True))
    page.goto(next(link for link in links if link.endswith(incident_address(story.KEY, since))))
    expect_all_answers(page)
    expect(page.locator("main")).not_to_contain_text("which is over")
    page.close()


def test_a_command_is_copied_by_a_button_and_selected_by_hand_without_scripts(
    browser: Browser, webs: dict[str, Web]
) -> None:
    context = browser.new_context(permissions=["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.goto(webs["firing"].url + story.INCIDENT)
    button = page.locator(".command", has_text="ack aave").get_by_role("button", name="Copy")
    button.click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()").startswith("python -m automation ack aave/")
    context.close()
    page = opened(browser, (390, "light", False))
    page.goto(webs["firing"].url + story.INCIDENT)
    expect(page.get_by_role("button", name="Copy")).to_have_count(0)
    assert page.get_by_label("Command that silences it").evaluate("node => getComputedStyle(node).userSelect") != "none"
    page.close()


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("range_", ["24h", "7d", "30d", "90d"])
def test_the_labels_of_a_chart_keep_their_size_and_their_distance(
    browser: Browser, webs: dict[str, Web], width: int, range_: str
) -> None:
    page = opened(browser, (width, "light", True))
    page.goto(f"{webs['firing'].url}{story.CHECK}&range={range_}")
    labels = page.evaluate(_LABELS)
    assert len(labels) >= 2
    for one in labels:
        assert 11 <= one["height"] <= 22, one
    for left, right in pairwise(labels):
        assert left["right"] + 4 <= right["left"], (left, right)
    page.close()


_LABELS = """() => [...document.querySelectorAll(".plot .tick text")].filter((node) => node.getClientRects().length)
  .map((node) => [node.textContent, node.getBoundingClientRect()])
  .map(([text, { left, right, height }]) => ({ text, left, right, height })).sort((a, b) => a.left - b.left)"""


def test_somebody_who_hears_a_chart_gets_its_numbers(browser: Browser, webs: dict[str, Web]) -> None:
    page = opened(browser, (390, "light", True))
    page.goto(f"{webs['firing'].url}{story.CHECK}&range=7d")
    tree = page.locator("figure").aria_snapshot()
    assert "over time" in tree
    described = page.locator("figure svg[role=img] desc").text_content() or ""
    assert "Last 95.1%, lowest 64%, highest 95.1%. Upper limit 90%. No data for 7 h." in described
    page.get_by_text("As a table").click()
    expect(
        page.get_by_role("table", name=re.compile("as a table")).or_(page.locator(".as-table table"))
    ).to_be_visible()
    page.close()
