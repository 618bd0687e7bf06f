"""Takes the pictures of the pages in the documents: `python -m tests.support.page_pictures`, then look at each."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.sync_api import Browser, Page, sync_playwright

from monitoring.conditions.condition import Condition, ConditionKey
from monitoring.conditions.severity import Severity
from monitoring.store.db.database import Database
from monitoring.store.people import acknowledgements, duty
from monitoring.store.people.duty import OnCallNow
from monitoring.store.readings.limits import Bound, ReadingLimits
from monitoring.store.readings.reading import CheckReading, ReadingState, Series
from monitoring.store.readings.writing import record_in
from monitoring.store.tables import conditions
from tests.support import page_scenes, parts, story
from tests.support.web import ROOT, serving

FOLDER = ROOT / "docs" / "images"
TOKENS = ("USDC", "weETH", "DAI", "wstETH", "GHO", "cbBTC", "USDT", "rETH", "LUSD", "sDAI", "EURC", "tBTC", "WETH")
DARK = 9  # checks that cannot be read
FIRES = {0: (Severity.CRITICAL, 37, 3), 17: (Severity.HIGH, 12, 8)}  # severity, minutes, value in per cent
LIMITS = ReadingLimits((Bound(Fraction(1, 10), Severity.HIGH),), (), "≥ 10%")


def build(path: Path, now: datetime) -> Database:
    """Make a host with a day of readings: two incidents, one of which ana has, and a chain that cannot be read."""
    database = page_scenes.fill(path, now)
    rows = [_check(number, now) for number in range(page_scenes.CHECKS)]
    with database.write() as tx:
        for row in conditions.incidents(tx, now):
            conditions.forget(tx, row.key)
        for hours in range(24, -1, -1):
            at = now - timedelta(hours=hours)
            record_in(tx, [_reading(row, number, hours) for number, row in enumerate(rows)], (), at)
        for row in rows:
            conditions.put(tx, row, now)
        acknowledgements.put(tx, rows[0], by="ana", note="looking", now=now, ends_at=now + timedelta(hours=2))
    duty.keep(database, OnCallNow(("ana",), now + timedelta(days=3)), now)
    return database


def _check(number: int, now: datetime) -> Condition:
    token, protocol = TOKENS[number // 12 % 13], page_scenes.PROTOCOLS[number % 12]
    row = Condition(
        ConditionKey(protocol, "withdrawable", 1, token), severity=Severity.HIGH, protocol=protocol, declared=True,
        about=f"{token}: a tenth can be withdrawn", value="", judged_at=now - timedelta(seconds=11),
    )  # fmt: skip
    if number in FIRES:
        severity, minutes, percent = FIRES[number]
        title = f"{token}: only {percent}% of the deposits can be withdrawn"
        return page_scenes.firing(replace(row, severity=severity), now, severity, title, minutes)
    blind = number >= page_scenes.CHECKS - DARK
    return page_scenes.without_data(row, now, "arbitrum", "arbitrum: HTTP 503") if blind else row


def _reading(row: Condition, number: int, hours: int) -> CheckReading:
    series = Series(row.key, row.protocol, row.severity, "limit", "%", row.about, "cash / supplied")
    if row.no_data is not None and not hours:
        return CheckReading(series, ReadingState.NO_DATA, limits=LIMITS)
    value = Fraction(22 + number * 13 % 60 + (number * 7 + hours * 5) % 9, 100)
    if number not in FIRES:
        return CheckReading(series, ReadingState.OK, value, limits=LIMITS)
    value = Fraction(FIRES[number][2] + 2 * hours, 100)
    state = ReadingState.OK if hours else ReadingState.FIRING
    return CheckReading(series, state, value, limits=LIMITS, severity=row.severity)


def main() -> int:
    now = datetime.now(UTC)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        stack.enter_context(build(folder / "host" / "cache" / "monitoring.db", now))
        stack.enter_context(story.build(folder / "story" / "cache" / "monitoring.db", now))
        host, told = (stack.enter_context(serving(folder / name / "cache")).url for name in ("host", "story"))
        browser = stack.enter_context(sync_playwright()).chromium.launch(
            executable_path=parts.require("chromium"), args=["--no-sandbox"]
        )
        take(browser, f"{host}/", "dashboard", (1000, 900))
        take(browser, f"{host}/", "dashboard-phone", (390, 844), scheme="dark")
        take(browser, f"{host}/monitoring", "watched", (1000, 640))
        take(browser, f"{told}{story.CHECK}&range=7d", "check", (1100, 700), until="#course")
        take(browser, f"{told}{story.INCIDENT}", "incident-phone", (390, 844), scheme="dark", until="#course")
    return 0


def take(
    browser: Browser, url: str, name: str, size: tuple[int, int], *, scheme: str = "light", until: str = ""
) -> None:
    """Take what is seen first, or all of the page down to the end of the card whose heading is `until`."""
    width, height = size
    page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)  # type: ignore[arg-type]
    page.goto(url)
    if until:
        height = _end_of(page, until)
    clip = {"x": 0, "y": 0, "width": width, "height": height}
    page.screenshot(path=str(FOLDER / f"{name}.png"), full_page=True, clip=clip)  # type: ignore[arg-type]
    page.close()


def _end_of(page: Page, heading: str) -> int:
    box = page.locator("section.card", has=page.locator(heading)).bounding_box()
    assert box is not None
    return round(box["y"] + box["height"] + 16)


if __name__ == "__main__":
    sys.exit(main())
