"""The server that the benchmark holds ours against answers the same question with the same JSON."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from benchmarks import _history, _stdlib_server
from monitoring.base.process_identity import current_boot
from monitoring.base.settings import CHECKOUT, Settings
from monitoring.store.db import schema
from monitoring.web.api import alerts as api
from monitoring.web.http import to_json
from monitoring.web.route import RequestContext


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _history.build(tmp_path_factory.mktemp("stdlib") / "monitoring.db", 1_000)


@pytest.mark.parametrize(
    "query",
    [{}, {"limit": "7", "severity": "HIGH"}, {"cursor": "300", "protocol": "aave"}, {"limit": "500", "cursor": "9"}],
)
def test_both_servers_say_the_same(path: Path, query: dict[str, str]) -> None:
    read = {name: api.ALERT_FILTERS[name](text) for name, text in query.items()}
    with schema.open_readonly(path) as database:
        asked = RequestContext(
            database, {}, read, datetime.now(UTC), current_boot(), Settings({}, CHECKOUT, path.parent)
        )
        ours = json.loads(to_json(api.alerts(asked)))
    assert json.loads(_stdlib_server.page(str(path), dict(query))) == ours
    assert ours["data"]
