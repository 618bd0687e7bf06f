"""`http`: is an endpoint up and true? Its status, what its answer says of itself, its age, latency and certificate.

One row an endpoint. An endpoint that does not answer is down, which is bad; only what this host cannot even ask is
unknown. What else hangs on the answer keeps quiet while it is down: one cause, one alert.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from monitoring.alerts.message.model import Severity
from monitoring.base.formatting import format_instant, format_seconds
from monitoring.chains.abi.values import Unknown
from monitoring.checks.builtin.http.client import Expiry, Get, Handshake, Reply, answer_gets, answer_handshakes
from monitoring.checks.builtin.http.config import HTTP, Endpoint, schema
from monitoring.checks.builtin.http.expression import JsonWorld, time_at
from monitoring.checks.engine.plan import CheckInstance, ReadContext
from monitoring.checks.engine.plugin import CheckType, PluginContext
from monitoring.checks.engine.point import EvaluationPoint
from monitoring.checks.expression.evaluate import PENDING, evaluate
from monitoring.checks.expression.value_text import words
from monitoring.checks.expression.values import Reading, is_number
from monitoring.checks.messages.check_message import say
from monitoring.checks.messages.plain import HEADS, AlertRoute, AlertText, plain_message
from monitoring.checks.rules import age, limit
from monitoring.checks.rules.words import Subject
from monitoring.conditions.condition import Condition, ConditionKey
from monitoring.conditions.outcome import Outcome, Transition, TransitionKind
from monitoring.conditions.transition import Breach, Ok, apply_verdict

NO_CHAIN = 0
_FINE = range(200, 300)


@dataclass(frozen=True, slots=True)
class _Facet:
    """What the parts of an endpoint share."""

    key: ConditionKey
    route: AlertRoute
    endpoint: Endpoint
    policy: Any
    of_now = True  # nobody knows how it answered

    @property
    def severities(self) -> tuple[Severity, ...]:
        """How bad it can be."""
        return (self.policy.severity,)


@dataclass(frozen=True, slots=True)
class UpPart(_Facet):
    """Does it answer, with the right status, saying that it is well? The reading is what is wrong, or nothing."""

    @property
    def about(self) -> str:
        wanted = f" with {self.endpoint.status}" if self.endpoint.status else ""
        true = f", and {self.endpoint.ok_text}" if self.endpoint.ok_text else ""
        return f"{self.endpoint.name} answers{wanted}{true}"

    def read(self, desk: ReadContext) -> Any:  # noqa: ANN401 - words, unknown or pending
        reply = desk.ask(self.endpoint.get)
        if reply is PENDING or isinstance(reply, Unknown):
            return reply
        return _wrong_with(reply, self.endpoint)

    def in_words(self, reading: str) -> str:
        return reading or "it does"

    def judge(self, before: Condition, reading: Any, now: datetime) -> Outcome:  # noqa: ANN401 - as above
        if isinstance(reading, Unknown):
            return apply_verdict(before, reading, now, self.policy)
        facts = {"reading": reading} if reading else {}
        verdict = Breach((self.policy.severity,)) if reading else Ok()
        return apply_verdict(before, verdict, now, self.policy, facts)

    def compose(self, transition: Transition, at: EvaluationPoint) -> AlertText:  # noqa: ARG002 - the facts are words already
        if transition.kind is TransitionKind.RECOVERED:
            return AlertText(f"{self.about} again")
        if "reading" not in transition.facts:
            return plain_message(self.about, transition)
        head = HEADS.get(transition.kind, "")
        wrong = f"{self.endpoint.name} does not answer as required: {words(transition.facts['reading'])}"
        return AlertText(f"{head}{wrong}", (f"Required: {self.about} ({self.endpoint.get.host})",))


@dataclass(frozen=True, slots=True)
class FreshPart(_Facet):
    """How old is what it reports, by its own time?"""

    @property
    def about(self) -> str:
        return f"{self.endpoint.name}: the answer's own time, {self.endpoint.time}"

    def read(self, desk: ReadContext) -> Any:  # noqa: ANN401 - unix time, unknown or pending
        reply = desk.ask(self.endpoint.get)
        if reply is PENDING or isinstance(reply, Unknown):
            return reply
        return time_at(reply.body, self.endpoint.time, self.endpoint.get.host)

    def judge(self, before: Condition, reading: Reading, now: datetime) -> Outcome:
        return age.judge(before, reading, now, self.policy)

    def compose(self, transition: Transition, at: EvaluationPoint) -> AlertText:  # noqa: ARG002 - as above
        subject = Subject(f"data of {self.endpoint.name}", "age", self.policy)
        return say(subject, transition)


@dataclass(frozen=True, slots=True)
class LatencyPart(_Facet):
    """How many seconds did the answer take?"""

    @property
    def about(self) -> str:
        return f"{self.endpoint.name}: seconds until the answer"

    def read(self, desk: ReadContext) -> Any:  # noqa: ANN401 - seconds, unknown or pending
        reply = desk.ask(self.endpoint.get)
        return reply if reply is PENDING or isinstance(reply, Unknown) else reply.took_s

    def judge(self, before: Condition, reading: Reading, now: datetime) -> Outcome:
        return limit.judge(before, reading, now, self.policy)

    def compose(self, transition: Transition, at: EvaluationPoint) -> AlertText:  # noqa: ARG002 - as above
        seconds = transition.facts.get("value")
        if not is_number(seconds):
            return plain_message(self.about, transition)
        took, allowed = format_seconds(seconds), format_seconds(self.policy.levels[0].bound)
        if transition.kind is TransitionKind.RECOVERED:
            return AlertText(f"{self.endpoint.name} answers in time again: {took} (allowed {allowed})")
        return AlertText(
            f"{HEADS.get(transition.kind, '')}{self.endpoint.name} took {took} to answer, allowed {allowed}"
        )


@dataclass(frozen=True, slots=True)
class CertificatePart(_Facet):
    """When does its certificate end?"""

    @property
    def about(self) -> str:
        return f"{self.endpoint.name}: the end of its certificate"

    def read(self, desk: ReadContext) -> Any:  # noqa: ANN401 - unix time, unknown or pending
        found = desk.ask(Handshake(*self.endpoint.get.address))
        return found.at_s if isinstance(found, Expiry) else found

    def judge(self, before: Condition, reading: Reading, now: datetime) -> Outcome:
        return age.judge_deadline(before, reading, now, self.policy)

    def compose(self, transition: Transition, at: EvaluationPoint) -> AlertText:  # noqa: ARG002 - as above
        left, ends = transition.facts.get("left"), transition.facts.get("value")
        name = f"certificate of {self.endpoint.name}"
        if not is_number(left) or not is_number(ends):
            return plain_message(name, transition)
        span, until = format_seconds(left), format_instant(ends)
        if transition.kind is TransitionKind.RECOVERED:
            return AlertText(f"{name} is valid for {span}, until {until}")
        what = f"expires in {span}, at {until}" if left > 0 else f"expired {span} ago, at {until}"
        return AlertText(f"{HEADS.get(transition.kind, '')}{name} {what}")


def plan(endpoints: Sequence[Endpoint], around: PluginContext) -> list[CheckInstance]:
    """Make a part of each thing that is judged of each endpoint."""
    found: list[CheckInstance] = []
    for one in endpoints:
        wanted: list[tuple[str, type[_Facet], object]] = [
            ("up", UpPart, one.up),
            ("fresh", FreshPart, one.fresh),
            ("latency", LatencyPart, one.latency),
            ("certificate", CertificatePart, one.certificate),
        ]
        found += [
            kind(
                ConditionKey(around.monitor, check, NO_CHAIN, one.name), around.route.guided(one.guidance), one, policy
            )  # type: ignore[misc]  # each is a Part
            for check, kind, policy in wanted
            if policy
        ]
    return found


def _wrong_with(reply: Reply, endpoint: Endpoint) -> str | Unknown:
    """Say what is wrong with a reply, an empty text if nothing is."""
    if reply.status not in ([endpoint.status] if endpoint.status else _FINE):
        return reply.trouble or f"HTTP {reply.status}, not {endpoint.status}"
    if endpoint.ok is None:
        return ""
    if isinstance(reply.body, Unknown):
        return reply.body.reason
    verdict = evaluate(endpoint.ok, JsonWorld(reply.body, endpoint.get.host))
    if isinstance(verdict, Unknown):
        return verdict.reason
    return "" if verdict is True else f"{endpoint.ok_text} is not true"


TYPE: CheckType[Any] = CheckType(HTTP, schema, plan, {Get: answer_gets, Handshake: answer_handshakes})

if TYPE_CHECKING:
    _: tuple[type[CheckInstance], ...] = (UpPart, FreshPart, LatencyPart, CertificatePart)
