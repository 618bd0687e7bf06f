"""`never_falls`: did a quantity drop that only grows? Its high-water mark never expires."""

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
from monitoring.checks.expression.values import Absent, Number, Reading, as_number, read_number, write_number
from monitoring.checks.rules.keys import FORMULA, POSITIVE, STEP, WAITING, one_of
from monitoring.checks.rules.keywords import CommonKeywords, CommonOptions, number, reading
from monitoring.checks.rules.keywords import step as size_of
from monitoring.checks.rules.steps import NO_STEP, Step
from monitoring.checks.rules.verb import Asked, ParsedCheck, Verb, YamlForm, with_base
from monitoring.checks.rules.words import Facts, Subject, VerbWords, number_of, shown
from monitoring.conditions.condition import Condition, State
from monitoring.conditions.outcome import Outcome, Reason
from monitoring.conditions.policy import Policy
from monitoring.conditions.transition import Breach, Ok, apply_verdict, at_rest

if TYPE_CHECKING:
    from monitoring.checks.config.check import CheckBuilder


class Rebase(StrEnum):
    """What becomes of the mark when a fall was reported.

    `after_alert`: it moves down to the fallen value, and each further fall is reported again.
    `hold`: it stays, and the condition lasts until the value is back at the mark.
    """

    AFTER_ALERT = "after_alert"
    HOLD = "hold"


@dataclass(frozen=True, slots=True, kw_only=True)
class NeverFallsPolicy(Policy):
    """A fall of exactly `tolerance` below the mark is no breach."""

    tolerance: Step = NO_STEP
    rebase: Rebase = Rebase.AFTER_ALERT


def judge(before: Condition, reading: Reading, now: datetime, policy: NeverFallsPolicy) -> Outcome:
    """Compare with the mark; only a known value that is not lower moves it up."""
    value = as_number(reading)
    if isinstance(value, Unknown | Absent):
        return apply_verdict(before, value, now, policy)
    if "mark" not in before.memory:
        seeded = replace(apply_verdict(before, Ok(), now, policy), reason=Reason.SEEDED)
        return seeded.remembering({"mark": write_number(value)})
    mark = read_number(str(before.memory["mark"]))
    facts = {"value": value, "before": mark}
    outcome = apply_verdict(before, _compare(value, mark, policy), now, policy, facts)
    if value > mark:
        return outcome.remembering({"mark": write_number(value)})
    return _rebased(outcome, value, now, policy)


def _compare(value: Number, mark: Number, policy: NeverFallsPolicy) -> Ok | Breach:
    if value < mark and policy.tolerance.exceeded_by(value - mark, mark):
        return Breach((policy.severity,), 0, mark - value)
    return Ok()


def _rebased(outcome: Outcome, value: Number, now: datetime, policy: NeverFallsPolicy) -> Outcome:
    if outcome.transition is None or outcome.condition.state is not State.FIRING:
        return outcome
    if policy.rebase is Rebase.HOLD:
        return outcome
    rested = at_rest(outcome.condition, outcome.transition.severity, now)
    return replace(outcome, condition=rested).remembering({"mark": write_number(value)})


def _breached(subject: Subject, facts: Facts) -> str:
    value, before = number_of(facts, "value"), number_of(facts, "before")
    by = format_share(value - before, before) or words(before - value, subject.unit)
    old, new = shown(subject, facts, "before"), shown(subject, facts)
    # A fall of less than the digits shown would read as from 1.1 to 1.1.
    return f" fell by {by}: {old} → {new}" if old != new else f" fell by {by}, from {old}"


def _good(subject: Subject, facts: Facts) -> str:
    return f" is back at {shown(subject, facts)}"


WORDS = VerbWords(_breached, _good, lambda _: "never falls")


NEVER_FALLS = entry(
    "never_falls",
    FORMULA,
    "Reports a value below the highest so far; after an alert it goes on from the new value (see rebase).",
    example="never_falls: price",
)
TOLERANCE = entry("tolerance", STEP, "A smaller fall is rounding.", default="", example="tolerance: 0.01%")
REBASE = entry(
    "rebase",
    one_of(one.value for one in Rebase),
    "after_alert: reported once, the lower value is the new start; hold: it lasts until the value is back.",
    default="after_alert",
    example="rebase: hold",
)
WORSE_BY = entry(
    "worse_by",
    POSITIVE,
    "With rebase: hold, reported again at each such step further down.",
    default="",
    example="worse_by: 2",
)


def _never_falls(draft: CheckBuilder) -> ParsedCheck | None:
    expression, policy = draft.number("never_falls"), draft.policy(draft.severity())
    word, step, worse = draft.spot.value(REBASE), draft.spot.value(TOLERANCE), draft.spot.get(WORSE_BY.name)
    more: dict[str, object] = {"tolerance": step} if step else {}
    if worse and word != Rebase.HOLD:
        worse.wrong("worse_by needs rebase: hold, without it each further fall is reported")
    found = with_base(NeverFallsPolicy, policy, rebase=Rebase(word) if word else Rebase.AFTER_ALERT, **more)
    found = replace(found, worse_by=worse.positive(like=False)) if worse else found
    return ParsedCheck("never_falls", (expression.tree,), found, expression.text) if expression else None


def python(
    value: Any,
    *,
    tolerance: Any = None,
    rebase: str = "after_alert",
    worse_by: Any = None,
    **common: Unpack[CommonKeywords],
) -> Asked:
    """Report a fall once and go on from there; with `rebase="hold"` it lasts until the value is back at its highest."""
    options = CommonOptions.of("never_falls", common, python)
    if rebase not in list(Rebase):
        raise UsageError(f"m.never_falls(…, rebase={rebase!r}): write {' or '.join(Rebase)}")
    if worse_by is not None and rebase != Rebase.HOLD:
        raise UsageError("m.never_falls(…, worse_by=…) needs rebase='hold': without it each further fall is reported")
    policy = NeverFallsPolicy(
        **options.policy("never_falls"),
        tolerance=size_of(tolerance, "tolerance") if tolerance is not None else NO_STEP,
        rebase=Rebase(rebase),
        worse_by=number(worse_by, "worse_by") if worse_by is not None else None,
    )
    return Asked(reading(value), policy, options)


VERB = Verb(
    name="never_falls",
    words=WORDS,
    judge=judge,
    yaml=(YamlForm(NEVER_FALLS, _never_falls, (TOLERANCE, REBASE, WORSE_BY, *WAITING)),),
    python=python,
    facts=("value", "before"),
)
