"""Operations that a governor's timelock schedules although the governor queued no proposal in that transaction.

A governor queues on its timelock in one transaction with its own event. What is scheduled otherwise was put there by
somebody with a role on the timelock, and no vote preceded it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from monitoring.alerts.message.text import addr, kv, line, tx
from monitoring.base.plural import counted
from monitoring.chains.abi.addresses import checksum
from monitoring.chains.abi.selectors import events
from monitoring.chains.abi.values import Unknown
from monitoring.chains.networks import network
from monitoring.checks.builtin.proposals.governor import QUEUED_TOPIC
from monitoring.checks.builtin.shared.contract_logs import Stretch
from monitoring.checks.builtin.shared.log_reading import judge_stretch, read_stretch
from monitoring.checks.engine.plan import ReadContext
from monitoring.checks.engine.point import EvaluationPoint
from monitoring.checks.expression.evaluate import PENDING, NotYet
from monitoring.checks.messages.plain import AlertRoute, AlertText, plain_message, rows_left_out
from monitoring.checks.rules.logs import LogsPolicy
from monitoring.checks.rules.readings import LogEvent
from monitoring.conditions.condition import Condition, ConditionKey
from monitoring.conditions.outcome import Outcome, Transition, TransitionKind

_SCHEDULED = frozenset(
    {events("oz_timelock_controller")["CallScheduled"].topic, events("compound_timelock")["QueueTransaction"].topic}
)
_MAX_SHOWN = 10


@dataclass(frozen=True, slots=True)
class BothLogs:
    """What the timelock scheduled in a stretch of blocks, and the transactions in which the governor queued."""

    scheduled: Stretch
    queued_in: frozenset[str]


@dataclass(frozen=True, slots=True)
class UnproposedPart:
    """The timelock of one governor; the key's subject is the timelock's address."""

    key: ConditionKey
    route: AlertRoute
    name: str
    governor: str
    policy: LogsPolicy
    lookback: timedelta

    @property
    def about(self) -> str:
        return f"{self.name}: operations on its timelock that no proposal queued"

    def read(self, desk: ReadContext) -> BothLogs | Unknown | NotYet:
        """Ask for the logs of both contracts in one pass, so that both answers are of the same blocks."""
        scheduled = read_stretch(desk, self.key, _SCHEDULED, self.policy, self.lookback)
        queued = read_stretch(desk, self.key, frozenset({QUEUED_TOPIC}), self.policy, self.lookback, self.governor)
        for found in (scheduled, queued):
            if found is PENDING or isinstance(found, Unknown):
                return found
        if not isinstance(scheduled, Stretch) or not isinstance(queued, Stretch):
            return PENDING
        return BothLogs(scheduled, frozenset(log.tx_hash for log in queued.logs))

    def judge(self, before: Condition, reading: BothLogs | Unknown, now: datetime) -> Outcome:
        if isinstance(reading, Unknown):
            return judge_stretch(before, reading, [], now, self.policy)
        return judge_stretch(before, reading.scheduled, _events(reading), now, self.policy)

    def in_words(self, reading: BothLogs) -> str:
        """Say what was read, for listings."""
        return counted(len(_events(reading)), "operation") + " without a proposal"

    def compose(self, transition: Transition, at: EvaluationPoint) -> AlertText:  # noqa: ARG002 - it needs no more
        if transition.kind is not TransitionKind.FIRED:
            return plain_message(self.about, transition)
        known = network(self.key.chain)
        hashes = list(dict.fromkeys(str(one.facts["tx"]) for one in transition.entries))
        return AlertText(
            f"{self.name}: {counted(len(hashes), 'transaction')} scheduled on its timelock without a proposal",
            (
                kv(
                    Timelock=addr(checksum(self.key.subject), chain=known),
                    Governor=addr(checksum(self.governor), chain=known),
                ),
                line(
                    "The governor queued no proposal in the same transaction: check who holds a role on the timelock."
                ),
                *(line(tx(one, chain=known)) for one in hashes[:_MAX_SHOWN]),
                *rows_left_out(len(hashes) - _MAX_SHOWN),
            ),
        )


def _events(reading: BothLogs) -> Sequence[LogEvent]:
    """One event for each transaction, at its first log: a batch has one log for each of its calls."""
    first = {log.tx_hash: log for log in reversed(reading.scheduled.logs) if log.tx_hash not in reading.queued_in}
    return [
        LogEvent(
            log.block_number, log.block_hash, log.tx_hash, log.index, reading.scheduled.at(log.block_number),
            facts={"tx": log.tx_hash, "block": log.block_number},
        )
        for log in sorted(first.values(), key=lambda one: (one.block_number, one.index))
    ]  # fmt: skip
