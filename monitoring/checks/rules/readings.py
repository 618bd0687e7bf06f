"""What the row verbs (`stages`, `items`, `logs`) read, and what they share: identity, and the first sight of a feed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from monitoring.alerts.message.model import Severity
from monitoring.base.plural import counted
from monitoring.chains.abi.values import Unknown
from monitoring.checks.expression.values import Json, Value
from monitoring.conditions.condition import Condition
from monitoring.conditions.outcome import Outcome
from monitoring.conditions.policy import Policy
from monitoring.conditions.transition import no_data


@dataclass(frozen=True, slots=True)
class FirstRun:
    """What is reported at first sight of a feed: nothing (it seeds), everything, or what is younger than `within`."""

    everything: bool = False
    within: timedelta | None = None

    def reports(self, at: datetime | None, now: datetime) -> bool:
        """Return whether a row of this time is reported at first sight; one exactly as old as `within` is."""
        if self.within is None:
            return self.everything
        return at is not None and now - at <= self.within


SEED = FirstRun()
REPORT_ALL = FirstRun(everything=True)


@dataclass(frozen=True, slots=True)
class StagedRow:
    """An entity and the stage it is in now."""

    id: Value
    stage: str | Unknown
    facts: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Item:
    """A row of a feed. `id` is its whole identity; two ids with one `slot` (a nonce) compete.

    `order` is a number or a Unix time by which a system that knew no identities remembered how far it was.
    """

    id: Value | Unknown
    at: datetime | None = None
    slot: Value | None = None
    severity: Severity | None = None
    facts: Mapping[str, Value] = field(default_factory=dict)
    order: int | None = None


@dataclass(frozen=True, slots=True)
class LogEvent:
    """One chain event. One that is not `wanted` is remembered, so that it is never reported later either."""

    block: int
    block_hash: str
    tx: str
    index: int
    at: datetime | None = None
    severity: Severity | None = None
    facts: Mapping[str, Value] = field(default_factory=dict)
    wanted: bool = True

    @property
    def id(self) -> str:
        return f"{self.block_hash}/{self.tx}/{self.index}"


@dataclass(frozen=True, slots=True)
class LogBatch:
    """All matching events of the blocks `from_block` to `to_block`, both included.

    `gap`: what lies between them and the last batch is gone for good, which is reported elsewhere. `problem`: why it
    ends before the chain does. `standing`: hashes of blocks of earlier events that are still on the chain.
    """

    from_block: int
    to_block: int
    events: tuple[LogEvent, ...] = ()
    gap: bool = False
    problem: Unknown | None = None
    standing: frozenset[str] = frozenset()

    def __str__(self) -> str:
        wanted = counted(sum(event.wanted for event in self.events), "event")
        return f"blocks {self.from_block} to {self.to_block}, {wanted}"


def kept_rows(condition: Condition, name: str) -> dict[str, list[Json]] | None:
    """Return remembered rows by key, None at first sight."""
    kept = condition.memory.get(name)
    if not isinstance(kept, dict):
        return None
    return {key: row for key, row in kept.items() if isinstance(row, list)}


def with_broken(outcome: Outcome, before: Condition, broken: list[Unknown], now: datetime, policy: Policy) -> Outcome:
    """Let rows that could not be read count as unknown, without holding up the sound ones."""
    if not broken:
        return outcome
    more = f" (and {len(broken) - 1} more)" if len(broken) > 1 else ""
    unseen = no_data(before, Unknown(broken[0].reason + more, broken[0].source), now, policy)
    condition = replace(outcome.condition, no_data=unseen.condition.no_data)
    return replace(outcome, condition=condition, source=unseen.source)
