"""Event logs in ranges that fit the provider, from a cursor that only moves forward past what is certain.

The cursor comes in and goes out by argument, page by page, so that the caller can commit it together with the
alerts its logs caused. Logs from a provider that lacks the last block of a range are not believed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, cast

from monitoring.base.errors import UsageError
from monitoring.chains.abi.addresses import checksum
from monitoring.chains.abi.values import Json, Unknown
from monitoring.chains.networks import Network
from monitoring.chains.rpc.errors import Fault, RpcError
from monitoring.chains.rpc.pool import ProviderPool
from monitoring.chains.rpc.provider import Ask, Outcome, Provider

RANGE = 2_000  # blocks a page begins with; most public gateways allow it
MAX_RANGE = 10_000
# An answer too big for the gateway (HTTP 413), or a refusal in unknown words, is helped by the same remedy.
_TOO_MUCH = frozenset({Fault.LOG_RANGE, Fault.BATCH_SIZE, Fault.TOO_HEAVY, Fault.ERROR})
_TAIL = 64  # checkpoints kept to find the fork point of a reorganisation


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A scanned page by its first and last block, and the hash that the last one had then."""

    first: int
    number: int
    hash: str


@dataclass(frozen=True, slots=True)
class LogCursor:
    """Where scanning goes on: the next block, the page size learnt, and what the chain looked like behind."""

    chain_id: int
    next_block: int
    range_blocks: int = RANGE
    refused_blocks: int = 0  # a size that was refused; 0: none was
    most_blocks: int = 0  # what a provider said it allows; 0: none said
    tail: tuple[Checkpoint, ...] = ()


@dataclass(frozen=True, slots=True)
class LogFilter:
    """Which logs: any of the addresses, and topics by place (a tuple in a place: any of these; None: whatever)."""

    addresses: tuple[str, ...]
    topics: tuple[str | tuple[str, ...] | None, ...] = ()

    def params(self, first: int, last: int) -> dict[str, object]:
        topics = [list(topic) if isinstance(topic, tuple) else topic for topic in self.topics]
        wanted: dict[str, object] = {"fromBlock": hex(first), "toBlock": hex(last), "topics": topics}
        return {**wanted, "address": list(self.addresses)} if self.addresses else wanted

    def matches(self, log: EventLog) -> bool:
        """Check locally: a gateway that ignores a filter must not cause an alert."""
        if self.addresses and log.address.lower() not in {one.lower() for one in self.addresses}:
            return False
        for place, topic in enumerate(self.topics):
            allowed = topic if isinstance(topic, tuple) else (topic,)
            if topic is not None and (place >= len(log.topics) or log.topics[place] not in allowed):
                return False
        return True


@dataclass(frozen=True, slots=True)
class EventLog:
    """One log as the chain has it."""

    chain_id: int
    address: str
    topics: tuple[str, ...]
    data: str
    block_number: int
    block_hash: str
    tx_hash: str
    index: int

    @property
    def id(self) -> str:
        """Identify this log among all others, and in this block."""
        return f"{self.chain_id}:{self.block_hash}:{self.tx_hash}:{self.index}"


@dataclass(frozen=True, slots=True)
class LogPage:
    """One scanned range: its logs in the chain's order, who said them, and the cursor to commit with them.

    `bloom` is the last block's `logsBloom`, nothing where its header has none.
    """

    logs: tuple[EventLog, ...]
    cursor: LogCursor
    host: str = ""
    bloom: str = ""

    @property
    def blocks(self) -> Checkpoint:
        return self.cursor.tail[-1]

    def covers(self, block: int) -> bool:
        return self.blocks.first <= block <= self.blocks.number


@dataclass(frozen=True, slots=True)
class LogScan:
    """A whole scan; `problem` says why it stopped before its end, `fault` the same for policies."""

    logs: tuple[EventLog, ...]
    cursor: LogCursor
    problem: Unknown | None = None
    fault: Fault | None = None
    reorganised_from: int | None = None  # blocks from here on were scanned again: another chain stands there now
    pages: tuple[LogPage, ...] = ()


class LogReader(Protocol):
    """What answers requests about one chain: the pool, or one provider of it."""

    @property
    def network(self) -> Network: ...

    @property
    def current(self) -> Provider:
        """Return who answered last."""
        ...

    def batch(self, asks: Sequence[Ask], at_least: int | None = None) -> list[Outcome]: ...


def last_certain_block(network: Network, head: int) -> int:
    """Return the newest block with enough blocks on top of it."""
    return head - network.confirmations


def scan(pool: ProviderPool, wanted: LogFilter, cursor: LogCursor, until: int) -> LogScan:
    """Read logs from the cursor to `until` (inclusive). What was read before a failure is kept."""
    logs: list[EventLog] = []
    read: list[LogPage] = []
    try:
        cursor = _hopeful(cursor)
        start = rewind(pool, cursor)
        came_back = start.next_block if start.next_block < cursor.next_block else None
        cursor = start
        for page in pages(pool, wanted, cursor, until):
            logs += page.logs
            read.append(page)
            cursor = page.cursor
    except RpcError as error:
        problem = Unknown(f"{pool.network.slug}: logs after block {cursor.next_block - 1}: {error}", pool.network.slug)
        # A range that times out is not "refused"; asked for again in full it would time out permanently.
        size = cursor.range_blocks if error.fault is Fault.HISTORY else max(1, cursor.range_blocks // 2)
        return LogScan(tuple(logs), replace(cursor, range_blocks=size), problem, error.fault, pages=tuple(read))
    return LogScan(tuple(logs), cursor, reorganised_from=came_back, pages=tuple(read))


def oldest_readable(pool: ProviderPool, wanted: LogFilter, gone: int, until: int) -> int | None:
    """Return the oldest block after `gone` whose logs some provider still has; None if not even those of `until`.

    Raises:
        RpcError: it is unknown.
    """
    if not _has_logs(pool, wanted, until):
        return None
    while until - gone > 1:
        middle = (gone + until) // 2
        gone, until = (gone, middle) if _has_logs(pool, wanted, middle) else (middle, until)
    return until


def _has_logs(pool: ProviderPool, wanted: LogFilter, block: int) -> bool:
    try:
        _page(pool, wanted, block, block)
    except RpcError as error:
        if error.fault is not Fault.HISTORY:
            raise
        return False
    return True


def rewind(pool: ProviderPool, cursor: LogCursor) -> LogCursor:
    """Go back to the newest checkpoint that the chain still has; logs after it come again, under new ids if moved.

    Raises:
        RpcError: the chain cannot be asked.
    """
    kept = list(cursor.tail)
    while kept:
        checkpoint = kept[-1]
        block = pool.call("eth_getBlockByNumber", hex(checkpoint.number), False)
        if cast("dict[str, Json]", block)["hash"] == checkpoint.hash:
            break
        kept.pop()
    if len(kept) == len(cursor.tail):
        return cursor
    next_block = kept[-1].number + 1 if kept else cursor.tail[0].first
    return replace(cursor, next_block=next_block, tail=tuple(kept))


def pages(reader: LogReader, wanted: LogFilter, cursor: LogCursor, until: int) -> Iterator[LogPage]:
    """Yield page after page up to `until`; each carries the cursor to go on from.

    A refused range is halved and its size remembered; an accepted one grows, but not to a refused size again.

    Raises:
        RpcError: no provider answers, or the budget is spent. Pages yielded before stand.
    """
    while cursor.next_block <= until:
        last = min(until, cursor.next_block + cursor.range_blocks - 1)
        try:
            logs, block = _page(reader, wanted, cursor.next_block, last)
        except RpcError as error:
            if error.fault not in _TOO_MUCH or last == cursor.next_block:
                raise
            cursor = _smaller(cursor, last - cursor.next_block + 1, error.most_blocks)
            continue
        tail = (*cursor.tail, Checkpoint(cursor.next_block, last, str(block["hash"])))[-_TAIL:]
        full = last - cursor.next_block + 1 == cursor.range_blocks
        cursor = replace(cursor, next_block=last + 1, tail=tail)
        cursor = _larger(cursor) if full else cursor
        yield LogPage(logs, cursor, reader.current.host, str(block.get("logsBloom") or ""))


def _hopeful(cursor: LogCursor) -> LogCursor:
    """Believe a refusal half as much each run: it may have been one dense stretch, or another provider's limit."""
    refused = cursor.refused_blocks * 2
    return replace(cursor, refused_blocks=0 if refused > MAX_RANGE else refused)


def _smaller(cursor: LogCursor, size: int, most: int | None) -> LogCursor:
    """Take what the refusal allows; half where it says nothing, or nothing that helps."""
    if most and most < size:
        return replace(cursor, range_blocks=most, most_blocks=most)
    return replace(cursor, range_blocks=max(1, size // 2), refused_blocks=size)


def _larger(cursor: LogCursor) -> LogCursor:
    """Double; below a size that was refused, go half the way, and no further once that gains little."""
    size, refused = cursor.range_blocks, cursor.refused_blocks
    most = cursor.most_blocks or MAX_RANGE
    if not refused:
        return replace(cursor, range_blocks=min(size * 2, most))
    step = (refused - size) // 2
    return replace(cursor, range_blocks=min(size + step, most)) if step * 8 > size else cursor


def _page(reader: LogReader, wanted: LogFilter, first: int, last: int) -> tuple[tuple[EventLog, ...], dict[str, Json]]:
    """Ask for the logs and, in the same request, for the last block: a node without it answers with too few logs."""
    asks = [
        Ask("eth_getLogs", (wanted.params(first, last),)),
        Ask("eth_getBlockByNumber", (hex(last), False)),
    ]
    logs, header = reader.batch(asks, at_least=last)
    for outcome in (logs, header):
        if isinstance(outcome, RpcError):
            raise outcome
    block, chain = cast("dict[str, Json]", header), reader.network
    found = [read_log(chain.id, row) for row in cast("list[Json]", logs)]
    events = [log for log in found if log is not None and first <= log.block_number <= last and wanted.matches(log)]
    if any(log.block_number == last and log.block_hash != block["hash"] for log in events):
        raise RpcError(Fault.STALE_HEAD, f"{chain.slug}: block {last} changed while its logs were read")
    return tuple(sorted(events, key=place_of)), block


def place_of(log: EventLog) -> tuple[int, int]:
    """Return where a log is in the chain's order."""
    return log.block_number, log.index


def read_log(chain_id: int, row: Json) -> EventLog | None:
    """Read a log; None for one that the node itself marks as removed.

    Raises:
        RpcError: a malformed one, since skipping it could hide an event.
    """
    try:
        fields = cast("dict[str, Json]", row)
        if fields.get("removed") is True:
            return None
        return EventLog(
            chain_id=chain_id,
            address=checksum(str(fields["address"])),
            topics=tuple(str(topic) for topic in cast("list[Json]", fields["topics"])),
            data=str(fields["data"]),
            block_number=int(str(fields["blockNumber"]), 16),
            block_hash=str(fields["blockHash"]),
            tx_hash=str(fields["transactionHash"]),
            index=int(str(fields["logIndex"]), 16),
        )
    except (KeyError, TypeError, ValueError, AttributeError, UsageError):
        raise RpcError(Fault.DECODE, f"chain {chain_id}: a log without the fields a log has") from None


@dataclass(frozen=True, slots=True)
class Displaced:
    """A log somebody was alerted of that its block no longer holds; `now_in` is where it went, if anywhere."""

    log: EventLog
    now_in: EventLog | None


def displaced(pool: ProviderPool, alerted: Sequence[EventLog], head: int) -> tuple[Displaced, ...] | Unknown:
    """Check that alerted logs still stand in their blocks, as far as the chain reaches (`head`).

    Give only those recent enough to be at risk: each block costs a place in a batch.
    """
    reachable = [log for log in alerted if log.block_number <= head]
    numbers = sorted({log.block_number for log in reachable})
    asks = [Ask("eth_getBlockByNumber", (hex(number), False)) for number in numbers]
    hashes: dict[int, str] = {}
    for number, outcome in zip(numbers, pool.batch(asks, at_least=head), strict=True):
        if isinstance(outcome, RpcError):
            return Unknown(f"{pool.network.slug}: {outcome}", pool.network.slug)
        hashes[number] = str(cast("dict[str, Json]", outcome)["hash"])
    moved = [log for log in reachable if hashes[log.block_number] != log.block_hash]
    try:
        return tuple(Displaced(log, _same_log(pool, log)) for log in moved)
    except RpcError as error:
        return Unknown(f"{pool.network.slug}: {error}", pool.network.slug)


def _same_log(pool: ProviderPool, log: EventLog) -> EventLog | None:
    """Find the same event of the same transaction in the block that holds it now."""
    receipt = pool.call("eth_getTransactionReceipt", log.tx_hash)
    rows = receipt.get("logs") if isinstance(receipt, dict) else None
    for row in cast("list[Json]", rows or []):
        found = read_log(log.chain_id, row)
        if found and (found.address, found.topics, found.data) == (log.address, log.topics, log.data):
            return found
    return None
