"""What is worth remembering between runs, as a seam: this package says what, somebody else keeps it.

Kinds in use: `token` (permanently), `signature` (permanently, misses for days), `contract` (an explorer's answer),
`judged` (a chain's last judged block; forgotten after a day, since a chain that stays behind it for so long was reset,
and would be refused permanently), `log_range` (the size of range that was taken last), `log_limit` (how many blocks a
provider said it takes; forgotten after a day, since plans and providers change), `shape` (which sources of a monitor
were parsed, and the names and types in their answers).
"""

from __future__ import annotations

from datetime import timedelta
from typing import Protocol

JUDGED = "judged"
JUDGED_FOR = timedelta(days=1)
LOG_LIMIT = "log_limit"
# How long a kind counts after it was written; the others have no such limit.
FORGOTTEN_AFTER = {JUDGED: JUDGED_FOR, LOG_LIMIT: timedelta(days=1)}


class ChainMemory(Protocol):
    """Text by kind and key; `new` is what this run remembered. Losing it costs requests, never an alert."""

    new: dict[tuple[str, str], str]

    def recall(self, kind: str, key: str) -> str | None:
        """Return what was remembered, or None."""
        ...

    def remember(self, kind: str, key: str, value: str) -> None:
        """Keep a text, in place of an earlier one."""
        ...


class RunMemory:
    """Remembers for as long as the process lives."""

    def __init__(self) -> None:
        self._texts: dict[tuple[str, str], str] = {}
        self.new: dict[tuple[str, str], str] = {}  # what is worth keeping for later runs

    def recall(self, kind: str, key: str) -> str | None:
        return self._texts.get((kind, key))

    def remember(self, kind: str, key: str, value: str) -> None:
        self._texts[kind, key] = self.new[kind, key] = value


def judged_block(memory: ChainMemory, chain: int) -> int | None:
    """Return the last block of a chain that anything was judged at."""
    kept = memory.recall(JUDGED, str(chain))
    return int(kept) if kept and kept.isdecimal() else None
