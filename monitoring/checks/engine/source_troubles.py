"""What keeps checks from seeing, as conditions of its own: a source that blinds them, a provider, a bug in a check.

They are parts like any other and are judged by `flag`, so that each is told once and its end once. They belong to
operations: their alerts go by the errors channel where there is one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from monitoring.alerts.conditions.close_orphaned import CRASH, SOURCES
from monitoring.alerts.message.model import Severity
from monitoring.alerts.message.text import code, line, since, table
from monitoring.base.formatting import format_duration
from monitoring.base.secrets.redact import excerpt
from monitoring.chains.networks import network
from monitoring.chains.rpc.pool import ProviderTrouble
from monitoring.checks.engine.plan import ReadContext
from monitoring.checks.engine.point import EvaluationPoint
from monitoring.checks.messages.plain import AlertRoute, AlertText
from monitoring.checks.rules import flag
from monitoring.conditions.condition import Condition, ConditionKey
from monitoring.conditions.outcome import Kind, Outcome, Transition
from monitoring.conditions.policy import PendingPolicy, Policy
from monitoring.conditions.transition import happened

PROVIDER_RUNS = 3  # a provider that fails now and then is what the others are for
_REMIND = timedelta(days=1)
_MOST_ROWS = 20
_OVER = (Kind.RECOVERED, Kind.EASED)


@dataclass(frozen=True, slots=True)
class Blind:
    """A check that sees nothing: its key for people, since when, and what its source said."""

    name: str
    since: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class BlindSource:
    """A source that was silent for too long: one condition, however many checks it blinds."""

    source_name: str
    checks: tuple[Blind, ...]
    source: str = "ops_error"

    @property
    def key(self) -> ConditionKey:
        return ConditionKey(SOURCES, self.source_name, 0)

    @property
    def route(self) -> AlertRoute:
        return AlertRoute(SOURCES)

    @property
    def about(self) -> str:
        return f"the source {self.source_name} answers"

    def read(self, desk: ReadContext) -> bool:  # noqa: ARG002 - it is known already
        return bool(self.checks)

    def judge(self, before: Condition, reading: Any, now: datetime) -> Outcome:  # noqa: ANN401 - as every part
        return flag.judge(before, reading, now, Policy(severity=Severity.MEDIUM, remind=_REMIND))

    def tell(self, transition: Transition, tools: EvaluationPoint) -> AlertText:  # noqa: ARG002 - nothing to look up
        if transition.kind in _OVER:
            return AlertText(f"{self.source_name} can be read again", (line("No check is blinded by it any more."),))
        reasons = list(dict.fromkeys(one.reason for one in self.checks))
        count = "1 check is" if len(self.checks) == 1 else f"{len(self.checks)} checks are"
        rows = [(one.name, since(one.since)) for one in self.checks[:_MOST_ROWS]]
        more = len(self.checks) - len(rows)
        return AlertText(
            f"{count} blind: {self.source_name}",
            (
                *(line(reason) for reason in reasons[:3]),
                table(("check", "blind since"), rows),
                *([line(f"and {more} more")] if more else []),
                line("Until it can be read again nothing is known of them; their conditions stay as they are."),
            ),
        )


@dataclass(frozen=True, slots=True)
class FailingProvider:
    """A provider that fails run after run while others of its chain suffice."""

    chain: int
    slug: str
    host: str
    troubles: tuple[ProviderTrouble, ...]
    source: str = "ops_error"

    @property
    def key(self) -> ConditionKey:
        return ConditionKey(SOURCES, f"provider/{self.host}", self.chain)

    @property
    def route(self) -> AlertRoute:
        return AlertRoute(SOURCES)

    @property
    def about(self) -> str:
        return f"the provider {self.host} of {self.slug} answers"

    def read(self, desk: ReadContext) -> bool:  # noqa: ARG002 - as above
        return bool(self.troubles)

    def judge(self, before: Condition, reading: Any, now: datetime) -> Outcome:  # noqa: ANN401 - as every part
        return flag.judge(before, reading, now, Policy(severity=Severity.LOW, hold=PendingPolicy(runs=PROVIDER_RUNS)))

    def tell(self, transition: Transition, tools: EvaluationPoint) -> AlertText:  # noqa: ARG002 - as above
        if transition.kind in _OVER:
            return AlertText(f"{self.slug}: {self.host} answers again")
        told = (line(trouble.message) for trouble in self.troubles)
        rest = line("The chain's other providers suffice, and every check sees.")
        return AlertText(f"{self.slug}: {self.host} has failed in {PROVIDER_RUNS} runs in a row", (*told, rest))


@dataclass(frozen=True, slots=True)
class LostBlocks:
    """Blocks whose events were never judged, and that no provider of the chain has any more."""

    chain: int
    name: str
    first: int
    last: int
    source: str = "ops_error"

    @property
    def key(self) -> ConditionKey:
        return ConditionKey(SOURCES, "history", self.chain)

    @property
    def route(self) -> AlertRoute:
        return AlertRoute(SOURCES)

    @property
    def about(self) -> str:
        return f"the providers of {self.name} have the blocks that are still to be read"

    def read(self, desk: ReadContext) -> tuple[int, int]:  # noqa: ARG002 - as above
        return self.first, self.last

    def judge(self, before: Condition, reading: Any, now: datetime) -> Outcome:  # noqa: ANN401, ARG002 - as every part
        return happened(before, now, Severity.HIGH)

    def tell(self, transition: Transition, tools: EvaluationPoint) -> AlertText:  # noqa: ARG002 - as above
        seconds = network(self.chain).block_time_s * (self.last - self.first + 1)
        span = format_duration(timedelta(seconds=seconds))
        return AlertText(
            f"{self.name}: blocks {self.first:,} to {self.last:,} cannot be read any more",
            (
                line(
                    f"Every provider said that it no longer has them, about {span} of events. "
                    "What happened there was not checked by the monitors that watch events on this chain "
                    "(timelocks, modules of Safes): look at those contracts in an explorer."
                ),
                line("Reading goes on with the blocks after them. An archive provider would have had them."),
            ),
        )


@dataclass(frozen=True, slots=True)
class Crashed:
    """The bugs of one monitor's checks in one run."""

    monitor: str
    monitor_route: AlertRoute
    crashes: Mapping[str, str]
    source: str = "crash"

    @property
    def key(self) -> ConditionKey:
        return ConditionKey(self.monitor, CRASH, 0)

    @property
    def route(self) -> AlertRoute:
        return self.monitor_route

    @property
    def about(self) -> str:
        return f"{self.monitor} runs to its end"

    def read(self, desk: ReadContext) -> bool:  # noqa: ARG002 - as above
        return bool(self.crashes)

    def judge(self, before: Condition, reading: Any, now: datetime) -> Outcome:  # noqa: ANN401 - as every part
        return flag.judge(before, reading, now, Policy(severity=Severity.HIGH))

    def tell(self, transition: Transition, tools: EvaluationPoint) -> AlertText:  # noqa: ARG002 - as above
        if transition.kind in _OVER:
            return AlertText(f"{self.monitor} runs to its end again")
        names: Sequence[str] = list(self.crashes)
        first = f"{names[0]} and {len(names) - 1} more" if len(names) > 1 else names[0]
        return AlertText(
            f"{self.monitor} crashed: {first}",
            (
                line("These checks judged nothing; the others ran."),
                *(block for name, trace in self.crashes.items() for block in (line(name), code(excerpt(trace, -1500)))),
            ),
        )
