"""A check over rows that only reading knows: in each pass it becomes one part a row.

Called by `read.py`. As long as a list cannot be read, or a row of it cannot be identified, what is remembered of its
rows is kept, without data: nobody knows whether they are gone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from monitoring.alerts.message.model import Severity
from monitoring.alerts.message.sanitize import clean_line, shorten
from monitoring.checks.engine.formula_checks import FormulaPart
from monitoring.checks.engine.plan import CheckInstance, ReadContext
from monitoring.checks.engine.point import EvaluationPoint
from monitoring.checks.expression.evaluate import NotYet
from monitoring.checks.expression.values import Absent, Unknown
from monitoring.checks.messages.plain import AlertRoute, AlertText
from monitoring.checks.rows.eval_scope import EvalScope, Rows
from monitoring.checks.rows.own_row import of_row
from monitoring.checks.rules.words import PLACEHOLDER
from monitoring.conditions.condition import Condition, ConditionKey
from monitoring.conditions.outcome import Outcome, Transition

_LONGEST_NAME = 80
_TOO_DEEP = Unknown("its list is nested too deep to be read")


@dataclass(frozen=True, slots=True)
class ListedCheck:
    """The check above its rows: its `part` has no subject."""

    part: FormulaPart

    @property
    def key(self) -> ConditionKey:
        return self.part.key

    @property
    def route(self) -> AlertRoute:
        return self.part.route

    @property
    def about(self) -> str:
        return self.part.about

    @property
    def over(self) -> str:
        """What it runs over, in a few words."""
        used = [one for one in self.part.scene.plan.levels if one.name in self.part.check.rows]
        return ", ".join(f"each row of {one.words}" for one in used if not isinstance(one, Rows))

    @property
    def bound(self) -> str:
        return self.part.bound

    @property
    def severities(self) -> tuple[Severity, ...]:
        return self.part.severities

    def read(self, desk: ReadContext) -> Any:  # noqa: ANN401 - each verb has its own reading
        return self.part.read(desk)

    def judge(self, before: Condition, reading: Any, now: datetime) -> Outcome:  # noqa: ANN401 - as above
        return self.part.judge(before, reading, now)

    def compose(self, transition: Transition, at: EvaluationPoint) -> AlertText:
        return self.part.compose(transition, at)

    def expand(self, desk: ReadContext) -> tuple[CheckInstance, ...]:
        """Return a part for each row that is known now, and for each that nobody knows to be gone."""
        scopes, lost = self._scopes(desk)
        found: dict[ConditionKey, FormulaPart] = {}
        for scope in scopes:
            part = self._of_row(scope, desk)
            if isinstance(part, Unknown):
                lost = _first(lost, part)
            elif part.key in found:
                found[part.key] = _twice(found[part.key], part)
            else:
                found[part.key] = part
        if lost is not None:
            kept = [key for key, row in desk.conditions.items() if self._is_of_this(key) and row.declared]
            unseen = [key for key in kept if key not in found] or [self.key]
            found |= {key: replace(self.part, key=key, lost=lost) for key in unseen}
        return tuple(found.values())

    def _is_of_this(self, key: ConditionKey) -> bool:
        return (key.monitor, key.check, key.chain) == (self.key.monitor, self.key.check, self.key.chain)

    def _scopes(self, desk: ReadContext) -> tuple[list[EvalScope], Unknown | None]:
        """Return the scopes of all rows that are known, and why some are not."""
        scopes, lost = [self.part.scene], None
        for name in self.part.check.rows:
            below: list[EvalScope] = []
            for scope in scopes:
                rows = scope.rows_below(name, desk)
                if isinstance(rows, tuple):
                    below += rows
                elif not isinstance(rows, Absent):
                    lost = rows if isinstance(rows, Unknown) else _first(lost, _TOO_DEEP)
            scopes = below
        return scopes, lost

    def _of_row(self, scope: EvalScope, desk: ReadContext) -> FormulaPart | Unknown:
        """Return the part of one row, or why it is not known which row it is."""
        check, world, subject = self.part.check, scope.world(desk), list[str]()
        for name in PLACEHOLDER.findall(check.id):
            value = world.name(name.strip())
            if isinstance(value, Unknown | Absent | NotYet):
                return value if isinstance(value, Unknown) else _TOO_DEEP
            subject.append(shorten(clean_line(str(value)), _LONGEST_NAME))
        found = {name: world.name(name) for name in check.labels}
        labels = {name: "?" if isinstance(one, Unknown | Absent | NotYet) else one for name, one in found.items()}
        key = replace(self.key, subject="/".join(subject))
        return of_row(replace(self.part, key=key, scene=scope, labels=labels), scope)


def _first(known: Unknown | None, new: Unknown) -> Unknown:
    return new if known is None else known


def _twice(first: FormulaPart, second: FormulaPart) -> FormulaPart:
    """Return one part for two rows of one identity: two that are alike are one, two that differ are unknown."""
    if first.lost is not None or first.scene.fields == second.scene.fields:
        return first
    return replace(first, lost=Unknown(f"two rows are called {first.key.subject}"))
