"""The bloom filter of logs in a block's header: which blocks certainly hold no log of a contract. Pure.

A header cannot be pruned away from a node that has the chain, and each log of a block sets bits in it. So "no" is
certain, and "yes" is worth a look. The yellow paper, 4.4.3, says which bits.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable

from monitoring.chains.abi.addresses import keccak256
from monitoring.chains.rpc.logs import EventLog, LogFilter

_BITS = 2048
_DIGITS = _BITS // 4


def read_bloom(text: object) -> int | None:
    """Return a header's `logsBloom` as a number, None where there is none."""
    try:
        return int(text, 16) if isinstance(text, str) and len(text) == len("0x") + _DIGITS else None
    except ValueError:
        return None


def bloom_of(logs: Iterable[EventLog]) -> int:
    """Return the filter of a block with exactly these logs."""
    found = 0
    for log in logs:
        for item in (log.address, *log.topics):
            found |= _mask(item.lower())
    return found


def is_explained(bloom: int, wanted: LogFilter, logs: Iterable[EventLog]) -> bool:
    """Return whether the logs known of a block are of every contract and kind that it may hold any of."""
    kinds, *others = wanted.topics or (None,)
    if not all(any(_has(bloom, one) for one in _each(other)) for other in others):
        return True
    known = [(log.address.lower(), log.topics[0].lower() if log.topics else "") for log in logs]
    here = [one for one in _each(tuple(one.lower() for one in wanted.addresses) or None) if _has(bloom, one)]
    of = [kind for kind in _each(kinds) if _has(bloom, kind)] if here else []
    return all(
        any(address in (None, who) and kind in (None, what) for who, what in known) for address in here for kind in of
    )


def _each(topic: str | tuple[str, ...] | None) -> tuple[str | None, ...]:
    return topic if isinstance(topic, tuple) else (topic,)


def _has(bloom: int, item: str | None) -> bool:
    """Return whether a block may hold an item; None is whatever."""
    return item is None or bloom & _mask(item.lower()) == _mask(item.lower())


@functools.lru_cache(maxsize=4096)
def _mask(item: str) -> int:
    digest = keccak256(bytes.fromhex(item.removeprefix("0x")))
    return functools.reduce(
        lambda mask, at: mask | 1 << (int.from_bytes(digest[at : at + 2], "big") % _BITS), (0, 2, 4), 0
    )
