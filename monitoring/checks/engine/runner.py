"""Runs monitor files: reads all they want in a few requests, judges, records in one transaction.

This is what a task with `monitors:` is. It sends nothing: the task's runner delivers, by hand the frame does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from monitoring.alerts.conditions.store_alert import AlertOrigin
from monitoring.alerts.delivery.spooled import Unstored, keep
from monitoring.base.errors import StoreBusyError, StoreError
from monitoring.checks.engine.evaluation import EvaluatedCheck
from monitoring.checks.engine.session import Session
from monitoring.checks.state.load import NOTHING, LoadedState
from monitoring.checks.state.save import ChangedMeanwhileError, Record, record_in
from monitoring.store.db.database import Tx
from monitoring.store.db.handle import SteadyStore

NO_DATA = "no data"  # the run's row says so too: the runner looks for it in what a task wrote last
_ATTEMPTS = 4  # of judging anew, when another process judged the same conditions meanwhile


@dataclass(slots=True)
class RunOutcome:
    """What a run came to. `trouble`: something is wrong with us, not with the world; the exit code is then 1."""

    seen: list[EvaluatedCheck] = field(default_factory=list)
    stored: int = 0
    trouble: bool = False
    error: StoreError | None = None


def _nothing(tx: Tx) -> None:
    pass


def run(
    session: Session, store: SteadyStore, origin: AlertOrigin, beside: Callable[[Tx], None] = _nothing
) -> RunOutcome:
    """Read, judge, record. A store that fails stops no check; its alerts are kept until it can be written.

    `beside` writes what belongs into the same transaction; it may be called more than once.
    """
    outcome = RunOutcome()
    remembered = _recall(session, outcome)
    looked = session.look(remembered)
    error: StoreError = StoreBusyError("other runs judged the same checks each time")
    for _ in range(_ATTEMPTS):
        record = session.judge(looked, remembered)
        outcome.seen = [entry.seen for entry in record.entries[: len(looked.parts)]]
        try:
            outcome.stored = _store(store, record, session, origin, beside)
        except ChangedMeanwhileError:
            remembered = _recall(session, outcome)
        except StoreError as failure:
            error = failure
            break
        else:
            outcome.trouble = outcome.trouble or session.crashed
            return outcome
    _keep_unstored(session, record, error, store, origin)
    outcome.trouble, outcome.error = True, error
    return outcome


def no_data(seen: Sequence[EvaluatedCheck]) -> str:
    """Return a line where more than half of the checks could not be judged for want of data, else nothing."""
    blind = sum(one.outcome.condition.no_data is not None for one in seen)
    return f"{NO_DATA}: {blind} of {len(seen)} checks" if 2 * blind > len(seen) else ""


def _store(
    store: SteadyStore, record: Record, session: Session, origin: AlertOrigin, beside: Callable[[Tx], None]
) -> int:
    def write(tx: Tx) -> int:
        beside(tx)
        return record_in(tx, record, session.clock.now(), origin)

    return store.write(write)


def _recall(session: Session, outcome: RunOutcome) -> LoadedState:
    try:
        return session.recall()
    except StoreError as error:
        session.say(f"the store cannot be read, so nothing is remembered: {error}")
        outcome.trouble = True
        return NOTHING


def _keep_unstored(
    session: Session, record: Record, error: StoreError, store: SteadyStore, origin: AlertOrigin
) -> None:
    session.say(f"the store failed: {error}")
    found = [
        Unstored(each.alert, kind=each.kind, metadata=each.metadata)
        for each in (entry.telling for entry in record.entries)
        if each is not None
    ]
    for line in keep(found, store.path.parent, session.clock.now(), origin):
        session.say(line)
