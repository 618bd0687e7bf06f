"""The dashboard in the system's Chromium: with scripts and without, on a phone and at night."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from monitoring.alerts.model import Alert
from monitoring.store.database import Database
from tests.support import parts
from tests.support.filled import HOSTILE, fill, store
from tests.support.web import Web, serving

pytestmark = pytest.mark.browser
PATIENCE_MS = 40_000
expect.set_options(timeout=PATIENCE_MS)
Open = Callable[..., Page]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    program = parts.require("chromium")
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Web, Database]]:
    cache = tmp_path_factory.mktemp("browser") / "cache"
    database = fill(cache / "monitoring.db", datetime.now(UTC), healthy=False)
    with serving(cache) as web:
        yield web, database
    database.close()


@pytest.fixture
def open_page(browser: Browser, host: tuple[Web, Database]) -> Iterator[Open]:
    """Open an address; whatever the browser complains of, or asks of any other host, fails the test."""
    contexts = []
    complaints: list[str] = []

    def go(path: str, **options: object) -> Page:
        context = browser.new_context(**options)  # type: ignore[arg-type]
        context.set_default_timeout(PATIENCE_MS)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda r: None if r.url.startswith(host[0].url) else complaints.append(r.url))
        page.goto(host[0].url + path)
        return page

    yield go
    for context in contexts:
        context.close()
    assert complaints == []


def test_the_verdict_stands_on_top_with_what_to_look_at(open_page: Open) -> None:
    page = open_page("/")
    verdict = page.locator(".verdict")
    expect(verdict.locator("h1")).to_have_text("Silence is not proved")
    expect(verdict).to_contain_text("ticks due")
    expect(verdict).to_contain_text("hourly/aave fails")
    verdict.get_by_role("link", name="hourly/aave fails").click()
    expect(page.locator("h1")).to_contain_text("hourly")


def test_filters_live_in_the_address_and_need_no_button(open_page: Open) -> None:
    page = open_page("/alerts")
    page.get_by_label("Severity").select_option("CRITICAL")
    expect(page.locator("#live .row")).to_have_count(1)
    expect(page).to_have_url(re.compile(r"/alerts\?severity=CRITICAL$"))
    page.get_by_label("Protocol").select_option("lido")
    expect(page.locator("#live")).to_contain_text("No alert matches")
    page.reload()
    expect(page.get_by_label("Protocol")).to_have_value("lido")
    page.get_by_role("link", name="Show all").click()
    expect(page.locator("#live .row")).to_have_count(50)


@pytest.mark.parametrize("scripts", [True, False])
def test_paging_goes_through_all_alerts_and_back(open_page: Open, *, scripts: bool) -> None:
    page = open_page("/alerts?severity=LOW", java_script_enabled=scripts)
    first = page.locator("#live .row").count()
    assert first > 10
    page = open_page("/alerts", java_script_enabled=scripts)
    page.get_by_role("link", name="Older →").click()
    expect(page.locator("#live .row").first).to_be_visible()
    expect(page).to_have_url(re.compile("cursor="))
    page.get_by_role("link", name="← Newest").click()
    expect(page.locator("#live .row")).to_have_count(50)


def test_everything_can_be_read_and_filtered_without_a_script(open_page: Open) -> None:
    page = open_page("/", java_script_enabled=False)
    expect(page.locator(".verdict h1")).to_have_text("Silence is not proved")
    expect(page.locator("svg rect.bar").first).to_be_visible()
    page.get_by_role("link", name="All alerts →").click()
    page.get_by_label("Severity").select_option("CRITICAL")
    page.get_by_role("button", name="Show").click()
    expect(page.locator("#live .row")).to_have_count(1)
    page.locator("#live .row a").first.click()
    expect(page.locator(".text")).to_contain_text("upgradeTo")


def test_a_failed_run_opens_at_the_output_of_what_failed(open_page: Open) -> None:
    page = open_page("/runs?profile=hourly&status=failed")
    page.locator("#live .row a").first.click()
    expect(page.locator("details[open] .output")).to_have_count(1)
    expect(page.locator("details[open] .output")).to_contain_text("TimeoutError: no provider answered")
    page.get_by_text("lido").click()
    expect(page.locator("#task-lido .output")).to_contain_text("utilisation 91.2 %")


def test_a_new_alert_arrives_without_a_reload(open_page: Open, host: tuple[Web, Database]) -> None:
    page = open_page("/")
    page.evaluate("window.notReloaded = true")
    page.locator("details#notes summary").click()
    with host[1].write() as tx:
        store(tx, Alert("HIGH", "It arrived by itself", protocol="aave"), datetime.now(UTC))
    expect(page.get_by_role("link", name="It arrived by itself")).to_be_visible()
    assert page.evaluate("window.notReloaded") is True
    expect(page.locator("details#notes")).to_have_attribute("open", "")
    expect(page.locator(".arrived").first).to_contain_text("It arrived by itself")


def test_a_page_that_gets_no_answers_says_that_it_is_old(open_page: Open) -> None:
    page = open_page("/")
    expect(page.locator("#stale")).to_be_hidden()
    page.evaluate("document.getElementById('live').dispatchEvent(new CustomEvent('htmx:afterRequest', "
                  "{bubbles: true, detail: {successful: false}}))")  # fmt: skip
    expect(page.locator("#stale")).to_contain_text("may be out of date")


def test_markup_of_a_message_is_shown_not_run(open_page: Open) -> None:
    page = open_page("/alerts?severity=HIGH")
    page.get_by_role("link", name=HOSTILE[:20]).first.click()
    expect(page.locator(".text")).to_contain_text("<script>document.title='owned'</script>")
    assert "owned" not in page.title()


PAGES = ("/", "/alerts", "/alerts/61", "/runs", "/runs/330", "/incidents", "/profiles/hourly", "/nothing")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", PAGES[:-1])
def test_a_phone_shows_it_without_scrolling_sideways_and_with_enough_contrast(
    open_page: Open, path: str, scheme: str
) -> None:
    page = open_page(path, viewport={"width": 390, "height": 844}, color_scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    low = page.evaluate(_CONTRAST)
    assert low == []
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    dark = sum(int(part) for part in re.findall(r"\d+", background)[:3]) < 200
    assert dark is (scheme == "dark")


def test_the_keyboard_reaches_everything_and_the_focus_is_seen(open_page: Open) -> None:
    page = open_page("/alerts")
    page.keyboard.press("Tab")
    expect(page.locator(":focus")).to_have_text("Skip to content")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.get_by_label("Protocol")).to_be_focused()
    page.get_by_role("link", name="Overview").focus()
    page.keyboard.press("/")
    expect(page.get_by_label("Protocol")).to_be_focused()
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"


def test_times_tell_the_readers_own_on_hover(open_page: Open) -> None:
    page = open_page("/runs", timezone_id="Asia/Tokyo", locale="en-GB")
    time = page.locator("#live time").first
    expect(time).to_have_attribute("title", re.compile(r"\d\d:\d\d:\d\d UTC\n.*(GMT\+9|JST).*\(here\)", re.DOTALL))


def test_a_host_on_which_nothing_has_run_is_told_the_next_steps(browser: Browser, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    with serving(cache) as web:
        page = browser.new_page()
        page.goto(web.url)
        expect(page.locator("h1")).to_have_text("Nothing has run yet")
        fill(cache / "monitoring.db", datetime.now(UTC)).close()
        page.goto(web.url)
        expect(page.locator("h1")).to_have_text("Silence is good news")
        page.close()


def test_a_running_run_fills_itself_while_one_looks(open_page: Open, host: tuple[Web, Database]) -> None:
    from monitoring.store import runs

    now = datetime.now(UTC)
    with host[1].write() as tx:
        run_id = runs.begin(
            tx, "daily", tick_at=None, trigger="manual", now=now, process="p", revision="", tasks_total=2
        )
        runs.begin_task(tx, run_id, "peg", now)
    page = open_page(f"/runs/{run_id}")
    expect(page.locator("#task-peg .status")).to_have_text("running")
    with host[1].write() as tx:
        done = runs.TaskRun(
            run_id, "peg", "ok", "", now, now + timedelta(seconds=1), 1.0, 0, output_tail="all pegs hold"
        )
        runs.record_task(tx, done)
        runs.finish(tx, run_id, "ok", exit_code=0, reason="", now=now + timedelta(seconds=2))
    expect(page.locator("#task-peg .status")).to_have_text("ok")


# WCAG 2 contrast of every text against the nearest opaque background: 4.5, or 3 for large text.
_CONTRAST = """() => {
  const rgb = (text) => (text.match(/[\\d.]+/g) || []).map(Number);
  const linear = (v) => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4);
  const light = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  const behind = (node) => {
    for (let at = node; at; at = at.parentElement) {
      const [r, g, b, a = 1] = rgb(getComputedStyle(at).backgroundColor);
      if (a > 0.99) return [r, g, b];
    }
    return [255, 255, 255];
  };
  const low = [];
  for (const node of document.querySelectorAll("body *")) {
    const own = [...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim());
    if (!own || node.closest("svg, [hidden], .unseen, .skip") || !node.getClientRects().length) continue;
    const style = getComputedStyle(node);
    const [a, b] = [light(rgb(style.color)), light(behind(node))].sort((x, y) => y - x);
    const size = parseFloat(style.fontSize);
    const isLarge = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
    const contrast = (a + 0.05) / (b + 0.05);
    if (contrast < (isLarge ? 3 : 4.5)) low.push(`${node.className} ${node.textContent.slice(0, 30)} ${contrast}`);
  }
  return low;
}"""
