"""How far the event logs that checks read are known to be complete: ranges counted by chain, as runs stored them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from monitoring.base.plural import counted
from monitoring.store.db.database import Database
from monitoring.store.tables import chain_memory

CONFIRMED, UNCONFIRMED, CONTRADICTED = COUNTS = ("confirmed", "unconfirmed", "contradicted")


@dataclass(frozen=True, slots=True)
class LogRanges:
    """The ranges of one chain in one hour; `numbers` also has the events that a provider left out, by its host."""

    chain: str
    first_at: datetime
    last_at: datetime
    numbers: Counter[str] = field(default_factory=Counter)

    @property
    def total(self) -> int:
        return sum(self.numbers[name] for name in COUNTS)


def log_ranges(database: Database, since: datetime, until: datetime) -> list[LogRanges]:
    """Return those of every hour that touches [since, until)."""
    return [
        LogRanges(chain, max(hour, since), min(last, until), numbers)
        for hour, last, chain, numbers in chain_memory.counted(database, chain_memory.HELD, since, until)
    ]


def of_chains(ranges: Sequence[LogRanges], count: str) -> Iterator[tuple[LogRanges, int]]:
    """Yield the sum of the hours that have one of these, for each chain that has any, and how many ranges it read."""
    for chain in sorted({one.chain for one in ranges}):
        here = [one for one in ranges if one.chain == chain]
        having = [one for one in here if one.numbers[count]]
        if having:
            numbers = sum((one.numbers for one in having), Counter[str]())
            first, last = having[0].first_at, max(one.last_at for one in having)
            yield LogRanges(chain, first, last, numbers), sum(one.total for one in here)


def who_left_out(ranges: LogRanges) -> str:
    """Return `node.example left out 3 events`, of each provider."""
    hosts = [(name, number) for name, number in ranges.numbers.most_common() if name not in COUNTS]
    return ", ".join(f"{host} left out {counted(number, 'event')}" for host, number in hosts) or "events were left out"
