"""Which checks of an evaluation are held back by the cause that their `unless` names.

Called between judging and wording: what is held back makes no message. A cause counts for people of the same channel
only, and for a check that calls a machine only if it calls one too: it must have reached those who act.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from monitoring.checks.engine.evaluation import EvaluatedCheck
from monitoring.checks.state.load import LoadedState
from monitoring.conditions.condition import Condition, ConditionKey
from monitoring.conditions.inhibition import free, held_back, holds_back, is_known
from monitoring.conditions.outcome import TransitionKind
from monitoring.conditions.silence import SilenceSubject, silence_of

_MAKES_KNOWN = (TransitionKind.FIRED, TransitionKind.WORSENED, TransitionKind.REMINDER)


def apply(seen: Sequence[EvaluatedCheck], remembered: LoadedState) -> list[EvaluatedCheck]:
    """Return the checks in their order; those held back are pending, and name their cause."""
    if not any(_causes(one) or one.outcome.condition.inhibited_by for one in seen):
        return [*seen]
    deciding = _Deciding({one.key: one for one in seen}, remembered)
    return [deciding.decided(one) for one in seen]


def _causes(one: EvaluatedCheck) -> Sequence[ConditionKey]:
    found: Sequence[ConditionKey] = getattr(one.part, "causes", ())
    return found


@dataclass(slots=True)
class _Deciding:
    """Decides a cause before what follows from it; causes go in no circle, which their file was refused for."""

    by_key: dict[ConditionKey, EvaluatedCheck]
    remembered: LoadedState
    done: dict[ConditionKey, EvaluatedCheck] = field(default_factory=dict)
    open: set[ConditionKey] = field(default_factory=set)

    def decided(self, one: EvaluatedCheck) -> EvaluatedCheck:
        known = self.done.get(one.key)
        if known is not None or one.key in self.open:
            return known or one
        self.open.add(one.key)
        found = self.done[one.key] = self._decide(one)
        return found

    def _decide(self, one: EvaluatedCheck) -> EvaluatedCheck:
        transition = one.outcome.transition
        if transition is None or transition.kind is not TransitionKind.FIRED or one.crash is not None:
            return replace(one, outcome=free(one.outcome))
        for key in _causes(one):
            cause = self._root_of(key)
            if cause is not None and self._counts(cause, one) and holds_back(cause, transition.severity):
                before = self.remembered.conditions.get(one.key) or Condition(one.key)
                return replace(one, outcome=held_back(before, one.outcome, str(cause.key)))
        return replace(one, outcome=free(one.outcome))

    def _root_of(self, key: ConditionKey) -> Condition | None:
        """Return the condition that people know of: the cause itself, or what holds that back in turn."""
        one = self.by_key.get(key)
        if one is None:
            row = self.remembered.conditions.get(key)
            return row if row is not None and is_known(row) else None
        one = self.decided(one)
        condition, transition = one.outcome.condition, one.outcome.transition
        if condition.inhibited_by:
            roots = [root for each in _causes(one) if (root := self._root_of(each)) is not None]
            return roots[0] if roots else None
        becomes_known = transition is not None and transition.kind in _MAKES_KNOWN and not self._is_silenced(one)
        return condition if is_known(condition) or (condition.is_firing and becomes_known) else None

    def _is_silenced(self, one: EvaluatedCheck) -> bool:
        route = one.part.route
        names = (route.protocol, route.channel, one.key.monitor)
        condition = one.outcome.condition
        kind, worst = one.outcome.transition and one.outcome.transition.kind, max(condition.severity, condition.worst)
        subject = SilenceSubject(
            names, one.key.text, worst, one.key.chain, condition.fired_at, kind is TransitionKind.WORSENED,
            kind is TransitionKind.REMINDER,
        )  # fmt: skip
        return silence_of(self.remembered.silences, subject) is not None

    def _counts(self, cause: Condition, one: EvaluatedCheck) -> bool:
        """Return whether those who act on this check have the cause."""
        known, route = self.by_key.get(cause.key), one.part.route
        if known is None:
            return not route.machine and (cause.channel or cause.protocol) == route.goes_to
        return known.part.route.goes_to == route.goes_to and (known.part.route.machine or not route.machine)
