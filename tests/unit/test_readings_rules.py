"""The pure rules of kept readings: exact numbers, cadence and gaps, limits, points to draw."""

from __future__ import annotations

from datetime import timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.conditions.condition import ConditionKey
from monitoring.conditions.severity import Severity
from monitoring.store.readings.cadence import Cadence
from monitoring.store.readings.exact_text import from_column, to_column
from monitoring.store.readings.inputs_text import inputs_as_text, inputs_from_text
from monitoring.store.readings.limits import Bound, ReadingLimits
from monitoring.store.readings.watched import readings_of_path

HOUR = 3600
NUMBERS = st.one_of(
    st.booleans(), st.integers(), st.fractions(), st.integers(-(10**40), 10**40).map(lambda n: Fraction(n, 10**18))
)


@given(NUMBERS)
def test_every_number_comes_back_equal_and_of_its_kind(value: bool | int | Fraction) -> None:
    back = from_column(to_column(value))
    assert back == value
    assert isinstance(back, bool) is isinstance(value, bool)


@pytest.mark.parametrize(
    ("value", "column"),
    [
        (5, 5), (-(2**63), -(2**63)), (2**63, str(2**63)), (Fraction(3, 20), "0.15"), (Fraction(-1, 8), "-0.125"),
        (Fraction(10**18 + 1, 10**18), "1.000000000000000001"), (Fraction(1, 3), "1/3"), (True, "true"), (None, None),
        (2**5000, hex(2**5000)),
    ],
)  # fmt: skip
def test_a_number_is_kept_in_its_shortest_exact_form(
    value: bool | int | Fraction | None, column: int | str | None
) -> None:
    assert to_column(value) == column


@pytest.mark.parametrize("column", ["", "x", "1/0", "0x", "1.2.3", "nan"])
def test_what_is_no_number_is_none(column: str) -> None:
    assert from_column(column) is None


def gaps(distances: list[int]) -> list[bool]:
    """Whether each distance in turn counts as a gap."""
    cadence, found = Cadence(), []
    for distance in distances:
        cadence, gap = cadence.after(distance)
        found.append(gap)
    return found


def test_a_late_run_is_no_gap_and_five_missed_hours_are_one() -> None:
    assert gaps([HOUR, HOUR, 2 * HOUR, HOUR, 5 * HOUR, HOUR, HOUR]) == [False] * 4 + [True] + [False] * 2


def test_every_outage_is_a_gap_also_shortly_after_another_one() -> None:
    assert gaps([HOUR, HOUR, 5 * HOUR, HOUR, 5 * HOUR, HOUR]) == [False, False, True, False, True, False]


def test_a_check_that_turns_daily_has_two_gaps_and_then_none() -> None:
    assert gaps([HOUR, HOUR, 24 * HOUR, 24 * HOUR, 24 * HOUR]) == [False, False, True, True, False]


def test_a_run_by_hand_between_two_others_makes_no_gap() -> None:
    assert not any(gaps([HOUR, HOUR, 60, HOUR - 60, HOUR, 60, HOUR - 60, HOUR]))


def test_two_runs_in_one_second_are_no_cadence() -> None:
    assert gaps([0, HOUR, HOUR]) == [False, False, False]


def test_a_clock_that_was_set_back_makes_a_gap() -> None:
    assert gaps([HOUR, -HOUR, HOUR]) == [False, True, False]


def test_limits_come_back_equal_and_equal_ones_have_one_text() -> None:
    found = ReadingLimits(
        (Bound(Fraction(1, 3), Severity.LOW), Bound(0, Severity.CRITICAL, relative=True)),
        (Bound(2**80, Severity.HIGH),), "≥ 5 “x”", from_reference=True, at_bound=True, clear=Fraction(7, 2),
        fires_after=timedelta(minutes=90), in_runs=3,
    )  # fmt: skip
    assert ReadingLimits.from_text(found.as_text()) == found
    assert ReadingLimits.from_text(ReadingLimits().as_text()) == ReadingLimits()


@pytest.mark.parametrize("text", [None, "", "[]", "{", '{"lower": [[]]}', '{"lower": [["x", "HIGH"]]}', '{"lower": 5}'])
def test_limits_that_nobody_wrote_are_none(text: str | None) -> None:
    assert ReadingLimits.from_text(text) == ReadingLimits()


def test_headroom_is_the_distance_to_the_nearer_limit_and_negative_beyond_it() -> None:
    limits = ReadingLimits((Bound(10, Severity.LOW),), (Bound(20, Severity.LOW),))
    assert [limits.headroom(value) for value in (12, 18, 9, 25)] == [2, 2, -1, -5]
    assert ReadingLimits().headroom(5) is None


def test_shares_of_a_reference_become_limits_in_its_unit() -> None:
    shares = ReadingLimits(
        (Bound(Fraction(1, 100), Severity.LOW, relative=True),), (Bound(2, Severity.HIGH),), "w", from_reference=True
    )
    assert shares.absolute(-200) == ReadingLimits((Bound(-202, Severity.LOW),), (Bound(-198, Severity.HIGH),), "w")
    assert shares.absolute(None) == ReadingLimits(words="w")


def test_inputs_come_back_with_exact_numbers_and_words() -> None:
    given_inputs = (("a.x()", Fraction(1, 3)), ("ok", True), ("text", "5"), ("big", 2**200))
    assert inputs_from_text(inputs_as_text(given_inputs)) == given_inputs
    assert inputs_as_text(()) is None
    assert inputs_from_text("[[1]]") == ()
    assert len(inputs_as_text([("n" * 500, "v" * 500)] * 50) or "") < 24 * 300  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "key",
    [
        ConditionKey("m", "c"), ConditionKey("m", "c", 1), ConditionKey("m", "c", 1, "USDC"),
        ConditionKey("m", "c", 0, "a/b"), ConditionKey("m", "a/b", 10, "c/d"), ConditionKey("m", "c", 0, "7"),
        ConditionKey("m", "c", 1, "2/3"),
    ],
)  # fmt: skip
def test_the_path_of_a_check_leads_back_to_it(key: ConditionKey) -> None:
    found = list(readings_of_path(f"{key.monitor}/{key.text}"))
    assert key in found
    assert len(found) == len(set(found))
