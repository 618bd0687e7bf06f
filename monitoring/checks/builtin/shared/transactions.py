"""Calls somebody asked for, as blocks of an alert: what must be looked at first, then what is called, within a bound.

Shared by the messages of timelocks and Safes. What cannot be decoded stays hex; nothing here holds an alert up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from monitoring.alerts.message.text import Block
from monitoring.base.formatting import format_duration
from monitoring.chains.decode.calldata import Transaction
from monitoring.checks.engine.point import EvaluationPoint

if TYPE_CHECKING:
    from monitoring.chains.decode.format_tx import TxLine

MAX_LINE = 160
MAX_FLAGS = 6


@dataclass(slots=True)
class Room:
    """How much of a message is left for calls: Telegram takes 4096 units, and a reader some forty lines."""

    lines: int = 40
    units: int = 1700
    flags: int = 12
    sentences: int = 12
    said: int = 1100  # of the units, for sentences

    def take(self, found: Sequence[TxLine]) -> list[str]:
        """Take as many lines as there is room for, and say how many are left out."""
        taken: list[str] = []
        for one in found:
            text = cut(str(one))
            if self.lines <= 0 or self.units < len(text):
                break
            taken.append(text)
            self.lines -= 1
            self.units -= len(text) + 1
        left_out = len(found) - len(taken)
        return [*taken, f"… {left_out} more lines"] if left_out else taken


def call_blocks(
    calls: Sequence[Transaction], at: EvaluationPoint, room: Room, executed_in: int | None = None
) -> list[Block]:
    """Decode calls of one chain and write them out: a sentence for each, flags, upgrades, then the calls themselves.

    `executed_in` is the block in which they were executed: what they changed is read before it, not now.
    """
    if not calls:
        return []
    # Alerts about transactions are few: what they need is loaded by the first one.
    from monitoring.checks.builtin.shared.call_text import written_out  # noqa: PLC0415

    return written_out(calls, at, room, executed_in)


def cut(text: str) -> str:
    """Cut a line that has no end."""
    return text if len(text) <= MAX_LINE else text[: MAX_LINE - 1] + "…"


def when(at: datetime, now: datetime) -> str:
    """Write an instant with its distance from this message: `2026-05-03 12:00 UTC (2 d after this alert)`."""
    span = format_duration(abs(at - now))
    away = "at once" if abs(at - now).total_seconds() < 1 else f"{span} {'after' if at > now else 'before'} this alert"
    return f"{at:%Y-%m-%d %H:%M} UTC ({away})"
