"""`Host: attacker.example` got all alerts and the output of runs: a page in the operator's browser could read them.

Right: on a loopback address only 127.0.0.1, [::1], localhost and the host of `MONITORING_PUBLIC_URL` are answered,
anything else is 421; a cross-site `Sec-Fetch-Site` is refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from monitoring.store.db.schema import open_database
from tests.support.web import Web, serving

pytestmark = pytest.mark.case("E.2")


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    cache = tmp_path_factory.mktemp("host") / "cache"
    cache.mkdir()
    with closing(open_database(cache / "monitoring.db")):
        pass
    with serving(cache, MONITORING_PUBLIC_URL="https://watch.example/monitoring") as running:
        yield running


@pytest.mark.parametrize("host", ["attacker.example", "127.0.0.1.attacker.example", "localhost.attacker.example", ""])
@pytest.mark.parametrize("path", ["/v1/alerts", "/", "/healthz", "/metrics"])
def test_a_foreign_host_is_421(web: Web, path: str, host: str) -> None:
    assert web.ask(path, Host="watch.example").status == 200
    assert web.ask(path, Host=host).status == 421


@pytest.mark.parametrize("path", ["/v1/alerts", "/"])
def test_a_request_from_another_site_is_refused(web: Web, path: str) -> None:
    assert web.ask(path, Sec_Fetch_Site="cross-site").status == 403
