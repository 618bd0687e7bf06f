"""The verbs that judge one value, as tables: time, reading -> what is told."""

from datetime import timedelta
from fractions import Fraction
from typing import Any

import pytest

from monitoring.alerts.message.model import Severity
from monitoring.base.errors import UsageError
from monitoring.chains.abi.values import Unknown
from monitoring.checks.expression.values import NONE
from monitoring.checks.rules import age, changed, delta, diverge, flag, limit, never_falls
from monitoring.checks.rules.age import AgeLevel, AgePolicy, DeadlinePolicy, DeadlineStep
from monitoring.checks.rules.delta import DeltaPolicy, Move, MoveLevel, Priced
from monitoring.checks.rules.diverge import Direction, DivergePolicy
from monitoring.checks.rules.limit import Level, LimitPolicy, Side
from monitoring.checks.rules.never_falls import NeverFallsPolicy, Rebase
from monitoring.checks.rules.steps import Step
from monitoring.conditions.outcome import TransitionKind
from monitoring.conditions.policy import NoDataPolicy, PendingPolicy, Policy
from tests.support.spec import UNJUDGED, at, number, plain, run_table

LOW, MEDIUM, HIGH, CRITICAL = Severity
HOUR = timedelta(hours=1)


def floor(*levels: Any, **more: Any) -> Any:
    return LimitPolicy(side=Side.BELOW, levels=tuple(Level(number(b), s) for b, s in levels), **more)


def ceiling(*levels: Any, **more: Any) -> Any:
    return LimitPolicy(side=Side.ABOVE, levels=tuple(Level(number(b), s) for b, s in levels), **more)


COVER = (("1.11", HIGH), ("1.06", CRITICAL))
MOVES = {"rise": Move.RISE, "drop": Move.DROP, "change": Move.CHANGE}


def moves(move: str, step: str, severity: Any = LOW, **more: Any) -> Any:
    size = Step(number(step), relative=step.endswith("%"))
    return DeltaPolicy(levels=(MoveLevel(MOVES[move], size, severity),), **more)


LIMIT = {
    "a standing breach is told once, a recovery once": (
        floor(("15%", HIGH)),
        """
        00:00  16%    -> - (good)
        01:00  15%    -> - (good)              # exactly at the bound does not breach it
        02:00  14.9%  -> fired high (breached)
        03:00  12%    -> - (still bad)
        04:00  15%    -> recovered high (good again)
        05:00  15%    -> -
        """,
    ),
    "zero is a value": (floor(("1", HIGH)), "00:00 0 -> fired high\n01:00 0 -> -"),
    "a worse level is told, a milder one is not": (
        floor(*COVER),
        """
        00:00  1.10 -> fired high
        01:00  1.05 -> worsened critical (reached a worse level)
        02:00  1.10 -> - (still bad)
        03:00  1.05 -> - (still bad)           # it was told to be critical and never told to be better
        04:00  1.12 -> recovered critical
        05:00  1.05 -> fired critical
        """,
    ),
    "a slow slide is told once a step from the worst value told": (
        floor(("15%", HIGH), worse_by=number("1%")),
        """
        00:00  14.5%  -> fired high
        01:00  13.6%  -> -
        02:00  13.5%  -> worsened high (worse by a step)   # exactly one step is one step
        03:00  14.9%  -> -
        04:00  13.5%  -> -                     # as bad as told already
        05:00  12.5%  -> worsened high
        """,
    ),
    "a breach counts after three readings in a row": (
        ceiling(("99%", MEDIUM), hold=PendingPolicy(runs=3)),
        """
        00:00  99.5%  -> - (not held long enough)
        00:10  99.5%  -> -
        00:20  98%    -> - (good)              # starts over
        00:30  99.5%  -> -
        00:40  99.5%  -> -
        00:50  99.5%  -> fired medium
        """,
    ),
    "a breach counts after it lasted an hour": (
        ceiling(("99%", MEDIUM), hold=PendingPolicy(span=HOUR)),
        """
        00:00  100%   -> -
        00:59  100%   -> -
        01:00  100%   -> fired medium
        """,
    ),
    "one spike to a worse level does not pass `for` either": (
        ceiling(("90%", HIGH), ("99%", CRITICAL), hold=PendingPolicy(runs=2)),
        """
        00:00  95%    -> -
        00:10  99.9%  -> fired high            # above 90 % twice, above 99 % once
        00:20  95%    -> -
        00:30  99.9%  -> -
        00:40  99.9%  -> worsened critical
        """,
    ),
    "a clear bound keeps a value that hovers quiet": (
        ceiling(("99%", MEDIUM), clear=number("98%"), remind=timedelta(days=1)),
        """
        00:00  99.1%  -> fired medium
        01:00  98.5%  -> - (not yet clear)
        02:00  99.1%  -> -
        03:00  98%    -> - (not yet clear)     # at the clear bound is not beyond it
        1d 00:00  98.5% -> reminder medium     # it still stands
        1d 01:00  97.9% -> recovered medium
        """,
    ),
    "a floor clears strictly above its clear bound": (
        floor(("15%", HIGH), clear=number("16%")),
        """
        00:00  14%   -> fired high
        01:00  15.5% -> - (not yet clear)
        02:00  16%   -> - (not yet clear)
        03:00  16.1% -> recovered high
        """,
    ),
    "a reminder comes when due and starts anew from each message": (
        floor(*COVER, remind=6 * HOUR),
        """
        00:00  1.10 -> fired high
        05:59  1.10 -> -
        06:00  1.10 -> reminder high (reminder due)
        08:00  1.00 -> worsened critical
        12:00  1.00 -> -
        14:00  1.00 -> reminder critical
        """,
    ),
    "unknown neither fires nor clears, nor interrupts `for`": (
        floor(("15%", HIGH), hold=PendingPolicy(runs=2), silence=NoDataPolicy(runs=99, span=timedelta(days=99))),
        """
        00:00  14%  -> -
        01:00  ?    -> - (unknown)
        02:00  14%  -> fired high
        03:00  ?    -> - (unknown)
        04:00  16%  -> recovered high
        """,
    ),
    "a source unknown for three readings is told once, and told again when it is back": (
        floor(("15%", HIGH)),
        """
        00:00  14%        -> fired high
        00:10  ?timed out -> - (unknown)
        00:20  ?timed out -> -
        00:30  ?timed out -> - / source_trouble (unknown for too long)
        00:40  ?timed out -> - (unknown)
        00:50  16%        -> recovered high / source_recovered
        01:00  ?          -> -
        """,
    ),
    "a source unknown for three hours is told, however rare the readings": (
        floor(("15%", HIGH)),
        "00:00 ? -> -\n02:59 16% -> -\n03:00 ? -> -\n06:00 ? -> - / source_trouble",
    ),
    "what does not apply clears": (
        floor(("15%", HIGH)),
        """
        00:00  14%  -> fired high
        01:00  none -> recovered high (does not apply)
        02:00  none -> -
        03:00  14%  -> fired high
        """,
    ),
    "a value of another kind is unknown, not a crash": (
        floor(("15%", HIGH)),
        "00:00 'abc' -> - (unknown)\n00:10 true -> - (unknown)\n00:20 'x' -> - / source_trouble",
    ),
    "a number of a thousand digits is a number": (
        ceiling(("5", HIGH)),
        f"00:00 {10**1000} -> fired high\n01:00 1e-900 -> recovered high",
    ),
    "a clock that steps back neither reminds nor fires": (
        floor(("15%", HIGH), remind=HOUR),
        "12:00 14% -> fired high\n10:00 14% -> -\n13:00 14% -> reminder high",
    ),
    "a strict requirement breaches at its bound": (
        floor(("5", HIGH), at_bound=True),
        "00:00 6 -> -\n01:00 5 -> fired high\n02:00 5.01 -> recovered high",
    ),
}


@pytest.mark.parametrize("name", LIMIT)
def test_limit(name: str) -> None:
    policy, table = LIMIT[name]
    run_table(table, limit.judge, policy)


NEVER_FALLS = {
    "a fall is told, the mark follows it, a further fall is told anew": (
        NeverFallsPolicy(severity=CRITICAL),
        """
        00:00  1.05        -> - (first sight)
        01:00  1.05        -> - (good)
        02:00  1.0499999999999999999 -> fired critical
        03:00  1.0499999999999999999 -> -
        04:00  1.06        -> -
        05:00  1.0499      -> fired critical
        """,
    ),
    "with hold it lasts until the value is back at its mark": (
        NeverFallsPolicy(severity=HIGH, rebase=Rebase.HOLD, worse_by=number("0.01"), remind=timedelta(days=1)),
        """
        00:00     1.05 -> -
        01:00     1.04 -> fired high
        02:00     1.04 -> -
        03:00     1.03 -> worsened high
        1d 03:00  1.04 -> reminder high
        1d 04:00  1.05 -> recovered high
        """,
    ),
    "the mark never expires, whatever the silence between": (
        NeverFallsPolicy(severity=HIGH),
        "00:00 1.05 -> -\n400d 00:00 1.04 -> fired high",
    ),
    "an unknown reading leaves the mark alone": (
        NeverFallsPolicy(severity=HIGH),
        "00:00 1.05 -> -\n01:00 ? -> -\n02:00 none -> -\n03:00 1.04 -> fired high",
    ),
    "a fall of exactly the tolerance is none": (
        NeverFallsPolicy(severity=HIGH, tolerance=Step(Fraction(1, 100), relative=True)),
        "00:00 100 -> -\n01:00 99 -> -\n02:00 99.5 -> -\n03:00 98.99 -> fired high\n04:00 98.5 -> -",
    ),
    "a fall to zero is a fall": (NeverFallsPolicy(severity=HIGH), "00:00 1 -> -\n01:00 0 -> fired high"),
    "a mark of zero is a mark": (NeverFallsPolicy(severity=HIGH), "00:00 0 -> -\n01:00 -1 -> fired high"),
    "with `for` a dip of one reading is nothing and does not lower the mark": (
        NeverFallsPolicy(severity=HIGH, hold=PendingPolicy(runs=2)),
        "00:00 2 -> -\n01:00 1 -> -\n02:00 2 -> -\n03:00 1 -> -\n04:00 1 -> fired high\n05:00 1 -> -",
    ),
}


@pytest.mark.parametrize("name", NEVER_FALLS)
def test_never_falls(name: str) -> None:
    policy, table = NEVER_FALLS[name]
    run_table(table, never_falls.judge, policy)


DELTA = {
    "a jump is told once and is the next baseline": (
        moves("change", "15%", baseline_max_age=3 * HOUR),
        """
        00:00  100    -> - (first sight)
        01:00  115    -> -                     # exactly as large is allowed
        02:00  132.26 -> fired low
        03:00  132.26 -> - (nothing new)
        04:00  100    -> fired low
        """,
    ),
    "a baseline that is too old is not compared with": (
        moves("change", "15%", baseline_max_age=3 * HOUR),
        """
        00:00  100 -> -
        03:00  200 -> fired low                # exactly at max age is fresh
        06:01  900 -> - (baseline too old, seeded again)
        07:01  900 -> -
        08:01  100 -> fired low
        """,
    ),
    "an unknown reading is no baseline": (
        moves("change", "15%", baseline_max_age=3 * HOUR),
        "00:00 100 -> -\n01:00 ? -> -\n02:00 120 -> fired low",
    ),
    "only the direction asked for counts": (
        moves("drop", "20%", HIGH),
        "00:00 100 -> -\n01:00 900 -> -\n02:00 719 -> fired high\n03:00 9000 -> -",
    ),
    "an absolute step is in the value's own unit": (
        moves("drop", "50_000", MEDIUM),
        "00:00 300_000 -> -\n01:00 250_000 -> -\n02:00 199_999 -> fired medium",
    ),
    "from zero any rise is more than any share, unless too small to matter": (
        moves("rise", "30%", min_abs=number("1%")),
        "00:00 0 -> -\n01:00 0.9% -> -\n02:00 0 -> -\n03:00 1% -> fired low\n04:00 0 -> -",
    ),
    "a drift in small steps escapes the previous reading": (
        moves("drop", "15%"),
        "00:00 100 -> -\n01:00 90 -> -\n02:00 80 -> -\n03:00 70 -> -",
    ),
    "a drift in small steps does not escape a window": (
        moves("drop", "15%", window=24 * HOUR),
        """
        00:00  100 -> -
        01:00  90  -> -
        02:00  84  -> fired low
        03:00  80  -> -                        # counted from what was told
        04:00  71  -> fired low
        """,
    ),
    "a window keeps the extremes of each slot": (
        moves("drop", "15%", window=24 * HOUR),
        "00:00 100 -> -\n00:05 120 -> -\n00:10 118 -> -\n01:00 100 -> fired low",
    ),
    "a window forgets what is older": (
        moves("drop", "15%", window=24 * HOUR),
        "00:00 100 -> -\n12:00 95 -> -\n1d 06:00 84 -> -\n1d 07:00 80 -> fired low",
    ),
    "the worst level that was exceeded counts": (
        DeltaPolicy(
            levels=(
                MoveLevel(Move.DROP, Step(Fraction(1, 10), relative=True), HIGH),
                MoveLevel(Move.DROP, Step(Fraction(1, 5), relative=True), CRITICAL),
            )
        ),
        "00:00 100 -> -\n01:00 85 -> fired high\n02:00 60 -> fired critical",
    ),
    "a negative baseline is measured by its size": (
        moves("change", "10%"),
        "00:00 -100 -> -\n01:00 -110 -> -\n02:00 -90 -> fired low",
    ),
    "what did not apply for a while is compared when it applies again": (
        moves("change", "10%", baseline_max_age=3 * HOUR),
        "00:00 100 -> -\n01:00 none -> -\n02:00 200 -> fired low",
    ),
}


@pytest.mark.parametrize("name", DELTA)
def test_delta(name: str) -> None:
    policy, table = DELTA[name]
    run_table(table, delta.judge, policy)


def priced(text: str) -> Any:
    amount, price = text.split("@")
    return Priced(plain(amount), plain(price))


def test_yield_does_not_hide_an_outflow() -> None:
    table = """
    00:00  100_000@1    -> -
    01:00  100_000@5    -> -                   # the price moved, nothing flowed
    02:00  89_000@5     -> fired medium        # 11,000 shares at today's 5
    03:00  80_000@?     -> -
    04:00  80_000@none  -> -
    05:00  80_000@5     -> -                   # 9,000 shares are 45,000
    """
    (*_, fired, _, _, _) = run_table(table, delta.judge, moves("drop", "50_000", MEDIUM), priced)
    assert fired.transition
    assert fired.transition.facts["change"] == -55_000


def test_a_window_remembers_a_bounded_number_of_slots() -> None:

    condition, policy = UNJUDGED, moves("drop", "50%", window=24 * HOUR)
    for minute in range(0, 3 * 24 * 60, 5):
        condition = delta.judge(condition, 1000 + minute % 7, at("00:00") + timedelta(minutes=minute), policy).condition
    slots = condition.memory["slots"]
    assert isinstance(slots, list)
    assert len(slots) <= delta.WINDOW_SLOTS + 1


CHANGED = """
00:00  0      -> - (first sight)
01:00  0      -> - (nothing new)
02:00  false  -> fired low (happened)          # false is not 0
03:00  ?      -> - (unknown)
04:00  none   -> -
05:00  1/3    -> fired low
06:00  '1/3'  -> fired low                     # a text is not a number
07:00  '1/3'  -> -
"""


def test_changed() -> None:
    run_table(CHANGED, changed.judge, Policy(severity=LOW))


def test_changed_keeps_a_huge_integer_exactly() -> None:
    run_table(
        "00:00 2**20000 -> -\n01:00 2**20000 -> -",
        changed.judge,
        Policy(severity=LOW),
        lambda _: 2**20000,
    )


FLAG = """
00:00  false -> -
01:00  true  -> fired critical
02:00  true  -> -
03:00  ?     -> -
04:00  true  -> -
05:00  false -> recovered critical
06:00  1     -> - (unknown)                    # 1 is a number, not true
07:00  none  -> -
"""


def test_flag() -> None:
    run_table(FLAG, flag.judge, Policy(severity=CRITICAL))


def pair(text: str) -> Any:
    first, second = text.split("~")
    return plain(first), plain(second)


BAND = DivergePolicy(levels=(Level(Fraction(1, 200), MEDIUM), Level(Fraction(1, 20), CRITICAL)))
DIVERGE = {
    "the distance is a share of the second": (
        BAND,
        """
        00:00  1000~1000   -> -
        01:00  1005~1000   -> -                # exactly at the bound is allowed
        02:00  1005.1~1000 -> fired medium
        03:00  940~1000    -> worsened critical
        04:00  1000~1000   -> recovered critical
        """,
    ),
    "two zeros agree, a zero and anything else never do": (
        BAND,
        "00:00 0~0 -> -\n01:00 0.001~0 -> fired critical\n02:00 0~0 -> recovered critical\n03:00 0~5 -> fired critical",
    ),
    "an unknown side decides nothing": (
        BAND,
        "00:00 9~1 -> fired critical\n01:00 ?~1 -> -\n02:00 1~? -> -\n03:00 none~? -> - / source_trouble",
    ),
    "a side that does not apply clears": (BAND, "00:00 9~1 -> fired critical\n01:00 none~1 -> recovered critical"),
    "over-reporting only": (
        DivergePolicy(levels=(Level(Fraction(1, 10), HIGH),), direction=Direction.A_OVER_B),
        "00:00 50~100 -> -\n01:00 111~100 -> fired high\n02:00 50~100 -> recovered high",
    ),
}


@pytest.mark.parametrize("name", DIVERGE)
def test_diverge(name: str) -> None:
    policy, table = DIVERGE[name]
    run_table(table, diverge.judge, policy, pair)


def unix(text: str) -> Any:
    """Read `@12:30` as the unix time of that moment, anything else as it stands."""
    return int(at(text[1:]).timestamp()) if text.startswith("@") else plain(text)


FRESH = AgePolicy(levels=(AgeLevel(HOUR, HIGH), AgeLevel(6 * HOUR, CRITICAL)))
AGE = """
01:00  @00:00 -> -                             # exactly at max age is still fresh
01:01  @00:00 -> fired high
06:01  @00:00 -> worsened critical
06:02  @06:00 -> recovered critical
06:02  @06:03 -> - (good)                      # a minute ahead is a clock, not a mistake
06:02  @06:04 -> - (unknown)                   # further ahead is never fresh
06:03  0      -> fired critical                # never updated
06:04  ?      -> -
06:05  1772323200000 -> - (unknown)            # milliseconds
"""


def test_age() -> None:
    run_table(AGE, age.judge, FRESH, unix)


STEPS = DeadlinePolicy(
    steps=(
        DeadlineStep(timedelta(days=7), MEDIUM),
        DeadlineStep(timedelta(days=1), MEDIUM),
        DeadlineStep(timedelta(0), HIGH),
    )
)
DEADLINE = """
00:00     @8d 00:00 -> -
1d 00:00  @8d 00:00 -> fired medium            # exactly seven days are left
2d 00:00  @8d 00:00 -> -
7d 12:00  @8d 00:00 -> worsened medium
7d 13:00  @20d 00:00 -> recovered medium       # extended
8d 00:00  @8d 00:00 -> fired high              # three steps at once: only the last is told
9d 00:00  @8d 00:00 -> -
"""


def test_a_deadline_is_told_step_by_step() -> None:
    run_table(DEADLINE, age.judge_deadline, STEPS, unix)


def test_source_trouble_names_the_reason_and_since_when() -> None:
    table = "00:00 ?HTTP 503 -> -\n00:10 ?HTTP 503 -> -\n00:20 ?timed out -> - / source_trouble"
    trouble = run_table(table, limit.judge, floor(("1", HIGH)))[-1].source
    assert trouble
    assert (trouble.kind, trouble.detail, trouble.since) == (TransitionKind.SOURCE_TROUBLE, "timed out", at("00:00"))


def test_levels_out_of_order_are_refused() -> None:
    for levels in (
        (("1.06", CRITICAL), ("1.11", HIGH)),
        (("1.11", CRITICAL), ("1.06", HIGH)),
        (("1", LOW), ("1", HIGH)),
        (),
    ):
        with pytest.raises(UsageError, match="from the mildest bound to the worst"):
            floor(*levels)
    with pytest.raises(UsageError, match="an age"):
        AgePolicy(levels=(AgeLevel(6 * HOUR, HIGH), AgeLevel(HOUR, CRITICAL)))
    with pytest.raises(UsageError, match="a deadline"):
        DeadlinePolicy(steps=(DeadlineStep(HOUR, HIGH), DeadlineStep(6 * HOUR, HIGH)))
    with pytest.raises(UsageError, match="diverge"):
        DivergePolicy(levels=())


def test_an_unknown_value_has_no_truth() -> None:
    with pytest.raises(TypeError, match="neither true nor false"):
        bool(Unknown("no answer"))
    assert NONE is not None
