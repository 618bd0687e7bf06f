"""`diverge`: do two sources agree? The second is the reference."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Unpack

from monitoring.base.errors import UsageError
from monitoring.base.formatting import format_share
from monitoring.base.yaml.keys import entry
from monitoring.chains.abi.values import Unknown
from monitoring.checks.expression.value_text import words
from monitoring.checks.expression.values import Absent, Number, Reading, as_number, magnitude
from monitoring.checks.rules.keys import FORMULA, SHARE_OF_ROW, WAITING, Listed, one_of
from monitoring.checks.rules.keywords import CommonKeywords, CommonOptions, number
from monitoring.checks.rules.keywords import reading as exact
from monitoring.checks.rules.limit import Level
from monitoring.checks.rules.steps import check_ladder, ratio
from monitoring.checks.rules.verb import Asked, ParsedCheck, Verb, YamlForm, with_base
from monitoring.checks.rules.words import Facts, Subject, VerbWords, inputs_in_words, number_of
from monitoring.conditions.condition import Condition
from monitoring.conditions.outcome import Outcome
from monitoring.conditions.policy import Policy
from monitoring.conditions.transition import Breach, Ok, Verdict, apply_verdict

if TYPE_CHECKING:
    from monitoring.checks.config.check import CheckBuilder


class Direction(StrEnum):
    """`a_over_b`: only the first exceeding the second is bad, as when reserves are over-reported."""

    BOTH = "both"
    A_OVER_B = "a_over_b"


@dataclass(frozen=True, slots=True, kw_only=True)
class DivergePolicy(Policy):
    """`levels`: the largest distance allowed as a share of the reference, mildest first; exactly that is allowed.

    `field`: the field of the row that is the bound of the only level.
    """

    levels: tuple[Level, ...]
    direction: Direction = Direction.BOTH
    field: str = ""

    def for_row(self, bound: Number) -> DivergePolicy:
        """Return the policy of a row with this bound."""
        return replace(self, levels=tuple(replace(level, bound=bound) for level in self.levels))

    def __post_init__(self) -> None:
        bounds, severities = [level.bound for level in self.levels], [level.severity for level in self.levels]
        check_ladder(bounds, severities, rising=True, what="diverge")


def judge(
    before: Condition, reading: tuple[Reading, Reading] | Unknown | Absent, now: datetime, policy: DivergePolicy
) -> Outcome:
    """Judge |a - b| / |b|. Two zeros agree; anything else against a zero is beyond every share."""
    pair = [as_number(one) for one in (reading if isinstance(reading, tuple) else (reading,))]
    for missing in (Unknown, Absent):
        found = next((one for one in pair if isinstance(one, missing)), None)
        if found is not None:
            return apply_verdict(before, found, now, policy)
    first, second = (one for one in pair if not isinstance(one, Unknown | Absent))
    return apply_verdict(before, _compare(first, second, policy), now, policy, {"value": first, "reference": second})


def _compare(first: Number, second: Number, policy: DivergePolicy) -> Verdict:
    if first == second or (policy.direction is Direction.A_OVER_B and first < second):
        return Ok()
    ladder = tuple(level.severity for level in policy.levels)
    if second == 0:
        return Breach(ladder, len(ladder) - 1)
    distance = ratio(magnitude(first - second), magnitude(second))
    breached = [rank for rank, level in enumerate(policy.levels) if distance > level.bound]
    return Breach(ladder, max(breached), distance) if breached else Ok()


def _breached(subject: Subject, facts: Facts) -> str:
    return f": {_apart(subject, facts)}, allowed {_bound(subject).removeprefix('within ')}"


def _apart(subject: Subject, facts: Facts) -> str:
    first, second = number_of(facts, "value"), number_of(facts, "reference")
    by = format_share(first - second, second) or words(magnitude(first - second), subject.unit)
    named = inputs_in_words(subject, facts, unit=subject.unit).replace(", ", " and ", 1)
    return f"{named or f'{words(first, subject.unit)} and {words(second, subject.unit)}'} are {by} apart"


def _good(subject: Subject, facts: Facts) -> str:
    return f" is ok again: {_apart(subject, facts)} ({_bound(subject)})"


def _bound(subject: Subject) -> str:
    levels = subject.policy.levels if isinstance(subject.policy, DivergePolicy) else ()
    return f"within {', '.join(words(level.bound, '%') for level in levels)}"


WORDS = VerbWords(_breached, _good, _bound)


DIVERGE = entry(
    "diverge", Listed(FORMULA, "two expressions"), "Fires while two numbers differ.", example="diverge: [a, b]"
)
MAX = entry(
    "max",
    SHARE_OF_ROW,
    "The share of the second by which they may differ; of rows also a field.",
    without="the share of the second by which they may differ, as in 0.5%",
    example="max: 0.5%",
)
DIRECTION = entry(
    "direction",
    one_of(one.value for one in Direction),
    "a_over_b: only a first that is larger is bad.",
    default="both",
    example="direction: a_over_b",
)


def _diverge(draft: CheckBuilder) -> ParsedCheck | None:
    spot = draft.spot.get("diverge")
    sides = spot.items("a list of two expressions") if spot else []
    if spot and sides and len(sides) != 2:  # noqa: PLR2004 - a and b
        spot.wrong(f"two expressions are compared, not {len(sides)}")
        return None
    found = [draft.number_at(side) for side in sides]
    severity, word, field = draft.severity(), draft.spot.value(DIRECTION), draft.field_of_row(draft.spot.get(MAX.name))
    bound = 1 if field else draft.spot.value(MAX)
    if len(found) != 2 or found[0] is None or found[1] is None or bound is None:  # noqa: PLR2004 - as above
        return None
    policy = with_base(
        DivergePolicy,
        draft.policy(severity),
        levels=(Level(bound, severity),),
        direction=Direction(word) if word else Direction.BOTH,
        field=field,
    )
    return ParsedCheck("diverge", (found[0].tree, found[1].tree), policy, f"{found[0].text} ~ {found[1].text}")


def python(first: Any, second: Any, *, max: Any, direction: str = "both", **common: Unpack[CommonKeywords]) -> Asked:
    """Fire while two values differ by more than a share (`0.5%`) of the second."""
    options = CommonOptions.of("diverge", common, python)
    if direction not in list(Direction):
        raise UsageError(f"m.diverge(…, direction={direction!r}): write {' or '.join(Direction)}")
    levels = options.levels("diverge", "max", max, number)
    policy = DivergePolicy(
        **options.policy("diverge", levels[-1][1]),
        levels=tuple(Level(*level) for level in levels),
        direction=Direction(direction),
    )
    return Asked((exact(first), exact(second)), policy, options)


VERB = Verb(
    name="diverge",
    words=WORDS,
    judge=judge,
    yaml=(YamlForm(DIVERGE, _diverge, (MAX, DIRECTION, *WAITING)),),
    python=python,
    facts=("value", "reference"),
)
