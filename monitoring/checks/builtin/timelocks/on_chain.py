"""What a timelock itself says of an operation: whether it waits, and since when it can run. One multicall a chain.

Logs say what happened, these views say what is so now: an operation is called ready only if the contract agrees. Kinds
without such a view are believed by their events alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from monitoring.chains.abi.function import from_hex
from monitoring.checks.engine.plan import ReadContext
from monitoring.checks.expression.evaluate import PENDING, NotYet, Result, ViewRead
from monitoring.conditions.condition import ConditionKey

_DONE = 1  # OpenZeppelin keeps this in place of an operation's time once it was executed
_VIEWS: Mapping[str, str] = {
    "oz_timelock_controller": "getTimestamp(bytes32)(uint256)",
    "compound_timelock": "queuedTransactions(bytes32)(bool)",
    "puffer_timelock": "queue(bytes32)(uint256)",
    "ds_pause": "plans(bytes32)(bool)",
}
# How long after its time an operation can be executed; other kinds say it in their event, or it never expires.
_GRACE: Mapping[str, str] = {"compound_timelock": "GRACE_PERIOD()(uint256)"}


@dataclass(frozen=True, slots=True)
class OnChain:
    """What the contract says of some ids: whether each waits, since when it can run in unix seconds, and the window."""

    waits: Mapping[str, bool]
    ready_at: Mapping[str, int]
    grace_s: int | None = None


NOTHING_SAID = OnChain({}, {})


def ask_timelock(desk: ReadContext, key: ConditionKey, kind: str, ids: Iterable[str]) -> OnChain | NotYet:
    """Ask for each id; what cannot be had is left out."""
    asked = {one: _view(key, _VIEWS[kind], one) for one in ids} if kind in _VIEWS else {}
    answers = {one: desk.call(view) for one, view in asked.items() if view is not None}
    grace = desk.call(ViewRead(key.chain, key.subject, _GRACE[kind])) if answers and kind in _GRACE else None
    if grace is PENDING or any(answer is PENDING for answer in answers.values()):
        return PENDING
    waits = {one: waiting for one, answer in answers.items() if (waiting := _waits(answer)) is not None}
    times = {one: answer for one, answer in answers.items() if type(answer) is int and answer > _DONE}
    return OnChain(waits, times, grace if type(grace) is int else None)


def _view(key: ConditionKey, signature: str, identity: str) -> ViewRead | None:
    is_word = identity.startswith("0x") and len(identity) == 66  # noqa: PLR2004 - 32 bytes in hex
    return ViewRead(key.chain, key.subject, signature, (from_hex(identity),)) if is_word else None


def _waits(answer: Result) -> bool | None:
    if isinstance(answer, bool):
        return answer
    return answer > _DONE if isinstance(answer, int) else None
