"""What the system before this one remembered is where a check starts, once, and only where it means the same."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path

import pytest

from monitoring.checks.builtin import TYPES
from monitoring.checks.config.load import load_monitor
from monitoring.checks.engine.explain import as_data, as_lines, explain
from monitoring.checks.engine.formula_checks import FormulaPart
from monitoring.checks.engine.point import EvaluationPoint
from monitoring.checks.rules.verb import verb
from monitoring.checks.state.old_values import OldValue, old_keys, old_values
from monitoring.conditions.condition import Condition, ConditionKey
from monitoring.conditions.outcome import Reason
from monitoring.store.db.database import Database
from monitoring.store.db.handle import ReadOnlyStore
from monitoring.store.db.schema import open_database
from monitoring.store.tables import state
from tests.support.child import CHECKOUT
from tests.support.drills import monitor_files
from utils.testing import SimChain, SimClock, run

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
APYUSD, ORACLE = CHECKOUT / "protocols/apyusd/monitor.yaml", "0xa2ef2e7bF32248083E514A737259F3785EA8D37D"
RATE, SUPPLY = ConditionKey("apyusd", "rate", 1), ConditionKey("ustb", "supply", 1)
DEBT_CAP, ROUND = ConditionKey("3jane", "debt-cap", 1), ConditionKey("pegs", "round", 1, "USDC/USD")


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with closing(open_database(tmp_path / "monitoring.db")) as found:
        yield found


def found(
    database: Database, key: ConditionKey, values: dict[str, str], known: Condition | None = None
) -> OldValue | None:
    with database.write() as tx:
        for name, value in values.items():
            state.put(tx, "cache-id.txt", name, value, NOW - HOUR)
    return old_values(database, [key.monitor], {key: known} if known else {}, NOW).get(key)


def test_each_line_names_a_check_that_is_shipped_and_compares_with_what_it_finds(database: Database) -> None:
    parts = {part.key: part for path in monitor_files() for part in load_monitor(path, TYPES).parts()}
    with database.write() as tx:
        for old in old_keys():
            state.put(tx, old.namespace, old.key, "1000", NOW - HOUR)
    first = old_values(database, {old.condition.monitor for old in old_keys()}, {}, NOW)

    assert len(first) == len(old_keys())
    for old in (
        old for old in old_keys() if old.verb not in ("items", "logs")
    ):  # which tests/…/test_old_cursors.py holds
        part = parts[old.condition]
        assert isinstance(part, FormulaPart)
        reading = verb(old.verb).combine((Fraction(1),) * len(part.check.trees))
        outcome = part.judge(Condition(part.key, memory=first[part.key].memory), reading, NOW)
        assert (part.check.verb, outcome.reason) != (old.verb, Reason.SEEDED), old
        assert outcome.transition is not None or part.check.verb == "delta", old


@pytest.mark.parametrize(
    ("key", "name", "text", "number"),
    [
        (SUPPLY, "ustb_total_supply", "81234567.123456", Fraction("81234567.123456")),
        (SUPPLY, "ustb_total_supply", "81234567123456", Fraction("81234567.123456")),
        (SUPPLY, "ustb_total_supply", "500000000000", None),
        (DEBT_CAP, "3JANE_DEBT_CAP", "90000000.0", 90_000_000_000_000),
        (DEBT_CAP, "3JANE_DEBT_CAP", "90000000000000", 90_000_000_000_000),
        (RATE, "apyusd_rate", "1.0", 1),
        (RATE, "apyusd_rate", "-1", None),
        (RATE, "apyusd_rate", "nan", None),
        (RATE, "apyusd_rate", "1e999999999", None),
        (RATE, "apyusd_rate", "", None),
        (ROUND, "peg_oracle_round_0x8fffffd4afb6115b954bd326cbe7b4ba576818f6", "36893488147419103823", 2**65 + 591),
    ],
)  # fmt: skip
def test_a_value_is_read_in_the_unit_of_its_check(
    database: Database, key: ConditionKey, name: str, text: str, number: int | Fraction | None
) -> None:
    first = found(database, key, {name: text})

    assert (first.number if first else None) == number


@pytest.mark.parametrize(
    ("time", "at"),
    [
        ("1796000000", None),  # in the future
        ("yesterday", None),
        ("1e80", None),
        (str((NOW - 5 * HOUR).timestamp()), NOW - 5 * HOUR),
    ],
)
def test_its_time_is_that_of_its_ts(database: Database, time: str, at: datetime | None) -> None:
    first = found(database, SUPPLY, {"ustb_total_supply": "81234567", "ustb_total_supply_ts": time})

    assert (first.at if first else None) == at


def test_a_condition_that_remembers_something_starts_from_that(database: Database) -> None:
    assert found(database, RATE, {"apyusd_rate": "1.0"}, Condition(RATE)) is not None
    assert found(database, RATE, {"apyusd_rate": "1.0"}, Condition(RATE, memory={"slots": ["one"]})) is None


def test_it_counts_once_and_is_left_as_it_was(tmp_path: Path) -> None:
    with closing(open_database(tmp_path / "monitoring.db")) as database:
        found(database, RATE, {"apyusd_rate": "1.0"})
        before = database.rows("SELECT * FROM monitor_state WHERE namespace = 'cache-id.txt'")
    chain = SimChain({(ORACLE, "rate()(uint256)"): 2 * 10**18})

    assert [one.check for one in run(APYUSD, store=tmp_path, chain=chain)] == ["rate/1"]
    assert list(run(APYUSD, store=tmp_path, chain=chain)) == []
    with closing(open_database(tmp_path / "monitoring.db")) as database:
        assert database.rows("SELECT * FROM monitor_state WHERE namespace = 'cache-id.txt'") == before


def test_explain_names_what_it_starts_from(tmp_path: Path) -> None:
    with closing(open_database(tmp_path / "monitoring.db")) as database:
        found(database, RATE, {"apyusd_rate": "1.0"})
    chain, clock = SimChain({(ORACLE, "rate()(uint256)"): 2 * 10**18}), SimClock(NOW)
    at = EvaluationPoint(chain.environ, clock, fetch=lambda request, _: chain.fetch(request, clock))

    entries, _ = explain([load_monitor(APYUSD, TYPES)], at, ReadOnlyStore(tmp_path / "monitoring.db"))

    assert "    starts from 1 of 2026-11-29T11:00Z (cache-id.txt: apyusd_rate)" in as_lines(entries, NOW)
    assert [one["starts_from"] for one in as_data(entries)] == ["1 of 2026-11-29T11:00Z (cache-id.txt: apyusd_rate)"]
