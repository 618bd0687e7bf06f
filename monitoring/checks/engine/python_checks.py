"""What a Python function judges: the part around a verb, a policy and a reading that the function already has.

Made by `utils.judging`; a session judges, records and reports it as it does the checks of a monitor file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar

from monitoring.alerts.message.model import Severity
from monitoring.checks.engine.evidence import NO_EVIDENCE, Evidence
from monitoring.checks.engine.monitor import NumberSource
from monitoring.checks.engine.plan import Answerer, CheckInstance, ReadContext
from monitoring.checks.engine.point import EvaluationPoint
from monitoring.checks.messages.check_message import bound_words, reading_words, say
from monitoring.checks.messages.plain import AlertRoute, AlertText
from monitoring.checks.rules.delta import Priced
from monitoring.checks.rules.steps import severities_of
from monitoring.checks.rules.verb import verb
from monitoring.checks.rules.words import Subject
from monitoring.conditions.condition import Condition, ConditionKey
from monitoring.conditions.outcome import Outcome, Transition

_ROWS = ("items", "stages")


@dataclass(frozen=True, slots=True)
class GivenPart:
    """One condition that a function judged; its reading is in hand, so that nothing is asked for it."""

    key: ConditionKey
    route: AlertRoute
    subject: Subject
    reading: Any
    asked: Evidence = NO_EVIDENCE
    causes: tuple[ConditionKey, ...] = ()

    @property
    def about(self) -> str:
        return self.subject.name

    @property
    def bound(self) -> str:
        return bound_words(self.subject)

    @property
    def severities(self) -> tuple[Severity, ...]:
        """How bad it can be, the mildest first."""
        return severities_of(self.subject.policy)

    def in_words(self, reading: Any) -> str:  # noqa: ANN401 - each verb has its own reading
        if self.subject.verb in _ROWS:
            return f"{len(reading)} rows"
        if isinstance(reading, Priced):
            reading = (reading.amount, reading.price)
        return reading_words(self.subject, reading)

    def evidence(self, context: ReadContext) -> Evidence:  # noqa: ARG002 - the function read it itself
        return self.asked

    def read(self, desk: ReadContext) -> Any:  # noqa: ANN401, ARG002 - as above; it is known already
        return self.reading

    def judge(self, before: Condition, reading: Any, now: datetime) -> Outcome:  # noqa: ANN401 - as above
        return verb(self.subject.verb).judge(before, reading, now, self.subject.policy)

    def compose(self, transition: Transition, at: EvaluationPoint) -> AlertText:  # noqa: ARG002 - its facts are all read
        return say(self.subject, transition)


@dataclass(slots=True)
class Given:
    """What one function has judged so far. A condition it does not judge in a run stays as it is."""

    name: str
    route: AlertRoute
    given: Sequence[CheckInstance] = ()
    sources: Mapping[str, NumberSource] = field(default_factory=dict)
    declared: ClassVar[bool] = False
    answers: ClassVar[Mapping[type, Answerer]] = {}

    def parts(self) -> tuple[CheckInstance, ...]:
        return tuple(self.given)
