"""Runs monitors: evaluates them and records what came of it in one transaction.

This is what a task with `monitors:` is, and what a Python monitor's verbs end in. It sends nothing: the task's runner
delivers, by hand the frame does.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

from monitoring.alerts.delivery.spooled import Unstored, keep
from monitoring.alerts.recording.close_orphaned import SOURCES
from monitoring.alerts.recording.store_alert import AlertOrigin, DueReminder
from monitoring.base.errors import StoreBusyError, StoreError
from monitoring.checks.engine.evaluate import Evaluation, evaluate
from monitoring.checks.engine.evaluation import EvaluatedCheck
from monitoring.checks.engine.monitor import EvaluatedMonitor
from monitoring.checks.engine.point import EvaluationPoint
from monitoring.checks.state.load import NOTHING, LoadedState, recall
from monitoring.checks.state.save import ChangedMeanwhileError, Record, record_in
from monitoring.conditions.condition import ConditionKey, State
from monitoring.store.db.database import Tx
from monitoring.store.db.handle import ReadOnlyStore, SteadyStore
from monitoring.store.readings import asked
from monitoring.store.readings.asked import AskedProvider
from monitoring.store.readings.dropping import DroppedReadings, no_room

NO_DATA = "no data"  # the run's row says so too: the runner looks for it in what a task wrote last
_ATTEMPTS = 4  # of judging again, when another process judged the same conditions meanwhile


@dataclass(slots=True)
class RunOutcome:
    """What a run came to. `trouble`: something is wrong with us, not with the world; the exit code is then 1.

    `crashed`: a check, or who words or answers it, has a bug.
    """

    seen: list[EvaluatedCheck] = field(default_factory=list)
    stored: int = 0
    trouble: bool = False
    crashed: bool = False
    error: StoreError | None = None


def _nothing(tx: Tx) -> Sequence[DueReminder]:  # noqa: ARG001 - what is written with nothing else
    return ()


def run(
    monitors: Sequence[EvaluatedMonitor],
    at: EvaluationPoint,
    store: SteadyStore,
    origin: AlertOrigin,
    also_write: Callable[[Tx], Sequence[DueReminder]] = _nothing,
) -> RunOutcome:
    """Evaluate and record. A store that fails stops no check; its alerts are kept until it can be written.

    `also_write` writes what belongs into the same transaction, and returns the reminders that are due there; it may be
    called more than once.
    """
    outcome = RunOutcome()
    evaluation = evaluate(monitors, at, _recall(monitors, at, store, origin, outcome))
    error: StoreError = StoreBusyError("other runs judged the same checks each time")
    for _ in range(_ATTEMPTS):
        try:
            outcome.stored = _store(store, evaluation, origin, also_write)
        except ChangedMeanwhileError:
            evaluation = evaluation.again(_recall(monitors, at, store, origin, outcome))
        except StoreError as failure:
            error = failure
            break
        else:
            at.troubled.update(_troubled(evaluation))
            return _ended(outcome, evaluation)
    _keep_unstored(evaluation, error, store, origin)
    outcome.trouble, outcome.error = True, error
    return _ended(outcome, evaluation)


def recalled(
    monitors: Sequence[EvaluatedMonitor], at: EvaluationPoint, store: SteadyStore | ReadOnlyStore, origin: AlertOrigin
) -> LoadedState:
    """Return what is remembered of these monitors and of all sources.

    Raises:
        StoreError: the store cannot be read.
    """
    names = [monitor.name for monitor in monitors]
    return store.read(lambda database: recall(database, names, at.clock.now(), origin))


def no_data(seen: Sequence[EvaluatedCheck]) -> str:
    """Return a line where more than half of the checks could not be judged for want of data, else nothing."""
    blind = sum(one.outcome.condition.no_data is not None for one in seen)
    return f"{NO_DATA}: {blind} of {len(seen)} checks" if 2 * blind > len(seen) else ""


def say(at: EvaluationPoint, text: str) -> None:
    """Write to stderr, secrets replaced, whether somebody still reads it or not."""
    with suppress(OSError, ValueError):
        sys.stderr.write(at.redact(text) + "\n")
        sys.stderr.flush()


def _ended(outcome: RunOutcome, evaluation: Evaluation) -> RunOutcome:
    for trace in evaluation.traces:
        say(evaluation.at, trace.rstrip())
    outcome.seen = [entry.seen for entry in evaluation.checks]
    outcome.crashed = bool(evaluation.traces)
    outcome.trouble = outcome.trouble or outcome.crashed
    return outcome


def _store(
    store: SteadyStore, evaluation: Evaluation, origin: AlertOrigin, also_write: Callable[[Tx], Sequence[DueReminder]]
) -> int:
    asked_providers = _asked(evaluation.at)

    def write(tx: Tx, record: Record) -> int:
        written = record_in(tx, record, evaluation.at.clock.now(), origin, also_write(tx))
        if record.dropped is None and origin.run_id is not None:
            asked.put(tx, origin.run_id, origin.task or "", asked_providers)
        return written

    kept = evaluation.kept()
    if why := no_room(store.path):
        without = replace(evaluation.record, dropped=DroppedReadings(len(kept), why))
        return store.write(lambda tx: write(tx, without))
    try:
        return store.write(lambda tx: write(tx, replace(evaluation.record, readings=kept)))
    except StoreBusyError:
        raise
    except StoreError as error:
        # A disk that is full says so when the transaction ends: what matters may still have room without readings.
        without = replace(evaluation.record, dropped=DroppedReadings(len(kept), str(error)))
        return store.write(lambda tx: write(tx, without))


def _troubled(evaluation: Evaluation) -> Iterator[ConditionKey]:
    """Yield the conditions of sources that were judged as bad."""
    for condition in (entry.seen.outcome.condition for entry in evaluation.record.entries):
        if condition.key.monitor == SOURCES and condition.state is not State.OK:
            yield condition.key


def _asked(at: EvaluationPoint) -> list[AskedProvider]:
    """Return how often each provider was asked so far; what two addresses of a chain on one host got is one number."""
    counts: dict[tuple[int, str], list[int]] = {}
    for pool in at.chains.pools if at.has_read else ():
        for provider in pool.providers:
            count = counts.setdefault((pool.network.id, provider.host), [0, 0])
            count[0] += provider.requests
            count[1] += provider.answers
    return [AskedProvider(*name, *count) for name, count in counts.items() if count[0]]


def _recall(
    monitors: Sequence[EvaluatedMonitor],
    at: EvaluationPoint,
    store: SteadyStore,
    origin: AlertOrigin,
    outcome: RunOutcome,
) -> LoadedState:
    try:
        return recalled(monitors, at, store, origin)
    except StoreError as error:
        say(at, f"the store cannot be read, so nothing is remembered: {error}")
        outcome.trouble = True
        return NOTHING


def _keep_unstored(evaluation: Evaluation, error: StoreError, store: SteadyStore, origin: AlertOrigin) -> None:
    say(evaluation.at, f"the store failed: {error}")
    found = [
        Unstored(each.alert, kind=each.kind, metadata=each.metadata)
        for each in (entry.composed for entry in evaluation.record.entries)
        if each is not None
    ]
    for line in keep(found, store.path.parent, evaluation.at.clock.now(), origin):
        say(evaluation.at, line)
