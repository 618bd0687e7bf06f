"""The dashboard in the system's Chromium: with scripts and without, on a phone and at night."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from monitoring.alerts.message.model import Alert
from monitoring.store.db.database import Database
from tests.support.filled import HOSTILE, fill, store
from tests.support.web import Web, serving

pytestmark = pytest.mark.browser
Open = Callable[..., Page]


def test_the_verdict_stands_on_top_with_what_to_look_at(open_page: Open) -> None:
    page = open_page("/")
    verdict = page.locator(".verdict")
    expect(verdict.locator("h1")).to_have_text("People are not being reached")
    expect(verdict).to_contain_text("ticks due")
    expect(verdict).to_contain_text("hourly/aave is failing")
    verdict.get_by_role("link", name="hourly/aave is failing").click()
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
    expect(page.locator(".verdict h1")).to_have_text("People are not being reached")
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


def test_an_incident_tells_since_when_who_was_told_and_how_to_silence_it(open_page: Open) -> None:
    page = open_page("/incidents")
    page.get_by_role("link", name="Timelock queued a transaction").click()
    expect(page.locator("h1")).to_have_text("Timelock queued a transaction")
    expect(page.locator(".facts")).to_contain_text("Fires since")
    expect(page.locator(".facts")).to_contain_text(re.compile(r"3\d min ago"))
    expect(page.get_by_label("Command that silences it")).to_contain_text(
        "silence --protocol aave --key timelock/0x1 --for 2h"
    )


def test_a_silence_shows_on_what_it_covers_and_how_it_is_ended(open_page: Open, host: tuple[Web, Database]) -> None:
    from monitoring.store.tables import silences

    now = datetime.now(UTC)
    with host[1].write() as tx:
        silence_id = silences.add(
            tx, "aave", "utilisation/*", now=now, ends_at=now + timedelta(minutes=5), reason="known", created_by="bo"
        )
    page = open_page("/incident?monitor=aave&check=utilisation%2FUSDC")
    expect(page.locator(".problem.quiet")).to_contain_text("known")
    page.get_by_role("link", name=re.compile("silenced until")).click()
    expect(page.locator("#live")).to_contain_text(f"silence --end {silence_id}")
    expect(page.locator("#live")).to_contain_text("pool migration")
    with host[1].write() as tx:
        silences.end(tx, silence_id, datetime.now(UTC))


def test_what_is_watched_names_every_task_and_how_it_stands(open_page: Open) -> None:
    page = open_page("/monitoring", java_script_enabled=False)
    expect(page.locator("#live .row")).to_have_count(6)
    failing = page.locator("#live .row", has_text="failing since")
    expect(failing).to_have_count(1)
    failing.get_by_role("link").click()
    expect(page.locator("#task-aave .output")).to_contain_text("TimeoutError")


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
        expect(page.locator("h1")).to_have_text("2 incidents are firing, the worst CRITICAL")
        expect(page.locator(".verdict")).to_contain_text("Verified: nothing was missed")
        page.close()


def test_a_running_run_fills_itself_while_one_looks(open_page: Open, host: tuple[Web, Database]) -> None:
    from monitoring.store.tables import runs

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
