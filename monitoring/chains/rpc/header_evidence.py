"""What the headers of blocks say of the logs in them, and the receipts of those that may hold more. Called by `hold`.

A header's `logsBloom` says "certainly none" of a contract, or "maybe". Receipts are believed if their logs make exactly
that filter, so that pruned ones do not pass for none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, cast

from monitoring.chains.abi.values import Json
from monitoring.chains.rpc.bloom import bloom_of, is_explained, read_bloom
from monitoring.chains.rpc.errors import RpcError
from monitoring.chains.rpc.logs import EventLog, LogFilter, LogReader, read_log
from monitoring.chains.rpc.provider import Ask

_HEADERS = 50  # blocks a request; with the hashes of their transactions up to a megabyte
_RECEIPTS = 4  # blocks whose receipts are read, a megabyte each on a busy chain
# Where another provider has read the range again, headers and receipts are a sample: who lies alike is rare.
_REQUESTS_AGAIN, _RECEIPTS_AGAIN = 6, 1


class LimitedReader(LogReader, Protocol):
    """A provider that answers a limited number of requests."""

    @property
    def left(self) -> int: ...


@dataclass(frozen=True, slots=True)
class HeaderLook:
    """What headers and receipts say. `logs` are in the receipts; `is_whole`: there can be no others in these blocks."""

    logs: tuple[EventLog, ...] = ()
    is_whole: bool = False


def look_at_headers(
    witnesses: Sequence[LimitedReader],
    wanted: LogFilter,
    logs: Iterable[EventLog],
    blocks: range,
    *,
    is_read_again: bool,
) -> HeaderLook:
    """Look at the headers of the newest blocks, as many as there are requests for, and at some receipts."""
    requests = max(1, witnesses[0].left - _RECEIPTS)
    count = (min(requests, _REQUESTS_AGAIN) if is_read_again else requests) * _HEADERS
    blooms, is_empty = _blooms(witnesses[0], list(blocks)[-count:])
    of_blocks: dict[int, list[EventLog]] = {}
    for log in logs:
        of_blocks.setdefault(log.block_number, []).append(log)
    is_wrong = any(number in blooms and bloom_of(some) & ~blooms[number] for number, some in of_blocks.items())
    if is_wrong or (not is_empty and not any(blooms.values())):
        return HeaderLook()  # a chain whose headers say nothing of logs
    suspects = [
        number for number, bloom in blooms.items() if not is_explained(bloom, wanted, of_blocks.get(number, ()))
    ]
    most = _RECEIPTS_AGAIN if is_read_again else _RECEIPTS
    chosen = suspects[:: -(-len(suspects) // most)] if suspects else []
    read = {number: found for number in chosen if (found := _receipts(witnesses, number, blooms[number])) is not None}
    whole = len(blooms) == len(blocks) and len(read) == len(suspects)
    return HeaderLook(tuple(log for found in read.values() for log in found if wanted.matches(log)), whole)


def _blooms(witness: LimitedReader, numbers: Sequence[int]) -> tuple[Mapping[int, int], bool]:
    """Return the filters of the blocks whose headers could be had, and whether those blocks are all empty."""
    found: dict[int, int] = {}
    is_empty = True
    for start in range(0, len(numbers), _HEADERS):
        asked = numbers[start : start + _HEADERS]
        headers = witness.batch([Ask("eth_getBlockByNumber", (hex(number), False)) for number in asked])
        for number, header in zip(asked, headers, strict=True):
            fields = header if isinstance(header, dict) else {}
            bloom = read_bloom(fields.get("logsBloom"))
            found |= {} if bloom is None else {number: bloom}
            is_empty = is_empty and not fields.get("transactions")
    return found, is_empty


def _receipts(witnesses: Sequence[LimitedReader], number: int, bloom: int) -> list[EventLog] | None:
    """Return all logs of a block, None if nobody has all of them."""
    for witness in witnesses:
        try:
            logs = _logs(witness.network.id, witness.batch([Ask("eth_getBlockReceipts", (hex(number),))])[0])
        except RpcError:
            continue
        if bloom_of(logs) == bloom:
            return logs
    return None


def _logs(chain_id: int, receipts: object) -> list[EventLog]:
    """Read the logs of receipts.

    Raises:
        RpcError: there are none, or they are malformed.
    """
    if isinstance(receipts, RpcError):
        raise receipts
    rows = [row for receipt in cast("list[Json]", receipts or []) for row in _rows(receipt)]
    return [log for row in rows if (log := read_log(chain_id, row)) is not None]


def _rows(receipt: Json) -> list[Json]:
    rows = receipt.get("logs") if isinstance(receipt, dict) else None
    return rows if isinstance(rows, list) else []
