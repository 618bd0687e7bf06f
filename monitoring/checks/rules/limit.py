"""`limit`: is the value below or above its bounds now? Behind `require:` and `watch:` of a monitor."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Unpack

from monitoring.alerts.message.model import Severity
from monitoring.base.errors import UsageError
from monitoring.base.formatting import format_shortfall
from monitoring.base.yaml.keys import Section, entry
from monitoring.chains.abi.values import Unknown
from monitoring.checks.expression.value_text import words
from monitoring.checks.expression.values import Absent, Number, Reading, as_number, is_number, magnitude
from monitoring.checks.rules.keys import FORMULA, LEVEL_SEVERITY, NUMBER, POSITIVE, WAITING, levels
from monitoring.checks.rules.keywords import CommonKeywords, CommonOptions, number, one_of, reading
from monitoring.checks.rules.steps import check_ladder
from monitoring.checks.rules.verb import Asked, ParsedCheck, Verb, YamlForm
from monitoring.checks.rules.words import INPUTS, Facts, Subject, VerbWords, inputs_in_words, number_of, shown
from monitoring.conditions.condition import Condition
from monitoring.conditions.outcome import Outcome
from monitoring.conditions.policy import Policy
from monitoring.conditions.transition import Breach, Hysteresis, Ok, Verdict, apply_verdict

if TYPE_CHECKING:
    from monitoring.checks.config.check import CheckBuilder


class Side(StrEnum):
    """Which side of a bound is bad."""

    BELOW = "below"
    ABOVE = "above"


@dataclass(frozen=True, slots=True)
class Level:
    """One bound and how bad its breach is."""

    bound: Number
    severity: Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitPolicy(Policy):
    """`levels` from the mildest to the worst.

    A value exactly at a bound does not breach it, unless `at_bound` (behind `require: x > 5`, where 5 is not
    enough). With `clear`, a condition ends only when the value is strictly on the good side of that bound.
    """

    side: Side
    levels: tuple[Level, ...]
    clear: Number | None = None
    at_bound: bool = False

    def __post_init__(self) -> None:
        bounds, severities = [level.bound for level in self.levels], [level.severity for level in self.levels]
        check_ladder(bounds, severities, rising=self.side is Side.ABOVE, what="a limit")


def judge(before: Condition, reading: Reading, now: datetime, policy: LimitPolicy) -> Outcome:
    """Hold the value against its levels; the worst one breached counts."""
    value = as_number(reading)
    if isinstance(value, Unknown | Absent):
        return apply_verdict(before, value, now, policy)
    verdict = compare(value, policy)
    rank = verdict.rank if isinstance(verdict, Breach) else 0
    return apply_verdict(before, verdict, now, policy, {"value": value, "bound": policy.levels[rank].bound})


def compare(value: Number, policy: LimitPolicy) -> Verdict:
    """Say where a known value stands."""
    breached = [rank for rank, level in enumerate(policy.levels) if _is_beyond(value, level.bound, policy)]
    if breached:
        measure = value if policy.side is Side.ABOVE else -value
        return Breach(tuple(level.severity for level in policy.levels), max(breached), measure)
    return Ok() if policy.clear is None or _is_clear(value, policy.clear, policy.side) else Hysteresis()


def _is_beyond(value: Number, bound: Number, policy: LimitPolicy) -> bool:
    if value == bound:
        return policy.at_bound
    return value > bound if policy.side is Side.ABOVE else value < bound


def _is_clear(value: Number, clear: Number, side: Side) -> bool:
    return value < clear if side is Side.ABOVE else value > clear


def _breached(subject: Subject, facts: Facts) -> str:
    policy, value, bound = subject.policy, number_of(facts, "value"), number_of(facts, "bound")
    if subject.difference:
        return f": {_sides(subject, facts)}"
    side = policy.side.value if isinstance(policy, LimitPolicy) else Side.BELOW.value
    return f": {words(value, subject.unit)} is {'at' if value == bound else side} {words(bound, subject.unit)}"


def _sides(subject: Subject, facts: Facts) -> str:
    """Return both readings and how far they are from what is required, as a distance that is never negative."""
    pairs = facts.get(INPUTS, ())
    if not isinstance(pairs, tuple) or len(pairs) != 2:  # noqa: PLR2004 - the two sides
        return f"missed by {words(magnitude(number_of(facts, 'value')), subject.unit)}"
    first, second = (pair[1] for pair in pairs if isinstance(pair, tuple))
    apart = format_shortfall(first, second, subject.unit) if is_number(first) and is_number(second) else ""
    return f"{inputs_in_words(subject, facts)}: {apart}"


def _good(subject: Subject, facts: Facts) -> str:
    if subject.difference:
        return f" is ok again: {inputs_in_words(subject, facts) or 'it holds'}"
    return f" is ok again: {shown(subject, facts)} (required: {_bound(subject)})"


def _bound(subject: Subject) -> str:
    policy = subject.policy
    if subject.difference or not isinstance(policy, LimitPolicy):
        return "holds"
    sign = {Side.BELOW: ">" if policy.at_bound else "≥", Side.ABOVE: "<" if policy.at_bound else "≤"}[policy.side]
    return f"{sign} {', '.join(words(level.bound, subject.unit) for level in policy.levels)}"


WORDS = VerbWords(_breached, _good, _bound)


def _require(check: CheckBuilder) -> ParsedCheck | None:
    from monitoring.checks.config.limit_keys import require  # noqa: PLC0415 - formulas are compared there

    return require(check)


def _watch(check: CheckBuilder) -> ParsedCheck | None:
    from monitoring.checks.config.limit_keys import watch  # noqa: PLC0415 - as above

    return watch(check)


def python(
    value: Any,
    *,
    below: Any = None,
    above: Any = None,
    clear: Any = None,
    worse_by: Any = None,
    **common: Unpack[CommonKeywords],
) -> Asked:
    """Fire while the value is `below` or `above` its bound (exactly there is well), or one of several levels.

    `clear`: over only beyond this; `worse_by`: reported again at each such step beyond the worst value so far.
    """
    options = CommonOptions.of("limit", common, python)
    name, bounds = one_of("limit", {"below": below, "above": above})
    side, levels = Side(name), options.levels("limit", name, bounds, number)
    over = number(clear, "clear") if clear is not None else None
    mildest = levels[0][0] if levels else 0
    if over is not None and (over > mildest if side is Side.ABOVE else over < mildest):
        raise UsageError(
            f"m.limit(…, clear={clear!r}): this lies on the bad side of the bound, so it could never clear"
        )
    policy = LimitPolicy(
        **options.policy("limit", levels[-1][1] if levels else None),
        side=side,
        levels=tuple(Level(*level) for level in levels),
        clear=over,
        worse_by=number(worse_by, "worse_by") if worse_by is not None else None,
    )
    return Asked(reading(value), policy, options)


REQUIRE = entry(
    "require", FORMULA, "Fires while this comparison does not hold.", example="require: vault.totalAssets() / 1e6 >= 5"
)
WATCH = entry(
    "watch", FORMULA, "Fires while this number is beyond a level.", example="watch: vault.totalAssets() / 1e6"
)
WORSE_BY = entry(
    "worse_by",
    POSITIVE,
    "Reported again at each such step beyond the worst value reported.",
    default="",
    example="worse_by: 10",
)
CLEAR_BELOW = entry(
    "clear_below", NUMBER, "Of a value that is too high: over only below this.", default="", example="clear_below: 90"
)
CLEAR_ABOVE = entry(
    "clear_above", NUMBER, "Of a value that is too low: over only above this.", default="", example="clear_above: 6"
)
BELOW = entry("below", NUMBER, "Bad below this.", default="", without="or above", example="below: 5")
ABOVE = entry("above", NUMBER, "Bad above this.", default="", without="or below", example="above: 5")
LEVEL = Section("A level of watch: one bound, and how bad it is.", BELOW, ABOVE, LEVEL_SEVERITY)
LEVELS = entry(
    "levels",
    levels(LEVEL),
    "Bounds with severities, all on one side.",
    without="bounds with severities, as in [{below: 5, severity: high}]",
    example="levels: [{below: 5, severity: high}]",
)
_KEYS = (*WAITING, WORSE_BY, CLEAR_BELOW, CLEAR_ABOVE)
VERB = Verb(
    name="limit",
    words=WORDS,
    judge=judge,
    yaml=(YamlForm(REQUIRE, _require, _KEYS), YamlForm(WATCH, _watch, (LEVELS, *_KEYS))),
    python=python,
    facts=("value", "bound"),
)
