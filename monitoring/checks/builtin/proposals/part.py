"""One governance's proposals as a check: rows by the verb `items`, a known one at a known stage never again.

Memory of a governor in addition to the verb's own: the next block, and what was created and is not over.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from monitoring.base.plural import counted
from monitoring.chains.abi.values import Unknown
from monitoring.chains.services.times import staleness
from monitoring.checks.builtin.proposals.governor import OWN_MEMORY, read_governor
from monitoring.checks.builtin.proposals.proposal import Proposal, ProposalList, ProposalStage
from monitoring.checks.builtin.proposals.services import ServiceReading, read_service
from monitoring.checks.builtin.proposals.source import GovernorSource, ServiceSource
from monitoring.checks.builtin.proposals.text import describe
from monitoring.checks.engine.plan import ReadContext
from monitoring.checks.engine.point import EvaluationPoint
from monitoring.checks.expression.evaluate import NotYet
from monitoring.checks.expression.values import value_of_key
from monitoring.checks.messages.plain import AlertRoute, AlertText, plain_message
from monitoring.checks.rules import items
from monitoring.checks.rules.items import ItemsPolicy
from monitoring.checks.rules.readings import Item, kept_rows
from monitoring.conditions.condition import Condition, ConditionKey
from monitoring.conditions.outcome import Outcome, Transition, TransitionKind
from monitoring.conditions.transition import no_data


@dataclass(frozen=True, slots=True)
class ProposalsPart:
    """The proposals of one row. `said` is the author's own words in place of what is said of a stage."""

    key: ConditionKey
    route: AlertRoute
    name: str
    feed: GovernorSource | ServiceSource
    policy: ItemsPolicy
    said: str = ""

    @property
    def about(self) -> str:
        return f"{self.name}: proposals"

    def read(self, desk: ReadContext) -> ProposalList | Unknown | NotYet:
        if isinstance(self.feed, GovernorSource):
            return read_governor(desk, self.feed, desk.condition(self.key))
        return read_service(ServiceReading(desk, self.key.monitor, self.feed))

    def judge(self, before: Condition, reading: ProposalList | Unknown, now: datetime) -> Outcome:
        """Judge row by row; where the reading ended early or the list is old, that counts as unknown as well.

        A vote whose end is past is not open, whatever its service says.
        """
        if isinstance(reading, ProposalList):
            reading = self._fresh(reading, now)
        if isinstance(reading, Unknown):
            return items.judge(before, reading, now, self.policy)
        rows = [
            Item(one) if isinstance(one, Unknown) else one.item(now)
            for one in self._reported(reading, before, now)
            if isinstance(one, Unknown) or one.voting_ends is None or one.voting_ends > now
        ]
        outcome = self._in_threads(items.judge(before, rows, now, self.policy))
        if reading.problem is not None:
            unseen = no_data(before, reading.problem, now, self.policy)
            condition = replace(outcome.condition, no_data=unseen.condition.no_data)
            outcome = replace(outcome, condition=condition, source=unseen.source)
        if isinstance(self.feed, ServiceSource):
            return outcome
        own = {name: before.memory[name] for name in OWN_MEMORY if name in before.memory}
        memory = {**outcome.condition.memory, **own, **reading.memory}
        return replace(outcome, condition=replace(outcome.condition, memory=memory))

    def _reported(self, reading: ProposalList, before: Condition, now: datetime) -> Iterator[Proposal | Unknown]:
        """Yield what is reported if it is new: what became of a proposal only where it was reported before."""
        known = {
            identity[0] for key in kept_rows(before, "seen") or {} if isinstance(identity := value_of_key(key), tuple)
        }
        for one in reading.rows:
            if isinstance(one, Unknown) or one.stage not in self.feed.follow or one.id in known:
                yield one
            if isinstance(self.feed, ServiceSource) and isinstance(one, Proposal) and one.id in known:
                is_ready = one.stage is ProposalStage.QUEUED and one.ready_at is not None and one.ready_at <= now
                yield from [replace(one, stage=ProposalStage.READY, at=one.ready_at)] if is_ready else []

    def _in_threads(self, outcome: Outcome) -> Outcome:
        """Let each entry name its proposal."""
        said = outcome.transition
        if said is None or not said.entries:
            return outcome
        where = self.feed.where
        entries = tuple(replace(one, thread=f"proposal/{where}/{one.facts['id']!s}") for one in said.entries)
        return replace(outcome, transition=replace(said, entries=entries))

    def _fresh(self, reading: ProposalList, now: datetime) -> ProposalList | Unknown:
        """Return the list; one whose newest row is older than `max_age` counts as none."""
        oldest = self.feed.max_age if isinstance(self.feed, ServiceSource) else None
        if oldest is None or isinstance(self.feed, GovernorSource):
            return reading
        stale = staleness(min(reading.newest, now) if reading.newest else None, now, oldest)
        name = f"{self.key.monitor}/{self.feed.name}"
        return Unknown(f"{name}: the newest proposal: {stale}", name) if stale else reading

    def in_words(self, reading: ProposalList) -> str:
        """Say what was read, for listings."""
        return counted(sum(isinstance(one, Proposal) and one.stage.is_open for one in reading.rows), "open proposal")

    def compose(self, transition: Transition, at: EvaluationPoint) -> AlertText:
        if transition.kind is not TransitionKind.FIRED:
            return plain_message(self.about, transition)
        return describe(self.name, self.feed, self.said, transition, at)
