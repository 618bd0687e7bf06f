"""Reads the logs that a condition has not judged yet, of several contracts and events in the same requests.

Called by `m.chain(…).logs`. Nothing is remembered here: the cursor comes out of the condition and goes back with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

from monitoring.base.errors import UsageError
from monitoring.chains.abi.addresses import SignatureError, check_address
from monitoring.chains.abi.function import AbiError, Event
from monitoring.chains.abi.selectors import declared_event
from monitoring.chains.rpc.logs import EventLog
from monitoring.checks.builtin.shared.contract_logs import LogsSince, Stretch, answer_logs
from monitoring.checks.builtin.shared.log_reading import MIN_LOOKBACK
from monitoring.checks.engine.point import EvaluationPoint
from monitoring.checks.events.decoded import DecodedLog, LogsRead
from monitoring.checks.rules.keywords import span
from monitoring.checks.rules.logs import LogsPolicy, cursor_of, read_from, seen_blocks, seen_logs
from monitoring.checks.rules.readings import REPORT_ALL, SEED
from monitoring.conditions.condition import Condition
from monitoring.conditions.values import Unknown

MAX_LOOKBACK = timedelta(days=14)  # a first run reads every block of it


@dataclass(frozen=True, slots=True)
class WatchedEvents:
    """Contracts by their address in small letters, with what the author calls them, and events by their topic."""

    contracts: Mapping[str, str]
    events: Mapping[str, Event] = field(default_factory=dict)

    @classmethod
    def of(cls, contracts: str | Iterable[str] | Mapping[str, str], events: str | Iterable[str]) -> WatchedEvents:
        """Read what an author gives: addresses, or names with addresses; declarations.

        Raises:
            UsageError: one of them is not usable, or there is none.
        """
        named = contracts if isinstance(contracts, Mapping) else dict.fromkeys(_listed(contracts), "")
        pairs = named.items() if isinstance(contracts, Mapping) else [("", one) for one in named]
        found = {check_address(address).lower(): name for name, address in pairs}
        declared = [declared_event(one) for one in _listed(events)]
        by_topic = {event.topic: event for event in declared}
        if not found or not declared:
            raise UsageError(f"logs: no {'event' if found else 'contract'} was given")
        if len(by_topic) < len(declared):
            raise UsageError("logs: one event was declared twice")
        return cls(found, by_topic)

    def decode(self, log: EventLog, at: Stretch) -> DecodedLog:
        """Decode one log.

        Raises:
            AbiError: it is not what was declared.
        """
        event = self.events[log.topics[0]]
        args = event.decode(log.topics, log.data)
        return DecodedLog(
            log.chain_id, log.address, self.contracts[log.address.lower()], event.name, args, log.block_number,
            log.block_hash, log.tx_hash, log.index, at.at(log.block_number),
        )  # fmt: skip


def questions(watched: WatchedEvents, before: Condition, lookback: timedelta | None, *, whole: bool) -> list[LogsSince]:
    """Ask for the logs of contracts, from the block on that the condition remembers; at first sight so far back."""
    first, lookback_s = read_from(before, LogsPolicy()), int((lookback or MIN_LOOKBACK).total_seconds())
    chain, topics, seen, cursor = before.key.chain, frozenset(watched.events), seen_blocks(before), cursor_of(before)
    return [LogsSince(chain, one, topics, first, lookback_s, cursor, whole, seen) for one in watched.contracts]


def read_logs(
    key: str,
    watched: WatchedEvents,
    before: Condition,
    at: EvaluationPoint,
    first_run: timedelta | None,
    *,
    whole: bool,
) -> LogsRead:
    """Read on from the block that the condition remembers; at first sight the last hour, or as long as `first_run`."""
    asked = questions(watched, before, first_run, whole=whole)
    return decoded(key, list(answer_logs(asked, at).values()), watched, before, first_run)


def decoded(
    key: str,
    answers: Sequence[Stretch | Unknown],
    watched: WatchedEvents,
    before: Condition,
    first_run: timedelta | None,
) -> LogsRead:
    """Put the answers to `questions` together and decode them, up to a log that is not what was declared."""
    empty = LogsRead(key, before.key.chain, SEED if first_run is None else REPORT_ALL, cursor_of(before))
    lost = next((one for one in answers if isinstance(one, Unknown)), None)
    found = [one for one in answers if isinstance(one, Stretch)]
    if lost is not None or not found:
        return replace(empty, unknown=Unknown("there is no contract to watch") if lost is None else lost)
    # All were asked from the same block on, and so were read as far as each other.
    first, last, problem = found[0].first, found[0].last, found[0].problem
    logs: list[DecodedLog] = []
    for log in sorted((log for one in found for log in one.logs), key=lambda log: (log.block_number, log.index)):
        try:
            logs.append(watched.decode(log, found[0]))
        except (AbiError, SignatureError) as error:
            last, problem = log.block_number - 1, Unknown(f"a log of {log.address}: {error}")
            break
    whole = tuple(log for log in logs if log.block <= last)
    left_out = empty.cursor is None and empty.first_run is SEED
    old = frozenset(log.id for log in whole) if left_out else seen_logs(before)
    unknown = problem if problem is not None and last + 1 < (empty.cursor or first) else None
    return replace(
        empty, first=first, last=last, logs=whole, old=old, gap=found[0].gap, problem=problem, unknown=unknown,
        standing=found[0].standing,
    )  # fmt: skip


def first_run_of(given: str | timedelta) -> timedelta | None:
    """Read `skip`, or how far back the first run looks.

    Raises:
        UsageError: it is neither, or too far.
    """
    if given == "skip":
        return None
    found = span(given)
    if not MIN_LOOKBACK <= found <= MAX_LOOKBACK:
        raise UsageError(f"first_run={given!r}: write 'skip', or from 1h to {MAX_LOOKBACK.days}d")
    return found


def _listed(given: str | Iterable[str]) -> Iterable[str]:
    return [given] if isinstance(given, str) else list(given)
