"""The operations of one timelock that wait, as its condition remembers them: one record each, until it is over.

An operation is named by its id; of calls that were queued together, each with an id of its own, by the first. What is
over is kept as long as a reorganisation could undo it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from monitoring.checks.builtin.timelocks.kinds import What
from monitoring.checks.expression.values import Json, Value
from monitoring.conditions.condition import Condition

OPERATIONS = "operations"
_MOST = 200  # ours: of more, those reported as ready are forgotten first; their end is reported all the same


class OperationStage(StrEnum):
    """How far an operation is, as it was reported last."""

    SCHEDULED = "scheduled"
    READY = "ready"
    EXECUTED = "executed"
    CANCELLED = "cancelled"

    @property
    def is_over(self) -> bool:
        return self in (OperationStage.EXECUTED, OperationStage.CANCELLED)


@dataclass(frozen=True, slots=True)
class OperationEvent:
    """What an event says of an operation; instants are unix seconds, None where they are not known.

    `event` is the id of the log, `ids` are those of the calls it speaks of.
    """

    event: str
    what: What
    ids: tuple[str, ...]
    tx: str
    block: int
    at: int | None = None
    ready_at: int | None = None
    until: int | None = None


@dataclass(frozen=True, slots=True)
class FollowedOperation:
    """One operation. `reminded_s` is how long before it is ready people were reminded last, 0 for not at all.

    `done` are the ids of `ids` that are executed or cancelled, `ended_tx` and `ended_block` are where the last of them
    was, `unseen` counts the readings in which its contract knew nothing of it.
    """

    ids: tuple[str, ...]
    tx: str
    block: int
    at: int | None = None
    ready_at: int | None = None
    until: int | None = None
    stage: OperationStage = OperationStage.SCHEDULED
    reminded_s: int = 0
    done: tuple[str, ...] = ()
    ended_tx: str = ""
    ended_block: int = 0
    unseen: int = 0

    @property
    def name(self) -> str:
        return self.ids[0]

    @property
    def left(self) -> tuple[str, ...]:
        return tuple(one for one in self.ids if one not in self.done)

    @property
    def facts(self) -> dict[str, Value]:
        """Return what a message about it says."""
        known = {"scheduled at": self.at, "ready at": self.ready_at, "until": self.until}
        found: dict[str, Value] = {name: at for name, at in known.items() if at is not None}
        return {
            "operation": self.name, "calls": len(self.ids), "calls left": len(self.left), "scheduled in": self.tx,
            "scheduled block": self.block, **found,
        }  # fmt: skip


def opened(event: OperationEvent) -> FollowedOperation:
    """Return the operation that an event schedules."""
    return FollowedOperation(event.ids, event.tx, event.block, event.at, event.ready_at, event.until)


def ended(operation: FollowedOperation, event: OperationEvent) -> FollowedOperation:
    """Return the operation after an event that ends it, or the part of it that the event speaks of."""
    done = tuple(one for one in operation.ids if one in operation.done or one in event.ids)
    stage = OperationStage.EXECUTED if event.what is What.EXECUTED else OperationStage.CANCELLED
    return replace(
        operation, done=done, ended_tx=event.tx, ended_block=event.block,
        stage=stage if len(done) == len(operation.ids) else operation.stage,
    )  # fmt: skip


def reopened(operation: FollowedOperation, head_at: int) -> FollowedOperation:
    """Return the operation after a reorganisation took its end away: it waits as it did before."""
    is_ready = operation.ready_at is not None and operation.ready_at <= head_at
    stage = OperationStage.READY if is_ready else OperationStage.SCHEDULED
    return replace(operation, stage=stage, done=(), ended_tx="", ended_block=0, unseen=0)


def remembered(condition: Condition) -> dict[str, FollowedOperation] | None:
    """Return the operations a condition remembers; None where it was judged before it remembered any.

    A record that cannot be read is left out: the end of its operation is reported all the same.
    """
    kept = condition.memory.get(OPERATIONS)
    if not isinstance(kept, dict):
        return None
    found = [_read(row) for row in kept.values() if isinstance(row, dict)]
    return {one.name: one for one in found if one is not None}


def waiting_ids(operations: Iterable[FollowedOperation]) -> tuple[str, ...]:
    """Return every id that is not done."""
    return tuple(one for each in operations if not each.stage.is_over for one in each.left)


def written(operations: Mapping[str, FollowedOperation], first_block: int) -> dict[str, Json]:
    """Return what is to be remembered: all that wait, and what ended in blocks that are read again."""
    kept = [one for one in operations.values() if not one.stage.is_over or one.ended_block >= first_block]
    kept.sort(key=_by_need)
    return {one.name: _write(one) for one in kept[-_MOST:]}


def _by_need(one: FollowedOperation) -> tuple[bool, int, str]:
    """Order what is forgotten first: what was reported as ready, then what is ready last: it may be there to fill."""
    ready_at = one.ready_at or one.at or 0
    is_waiting = one.stage is OperationStage.SCHEDULED
    return is_waiting, -ready_at if is_waiting else ready_at, one.name


def _write(one: FollowedOperation) -> dict[str, Json]:
    row: dict[str, Json] = {
        "ids": list(one.ids), "tx": one.tx, "block": one.block, "at": one.at, "ready": one.ready_at, "until": one.until,
        "stage": one.stage.value, "reminded": one.reminded_s, "done": list(one.done), "ended": one.ended_tx,
        "ended_block": one.ended_block, "unseen": one.unseen,
    }  # fmt: skip
    return {name: value for name, value in row.items() if value}


def _read(row: Mapping[str, Json]) -> FollowedOperation | None:
    ids, stage = _texts(row.get("ids")), row.get("stage")
    if not ids or stage not in list(OperationStage):
        return None
    return FollowedOperation(
        ids, str(row.get("tx", "")), _number(row, "block") or 0, _number(row, "at"), _number(row, "ready"),
        _number(row, "until"), OperationStage(str(stage)), _number(row, "reminded") or 0, _texts(row.get("done")),
        str(row.get("ended", "")), _number(row, "ended_block") or 0, _number(row, "unseen") or 0,
    )  # fmt: skip


def _texts(found: Json) -> tuple[str, ...]:
    rows: Sequence[Json] = found if isinstance(found, list) else ()
    return tuple(one for one in rows if isinstance(one, str))


def _number(row: Mapping[str, Json], name: str) -> int | None:
    found = row.get(name)
    return found if isinstance(found, int) else None
