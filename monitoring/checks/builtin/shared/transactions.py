"""Calls somebody asked for, as blocks of an alert: what must be looked at first, then what is called, within a bound.

Shared by the messages of timelocks and Safes. What cannot be decoded stays hex; nothing here holds an alert up.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from monitoring.alerts.message.facts import FactKind
from monitoring.alerts.message.text import Block, addr, bold, code, line, link
from monitoring.base.formatting import format_duration
from monitoring.base.plural import counted
from monitoring.chains.abi.addresses import ZERO
from monitoring.chains.abi.values import Unknown
from monitoring.chains.decode.calldata import Transaction
from monitoring.chains.decode.format_tx import TxLine
from monitoring.chains.decode.inspect_tx import Examined, examine
from monitoring.chains.decode.labels import Labels
from monitoring.chains.decode.proxies import Upgrade
from monitoring.chains.networks import Network, network
from monitoring.checks.builtin.shared.call_facts import call_facts
from monitoring.checks.builtin.shared.sentence_text import UNKNOWN, sentence_line
from monitoring.checks.engine.point import EvaluationPoint

MAX_LINE = 160
MAX_FLAGS = 6


@dataclass(slots=True)
class Room:
    """How much of a message is left for calls: Telegram takes 4096 units, and a reader some forty lines."""

    lines: int = 40
    units: int = 1900
    flags: int = 12
    sentences: int = 12
    said: int = 900  # of the units, for sentences

    def take(self, found: Sequence[TxLine]) -> list[str]:
        """Take as many lines as there is room for, and say how many are left out."""
        taken: list[str] = []
        for one in found:
            text = _cut(str(one))
            if self.lines <= 0 or self.units < len(text):
                break
            taken.append(text)
            self.lines -= 1
            self.units -= len(text) + 1
        left_out = len(found) - len(taken)
        return [*taken, f"… {left_out} more lines"] if left_out else taken


def call_blocks(calls: Sequence[Transaction], at: EvaluationPoint, room: Room) -> list[Block]:
    """Decode calls of one chain and write them out: a sentence for each, flags, upgrades, then the calls themselves."""
    if not calls:
        return []
    known = network(calls[0].chain_id)
    found = examine(calls, at.decoder, at.chains.view(known), at.labels, at.catalogue)
    tops = [one for one in at.noted if one.kind in (FactKind.CALL, FactKind.UNKNOWN) and "." not in one.data["place"]]
    at.noted.extend(call_facts(found, at.catalogue, len(tops) + 1))
    said = _sentences(found, at.labels, known, room)
    upgrades = (_upgrade(one, found, known) for one in found.upgrades[:MAX_FLAGS])
    return [*said, *flag_lines(found, room), *upgrades, code("\n".join(room.take(found.lines)))]


def _sentences(found: Examined, labels: Labels, known: Network, room: Room) -> list[Block]:
    """Take as many sentences as there is room for; the others are counted, and listed with the calls."""
    said: list[Block] = []
    for one in found.sentences:
        units = len(str(one)) + 1 + one.strangers(labels, known.id) * len(UNKNOWN)
        if room.sentences <= 0 or room.said < units:
            left_out = len(found.sentences) - len(said)
            room.units -= 40  # as long as this line is
            return [*said, line(f"… and {counted(left_out, 'more call')}, in the list below")]
        said.append(sentence_line(one, labels, known))
        room.sentences, room.said, room.units = room.sentences - 1, room.said - units, room.units - units
    return said


def flag_lines(found: Examined, room: Room) -> Iterator[Block]:
    """Say what must be looked at, the worst first; the room is the whole message's."""
    shown = found.flags[: min(MAX_FLAGS, room.flags)]
    room.flags -= len(shown)
    for flag in shown:
        yield line(bold(flag.severity), f" {_cut(flag.text)}")
    if len(found.flags) > len(shown):
        yield line(f"… and {len(found.flags) - len(shown)} more of this kind")


def _upgrade(one: Upgrade, found: Examined, known: Network) -> Block:
    """Say which code a proxy uses now and which it would use."""
    names = found.names.labels
    proxy = addr(one.proxy, names.name(known.id, one.proxy), known)
    old: object = "unknown" if isinstance(one.old, Unknown) or one.old == ZERO else addr(one.old, chain=known)
    compare = (" (", link("compare", one.diff_link), ")") if one.diff_link else ()
    return line("Proxy ", proxy, ": ", old, " → ", addr(one.new, chain=known), *compare)


def _cut(text: str) -> str:
    return text if len(text) <= MAX_LINE else text[: MAX_LINE - 1] + "…"


def when(at: datetime, now: datetime) -> str:
    """Write an instant with its distance from this message: `2026-05-03 12:00 UTC (2 d after this alert)`."""
    span = format_duration(abs(at - now))
    away = "at once" if abs(at - now).total_seconds() < 1 else f"{span} {'after' if at > now else 'before'} this alert"
    return f"{at:%Y-%m-%d %H:%M} UTC ({away})"
