"""How operations move on: by the timelock's events, by what its contract says, and by the time. Pure.

One reading moves every operation of a timelock. What is reported of it is decided here and nowhere else: a reminder
before it is ready, that it is ready, that it expired, that its contract knows it no more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from monitoring.checks.builtin.timelocks.kinds import What
from monitoring.checks.builtin.timelocks.on_chain import OnChain
from monitoring.checks.builtin.timelocks.operations import (
    FollowedOperation,
    OperationEvent,
    OperationStage,
    ended,
    opened,
    reopened,
)

# An operation can be executed in a block that is too young for its log to count: it expired only if that is past.
_LOGS_LATE_S = 900
# In so many readings its contract knows nothing of it and no event says why: not a log that is on its way.
_UNSEEN = 3


class Reached(StrEnum):
    """What is reported of an operation without an event of its own."""

    REMINDER = "reminder"
    READY = "ready"
    EXPIRED = "expired"
    UNKNOWN = "unknown to its contract"


@dataclass(frozen=True, slots=True)
class Moment:
    """What one reading says. `now_s` is now, `head_s` the time of the block that was read.

    `is_whole`: logs were read up to the newest block that counts. `gone` are transactions whose reported events are not
    on the chain any more. `steps_s` are the reminders, in seconds before an operation is ready.
    """

    events: Sequence[OperationEvent]
    now_s: int
    head_s: int
    on_chain: OnChain
    steps_s: tuple[int, ...]
    is_whole: bool = True
    gone: frozenset[str] = frozenset()
    fresh: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class FollowedOperations:
    """The operations after a reading; those that an event is about, by its id; and what they reached without one.

    `undone` has, by transaction, the operations whose scheduling or end a reorganisation took away.
    """

    operations: dict[str, FollowedOperation]
    about: dict[str, list[FollowedOperation]] = field(default_factory=dict)
    reached: list[tuple[Reached, FollowedOperation]] = field(default_factory=list)
    undone: dict[str, list[FollowedOperation]] = field(default_factory=dict)


def follow(before: Mapping[str, FollowedOperation] | None, moment: Moment) -> FollowedOperations:
    """Move operations on. With none remembered, events that were reported before build them without a word."""
    followed = FollowedOperations(dict(before or {}))
    _undo(followed, moment)
    for event in moment.events:
        if event.ids and (event.event in moment.fresh or before is None):
            _happen(followed, event, moment)
        elif event.ids:
            _again(followed, event)
    for name, one in list(followed.operations.items()):
        if not one.stage.is_over:
            _wait(followed, name, _as_the_chain_says(one, moment.on_chain), moment)
    return followed


def _undo(followed: FollowedOperations, moment: Moment) -> None:
    for name, one in list(followed.operations.items()):
        if one.tx in moment.gone:
            followed.undone.setdefault(one.tx, []).append(one)
            del followed.operations[name]
        elif one.ended_tx in moment.gone:
            followed.undone.setdefault(one.ended_tx, []).append(one)
            followed.operations[name] = reopened(one, moment.head_s)


def _happen(followed: FollowedOperations, event: OperationEvent, moment: Moment) -> None:
    if event.what is What.SCHEDULED:
        one = _as_the_chain_says(opened(event), moment.on_chain)
        followed.operations[one.name] = _reported_as_scheduled(one, moment)
        followed.about[event.event] = [one]
    elif event.what in (What.EXECUTED, What.CANCELLED):
        mentioned = [one for one in followed.operations.values() if set(one.left) & set(event.ids)]
        followed.operations.update({one.name: ended(one, event) for one in mentioned})
        followed.about[event.event] = [followed.operations[one.name] for one in mentioned]


def _reported_as_scheduled(one: FollowedOperation, moment: Moment) -> FollowedOperation:
    """Return it with all that the report of its scheduling says: when it can run, were that near or past."""
    if one.ready_at is None:
        return one
    stage = OperationStage.READY if one.ready_at <= moment.head_s else OperationStage.SCHEDULED
    passed = [step for step in moment.steps_s if moment.now_s >= one.ready_at - step]
    return replace(one, stage=stage, reminded_s=min(passed, default=0))


def _again(followed: FollowedOperations, event: OperationEvent) -> None:
    """An event that was reported before may be in another block now."""
    for name, one in list(followed.operations.items()):
        if one.tx == event.tx and one.block != event.block and event.what is What.SCHEDULED:
            moved = replace(one, block=event.block, at=event.at or one.at, ready_at=event.ready_at or one.ready_at)
            followed.operations[name] = moved
        elif one.ended_tx == event.tx:
            followed.operations[name] = replace(one, ended_block=event.block)


def _as_the_chain_says(one: FollowedOperation, on_chain: OnChain) -> FollowedOperation:
    ready_at = max((on_chain.ready_at[each] for each in one.left if each in on_chain.ready_at), default=one.ready_at)
    if on_chain.grace_s is None or ready_at is None:
        return replace(one, ready_at=ready_at)
    return replace(one, ready_at=ready_at, until=ready_at + on_chain.grace_s)


def _wait(followed: FollowedOperations, name: str, one: FollowedOperation, moment: Moment) -> None:
    waits = all(moment.on_chain.waits.get(each, True) for each in one.left)
    if not waits:
        one = replace(one, unseen=one.unseen + moment.is_whole)
        reached = Reached.UNKNOWN if one.unseen >= _UNSEEN else None
    else:
        one = replace(one, unseen=0)
        reached = _reached(one, moment)
    if reached is None:
        followed.operations[name] = one
        return
    followed.reached.append((reached, one))
    if reached in (Reached.EXPIRED, Reached.UNKNOWN):
        del followed.operations[name]
    elif reached is Reached.READY:
        followed.operations[name] = replace(one, stage=OperationStage.READY)
    else:
        followed.operations[name] = replace(one, reminded_s=_step(one, moment) or 0)


def _reached(one: FollowedOperation, moment: Moment) -> Reached | None:
    if one.until is not None and moment.is_whole and moment.head_s > one.until + _LOGS_LATE_S:
        return Reached.EXPIRED
    if one.stage is OperationStage.READY or one.ready_at is None:
        return None
    if moment.head_s >= one.ready_at:
        return Reached.READY
    return Reached.REMINDER if _step(one, moment) is not None and moment.now_s < one.ready_at else None


def _step(one: FollowedOperation, moment: Moment) -> int | None:
    """Return the reminder that is due: the last one that is reached and was not given."""
    if one.ready_at is None:
        return None
    due = [step for step in moment.steps_s if moment.now_s >= one.ready_at - step]
    last = min(due, default=None)
    return last if last is not None and (one.reminded_s == 0 or last < one.reminded_s) else None
