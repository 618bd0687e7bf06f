"""`delta`: did the value move too far since a fresh baseline? A move is reported once; it does not last.

Two baselines. `previous` is the last known reading: right for jumps, blind to a drift in small steps. `window` is
everything seen within the last so-and-so long: a drop counts from the highest value there, a rise from the lowest,
so that a drift is seen too; what was reported starts a new window.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Unpack

from monitoring.alerts.message.model import Severity
from monitoring.base.clock import from_text, to_text
from monitoring.base.formatting import format_share
from monitoring.base.yaml.keys import Section, entry
from monitoring.chains.abi.values import Unknown
from monitoring.checks.expression.value_text import words
from monitoring.checks.expression.values import (
    Absent,
    Json,
    Number,
    Reading,
    as_number,
    magnitude,
    read_number,
    write_number,
)
from monitoring.checks.rules.keys import DURATION, FORMULA, LEVEL_SEVERITY, POSITIVE, STEP, levels
from monitoring.checks.rules.keywords import CommonKeywords, CommonOptions, number, one_of, reading, span
from monitoring.checks.rules.keywords import step as size_of
from monitoring.checks.rules.steps import Step, either
from monitoring.checks.rules.verb import Asked, ParsedCheck, Verb, YamlForm, with_base
from monitoring.checks.rules.words import Facts, Subject, VerbWords, number_of, shown
from monitoring.conditions.condition import Condition
from monitoring.conditions.outcome import Outcome, Reason
from monitoring.conditions.policy import Policy
from monitoring.conditions.transition import apply_verdict, happened, no_data, unchanged

if TYPE_CHECKING:
    from monitoring.checks.config.check import CheckBuilder
    from monitoring.checks.config.yaml_node import Spot

BASELINE_MAX_AGE = "36h"  # where none is written: a daily check may miss one run

WINDOW_SLOTS = 96  # a window is remembered as the extremes of so many slots: bounded, whatever the cadence


class Move(StrEnum):
    """Which moves count."""

    RISE = "max_rise"
    DROP = "max_drop"
    CHANGE = "max_change"


@dataclass(frozen=True, slots=True)
class MoveLevel:
    """A move larger than `step` (exactly as large is allowed) has this severity."""

    move: Move
    step: Step
    severity: Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class DeltaPolicy(Policy):
    """`min_abs`: a smaller move is never reported, whatever its share; with it a start from 0 stays quiet.

    A baseline older than `baseline_max_age` is not compared with (exactly as old still is): the value becomes the
    new baseline and the reason says so. None means that it never expires. `window` switches to the windowed baseline.
    """

    levels: tuple[MoveLevel, ...]
    baseline_max_age: timedelta | None = None
    min_abs: Number = 0
    window: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Priced:
    """An amount and the price of one: a move is judged in amounts times today's price, so yield hides no outflow."""

    amount: Reading
    price: Reading


@dataclass(frozen=True, slots=True)
class _Slot:
    first_at: datetime
    last_at: datetime
    low: Number
    high: Number


def judge(before: Condition, reading: Reading | Priced, now: datetime, policy: DeltaPolicy) -> Outcome:
    """Compare with the baseline, then let the value become part of it."""
    parts = (reading.amount, reading.price) if isinstance(reading, Priced) else (reading, 1)
    numbers = [as_number(part) for part in parts]
    for one in numbers:
        if isinstance(one, Unknown):
            return no_data(before, one, now, policy)
    value, price = numbers
    if isinstance(value, Unknown | Absent) or isinstance(price, Unknown | Absent):
        return apply_verdict(before, Absent.NONE, now, policy)
    slots = _fresh(_read(before.memory), now, policy)
    if not slots:
        reason = Reason.BASELINE_STALE if before.memory.get("slots") else Reason.SEEDED
        return unchanged(before, now, reason).remembering(_write([_Slot(now, now, value, value)]))
    found = _worst_move(value, price, slots, policy)
    if found is None:
        return unchanged(before, now).remembering(_write(_extended(slots, value, now, policy)))
    level, base = found
    facts = {"value": value * price, "before": base * price, "change": (value - base) * price}
    return happened(before, now, level.severity, facts).remembering(_write([_Slot(now, now, value, value)]))


def _worst_move(
    value: Number, price: Number, slots: list[_Slot], policy: DeltaPolicy
) -> tuple[MoveLevel, Number] | None:
    low, high = min(slot.low for slot in slots), max(slot.high for slot in slots)
    found: list[tuple[MoveLevel, Number]] = []
    for level in policy.levels:
        bases = {Move.RISE: (low,), Move.DROP: (high,), Move.CHANGE: (low, high)}[level.move]
        found += [(level, base) for base in bases if _exceeds(value, base, price, level, policy)]
    return max(found, key=lambda pair: (pair[0].severity, magnitude(value - pair[1])), default=None)


def _exceeds(value: Number, base: Number, price: Number, level: MoveLevel, policy: DeltaPolicy) -> bool:
    change = (value - base) * price
    wrong_way = (level.move is Move.RISE and value <= base) or (level.move is Move.DROP and value >= base)
    if wrong_way or change == 0 or magnitude(change) < policy.min_abs:
        return False
    return level.step.exceeded_by(change, base * price)


def _fresh(slots: list[_Slot], now: datetime, policy: DeltaPolicy) -> list[_Slot]:
    """Leave out what is older than the window, and everything if the newest is older than a baseline may be.

    What a clock that was ahead saw counts as seen now: else it would stay a baseline for as long as it was ahead.
    """
    slots = [replace(slot, first_at=min(slot.first_at, now), last_at=min(slot.last_at, now)) for slot in slots]
    if slots and policy.baseline_max_age is not None and now - slots[-1].last_at > policy.baseline_max_age:
        return []
    if policy.window is None:
        return slots
    return [slot for slot in slots if now - slot.last_at <= policy.window]


def _extended(slots: list[_Slot], value: Number, now: datetime, policy: DeltaPolicy) -> list[_Slot]:
    if policy.window is None:
        return [_Slot(now, now, value, value)]
    last = slots[-1]
    if now - last.first_at < policy.window / WINDOW_SLOTS:
        return [*slots[:-1], _Slot(last.first_at, now, min(last.low, value), max(last.high, value))]
    return [*slots, _Slot(now, now, value, value)]


def _write(slots: list[_Slot]) -> dict[str, Json]:
    return {
        "slots": [
            [to_text(slot.first_at), to_text(slot.last_at), write_number(slot.low), write_number(slot.high)]
            for slot in slots
        ]
    }


def _read(memory: object) -> list[_Slot]:
    rows = memory.get("slots", []) if isinstance(memory, dict) else []
    return [
        _Slot(from_text(first), from_text(last), read_number(low), read_number(high)) for first, last, low, high in rows
    ]


def _breached(subject: Subject, facts: Facts) -> str:
    change, before = number_of(facts, "change"), number_of(facts, "before")
    by = format_share(change, before) or words(magnitude(change), subject.unit)
    return f" {'rose' if change > 0 else 'fell'} by {by}: {shown(subject, facts, 'before')} → {shown(subject, facts)}"


def _good(subject: Subject, facts: Facts) -> str:
    return f" is {shown(subject, facts)}"


def _bound(subject: Subject) -> str:
    levels = subject.policy.levels if isinstance(subject.policy, DeltaPolicy) else ()
    return ", ".join(
        f"{level.move.value.removeprefix('max_')} ≤ "
        f"{words(level.step.size, '%' if level.step.relative else subject.unit)}"
        for level in levels
    )


WORDS = VerbWords(_breached, _good, _bound)


MOVES = tuple(move.value for move in Move)
_WHICH = {Move.RISE: "a rise", Move.DROP: "a drop", Move.CHANGE: "a move either way"}
MOVE_KEYS = tuple(
    entry(
        move.value,
        STEP,
        f"Reports {which} that is larger than this.",
        default="",
        without="one of the three",
        example=f"{move.value}: 15%",
    )
    for move, which in _WHICH.items()
)
CHANGE_OF = entry("change_of", FORMULA, "Reports a large move of this number.", example="change_of: size")
LEVEL = Section("A level of change_of: one move, and how bad it is.", *MOVE_KEYS, LEVEL_SEVERITY)
LEVELS = entry(
    "levels",
    levels(LEVEL),
    "Moves with severities, in place of one.",
    default="",
    example="levels: [{max_drop: 10%, severity: low}, {max_drop: 20%, severity: high}]",
)
MIN_ABS = entry("min_abs", POSITIVE, "Moves smaller than this are never reported.", default="", example="min_abs: 5")
BASELINE = entry(
    "baseline_max_age",
    DURATION,
    "An older value is not compared with: the new one is the start.",
    default=BASELINE_MAX_AGE,
    example="baseline_max_age: 3h",
)
WINDOW = entry(
    "window",
    DURATION,
    "Compares with the extremes of so long.",
    default="",
    without="the value before",
    example="window: 1d",
)
PRICED_AT = entry(
    "priced_at",
    FORMULA,
    "Moves are amounts times this price, so that yield hides no outflow.",
    default="",
    example="priced_at: price",
)


def _change_of(draft: CheckBuilder) -> ParsedCheck | None:
    expression, price = draft.number("change_of"), draft.number("priced_at")
    levels = _move_levels(draft)
    spot = draft.spot
    policy = draft.policy(levels[-1].severity if levels else Severity.LOW, lasting=False)
    found = with_base(
        DeltaPolicy,
        policy,
        levels=tuple(levels),
        baseline_max_age=spot.value(BASELINE),
        window=spot.value(WINDOW),
        min_abs=spot.value(MIN_ABS) or 0,
    )
    if expression is None or not levels or (spot.get("priced_at") and price is None):
        return None
    trees = (expression.tree, price.tree) if price else (expression.tree,)
    return ParsedCheck("delta", trees, found, expression.text)


def _move_levels(draft: CheckBuilder) -> list[MoveLevel]:
    levels = draft.spot.get("levels")
    if levels is None:
        level = _move_level(draft.spot, draft.severity())
        return [level] if level else []
    draft.in_levels(*MOVES, "severity")
    found: list[MoveLevel] = []
    for item in levels.items("a list of levels"):
        item.only(LEVEL.keys)
        level = _move_level(item, either(item.value(LEVEL_SEVERITY), Severity.LOW))
        if level and any(_covers(milder, level) for milder in found):
            item.wrong("this level can never be reported: a smaller move is already as severe")
        found += [level] if level else []
    return found


def _covers(milder: MoveLevel, level: MoveLevel) -> bool:
    same = milder.step.relative is level.step.relative and milder.move in (level.move, Move.CHANGE)
    return same and milder.step.size <= level.step.size and milder.severity >= level.severity


def _move_level(spot: Spot, severity: Severity) -> MoveLevel | None:
    moves = [move for move in Move if spot.get(move.value)]
    if len(moves) != 1:
        spot.wrong(f"one of {', '.join(MOVES)} says which move is too large")
        return None
    size = spot.get(moves[0].value)
    step = size.step() if size else None
    if size and step and moves[0] is Move.DROP and step.relative and step.size >= 1:
        size.wrong("nothing can drop by more than 100%")
    return MoveLevel(moves[0], step, severity) if step else None


def python(
    value: Any,
    *,
    max_change: Any = None,
    max_rise: Any = None,
    max_drop: Any = None,
    min_abs: Any = 0,
    baseline_max_age: str | timedelta = BASELINE_MAX_AGE,
    window: str | timedelta | None = None,
    priced_at: Any = None,
    **common: Unpack[CommonKeywords],
) -> Asked:
    """Report a move that is larger than `5%` or than an amount since the last value, or within a `window`.

    `min_abs`: smaller moves never; `baseline_max_age`: an older value is not compared with; `priced_at`: moves
    are amounts times this price.
    """
    options = CommonOptions.of("delta", common, python)
    name, sizes = one_of("delta", {"max_change": max_change, "max_rise": max_rise, "max_drop": max_drop})
    levels = options.levels("delta", name, sizes, size_of)
    policy = DeltaPolicy(
        **options.policy("delta", levels[-1][1], understood=()),
        levels=tuple(MoveLevel(Move(name), size, severity) for size, severity in levels),
        min_abs=number(min_abs, "min_abs"),
        baseline_max_age=span(baseline_max_age),
        window=span(window) if window is not None else None,
    )
    amount = reading(value)
    return Asked(amount if priced_at is None else Priced(amount, reading(priced_at)), policy, options)


VERB = Verb(
    name="delta",
    words=WORDS,
    judge=judge,
    yaml=(YamlForm(CHANGE_OF, _change_of, (*MOVE_KEYS, LEVELS, MIN_ABS, BASELINE, WINDOW, PRICED_AT)),),
    python=python,
    facts=("value", "before", "change"),
    combine=lambda found: Priced(*found) if len(found) > 1 else found[0],
)
