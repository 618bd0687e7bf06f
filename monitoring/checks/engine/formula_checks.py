"""A check written as formulas: which verb judges which expressions, and the part it becomes for one chain and row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from monitoring.alerts.message.model import Severity
from monitoring.checks.engine.evidence import NO_EVIDENCE, Evidence
from monitoring.checks.engine.formula_evidence import evidence_of
from monitoring.checks.engine.plan import ReadContext
from monitoring.checks.engine.point import EvaluationPoint
from monitoring.checks.expression.evaluate import PENDING, evaluate
from monitoring.checks.expression.tree import Literal, Tree
from monitoring.checks.expression.values import Unknown, Value
from monitoring.checks.messages.check_message import bound_words, reading_words, say
from monitoring.checks.messages.plain import NO_OWN_ROUTE, AlertRoute, AlertText, OwnRoute
from monitoring.checks.rows.eval_scope import EvalScope
from monitoring.checks.rules.delta import Priced
from monitoring.checks.rules.steps import severities_of
from monitoring.checks.rules.verb import verb
from monitoring.checks.rules.words import PLACEHOLDER, Subject, filled
from monitoring.conditions.condition import Condition, ConditionKey
from monitoring.conditions.outcome import Outcome, Transition
from monitoring.conditions.policy import Policy


@dataclass(frozen=True, slots=True)
class FollowedCheck:
    """A check that another one follows from. `id` has the fields of the row in it; `subject` is of a built-in type."""

    check: str
    id: str = ""
    subject: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """One check of a monitor file. `trees` are what its verb reads, one or two; `name` is its id without the row.

    `rows` are the names of `for_each` that it runs over, the outermost first; `labels` what its id and text name of a
    row. While `at_once` is true it does not wait. `asks` is for the `reads` of its verb. `unless` is what it
    follows from.
    """

    id: str
    name: str
    verb: str
    trees: tuple[Tree, ...]
    policy: Policy
    formula: str
    unit: str = ""
    text: str = ""
    rows: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    difference: bool = False
    own: OwnRoute = NO_OWN_ROUTE
    at_once: Tree | None = None
    asks: Any = None
    unless: tuple[FollowedCheck, ...] = ()

    @property
    def all_trees(self) -> tuple[Tree, ...]:
        """Return everything that is read for it."""
        return self.trees if self.at_once is None else (*self.trees, self.at_once)


@dataclass(frozen=True, slots=True)
class Urgent:
    """A reading that does not wait for `for`."""

    reading: Any


@dataclass(frozen=True, slots=True)
class FormulaPart:
    """One condition of a check: the check in one scene.

    `labels` are values of the row that its text names. `lost` is why a row whose list cannot be read has no data.
    """

    key: ConditionKey
    check: Check
    scene: EvalScope
    route: AlertRoute
    labels: Mapping[str, Value] = field(default_factory=dict)
    lost: Unknown | None = None

    @property
    def causes(self) -> tuple[ConditionKey, ...]:
        """Return the conditions that hold it back while they fire: of the same row, or of a vault."""
        names = {name: str(value) for name, value in {**self.labels, **self.scene.fields}.items()}
        found: list[ConditionKey] = []
        for each in self.check.unless:
            subject = each.subject or "/".join(names.get(name.strip(), "") for name in PLACEHOLDER.findall(each.id))
            chains = dict.fromkeys((self.key.chain, 0)) if each.subject else (self.key.chain,)
            found += [ConditionKey(self.key.monitor, each.check, chain, subject) for chain in chains]
        return tuple(found)

    @property
    def about(self) -> str:
        subject = self.subject
        return f"{subject.name}: {subject.formula}"

    @property
    def bound(self) -> str:
        """What the value is held against, in a few words."""
        return bound_words(self.subject)

    @property
    def severities(self) -> tuple[Severity, ...]:
        """How bad it can be, the mildest first."""
        return severities_of(self.check.policy)

    @property
    def reads_nothing(self) -> bool:
        """Whether it is a date that is written: nothing can keep it from being judged."""
        return all(isinstance(tree, Literal) for tree in self.check.trees)

    def in_words(self, reading: Any) -> str:  # noqa: ANN401 - as above
        """Return a known reading in the check's unit."""
        if isinstance(reading, Urgent):
            return self.in_words(reading.reading)
        if isinstance(reading, Priced):
            reading = (reading.amount, reading.price)
        return reading_words(self.subject, reading)

    def compose(self, transition: Transition, at: EvaluationPoint) -> AlertText:  # noqa: ARG002 - a formula's facts are all read
        return say(self.subject, transition)

    @property
    def subject(self) -> Subject:
        """The check as it speaks, its row filled in."""
        check = self.check
        fields = {**self.scene.fields, **self.labels}
        named = filled(check.id, {name: str(value) for name, value in fields.items()})
        return Subject(
            named, check.verb, check.policy, check.unit, check.formula, check.text, self.scene.chain, fields,
            difference=check.difference,
        )  # fmt: skip

    def evidence(self, context: ReadContext) -> Evidence:
        """Return what the value was made of."""
        if self.lost is not None or self.check.asks is not None:
            return NO_EVIDENCE  # of events each line says what it is about
        return evidence_of(self.check.trees, self.scene, context, difference=self.check.difference)

    def read(self, desk: ReadContext) -> Any:  # noqa: ANN401 - each verb has its own reading
        if self.lost is not None:
            return self.lost
        if (reads := verb(self.check.verb).reads) is not None:
            return reads(self, desk)
        world = self.scene.world(desk)
        found = [evaluate(tree, world) for tree in self.check.trees]
        is_urgent = False if self.check.at_once is None else evaluate(self.check.at_once, world)
        if is_urgent is PENDING or any(one is PENDING for one in found):
            return PENDING
        reading = verb(self.check.verb).combine(tuple(found))
        return Urgent(reading) if is_urgent is True and not isinstance(reading, Unknown) else reading

    def judge(self, before: Condition, reading: Any, now: datetime) -> Outcome:  # noqa: ANN401 - as above
        policy = self.check.policy
        if isinstance(reading, Urgent):
            reading, policy = reading.reading, policy.without_waiting()
        return verb(self.check.verb).judge(before, reading, now, policy)
