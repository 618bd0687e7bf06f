"""Holds logs that were read against what else says so: another provider, and the headers and receipts of the blocks.

A node that has pruned receipts, or whose index lags, answers `[]` in place of an error. Called once a chain and run by
those who read logs, after the reading; it costs few requests, holds up no check, and blames nobody for not answering.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from monitoring.chains.networks import Network
from monitoring.chains.rpc.bloom import read_bloom
from monitoring.chains.rpc.errors import Fault, RpcError
from monitoring.chains.rpc.header_evidence import HeaderLook, look_at_headers
from monitoring.chains.rpc.logs import EventLog, LogCursor, LogFilter, LogPage, LogScan, pages, place_of
from monitoring.chains.rpc.pool import ProviderPool
from monitoring.chains.rpc.provider import Ask, Outcome, Provider

# Requests a chain and run in addition to the reading itself. Ours: an hour of a slow chain is held whole.
WHOLE = 30
SAMPLED = 4
_KEPT = 6  # of them for headers and receipts, when a range has many pages
_WITNESSES = 2  # providers asked until one answers


class Completeness(StrEnum):
    """How far a range of logs is known to be complete. Unconfirmed: there was nothing to hold it against."""

    CONFIRMED = "confirmed"
    UNCONFIRMED = "unconfirmed"
    CONTRADICTED = "contradicted"


@dataclass(frozen=True, slots=True)
class HeldRange:
    """Blocks whose logs were read and held against something else. `left_out`: logs that a provider lacked, by host."""

    first: int
    last: int
    completeness: Completeness
    left_out: Mapping[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class _Witness:
    """One provider, asked each question once, until the requests for a second look are used up."""

    pool: ProviderPool
    current: Provider
    requests: list[int]  # how many are left, one number that all witnesses of a range share

    @property
    def network(self) -> Network:
        return self.pool.network

    @property
    def left(self) -> int:
        return 0 if self.pool.budget.is_scarce else self.requests[0]

    def batch(self, asks: Sequence[Ask], at_least: int | None = None) -> list[Outcome]:
        """Ask; a batch that is too large is halved once."""
        if self.left <= 0:
            spent = RpcError(Fault.TRANSPORT, f"{self.network.slug}: the requests for a second look are used up")
            return [spent] * len(asks)
        self.requests[0] -= 1
        outcomes = self.pool.ask_once(self.current, asks)
        if len(asks) == 1 or not all(isinstance(one, RpcError) and one.fault is Fault.BATCH_SIZE for one in outcomes):
            return outcomes
        middle = len(asks) // 2
        return [*self.batch(asks[:middle], at_least), *self.batch(asks[middle:], at_least)]


def hold(pool: ProviderPool, wanted: LogFilter, read: LogScan, new_from: int, *, whole: bool) -> LogScan:
    """Return the scan with the logs that its provider left out; what came of it is noted in `pool.held`.

    Another provider reads the range again. Headers of the blocks from `new_from` on say which of them may hold more,
    and the receipts of some of those whether they do. Not `whole`: few requests, headers only without another provider.
    """
    first = max(new_from, read.pages[0].blocks.first) if read.pages else 0
    if not read.pages or first > read.pages[-1].blocks.number:
        return read
    readers = {page.host for page in read.pages}
    last, requests = read.pages[-1].blocks.number, [WHOLE if whole else SAMPLED]
    others = [_Witness(pool, one, requests) for one in pool.others(readers, last)[:_WITNESSES]]
    again = _read_again(wanted, read, others)
    logs = _united(read.logs, again)
    blocks, look = range(first, last + 1), HeaderLook()
    if read_bloom(read.pages[-1].bloom) is not None and (whole or not again):
        witnesses = [*others, _Witness(pool, pool.current, requests)]
        look = look_at_headers(witnesses, wanted, logs, blocks, is_read_again=bool(again))
        logs = _sorted([*logs, *look.logs])
    left_out = _left_out(read, again, logs)
    is_held = (bool(again) and again[0].blocks.first <= first) or look.is_whole
    found = Completeness.CONFIRMED if is_held else Completeness.UNCONFIRMED
    pool.held.append(HeldRange(first, last, Completeness.CONTRADICTED if left_out else found, left_out))
    return replace(read, logs=logs)


def _read_again(wanted: LogFilter, read: LogScan, others: Sequence[_Witness]) -> list[LogPage]:
    """Return the pages of the range, or of as much of its end as there are requests for, as another provider has them.

    One that has another chain there, or not the whole range, is no witness.
    """
    for witness in others:
        count = max(1, witness.left - _KEPT)
        first, last = read.pages[-count:][0].blocks.first, read.pages[-1].blocks
        size = max(page.blocks.number - page.blocks.first + 1 for page in read.pages)
        try:
            found = list(pages(witness, wanted, LogCursor(witness.network.id, first, size), last.number))
        except RpcError:
            continue
        if found[-1].blocks.hash == last.hash:
            return found
    return []


def _united(logs: Iterable[EventLog], again: Iterable[LogPage]) -> tuple[EventLog, ...]:
    return _sorted([*logs, *(log for page in again for log in page.logs)])


def _sorted(logs: Iterable[EventLog]) -> tuple[EventLog, ...]:
    return tuple(sorted({log.id: log for log in logs}.values(), key=place_of))


def _left_out(read: LogScan, again: Sequence[LogPage], logs: Iterable[EventLog]) -> dict[str, int]:
    """Count the logs that each provider lacked in the blocks it answered for."""
    found: Counter[str] = Counter()
    for page in (*read.pages, *again):
        known = {log.id for log in page.logs}
        lacking = [log for log in logs if page.covers(log.block_number) and log.id not in known]
        found.update({page.host: len(lacking)} if lacking else {})
    return dict(found)
