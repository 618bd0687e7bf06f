"""The system's Chromium and a host to look at, shared by the tests of the pages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from monitoring.store.db.database import Database
from tests.support import parts
from tests.support.filled import fill
from tests.support.web import Web, serving

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
