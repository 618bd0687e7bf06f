"""The API keeps to its description: schemathesis asks whatever the description allows and forbids, all checks on."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
import schemathesis
import yaml
from hypothesis import HealthCheck, settings

from tests.support.filled import fill
from tests.support.web import ROOT, Web, serving

EXAMPLES = 120  # per operation: half a minute in all
schema = schemathesis.openapi.from_dict(yaml.safe_load((ROOT / "monitoring" / "web" / "openapi.yaml").read_text()))


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    cache = tmp_path_factory.mktemp("openapi") / "cache"
    fill(cache / "monitoring.db", datetime.now(UTC), checks=True).close()
    with serving(cache) as found:
        yield found


@pytest.mark.timeout(600)
@schema.parametrize()
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.function_scoped_fixture],
)
def test_every_answer_is_as_described(web: Web, case: schemathesis.Case) -> None:
    case.call_and_validate(base_url=web.url)
