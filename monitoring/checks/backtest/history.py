"""What became of each check over the steps: its values, and when it fired, how badly and for how long. Pure.

Fed by `steps`, read by the reports.
"""

from __future__ import annotations

import math
from array import array
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any

from monitoring.alerts.recording.close_orphaned import SOURCES
from monitoring.checks.engine.evaluate import Evaluation
from monitoring.checks.engine.evaluation import EvaluatedCheck
from monitoring.checks.engine.formula_checks import FormulaPart, Urgent
from monitoring.checks.engine.plan import CheckInstance
from monitoring.checks.engine.python_checks import GivenPart
from monitoring.checks.messages.listing_value import bound_in_words
from monitoring.checks.rules.delta import Priced
from monitoring.checks.rules.limit import LimitPolicy
from monitoring.checks.rules.verb import verb
from monitoring.checks.state.load import LoadedState
from monitoring.conditions.condition import Condition, ConditionKey
from monitoring.conditions.outcome import TransitionKind
from monitoring.conditions.policy import Policy
from monitoring.conditions.severity import Severity
from monitoring.conditions.values import Number

_NO_NUMBER = math.nan
_MOST_REASONS = 20  # of one check: a reason may name its block
_NO_REASON = "for other reasons"
_Badness = tuple[int, "Number | float"]


@dataclass
class PastIncident:
    """One time that a check fired. `since` is the first bad reading; `ended_at` none: it still fired at the end.

    `worst_value` is in the check's words. `from_start`: it was so at the first step. `once`: it happened and is over.
    """

    key: ConditionKey
    title: str
    since: datetime
    fired_at: datetime
    severity: Severity
    worst_value: str
    worst_at: datetime
    from_start: bool = False
    once: bool = False
    ended_at: datetime | None = None
    messages: int = 1
    badness: _Badness = (-1, -math.inf)

    def lasted(self, until: datetime) -> timedelta:
        return timedelta(0) if self.once else (self.ended_at or until) - self.fired_at


@dataclass
class CheckHistory:
    """One check over the steps; `numbers` has a value a step from `first` on, NaN where there is none.

    `no_data` counts the steps in which nothing was known of it, by the reason.
    """

    key: ConditionKey
    about: str
    bound: str
    levels: tuple[tuple[float, str], ...]
    first: int
    unit: str = ""
    numbers: array[float] = field(default_factory=lambda: array("d"))
    no_data: Counter[str] = field(default_factory=Counter)
    incidents: list[PastIncident] = field(default_factory=list)

    @property
    def without_data(self) -> int:
        """Return in how many steps nothing was known of it."""
        return self.no_data.total()

    @property
    def is_number(self) -> bool:
        """Return whether it was ever a number."""
        return any(not math.isnan(one) for one in self.numbers)

    @property
    def open(self) -> PastIncident | None:
        last = self.incidents[-1] if self.incidents else None
        return last if last is not None and last.ended_at is None else None


@dataclass
class PastHistory:
    """All checks over all steps that were judged."""

    steps: list[datetime] = field(default_factory=list)
    checks: dict[ConditionKey, CheckHistory] = field(default_factory=dict)

    def begin(self, at: datetime) -> None:
        """Begin a step."""
        self.steps.append(at)

    def add(self, evaluation: Evaluation, remembered: LoadedState) -> None:
        """Note what a step of files came to; a check whose row is in no list any more is over."""
        for entry in evaluation.record.entries:
            title = entry.composed.alert.title if entry.composed is not None else ""
            before = remembered.conditions.get(entry.seen.key) or Condition(entry.seen.key)
            self.follow(entry.seen, before, title, entry.value)
        present = {entry.seen.key for entry in evaluation.record.entries}
        for key in [row.key for row in (*evaluation.record.gone, *evaluation.record.left)]:
            if key not in present:
                self.resolve(key)

    def follow(self, seen: EvaluatedCheck, before: Condition, title: str, value: str) -> None:
        """Note what one check came to; `before` is what it remembered, `title` that of its message, if there is one."""
        check = self.checks.get(seen.key) or self._new(seen.part)
        check.numbers.extend([_NO_NUMBER] * (len(self.steps) - 1 - check.first - len(check.numbers)))
        check.numbers.append(_number(seen.reading))
        if (unseen := seen.outcome.condition.no_data) is not None:
            why = unseen.reason or unseen.source or _NO_REASON
            check.no_data[why if why in check.no_data or len(check.no_data) < _MOST_REASONS else _NO_REASON] += 1
        self._follow(check, seen, before, title, value)

    def fire(self, key: ConditionKey, severity: Severity, title: str, *, is_once: bool) -> None:
        """Note a message that a function sent by itself."""
        at, check = self.steps[-1], self.checks.get(key)
        if check is None:
            check = self.checks[key] = CheckHistory(key, title, "", (), len(self.steps) - 1)
        if check.open is not None:
            check.open.messages += 1
            check.open.severity = max(check.open.severity, severity)
            return
        begun = PastIncident(key, title, at, at, severity, "", at, from_start=len(self.steps) == 1, once=is_once)
        begun.ended_at = at if is_once else None
        check.incidents.append(begun)

    def resolve(self, key: ConditionKey, messages: int = 0) -> None:
        """Note that a condition is over."""
        check = self.checks.get(key)
        if check is not None and check.open is not None:
            check.open.messages += messages
            check.open.ended_at = self.steps[-1]

    @property
    def own(self) -> list[CheckHistory]:
        """Return the monitors' own checks, without what is reported of sources."""
        return [one for key, one in self.checks.items() if key.monitor != SOURCES]

    @property
    def incidents(self) -> list[PastIncident]:
        """Return every incident, in the order in which they fired."""
        found = [each for check in self.checks.values() for each in check.incidents]
        return sorted(found, key=lambda one: (one.fired_at, one.key))

    def _new(self, part: CheckInstance) -> CheckHistory:
        levels: tuple[tuple[float, str], ...] = ()
        unit, policy = "", _judged_by(part)[1]
        if isinstance(part, FormulaPart | GivenPart):
            unit = part.check.unit if isinstance(part, FormulaPart) else part.subject.unit
        if isinstance(policy, LimitPolicy):
            levels = tuple((float(one.bound), one.severity.name) for one in policy.levels)
        found = CheckHistory(part.key, part.about, bound_in_words(part), levels, len(self.steps) - 1, unit)
        self.checks[part.key] = found
        return found

    def _follow(self, check: CheckHistory, seen: EvaluatedCheck, before: Condition, title: str, value: str) -> None:
        condition, transition, at = seen.outcome.condition, seen.outcome.transition, self.steps[-1]
        open_ = check.open
        if transition is not None and transition.kind is TransitionKind.FIRED and title:
            is_once = not condition.is_firing
            open_ = PastIncident(
                check.key, title, transition.since, at, transition.severity, value, at,
                from_start=len(self.steps) == 1, once=is_once, ended_at=at if is_once else None,
                badness=_badness(seen, before, at),
            )  # fmt: skip
            check.incidents.append(open_)
            return
        if open_ is None:
            return
        if transition is not None:
            open_.messages += 1
        if not condition.is_firing:
            open_.ended_at = at
            return
        open_.severity = max(open_.severity, condition.severity)
        badness = _badness(seen, before, at)
        if badness > open_.badness:
            open_.badness, open_.worst_value, open_.worst_at = badness, value, at


def _judged_by(part: CheckInstance) -> tuple[str, Policy | None]:
    """Return verb and policy of a check, where it is one of a verb."""
    if isinstance(part, FormulaPart):
        return part.check.verb, part.check.policy
    return (part.subject.verb, part.subject.policy) if isinstance(part, GivenPart) else ("", None)


def _badness(seen: EvaluatedCheck, before: Condition, at: datetime) -> _Badness:
    """Return how bad a reading is, level first: what its verb would say of it with no waiting."""
    (name, policy), reading = _judged_by(seen.part), seen.reading
    if policy is None:
        return (-1, -math.inf)
    reading = reading.reading if isinstance(reading, Urgent) else reading
    fresh = replace(Condition(seen.key), memory=before.memory)
    try:
        found = verb(name).judge(fresh, reading, at, policy.without_waiting()).condition
    except Exception:  # noqa: BLE001 - the border of a check: its bug is in the record already
        return (-1, -math.inf)
    return (found.rank, -math.inf if found.worst_measure is None else found.worst_measure)


def _number(reading: Any) -> float:  # noqa: ANN401 - each verb has its own reading
    reading = reading.reading if isinstance(reading, Urgent) else reading
    reading = reading.amount if isinstance(reading, Priced) else reading
    try:
        return float(reading) if isinstance(reading, bool | int | Fraction) else _NO_NUMBER
    except OverflowError:
        return _NO_NUMBER
