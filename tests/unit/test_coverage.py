"""Every check of the replaced system is watched here, as often and as loud, or left out with a reason."""

from __future__ import annotations

from typing import Any

import pytest

from tools.coverage import PAGE, Coverage


@pytest.fixture(scope="module")
def coverage() -> Coverage:
    return Coverage()


def test_what_is_named_as_watched_is_declared_scheduled_and_as_loud(coverage: Coverage) -> None:
    assert list(coverage.problems()) == []


def test_the_page_of_coverage_is_the_one_that_the_monitors_make(coverage: Coverage) -> None:
    assert PAGE.read_text(encoding="utf-8") == coverage.page(), "python -m tools.coverage"


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"by": ["aave/no-such-check"]}, "aave/no-such-check is not watched"),
        ({"by": ["protocols/drill/main.py#no-such-key-anywhere"]}, "is not watched"),
        ({"conditions": 999}, "has 999 conditions there and 11 here"),
        ({"severity": "CRITICAL", "here": None}, "is CRITICAL there and MEDIUM here, without a reason"),
        ({"left": "no reason"}, "needs either"),
    ],
)
def test_a_claim_that_the_monitors_do_not_bear_out_is_named(change: dict[str, Any], problem: str) -> None:
    coverage = Coverage()
    (script,) = (one for one in coverage.scripts if one["script"] == "aave")
    changed = script["checks"][0] | change
    script["checks"][0] = {key: value for key, value in changed.items() if value is not None}

    assert any(problem in one for one in coverage.problems())


def test_a_check_that_runs_more_rarely_than_it_did_is_named() -> None:
    coverage = Coverage()
    (script,) = (one for one in coverage.scripts if one["script"] == "strata")
    script["profile"] = "hourly"

    assert any("runs hourly there and daily here" in one for one in coverage.problems())
