"""Calls somebody asked for, as blocks of an alert: what must be looked at first, then what is called, within a bound.

Shared by the messages of timelocks and Safes. What cannot be decoded stays hex; nothing here holds an alert up.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from monitoring.alerts.message.facts import FactKind
from monitoring.alerts.message.text import Block, bold, code, line
from monitoring.base.formatting import format_duration
from monitoring.base.plural import counted
from monitoring.chains.abi.values import Unknown
from monitoring.chains.decode.calldata import Transaction
from monitoring.chains.decode.format_tx import TxLine
from monitoring.chains.decode.inspect_tx import Examined, examine
from monitoring.chains.decode.labels import Labels
from monitoring.chains.decode.strangers import foreign_names
from monitoring.chains.decode.upgrades import NewCode, read_new_code
from monitoring.chains.networks import Network, network
from monitoring.chains.rpc.views import ChainView
from monitoring.checks.builtin.shared.call_facts import call_facts
from monitoring.checks.builtin.shared.sentence_text import UNKNOWN, sentence_line
from monitoring.checks.builtin.shared.upgrade_text import new_code_line, upgrade_line
from monitoring.checks.engine.point import EvaluationPoint

MAX_LINE = 160
MAX_FLAGS = 6


@dataclass(slots=True)
class Room:
    """How much of a message is left for calls: Telegram takes 4096 units, and a reader some forty lines."""

    lines: int = 40
    units: int = 1700
    flags: int = 12
    sentences: int = 12
    said: int = 800  # of the units, for sentences

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


def call_blocks(
    calls: Sequence[Transaction], at: EvaluationPoint, room: Room, before: ChainView | None = None
) -> list[Block]:
    """Decode calls of one chain and write them out: a sentence for each, flags, upgrades, then the calls themselves.

    `before` is the chain that they meet, where that is not the one of now: what was executed is not there twice.
    """
    if not calls:
        return []
    known = network(calls[0].chain_id)
    found = examine(calls, at.decoder, before or at.chains.view(known), at.labels, at.catalogue)
    tops = [one for one in at.noted if one.kind in (FactKind.CALL, FactKind.UNKNOWN) and "." not in one.data["place"]]
    at.noted.extend(call_facts(found, at.catalogue, len(tops) + 1))
    hints = _hints(found, known, at)
    said = _sentences(found, hints.names, at.labels, known, room)
    upgrades = [upgrade_line(one, at.labels, known) for one in found.upgrades[:MAX_FLAGS]]
    code_lines = [new_code_line(one) for one in hints.new_code]
    room.units -= sum(len(one.upgrade.proxy) * 6 for one in hints.new_code)  # about as long as its line is
    return [*said, *flag_lines(found, room), *upgrades, *code_lines, code("\n".join(room.take(found.lines)))]


@dataclass(frozen=True, slots=True)
class Hints:
    """What an alert can go without: names that others give, by address, and what is known of new code."""

    names: Mapping[str, str] = field(default_factory=dict)
    new_code: Sequence[NewCode] = ()


def _hints(found: Examined, known: Network, at: EvaluationPoint) -> Hints:
    """Look them up with the spare budget, and only where there is something to look up."""
    unknown = [address for one in found.sentences for address in one.unknown_parties(at.labels, known.id)]
    if not unknown and not found.upgrades:
        return Hints()
    view = at.spare.chains.view(known)
    if isinstance(view, Unknown):
        return Hints()
    explorer = at.spare.explorer
    new_code = read_new_code(view, found.upgrades, explorer) if found.upgrades else ()
    return Hints(foreign_names(view, list(dict.fromkeys(unknown)), explorer), new_code)


def _sentences(found: Examined, names: Mapping[str, str], labels: Labels, known: Network, room: Room) -> list[Block]:
    """Take as many sentences as there is room for; the others are counted, and listed with the calls."""
    said: list[Block] = []
    for one in found.sentences:
        hints = "".join(names.get(address, "") for address in one.unknown_parties(labels, known.id))
        units = len(str(one)) + 1 + one.strangers(labels, known.id) * len(UNKNOWN) + len(hints)
        if room.sentences <= 0 or room.said < units:
            left_out = len(found.sentences) - len(said)
            room.units -= 40  # as long as this line is
            return [*said, line(f"… and {counted(left_out, 'more call')}, in the list below")]
        said.append(sentence_line(one, labels, known, names))
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


def _cut(text: str) -> str:
    return text if len(text) <= MAX_LINE else text[: MAX_LINE - 1] + "…"


def when(at: datetime, now: datetime) -> str:
    """Write an instant with its distance from this message: `2026-05-03 12:00 UTC (2 d after this alert)`."""
    span = format_duration(abs(at - now))
    away = "at once" if abs(at - now).total_seconds() < 1 else f"{span} {'after' if at > now else 'before'} this alert"
    return f"{at:%Y-%m-%d %H:%M} UTC ({away})"
