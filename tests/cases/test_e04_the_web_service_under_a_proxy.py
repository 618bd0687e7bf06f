"""`/healthz?_=1` was 400 for a cache buster; no page says its home under a sub-path; one 5 MB key made `/` 15 MB.

Right: `/healthz` ignores its query; links work below `MONITORING_PUBLIC_URL`'s path; a page is bounded.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from contextlib import closing

import pytest

from monitoring.alerts.message.model import Alert
from monitoring.alerts.recording.store_alert import raise_in
from monitoring.base.clock import SystemClock
from monitoring.conditions.condition import ConditionKey
from monitoring.store.db.schema import open_database
from tests.support.web import Web, serving

pytestmark = pytest.mark.case("E.4")


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    cache = tmp_path_factory.mktemp("proxy") / "cache"
    cache.mkdir()
    key = ConditionKey("acme", "k" * 5_000_000)
    with closing(open_database(cache / "monitoring.db")) as database, database.write() as tx:
        raise_in(tx, Alert("HIGH", "a long key", protocol="acme"), now=SystemClock().now(), key=key)
    with serving(cache, MONITORING_PUBLIC_URL="https://watch.example/monitoring") as running:
        yield running


def test_healthz_ignores_its_query(web: Web) -> None:
    assert web.ask("/healthz?_=1").status == 200


def test_links_are_below_the_public_path(web: Web) -> None:
    assert 'href="/monitoring/' in web.ask("/", Host="watch.example").text


def test_a_page_is_bounded_however_long_a_key_is(web: Web) -> None:
    page = web.ask("/")
    assert page.status == 200
    assert len(page.body) < 500_000


@pytest.mark.parametrize(
    "path", ["/monitoring/alerts", "/monitoring/", "/monitoring/monitoring", "/monitoring/healthz"]
)
def test_a_proxy_may_keep_the_public_path_or_remove_it(web: Web, path: str) -> None:
    assert web.ask(path).status == 200
    assert web.ask(path.removeprefix("/monitoring")).status == 200


def test_every_link_form_and_file_of_the_pages_is_below_the_public_path(web: Web) -> None:
    for path in ("/", "/alerts", "/alerts/1", "/incidents", "/runs", "/silences", "/monitoring", "/nothing-here"):
        page = web.ask(path, Accept="text/html").text
        addresses = re.findall(r' (?:href|src|action|hx-[a-z]+)="(/[^"]*)"', page)
        assert addresses, path
        assert [each for each in addresses if not each.startswith("/monitoring/")] == [], path


def test_a_link_that_is_followed_leads_to_the_page(web: Web) -> None:
    page = web.ask("/").text
    for address in dict.fromkeys(re.findall(r' (?:href|src)="(/monitoring/[^"]*)"', page)):
        if len(address) < 1000:
            assert web.ask(html.unescape(address)).status == 200, address


@pytest.mark.parametrize("host", ["localhost.", "localhost.:8923", "watch.example.", "127.0.0.1."])
def test_a_name_with_a_dot_at_its_end_is_the_same_name(web: Web, host: str) -> None:
    assert web.ask("/healthz", Host=host).status == 200
