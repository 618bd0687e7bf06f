"""`never_falls`, `delta` and `changed` never entered the incidents; a breach that lasts was said once and never again.

Right: what happens once is an incident until `incidents --done KEY` or a day later, without a recovery message; a
CRITICAL that lasts is said again after 6 h, a HIGH one after a day.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.child import CHECKOUT
from utils.monitor import CRITICAL, HIGH, Context, monitor
from utils.testing import SimClock, run

pytestmark = [pytest.mark.case("D.6"), pytest.mark.xfail(strict=True, reason="open: one rule engine")]


def incidents(cache: Path) -> list[dict[str, object]]:
    done = subprocess.run(
        [sys.executable, "-m", "automation", "incidents", "--json"],
        env={"PATH": os.environ["PATH"], "CACHE_DIR": str(cache), "MONITORING_ENV_FILE": ""},
        cwd=CHECKOUT, capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    found: list[dict[str, object]] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("verb", ["never_falls", "changed", "delta"])
def test_what_happened_once_is_an_incident(tmp_path: Path, verb: str) -> None:
    values = iter([100, 50])

    @monitor("acme")
    def main(m: Context) -> None:
        bounds = {"max_drop": "5%"} if verb == "delta" else {}
        getattr(m, verb)("price", next(values), severity=HIGH, **bounds)

    assert run(main, store=tmp_path) == []
    assert len(run(main, store=tmp_path)) == 1
    assert [one["key"] for one in incidents(tmp_path)] == ["price"]


@pytest.mark.parametrize(("severity", "after"), [(CRITICAL, "6h"), (HIGH, "24h")])
def test_a_breach_that_lasts_is_said_again(tmp_path: Path, severity: str, after: str) -> None:
    clock = SimClock()

    @monitor("acme")
    def main(m: Context) -> None:
        m.limit("backing", 0.5, below=1, severity=severity)

    assert [one.kind for one in run(main, store=tmp_path, clock=clock)] == ["fired"]
    clock.move(after)
    clock.move("1m")
    assert [one.kind for one in run(main, store=tmp_path, clock=clock)] == ["reminder"]
