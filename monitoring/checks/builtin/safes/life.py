"""The life of one Safe transaction, from its queue to its end: which stage it is in, and which step is worth a message.

Pure. The chain decides what happened: its events and the Safe's nonce. What the service lists decides only who signed,
and is believed to have lost a transaction when the chain, read once more, still has not used its nonce.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from monitoring.alerts.message.model import Severity
from monitoring.base.clock import from_text, to_text
from monitoring.chains.decode.calldata import Transaction
from monitoring.checks.builtin.safes.executed import Content, Execution
from monitoring.checks.expression.values import Json

MAX_DATA = 2_000  # bytes of calldata that are remembered
_SETTLED_AFTER = timedelta(days=1)  # how long what ended stays listed


class LifeStage(StrEnum):
    """Where a transaction is. `used`: its nonce is, and no event that can be read says by which transaction."""

    QUEUED = "queued"
    SIGNED = "signed"
    READY = "ready"
    REMOVED = "removed"
    CLAIMED = "claimed"
    EXECUTED = "executed"
    FAILED = "failed"
    REPLACED = "replaced"
    USED = "used"
    CLOSED = "closed"


_BY_EVENT = frozenset({LifeStage.EXECUTED, LifeStage.FAILED})
ENDED = _BY_EVENT | {LifeStage.REPLACED, LifeStage.USED, LifeStage.CLOSED}
_LOST = frozenset({LifeStage.REMOVED, LifeStage.CLAIMED})


class News(StrEnum):
    """A step that is worth a message."""

    READY = "ready"
    SIGNED = "signed"
    STUCK = "stuck"
    REMOVED = "removed"
    CLAIMED = "claimed"
    EXECUTED = "executed"
    FAILED = "failed"
    REPLACED = "replaced"
    USED = "used"
    UNDONE = "undone"


class Listing(StrEnum):
    """What the service said in this run. Claimed: it lists the transaction as executed."""

    LISTED = "listed"
    MISSING = "missing"
    CLAIMED = "claimed"
    NOT_ASKED = "not asked"


@dataclass(frozen=True, slots=True)
class LifeSight:
    """What one run saw of a transaction.

    `first` to `last` are the blocks whose events were read, `head` the block of the nonce; None where they could not be
    read. `standing` are hashes of earlier events' blocks that are still there. `gap` are the nonces right before its
    own that nothing is queued at, None where that is not known. `instead` is what was executed at its nonce. `lost`:
    before `first` are blocks whose events nobody has any more, and which were never read.
    """

    nonce: int
    threshold: int
    head: int | None = None
    first: int = 0
    last: int | None = None
    standing: frozenset[str] = frozenset()
    execution: Execution | None = None
    sender: str = ""
    listing: Listing = Listing.NOT_ASKED
    signed: int = 0
    gap: tuple[int, ...] | None = None
    instead: tuple[str, Content | None] | None = None
    names_success: bool = True
    lost: bool = False


@dataclass(frozen=True, slots=True)
class Life:
    """What is remembered of a transaction.

    `passed` is the block at which its nonce was first seen to be used: until the events up to there were read, nobody
    knows by which transaction. `doubt` and `gap_doubt` are what the service said once, to be confirmed by the chain;
    `fewer` that it listed fewer signatures than before, to be confirmed by the next run.
    """

    content: Content
    severity: Severity
    stage: LifeStage = LifeStage.QUEUED
    signed: int = 0
    required: int = 0
    passed: int | None = None
    block: int = 0
    block_hash: str = ""
    doubt: str = ""
    gap: tuple[int, ...] = ()
    gap_doubt: tuple[int, ...] = ()
    since: datetime | None = None
    fewer: bool = False

    @property
    def nonce(self) -> int:
        return self.content.nonce

    def memory(self) -> dict[str, Json]:
        call = self.content.call
        return {
            "stage": self.stage.value, "nonce": self.nonce, "to": call.to, "value": str(call.value),
            "data": call.data[:MAX_DATA].hex(), "size": self.content.size, "operation": call.operation,
            "severity": self.severity.name, "signed": self.signed, "required": self.required, "passed": self.passed,
            "block": self.block, "block_hash": self.block_hash, "doubt": self.doubt, "gap": list(self.gap),
            "gap_doubt": list(self.gap_doubt), "since": to_text(self.since) if self.since else None,
            "refund": self.content.refund, "fewer": self.fewer,
        }  # fmt: skip

    def settled(self, first: int, now: datetime) -> bool:
        """Return whether it ended for good: no reorganisation that is looked for can undo it."""
        aged = self.since is not None and now - self.since >= _SETTLED_AFTER
        return self.stage in ENDED and aged and self.block < first


def life_of(memory: Mapping[str, Json], chain: int) -> Life | None:
    """Return what is remembered, None where nothing is."""
    if "stage" not in memory:
        return None
    call = Transaction(
        chain, str(memory["to"]), bytes.fromhex(str(memory["data"])), _number(memory, "value"),
        _number(memory, "operation"),
    )  # fmt: skip
    passed, since = memory.get("passed"), memory.get("since")
    return Life(
        Content(_number(memory, "nonce"), call, _number(memory, "size"), memory.get("refund") is True),
        Severity[str(memory["severity"])],
        LifeStage(str(memory["stage"])), _number(memory, "signed"), _number(memory, "required"),
        None if passed is None else int(str(passed)), _number(memory, "block"), str(memory.get("block_hash", "")),
        str(memory.get("doubt", "")), _numbers(memory.get("gap")), _numbers(memory.get("gap_doubt")),
        from_text(since) if isinstance(since, str) else None, memory.get("fewer") is True,
    )  # fmt: skip


def _number(memory: Mapping[str, Json], name: str) -> int:
    return int(str(memory.get(name) or 0))


def _numbers(found: Json) -> tuple[int, ...]:
    return tuple(int(str(one)) for one in found) if isinstance(found, list) else ()


@dataclass(frozen=True, slots=True)
class LifeStep:
    """A life after one run, and what is worth a message, if anything."""

    life: Life
    news: News | None = None
    severity: Severity = field(default=Severity.LOW)


def begun(life: Life, seen: LifeSight) -> Life:
    """Return a transaction at first sight: its queue reports it, with what it is waiting for."""
    life = replace(life, signed=seen.signed, required=seen.threshold, gap=seen.gap or ())
    return replace(life, stage=_waiting_for(life, seen))


def advance(life: Life, seen: LifeSight) -> LifeStep:
    """Take a transaction as far as this run saw it come.

    1. An event of the chain decides, if the Safe has used the nonce: what a Safe runs by delegate call can emit any
       event in its name. So does a nonce that is used, once the events up to there are known.
    2. What a reorganisation undid waits again; one that was mined again is no news.
    3. Otherwise it waits for signatures, for others at lower nonces, or for anybody who executes it.
    """
    is_used = seen.nonce > life.nonce
    if seen.execution is not None and is_used:
        return _executed(life, seen.execution)
    if life.stage in _BY_EVENT:
        life = life if _still_there(life, seen) else replace(life, block_hash="")
        if life.block_hash:
            return LifeStep(life)
    if life.stage in (LifeStage.REPLACED, LifeStage.USED) and is_used:
        return LifeStep(life)
    was_ended = life.stage in ENDED
    step = _used(life, seen) if is_used else _waiting(life, seen)
    if was_ended and step.life.stage not in ENDED:
        undone = replace(step.life, block=0, block_hash="")
        return LifeStep(undone, News.UNDONE, max(life.severity, Severity.HIGH))
    return step


def _executed(life: Life, execution: Execution) -> LifeStep:
    stage, news = (LifeStage.EXECUTED, News.EXECUTED) if execution.ran else (LifeStage.FAILED, News.FAILED)
    after = replace(
        life, stage=stage, block=execution.block, block_hash=execution.block_hash, passed=None, doubt="", gap_doubt=()
    )
    if stage is life.stage:
        return LifeStep(after)
    return LifeStep(after, news, life.severity if execution.ran else max(life.severity, Severity.HIGH))


def _still_there(life: Life, seen: LifeSight) -> bool:
    """Return whether nothing says that its block is gone; a provider that leaves an event out is no reorganisation."""
    if not life.block_hash or seen.last is None:
        return bool(life.block_hash)
    return not seen.first <= life.block <= seen.last or life.block_hash in seen.standing


def _used(life: Life, seen: LifeSight) -> LifeStep:
    """Wait until the events up to where its nonce was used are known; then another transaction must have used it."""
    if seen.instead is None and not seen.lost:
        passed = life.passed if life.passed is not None else seen.head
        if passed is None or seen.last is None or seen.last < passed:
            return LifeStep(replace(life, passed=passed))
    block = seen.last or 0
    if seen.instead is None and (seen.lost or not seen.names_success):
        return LifeStep(replace(life, stage=LifeStage.USED, passed=None, block=block), News.USED, life.severity)
    return LifeStep(replace(life, stage=LifeStage.REPLACED, passed=None, block=block), News.REPLACED, Severity.LOW)


def _waiting(life: Life, seen: LifeSight) -> LifeStep:
    before = life
    life = replace(life, passed=None, required=seen.threshold)
    if seen.listing is Listing.LISTED:
        life = _signed(replace(life, doubt=""), before, seen)
    elif life.doubt:
        return _lost(life)
    elif seen.listing is not Listing.NOT_ASKED:
        life = replace(life, doubt=seen.listing.value)
    if before.stage in _LOST and seen.listing is not Listing.LISTED:
        return LifeStep(life)
    stage = _waiting_for(life, seen)
    life, stuck = _gap(replace(life, stage=stage), seen)
    if stage is LifeStage.READY and before.stage is not LifeStage.READY:
        return LifeStep(life, News.READY, max(life.severity, Severity.MEDIUM))
    if stage is LifeStage.SIGNED and before.stage not in (LifeStage.SIGNED, LifeStage.READY):
        return LifeStep(replace(life, gap=seen.gap or life.gap, gap_doubt=()), News.SIGNED, Severity.LOW)
    if stuck:
        return LifeStep(life, News.STUCK, Severity.MEDIUM if stage is LifeStage.SIGNED else Severity.LOW)
    return LifeStep(life)


def _signed(life: Life, before: Life, seen: LifeSight) -> Life:
    """Take in who signed; of what was signed and seems not to be, only once a second run has seen the same.

    A service that leaves signatures out now and then would have it reported as ready each time.
    """
    was_enough = before.stage in (LifeStage.SIGNED, LifeStage.READY) and before.required == seen.threshold
    if was_enough and seen.signed < before.signed and not before.fewer:
        return replace(life, fewer=True)
    return replace(life, signed=seen.signed, fewer=False)


def _waiting_for(life: Life, seen: LifeSight) -> LifeStage:
    if not 0 < seen.threshold <= life.signed:
        return LifeStage.QUEUED
    return LifeStage.READY if seen.nonce == life.nonce else LifeStage.SIGNED


def _lost(life: Life) -> LifeStep:
    """Report what the service does not list any more, now that the chain has not used its nonce either."""
    stage, news = (
        (LifeStage.CLAIMED, News.CLAIMED) if life.doubt == Listing.CLAIMED.value else (LifeStage.REMOVED, News.REMOVED)
    )
    if life.stage is stage:
        return LifeStep(life)
    is_signed = 0 < life.required <= life.signed
    severity = Severity.HIGH if news is News.CLAIMED else Severity.MEDIUM if is_signed else Severity.LOW
    return LifeStep(replace(life, stage=stage), news, severity)


def _gap(life: Life, seen: LifeSight) -> tuple[Life, bool]:
    """Return whether nothing is queued at nonces right before its own, and that was not reported before."""
    if life.gap_doubt:
        open_still = tuple(nonce for nonce in life.gap_doubt if nonce >= seen.nonce)
        confirmed = open_still if seen.gap is None else tuple(nonce for nonce in open_still if nonce in seen.gap)
        return replace(life, gap=confirmed or life.gap, gap_doubt=()), bool(confirmed)
    if seen.gap is None:
        return life, False
    if set(seen.gap) <= set(life.gap):
        return replace(life, gap=seen.gap), False
    return replace(life, gap_doubt=seen.gap), False
