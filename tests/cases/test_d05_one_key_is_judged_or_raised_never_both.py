"""`m.limit("backing", …)` with `m.resolve("backing")`, or with `m.alert(key="backing")`, wrote one row by two rules.

Every run then recovered and fired. Right: a key both judged and raised in one run is an error at once, which names the
key and both places; of that key nothing is written.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from monitoring.base.errors import UsageError
from monitoring.store.db.schema import open_readonly
from monitoring.store.tables import conditions
from utils.monitor import HIGH, Context, monitor
from utils.testing import run

pytestmark = pytest.mark.case("D.5")


@monitor("acme")
def judged_and_resolved(m: Context) -> None:
    m.limit("backing", 2, below=1, severity=HIGH)
    m.resolve("backing")


@monitor("acme")
def judged_and_raised(m: Context) -> None:
    m.limit("backing", 0.5, below=1, severity=HIGH)
    m.alert(HIGH, "backing is low", key="backing")


@monitor("acme")
def resolved_and_judged(m: Context) -> None:
    m.resolve("backing/USDC")
    m.flag("backing/USDC", True, severity=HIGH)


@monitor("acme")
def both_in_a_block(m: Context) -> None:
    with m.together():
        m.alert(HIGH, "backing is low", key="backing")
        m.limit("backing", 0.5, below=1, severity=HIGH)


@monitor("acme")
def an_error_that_is_ignored(m: Context) -> None:
    m.limit("backing", 0.5, below=1, severity=HIGH)
    with suppress(UsageError):
        m.alert(HIGH, "backing is low", key="backing")
    m.flag("other", False, severity=HIGH)


@pytest.mark.parametrize(
    "function",
    [judged_and_resolved, judged_and_raised, resolved_and_judged, both_in_a_block],
    ids=lambda one: one.__name__,
)
def test_a_key_with_two_rules_ends_the_run_with_an_error_that_names_it(
    tmp_path: Path, function: Callable[[], None]
) -> None:
    found = [run(function, store=tmp_path) for _ in range(3)]

    assert [one.code for one in found] == [1, 1, 1]
    (crash,) = found[0]
    assert crash.kind == "crash"
    assert "the key 'backing" in crash.text
    assert crash.text.count(Path(__file__).name) >= 2, "both places"
    assert [list(one) for one in found[1:]] == [[], []]
    with open_readonly(tmp_path / "monitoring.db") as database, database.snapshot() as tx:
        assert [row.key.text for row in conditions.of_monitor(tx, "acme")] == ["(crash)"]


def test_a_key_whose_error_is_ignored_is_not_written_either(tmp_path: Path) -> None:
    found = run(an_error_that_is_ignored, store=tmp_path)

    assert found == []
    assert found.states == {"other": "ok"}


def test_one_key_on_two_chains_and_one_raised_beside_it_are_three_conditions(tmp_path: Path) -> None:
    @monitor("acme")
    def main(m: Context) -> None:
        m.flag("paused", True, severity=HIGH, chain="mainnet")
        m.flag("paused", True, severity=HIGH, chain="arbitrum")
        m.alert(HIGH, "something else", key="stopped")

    found = run(main, store=tmp_path)
    assert found.code == 0
    assert sorted(one.check for one in found) == ["paused/1", "paused/42161", "stopped"]


@monitor("acme")
def raises(m: Context) -> None:
    m.alert(HIGH, "backing is low", key="backing")


@monitor("acme")
def resolves(m: Context) -> None:
    m.resolve("backing")


@monitor("acme")
def judges_low(m: Context) -> None:
    m.limit("backing", 0.5, below=1, severity=HIGH)
    m.flag("other", False, severity=HIGH)


@monitor("acme")
def judges_good(m: Context) -> None:
    m.limit("backing", 2, below=1, severity=HIGH)


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        (raises, judges_good, "raised by m.alert: a check needs a key of its own"),
        (raises, judges_low, "raised by m.alert: a check needs a key of its own"),
        (judges_low, resolves, "judged by a check: m.alert or m.resolve needs a key of its own"),
        (judges_low, raises, "judged by a check: m.alert or m.resolve needs a key of its own"),
    ],
    ids=["raised, judged good", "raised, judged low", "judged, resolved", "judged, raised"],
)
def test_a_key_that_another_run_holds_open_is_refused_and_does_not_recover_and_fire_each_run(
    tmp_path: Path, first: Callable[[], None], second: Callable[[], None], said: str
) -> None:
    assert len(run(first, store=tmp_path)) == 1
    refused = run(second, store=tmp_path)
    assert refused.code == 1
    (crash,) = refused
    assert crash.kind == "crash"
    assert f"the key 'backing' of acme is firing and {said}" in crash.text
    assert "incidents --done acme/backing" in crash.text
    for function in (first, second, first, second):
        assert {one.check for one in run(function, store=tmp_path)} <= {"(crash)"}


def test_when_all_is_well_a_script_may_change_from_one_to_the_other(tmp_path: Path) -> None:
    for function in (raises, resolves, judges_low, judges_good, raises, resolves):
        assert run(function, store=tmp_path).code == 0
