"""The keywords of `m.limit`, `m.delta` and the other verbs as the policies that the verbs judge by.

Called by `utils.verbs`, and only when a verb is used. A keyword that could never do what it says is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import timedelta
from inspect import signature
from typing import Any, TypeVar

from monitoring.alerts.message.model import Severity
from monitoring.base.errors import UsageError
from monitoring.base.suggest import instead_of
from monitoring.chains.abi.values import Unknown
from monitoring.checks.expression.values import Value
from monitoring.checks.rules.age import AgeLevel, AgePolicy, DeadlinePolicy, DeadlineStep
from monitoring.checks.rules.delta import DeltaPolicy, Move, MoveLevel
from monitoring.checks.rules.diverge import Direction, DivergePolicy
from monitoring.checks.rules.items import ItemsPolicy
from monitoring.checks.rules.limit import Level, LimitPolicy, Side
from monitoring.checks.rules.members import MembersPolicy
from monitoring.checks.rules.never_falls import NeverFallsPolicy, Rebase
from monitoring.checks.rules.readings import SEED, TELL_ALL, FirstRun
from monitoring.checks.rules.stages import StagesPolicy
from monitoring.checks.rules.steps import NO_STEP
from monitoring.conditions.policy import USUAL, PendingPolicy, Policy, Reminders
from utils.exact import Amount, number, reading, span, step

T = TypeVar("T")
_LASTING = ("fire_after", "for_runs", "remind")
# What some verbs tell does not last, or is told step by step; all others understand every word of `_LASTING`.
_UNDERSTOOD: Mapping[str, Sequence[str]] = {
    "delta": (), "changed": (), "items": (), "members without expected": (), "deadline": ("remind",),
    "stages": ("remind",),
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class CommonOptions:
    """What every verb understands beside its own keywords."""

    severity: Severity | str | None = None
    fire_after: str | timedelta = "0"
    for_runs: int = 1
    remind: str | timedelta | Reminders | None = USUAL
    unit: str = ""
    text: str = ""
    chain: int | str = 0

    def policy(self, verb: str, severity: Severity | None = None) -> dict[str, Any]:
        """Return what all policies share; `severity` is that of the worst level where there are levels."""
        if severity is None and self.severity is None:
            raise UsageError(f"m.{verb}(…): severity is missing: LOW, MEDIUM, HIGH or CRITICAL")
        for word in _LASTING:
            if getattr(self, word) != getattr(_PLAIN, word) and word not in _UNDERSTOOD.get(verb, _LASTING):
                raise UsageError(f"m.{verb}, {word}=…: what it tells does not last, so {word} has no meaning")
        if self.for_runs < 1:
            raise UsageError(f"m.{verb}(…, for_runs={self.for_runs}): at least 1")
        worst = Severity.parse(self.severity) if self.severity is not None else severity
        return {
            "severity": worst if severity is None else severity,
            "hold": PendingPolicy(self.for_runs, span(self.fire_after)),
            "remind": reminders(self.remind),
        }

    def levels(self, verb: str, what: str, bounds: object, read: Callable[[Any, str], T]) -> list[tuple[T, Severity]]:
        """Read one bound, which has the check's severity, or pairs of a bound and its own."""
        if not isinstance(bounds, list):
            if self.severity is None:
                raise UsageError(f"m.{verb}(…): severity is missing: LOW, MEDIUM, HIGH or CRITICAL")
            return [(read(bounds, what), Severity.parse(self.severity))]
        if self.severity is not None:
            raise UsageError(f"m.{verb}(…): each level of {what} has its severity; leave the other one out")
        return [(read(bound, what), Severity.parse(severity)) for bound, severity in bounds]


_PLAIN = CommonOptions()


def reminders(remind: str | timedelta | Reminders | None) -> timedelta | Reminders | None:
    """Read a duration; `"never"` and None are never, left out it is by severity."""
    if remind is None or remind == "never" or isinstance(remind, Reminders):
        return None if remind == "never" else remind
    return span(remind)


def common_options(verb: str, keywords: Mapping[str, Any]) -> CommonOptions:
    """Return the keywords that every verb understands.

    Raises:
        UsageError: one of them is unknown; the message names the nearest keyword of this verb.
    """
    common = [one.name for one in fields(CommonOptions)]
    for word in keywords:
        if word not in common:
            from utils.verbs import Verbs  # noqa: PLC0415 - only a mistake pays for it

            own = [
                name for name, one in signature(getattr(Verbs, verb)).parameters.items() if one.kind is one.KEYWORD_ONLY
            ]
            raise UsageError(f"m.{verb}(…, {word}=…): unknown keyword, {instead_of(word, [*own, *common])}")
    return CommonOptions(**keywords)


def one_of(verb: str, choices: Mapping[str, object]) -> tuple[str, object]:
    """Return the one keyword that was given.

    Raises:
        UsageError: none was, or several.
    """
    given = [(name, value) for name, value in choices.items() if value is not None]
    if len(given) != 1:
        raise UsageError(f"m.{verb}(…): exactly one of {', '.join(choices)} says what is too much")
    return given[0]


def limit(
    ways: CommonOptions, below: object, above: object, clear: Amount | None, worse_by: Amount | None
) -> LimitPolicy:
    name, bounds = one_of("limit", {"below": below, "above": above})
    side, levels = Side(name), ways.levels("limit", name, bounds, number)
    over = number(clear, "clear") if clear is not None else None
    mildest = levels[0][0] if levels else 0
    if over is not None and (over > mildest if side is Side.ABOVE else over < mildest):
        raise UsageError(
            f"m.limit(…, clear={clear!r}): this lies on the bad side of the bound, so it could never clear"
        )
    return LimitPolicy(
        **ways.policy("limit", levels[-1][1] if levels else None),
        side=side,
        levels=tuple(Level(*level) for level in levels),
        clear=over,
        worse_by=number(worse_by, "worse_by") if worse_by is not None else None,
    )


def delta(
    ways: CommonOptions,
    moves: Mapping[str, object],
    least: Amount,
    max_age: str | timedelta,
    window: str | timedelta | None,
) -> DeltaPolicy:
    name, sizes = one_of("delta", moves)
    levels = ways.levels("delta", name, sizes, step)
    return DeltaPolicy(
        **ways.policy("delta", levels[-1][1]),
        levels=tuple(MoveLevel(Move(name), size, severity) for size, severity in levels),
        min_abs=number(least, "min_abs"),
        baseline_max_age=span(max_age),
        window=span(window) if window is not None else None,
    )


def never_falls(
    ways: CommonOptions, tolerance: Amount | None, rebase: str, worse_by: Amount | None
) -> NeverFallsPolicy:
    if rebase not in list(Rebase):
        raise UsageError(f"m.never_falls(…, rebase={rebase!r}): write {' or '.join(Rebase)}")
    if worse_by is not None and rebase != Rebase.HOLD:
        raise UsageError("m.never_falls(…, worse_by=…) needs rebase='hold': without it each further fall is told")
    return NeverFallsPolicy(
        **ways.policy("never_falls"),
        tolerance=step(tolerance, "tolerance") if tolerance is not None else NO_STEP,
        rebase=Rebase(rebase),
        worse_by=number(worse_by, "worse_by") if worse_by is not None else None,
    )


def plain(ways: CommonOptions, verb: str) -> Policy:
    return Policy(**ways.policy(verb))


def diverge(ways: CommonOptions, largest: object, direction: str) -> DivergePolicy:
    if direction not in list(Direction):
        raise UsageError(f"m.diverge(…, direction={direction!r}): write {' or '.join(Direction)}")
    levels = ways.levels("diverge", "max", largest, number)
    shared = ways.policy("diverge", levels[-1][1])
    return DivergePolicy(**shared, levels=tuple(Level(*level) for level in levels), direction=Direction(direction))


def age(ways: CommonOptions, oldest: object) -> AgePolicy:
    levels = ways.levels("age", "max", oldest, lambda value, _: span(value))
    return AgePolicy(**ways.policy("age", levels[-1][1]), levels=tuple(AgeLevel(*level) for level in levels))


def deadline(ways: CommonOptions, steps: Iterable[str | timedelta]) -> DeadlinePolicy:
    shared = ways.policy("deadline")
    lefts = [*(span(one) for one in steps), timedelta(0)]
    return DeadlinePolicy(**shared, steps=tuple(DeadlineStep(left, shared["severity"]) for left in lefts))


def members(
    ways: CommonOptions, expected: Iterable[Any] | None, added: Severity | str | None, removed: Severity | str | None
) -> MembersPolicy:
    shared = ways.policy("members without expected" if expected is None else "members")
    return MembersPolicy(
        **shared,
        added=shared["severity"] if added is None else Severity.parse(added),
        removed=shared["severity"] if removed is None else Severity.parse(removed),
        expected=None if expected is None else frozenset(_members(expected)),
    )


def _members(expected: Iterable[Any]) -> Sequence[Value]:
    found = reading(list(expected))
    if not isinstance(found, tuple):
        raise UsageError(
            "m.members(…, expected=…): " + (found.reason if isinstance(found, Unknown) else "a list is needed")
        )
    return found


def items(ways: CommonOptions, first_run: str | timedelta, keep: str | timedelta) -> ItemsPolicy:
    return ItemsPolicy(**ways.policy("items"), first_run=_first(first_run), keep=span(keep))


def _first(first_run: str | timedelta) -> FirstRun:
    if first_run in ("skip", "alert"):
        return SEED if first_run == "skip" else TELL_ALL
    return FirstRun(within=span(first_run))


def stages(
    ways: CommonOptions,
    order: Sequence[str],
    alert_from: str | None,
    severities: Mapping[str, Severity | str],
    gone_after: int,
) -> StagesPolicy:
    for name in (*severities, *([alert_from] if alert_from else [])):
        if name not in order:
            raise UsageError(f"m.stages(…): {name!r} is none of the stages {', '.join(order)}")
    return StagesPolicy(
        **ways.policy("stages"),
        order=tuple(order),
        alert_from=alert_from,
        severities={name: Severity.parse(severity) for name, severity in severities.items()},
        gone_after=gone_after,
    )
