"""How a part speaks of a transition: where its alerts go, and a title with blocks.

Every part carries a `AlertRoute` and makes a `AlertText`; `plain_message` is what stands in for one that cannot.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from monitoring.alerts.message.text import kv, line, table
from monitoring.checks.expression.values import Value
from monitoring.conditions.outcome import Kind, Transition

_DIGITS = 6
_ROWS = 20
_HEADS: Mapping[Kind, str] = {
    Kind.RECOVERED: "Recovered: ",
    Kind.EASED: "Eased: ",
    Kind.REMINDER: "Still: ",
    Kind.WORSENED: "Worse: ",
}


@dataclass(frozen=True, slots=True)
class AlertRoute:
    """Whose alerts these are (`protocol`) and, where that does not say it, which channel they go to."""

    protocol: str
    channel: str = ""


@dataclass(frozen=True, slots=True)
class AlertText:
    """What an alert says: a title of one line, and blocks of `monitoring.alerts.message.text`."""

    title: str
    blocks: tuple[object, ...] = ()


def plain_message(about: str, transition: Transition) -> AlertText:
    """Say what is known of any transition in plain words: its facts, then its entries."""
    blocks: list[object] = []
    if transition.facts:
        blocks.append(kv({name: in_words(value) for name, value in transition.facts.items()}))
    if transition.entries:
        rows = [(entry.kind, in_words(entry.id)) for entry in transition.entries[:_ROWS]]
        blocks.append(table(("what", "which"), rows))
    if transition.detail:
        blocks.append(line(transition.detail))
    return AlertText(_HEADS.get(transition.kind, "") + about, tuple(blocks))


def in_words(value: Value) -> str:
    """Return a value for people: exact where short, rounded where not."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Fraction):
        return f"{float(value):.{_DIGITS}g}"
    if isinstance(value, bytes):
        return f"0x{value.hex()}"
    if isinstance(value, tuple):
        return ", ".join(in_words(one) for one in value)
    return f"{value:,}" if isinstance(value, int) else value
