"""What a page of another site can do here, in a real browser: link to a page, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from monitoring.store.db.database import Database
from tests.browser.conftest import PATIENCE_MS
from tests.support import parts
from tests.support.web import Web

OTHER = "http://attacker.example"
pytestmark = pytest.mark.case("E.2")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """For this browser the other site's name resolves to this host; it has no wall of its own around local hosts."""
    walls = "LocalNetworkAccessChecks,BlockInsecurePrivateNetworkRequests"
    arguments = [
        "--no-sandbox",
        "--host-resolver-rules=MAP attacker.example 127.0.0.1",
        f"--disable-features={walls}",
    ]
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=parts.require("chromium"), args=arguments)
        yield launched
        launched.close()


@pytest.fixture
def page(browser: Browser, host: tuple[Web, Database]) -> Iterator[Page]:
    """A page of the other site, on port 80, with a link to ours and a frame of it."""
    opened = browser.new_page()
    opened.set_default_timeout(PATIENCE_MS)
    here = host[0].url
    content = f"<a href='{here}/alerts'>alerts</a><iframe src='{here}/'></iframe>"
    opened.route(f"{OTHER}/", lambda route: route.fulfill(body=content, content_type="text/html"))
    yield opened
    opened.close()


def test_a_page_whose_name_leads_to_this_host_reads_nothing(page: Page, host: tuple[Web, Database]) -> None:
    for path in ("/", "/v1/alerts"):
        answer = page.goto(f"{OTHER}:{host[0].port}{path}")
        assert answer is not None
        assert answer.status == 421
        assert "MONITORING_PUBLIC_URL" in answer.text()


def test_a_link_from_another_site_works_and_a_frame_does_not(page: Page, host: tuple[Web, Database]) -> None:
    answers: dict[str, int] = {}
    page.on("response", lambda answer: answers.update({answer.url.removeprefix(host[0].url): answer.status}))
    page.goto(f"{OTHER}/", wait_until="load")
    assert answers["/"] == 403
    page.get_by_role("link", name="alerts").click()
    page.wait_for_url("**/alerts")
    assert answers["/alerts"] == 200
    assert page.locator("#live .row").count() == 50
