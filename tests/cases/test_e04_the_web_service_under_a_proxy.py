"""`/healthz?_=1` was 400 for a cache buster; no page says its home under a sub-path; one 5 MB key made `/` 15 MB.

Right: `/healthz` ignores its query; links work below `MONITORING_PUBLIC_URL`'s path; a page is bounded.
"""

from __future__ import annotations

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
is_open = pytest.mark.xfail(strict=True, reason="open: first contact")


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


@is_open
def test_links_are_below_the_public_path(web: Web) -> None:
    assert 'href="/monitoring/' in web.ask("/", Host="watch.example").text


@is_open
def test_a_page_is_bounded_however_long_a_key_is(web: Web) -> None:
    page = web.ask("/")
    assert page.status == 200
    assert len(page.body) < 500_000
