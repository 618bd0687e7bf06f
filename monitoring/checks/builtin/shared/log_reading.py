"""How a condition over logs reads and judges: on from the block it remembers, with a margin, as far as was read."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from monitoring.chains.abi.values import Unknown
from monitoring.checks.builtin.shared.contract_logs import LogsSince, Stretch
from monitoring.checks.engine.plan import ReadContext
from monitoring.checks.expression.evaluate import PENDING, NotYet
from monitoring.checks.rules import logs
from monitoring.checks.rules.logs import LogsPolicy, cursor_of, first_lookback, read_from, seen_blocks
from monitoring.checks.rules.readings import LogBatch, LogEvent
from monitoring.conditions.condition import Condition, ConditionKey
from monitoring.conditions.outcome import Outcome

# The second run reads a margin again: all of it must have been judged by the first.
MIN_LOOKBACK = timedelta(hours=1)


def read_stretch(
    desk: ReadContext,
    key: ConditionKey,
    topics: frozenset[str],
    policy: LogsPolicy,
    lookback: timedelta,
    address: str = "",
    back: timedelta = timedelta(0),
) -> Stretch | Unknown | NotYet:
    """Ask for the logs of the contract that is the key's subject, or of another that is read along with it.

    A reading that broke off before anything new counts as none. `back`: from so long ago, as far as few ranges go.
    """
    first, new_from = read_from(desk.condition(key), policy), cursor_of(desk.condition(key))
    lookback = max(lookback, first_lookback(desk.condition(key)))
    answer = desk.ask(
        LogsSince(
            key.chain,
            address or key.subject,
            topics,
            first,
            int(lookback.total_seconds()),
            new_from,
            whole=True,
            seen=seen_blocks(desk.condition(key)),
            back_s=int(back.total_seconds()),
        )
    )
    if answer is PENDING or isinstance(answer, Unknown):
        return PENDING if answer is PENDING else answer
    found: Stretch = answer
    judged = new_from if new_from is not None else found.first
    if found.problem is not None and found.last + 1 < judged:
        return found.problem
    return found


def judge_stretch(
    before: Condition,
    reading: Stretch | Unknown,
    events: Sequence[LogEvent],
    now: datetime,
    policy: LogsPolicy,
) -> Outcome:
    """Judge what was read."""
    if isinstance(reading, Unknown):
        return logs.judge(before, reading, now, policy)
    batch = LogBatch(
        reading.first, reading.last, tuple(events), gap=reading.gap, problem=reading.problem, standing=reading.standing
    )
    return logs.judge(before, batch, now, policy)
