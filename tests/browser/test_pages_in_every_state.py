"""Every page in every state, as an audit of accessibility sees it: phone and desk, day and night, scripts or none."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import PATIENCE_MS
from tests.support import axe, page_scenes
from tests.support.web import Web, serving

pytestmark = [pytest.mark.browser, pytest.mark.ci]
SCENES = ("empty", "first", "well", "blind", "storm", "many")
# Scripts taken away in one of them. Another test holds the contrast of a phone by day.
LOOKS = ((390, "dark", False), (1280, "light", True), (1280, "dark", True))
PAGES = ("/alerts?q=oracle", "/alerts/61", "/runs", "/runs/300", "/profiles/hourly", "/incidents", "/silences",
         "/monitoring?protocol=aave", "/")  # fmt: skip


@pytest.fixture(scope="module")
def webs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Web]]:
    now = datetime.now(UTC)
    with ExitStack() as stack:
        found = {}
        for scene in SCENES:
            cache = tmp_path_factory.mktemp(scene) / "cache"
            stack.enter_context(page_scenes.build(scene, cache / "monitoring.db", now))
            found[scene] = stack.enter_context(serving(cache))
        yield found


@pytest.fixture
def complaints() -> Iterator[list[str]]:
    """What a browser complains of, or asks of any other host, fails the test."""
    found: list[str] = []
    yield found
    assert found == []


def opened(browser: Browser, web: Web, look: tuple[int, str, bool], complaints: list[str]) -> Page:
    width, scheme, scripts = look
    page = browser.new_page(viewport={"width": width, "height": 844}, color_scheme=scheme)  # type: ignore[arg-type]
    page.set_default_timeout(PATIENCE_MS)
    if not scripts:  # axe is a script itself: only ours are taken away
        page.route("**/static/*.js", lambda route: route.fulfill(body="", content_type="text/javascript"))
    page.on("console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None)
    page.on("request", lambda r: None if r.url.startswith(web.url) else complaints.append(r.url))
    return page


def faults(page: Page, look: tuple[int, str, bool]) -> list[str]:
    """Return what is wrong with a page: contrast alone where only the colours are others."""
    return axe.faults(page) if look in LOOKS[:2] else axe.faults(page, "color-contrast")


@pytest.mark.parametrize("look", LOOKS, ids=str)
def test_no_page_has_a_fault_while_sixty_things_fire(
    browser: Browser, webs: dict[str, Web], look: tuple[int, str, bool], complaints: list[str]
) -> None:
    page = opened(browser, webs["storm"], look, complaints)
    found = {}
    for path in PAGES:
        page.goto(webs["storm"].url + path)
        found[path] = faults(page, look)
        assert page.title().startswith("(60) "), path
        assert "favicon-alarm" in str(page.locator("link[rel=icon]").get_attribute("href")), path
    page.locator("#firing ~ .card .what").first.click()
    found["incident"] = faults(page, look)
    page.close()
    assert {path: each for path, each in found.items() if each} == {}


@pytest.mark.parametrize("look", LOOKS[:2], ids=str)
@pytest.mark.parametrize("scene", [scene for scene in SCENES if scene != "storm"])
def test_the_first_pages_have_no_fault_in_any_state(
    browser: Browser, webs: dict[str, Web], scene: str, look: tuple[int, str, bool], complaints: list[str]
) -> None:
    page = opened(browser, webs[scene], look, complaints)
    found = {}
    for path in ("/", "/monitoring"):
        page.goto(webs[scene].url + path)
        found[path] = faults(page, look)
    page.close()
    assert {path: each for path, each in found.items() if each} == {}


def test_every_state_is_said_in_one_sentence_and_only_one_of_them_is_calm(
    browser: Browser, webs: dict[str, Web], complaints: list[str]
) -> None:
    """As somebody hears it: the first heading of the tree of accessibility."""
    said = {
        "empty": "Nothing is scheduled yet",
        "first": "Nothing has run yet",
        "well": "All is well: nothing is firing, nothing was missed",
        "blind": "136 of 147 checks have no data",
        "storm": "60 incidents are firing, the worst CRITICAL",
        "many": "1 incident is firing, CRITICAL",
    }
    for scene, sentence in said.items():
        page = opened(browser, webs[scene], LOOKS[0], complaints)
        page.goto(webs[scene].url)
        tree = page.locator("main").aria_snapshot()
        assert re.findall(r'heading "(.*)" \[level=1\]', tree) == [sentence]
        expect(page.locator(".verdict.good")).to_have_count(1 if scene == "well" else 0)
        page.close()


def test_all_blind_is_a_line_for_each_source_and_an_alarm_in_colour(
    browser: Browser, webs: dict[str, Web], complaints: list[str]
) -> None:
    page = opened(browser, webs["blind"], LOOKS[0], complaints)
    page.goto(webs["blind"].url)
    expect(page.locator(".verdict.bad")).to_have_count(1)
    rows = page.locator("section", has=page.locator("#no-data")).locator(".row")
    expect(rows).to_have_count(3)
    expect(rows.first).to_contain_text("mainnet: 103 checks")
    expect(rows.first).to_contain_text("HTTP 503")
    assert len(page.locator("main").inner_text()) < 2_500, "it fits in some screens of a phone"
    page.close()


def test_what_is_on_the_overview_is_there_once(browser: Browser, webs: dict[str, Web], complaints: list[str]) -> None:
    page = opened(browser, webs["storm"], LOOKS[1], complaints)
    page.goto(webs["storm"].url)
    titles = page.locator("#live .row .what").all_inner_texts()
    assert len(titles) == len(set(titles))
    assert len([title for title in titles if title.startswith("Market")]) == 10
    expect(page.locator("#live")).to_contain_text("ana has it")
    expect(page.locator("#live .row").first).to_contain_text("CRITICAL")
    expect(page.locator("#live .row").first).to_contain_text("limit ≥ 10%")
    page.close()


def test_a_storm_says_how_many_of_each_severity_there_are_and_how_many_somebody_has(
    browser: Browser, webs: dict[str, Web], complaints: list[str]
) -> None:
    page = opened(browser, webs["storm"], LOOKS[0], complaints)
    page.goto(webs["storm"].url)
    verdict = page.locator(".verdict")
    expect(verdict).to_contain_text("2 CRITICAL, 10 HIGH, 28 MEDIUM, 20 LOW; 2 of them acknowledged")
    expect(verdict.locator(".how-bad")).to_be_in_viewport()
    assert page.locator("#live .row .nobody").all_inner_texts() == ["nobody has it"] * 7, "of ten, not silenced"
    page.close()


def test_each_command_for_silences_is_copied_whole_on_a_phone(browser: Browser, webs: dict[str, Web]) -> None:
    context = browser.new_context(
        permissions=["clipboard-read", "clipboard-write"], viewport={"width": 390, "height": 844}
    )
    page = context.new_page()
    page.goto(f"{webs['storm'].url}/silences")
    commands = page.locator("#live .command")
    copied = set()
    for command in commands.all():
        assert command.locator("pre").evaluate("node => node.scrollWidth <= node.clientWidth"), "nothing is cut off"
        command.get_by_role("button", name="Copy").click()
        expect(command.get_by_role("button", name="Copied")).to_be_visible()
        copied.add(page.evaluate("navigator.clipboard.readText()"))
    assert copied == {
        "python -m automation silence --end 1", "python -m automation silence --end 2", "python -m automation resume 1",
        "python -m automation silence --protocol aave --for 2h --reason 'upgrade at 14:00'",
        "python -m automation pause --profile daily --for 2h --reason 'provider moves'",
    }  # fmt: skip
    context.close()


def test_the_lines_of_a_young_host_fill_their_column_and_say_since_when(
    browser: Browser, webs: dict[str, Web], complaints: list[str]
) -> None:
    page = opened(browser, webs["well"], LOOKS[1], complaints)
    page.goto(f"{webs['well'].url}/monitoring")
    expect(page.locator(".checks-table thead").first).to_contain_text(re.compile(r"Since \d\d:\d\d|Since [A-Z]"))
    box = page.locator("svg.spark path").first.evaluate("node => node.getBBox().width")
    assert box > 80, "of 96"
    page.close()


def test_five_thousand_checks_are_found_by_filter_search_and_page_without_a_script(
    browser: Browser, webs: dict[str, Web], complaints: list[str]
) -> None:
    page = opened(browser, webs["many"], LOOKS[0], complaints)
    page.goto(f"{webs['many'].url}/monitoring")
    expect(page.locator("#live tbody tr")).to_have_count(100)
    assert page.locator("#live details[open]").count() == 0, "folded on a phone"
    page.get_by_role("link", name="More checks →").click()
    expect(page).to_have_url(re.compile("cursor="))
    page.get_by_label("State").select_option("firing")
    page.get_by_role("button", name="Show").click()
    row = page.locator("#live tbody tr")
    expect(row).to_have_count(1)
    for words in ("CRITICAL", "≥ 10%", "short by"):
        expect(row).to_contain_text(words)
    page.get_by_role("link", name="Clear").click()
    page.get_by_label("Check", exact=True).fill("market 4711")
    page.get_by_role("button", name="Show").click()
    expect(page.locator("#live tbody tr")).to_have_count(1)
    assert page.locator("svg.spark").count() == 1
    page.close()


def test_a_tab_that_nobody_looks_at_turns_red_and_calm_again(browser: Browser, tmp_path: Path) -> None:
    """The clock of the page is moved by hand: half a minute is what a hidden tab waits."""
    now = datetime.now(UTC)
    database = page_scenes.build("well", tmp_path / "cache" / "monitoring.db", now)
    row = page_scenes.checks(1, now)[0]
    fires = page_scenes.firing(row, now, page_scenes.Severity.HIGH, "It fires", 1)
    with serving(tmp_path / "cache") as web:
        page = browser.new_page()
        page.clock.install()
        for path in ("/", "/alerts/1"):  # one refreshes itself, the other only its sign
            page.goto(web.url + path)
            page.evaluate("Object.defineProperty(document, 'hidden', { get: () => true })")
            expect(page).to_have_title(re.compile(r"^[^(]"))
            for wanted, shown in ((fires, "(1) "), (row, "")):
                with database.write() as tx:
                    page_scenes.conditions.put(tx, wanted, now)
                page.clock.fast_forward(65_000)
                expect(page).to_have_title(re.compile(rf"^{re.escape(shown)}[A-Z]"))
                icon = page.locator("link[rel=icon]")
                expect(icon).to_have_attribute("href", re.compile("favicon-alarm" if shown else r"favicon\."))
        page.close()
    database.close()


def test_times_are_local_on_demand_and_stay_so(browser: Browser, webs: dict[str, Web]) -> None:
    context = browser.new_context(timezone_id="Asia/Tokyo", locale="en-GB")
    page = context.new_page()
    page.goto(f"{webs['well'].url}/runs/300")
    started = page.locator("dt", has_text="Started").locator("xpath=following-sibling::dd").locator("time")
    utc = str(started.text_content())
    assert utc.endswith("UTC")
    page.get_by_role("button", name="Local times").click()
    expect(page.locator("#zone")).to_contain_text("local (GMT+9)")
    expect(started).not_to_have_text(utc)
    expect(started).to_contain_text("GMT+9")
    page.reload()
    expect(page.get_by_role("button", name="UTC times")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("t")
    expect(started).to_have_text(utc)
    context.close()


def test_the_keyboard_leads_to_every_page_and_says_how(browser: Browser, webs: dict[str, Web]) -> None:
    page = browser.new_page()
    page.goto(webs["well"].url)
    page.keyboard.press("?")
    help_ = page.get_by_role("dialog", name="Keyboard")
    expect(help_).to_contain_text("Local time or UTC")
    page.keyboard.press("Escape")
    expect(help_).to_be_hidden()
    for key, path in (("w", "/monitoring"), ("r", "/runs"), ("i", "/incidents"), ("a", "/alerts")):
        page.keyboard.press("g")
        page.keyboard.press(key)
        expect(page).to_have_url(webs["well"].url + path)
    page.keyboard.press("/")
    expect(page.get_by_label("Text")).to_be_focused()
    page.close()
