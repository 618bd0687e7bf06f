"""`m.limit("backing", …)` with `m.resolve("backing")`, or with `m.alert(key="backing")`, wrote one row by two rules.

Every run then recovered and fired. Right: a key both judged and raised in one run is an error at once.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from utils.monitor import HIGH, Context, monitor
from utils.testing import run

pytestmark = [pytest.mark.case("D.5"), pytest.mark.xfail(strict=True, reason="open: one rule engine")]


@monitor("acme")
def judged_and_resolved(m: Context) -> None:
    m.limit("backing", 2, below=1, severity=HIGH)
    m.resolve("backing")


@monitor("acme")
def judged_and_raised(m: Context) -> None:
    m.limit("backing", 0.5, below=1, severity=HIGH)
    m.alert(HIGH, "backing is low", key="backing")


@pytest.mark.parametrize("function", [judged_and_resolved, judged_and_raised])
def test_a_key_with_two_rules_ends_the_run_with_an_error_that_names_it(tmp_path: Path, function: object) -> None:
    found = [run(function, store=tmp_path) for _ in range(3)]  # type: ignore[arg-type]

    assert [one.code for one in found] == [1, 1, 1]
    assert any("backing" in alert.text and alert.kind == "crash" for alert in found[0])
    assert not [alert for one in found for alert in one if alert.kind in ("recovered", "fired")]
