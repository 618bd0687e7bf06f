"""Small words that more than one package writes."""

from __future__ import annotations


def counted(number: int, noun: str) -> str:
    """Return `1 event`, `2 events`, `0 events`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
