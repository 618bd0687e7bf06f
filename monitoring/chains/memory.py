"""What is worth remembering between runs, as a seam: this package says what, somebody else keeps it.

Kinds in use: `token` (for ever), `signature` (for ever, misses for days), `contract` (an explorer's answer).
"""

from __future__ import annotations

from typing import Protocol


class ChainMemory(Protocol):
    """Text by kind and key. Losing it costs requests, never an alert."""

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

    def recall(self, kind: str, key: str) -> str | None:
        return self._texts.get((kind, key))

    def remember(self, kind: str, key: str, value: str) -> None:
        self._texts[kind, key] = value
