"""The question "which logs did this contract emit since that block?", answered for all contracts of a chain at once.

Asked by types that watch events. The block to read from comes out of the asking condition, so that cursor and alert
commit together; nothing is remembered here but the size of range a chain's providers take.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import cast

from monitoring.chains.abi.values import Json, Unknown
from monitoring.chains.rpc.errors import Fault, RpcError
from monitoring.chains.rpc.log_evidence import hold
from monitoring.chains.rpc.logs import (
    EventLog,
    LogCursor,
    LogFilter,
    LogScan,
    last_certain_block,
    oldest_readable,
    scan,
)
from monitoring.chains.rpc.memory import LOG_LIMIT, ChainMemory
from monitoring.chains.rpc.provider import Ask
from monitoring.chains.rpc.views import ChainView
from monitoring.checks.builtin.shared.per_chain import answer_per_chain
from monitoring.checks.engine.point import EvaluationPoint

# Ranges read for a chain in one run: what is further back waits for the next, and what was read is committed meanwhile.
MAX_RANGES = 60
_QUIET = 50  # so few logs are held whole in any case: many are transfers, few may be changes of a role
_BACK_RANGES = 20
_MOVING = 3  # looks for the oldest block that can be read
_KIND = "log_range"


@dataclass(frozen=True, slots=True)
class LogsSince:
    """Logs of one contract with any of these first topics, from a block on; without one, from `lookback_s` ago.

    Blocks before `new_from` were judged before, and are read once more. `whole`: who controls something is watched, so
    each block is held against what else says which events it has; of many events of other kinds a sample is. `seen`:
    number and hash of blocks whose events are known. `back_s`: read again from so long ago, as far as few ranges go.
    """

    chain: int
    address: str
    topics: frozenset[str]
    from_block: int | None
    lookback_s: int
    new_from: int | None = None
    whole: bool = False
    seen: frozenset[tuple[int, str]] = frozenset()
    back_s: int = 0


@dataclass(frozen=True, slots=True)
class Stretch:
    """The logs of the blocks `first` to `last`. `problem` says why it ends before the chain does.

    `times` has when each block with a log was mined, as far as that could be had. `gap`: blocks before `first` were
    asked for, and no provider has them any more. `standing`: hashes of the blocks asked about that the chain still has.
    `head_at` is when the chain's newest block was mined.
    """

    first: int
    last: int
    logs: tuple[EventLog, ...] = ()
    times: Mapping[int, datetime] | None = None
    problem: Unknown | None = None
    gap: bool = False
    standing: frozenset[str] = frozenset()
    head_at: datetime | None = None

    def at(self, block: int) -> datetime | None:
        return (self.times or {}).get(block)


def answer_logs(questions: Sequence[LogsSince], at: EvaluationPoint) -> dict[LogsSince, Stretch | Unknown]:
    """Answer all questions with few `eth_getLogs` a chain, however many contracts there are."""
    memory, chains = at.chains.memory, {question.chain for question in questions}
    sizes = {chain: _recall(memory, chain) for chain in chains}  # the memory is asked here, and not from threads
    learnt: dict[int, LogCursor] = {}

    def read(asked: Sequence[LogsSince], view: ChainView) -> dict[LogsSince, Stretch | Unknown]:
        chain = view.network.id
        found, learnt[chain] = _read_chain(asked, view, sizes[chain])
        return found

    found = answer_per_chain(questions, at, read)
    for chain, cursor in learnt.items():
        if (cursor.range_blocks, cursor.refused_blocks) != (sizes[chain].range_blocks, sizes[chain].refused_blocks):
            memory.remember(_KIND, str(chain), json.dumps([cursor.range_blocks, cursor.refused_blocks]))
        if cursor.most_blocks != sizes[chain].most_blocks:
            memory.remember(LOG_LIMIT, str(chain), str(cursor.most_blocks))
    return found


def _read_chain(
    asked: Sequence[LogsSince], view: ChainView, size: LogCursor
) -> tuple[dict[LogsSince, Stretch | Unknown], LogCursor]:
    certain = last_certain_block(view.network, view.block.number)
    firsts = {one: _first_block(one, view, size) for one in asked}
    cursor = replace(size, next_block=min(firsts.values()))
    wanted = LogFilter(
        tuple(dict.fromkeys(one.address for one in asked)),
        (tuple(sorted(frozenset[str]().union(*(one.topics for one in asked)))),),
    )
    read, oldest = _read_on(view, wanted, cursor, certain)
    _note_lost(view, asked, oldest)
    is_whole = any(one.whole for one in asked) or len(read.logs) <= _QUIET
    read = hold(view.pool, wanted, read, _new_from(asked), whole=is_whole)
    last = read.cursor.next_block - 1
    problem = _behind(view, last, certain) if read.problem is None else read.problem
    standing = _standing(view, asked, read)
    times = _times(view, {log.block_number for log in read.logs})
    found: dict[LogsSince, Stretch | Unknown] = {
        one: Stretch(
            max(first, oldest),
            last,
            _own(one, max(first, oldest), read),
            times,
            problem,
            first < oldest,
            standing,
            view.block.at,
        )
        for one, first in firsts.items()
    }
    return found, read.cursor


def _read_on(view: ChainView, wanted: LogFilter, cursor: LogCursor, certain: int) -> tuple[LogScan, int]:
    """Scan from the cursor on; return also the oldest block that can be read, 0 where none is gone.

    Where every provider says that it no longer has the first blocks, scanning goes on at the oldest one that somebody
    has. It is looked for again if it went meanwhile: a provider's window moves with its head.
    """
    oldest = 0
    read = scan(view.pool, wanted, cursor, _until(cursor, certain))
    for _ in range(_MOVING):
        if read.fault is not Fault.HISTORY or read.logs or read.cursor.next_block != cursor.next_block:
            break
        try:
            found = oldest_readable(view.pool, wanted, cursor.next_block, certain)
        except RpcError:
            break  # the scan's own problem is reported
        if found is None:
            break
        oldest, cursor = found, replace(read.cursor, next_block=found)
        read = scan(view.pool, wanted, cursor, _until(cursor, certain))
    return read, oldest


def _until(cursor: LogCursor, certain: int) -> int:
    return min(certain, cursor.next_block + MAX_RANGES * cursor.range_blocks - 1)


def _note_lost(view: ChainView, asked: Sequence[LogsSince], oldest: int) -> None:
    """Keep what was never judged and cannot be any more, to be reported once for the chain."""
    starts = [one.new_from for one in asked if one.new_from is not None and one.new_from < oldest]
    if starts:
        view.pool.lost = (min(starts), oldest - 1)


def _new_from(asked: Sequence[LogsSince]) -> int:
    """Return the first block that somebody has not judged yet."""
    return min((one.new_from if one.new_from is not None else 0) for one in asked)


def _first_block(question: LogsSince, view: ChainView, size: LogCursor) -> int:
    last, first = last_certain_block(view.network, view.block.number), question.from_block
    if first is None:
        return max(0, last - view.network.blocks_in(question.lookback_s))
    if not question.back_s:
        return first
    # Few ranges, so that what is new is read in the same run.
    furthest = first - _BACK_RANGES * size.range_blocks
    return max(0, min(first, max(furthest, last - view.network.blocks_in(question.back_s))))


def _recall(memory: ChainMemory, chain: int) -> LogCursor:
    """Return the size of range that a chain's providers took last, and the one they said they allow."""
    most = memory.recall(LOG_LIMIT, str(chain)) or ""
    cursor = LogCursor(chain, 0, most_blocks=int(most) if most.isdecimal() else 0)
    try:
        size, refused = json.loads(memory.recall(_KIND, str(chain)) or "")
        return replace(cursor, range_blocks=max(1, int(size)), refused_blocks=max(0, int(refused)))
    except (ValueError, TypeError):
        return cursor


def _behind(view: ChainView, last: int, certain: int) -> Unknown | None:
    if last >= certain:
        return None
    slug = view.network.slug
    return Unknown(f"{slug}: blocks {last + 1} to {certain} are still to be read", slug)


def _own(question: LogsSince, first: int, read: LogScan) -> tuple[EventLog, ...]:
    return tuple(
        log
        for log in read.logs
        if log.block_number >= first
        and log.address.lower() == question.address
        and log.topics
        and log.topics[0] in question.topics
    )


def _standing(view: ChainView, asked: Sequence[LogsSince], read: LogScan) -> frozenset[str]:
    """Return which blocks of known events are still there, though maybe none of their events was read.

    Without this a provider that leaves out what another one had, or a contract that is watched no more, would look
    like a reorganisation.
    """
    there = {log.block_hash for log in read.logs}
    seen = {pair for one in asked for pair in one.seen if pair[1] not in there}
    doubtful = sorted({number for number, _ in seen})
    asks = [Ask("eth_getBlockByNumber", (hex(number), False)) for number in doubtful]
    headers = view.pool.batch(asks, at_least=view.block.number)
    hashes = {number: one.get("hash") for number, one in zip(doubtful, headers, strict=True) if isinstance(one, dict)}
    return frozenset({*there, *(hash_ for number, hash_ in seen if hashes.get(number) == hash_)})


def _times(view: ChainView, blocks: Iterable[int]) -> dict[int, datetime]:
    numbers = sorted(blocks)
    asks = [Ask("eth_getBlockByNumber", (hex(number), False)) for number in numbers]
    found: dict[int, datetime] = {}
    for number, outcome in zip(numbers, view.pool.batch(asks, at_least=view.block.number), strict=True):
        if not isinstance(outcome, RpcError):
            seconds = int(str(cast("dict[str, Json]", outcome)["timestamp"]), 16)
            found[number] = datetime.fromtimestamp(seconds, UTC)
    return found
