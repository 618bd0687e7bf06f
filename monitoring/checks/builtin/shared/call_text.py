"""Calls of a message, read and written out: sentences, flags, upgrades, then the calls with all arguments.

Loaded by the first alert about a transaction. What cannot be read stays hex or unknown; nothing here holds an alert up.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from monitoring.alerts.message.facts import FactKind
from monitoring.alerts.message.text import Block, bold, code, line
from monitoring.base.plural import counted
from monitoring.chains.abi.values import Unknown
from monitoring.chains.decode.calldata import Transaction
from monitoring.chains.decode.flags import SEVERITIES
from monitoring.chains.decode.inspect_tx import Examined, examine
from monitoring.chains.decode.labels import Labels
from monitoring.chains.decode.strangers import foreign_names
from monitoring.chains.decode.upgrades import NewCode, read_new_code
from monitoring.chains.networks import Network, network
from monitoring.chains.rpc.views import ChainView
from monitoring.checks.builtin.shared.call_facts import call_facts
from monitoring.checks.builtin.shared.sentence_text import LEGEND, Spelled
from monitoring.checks.builtin.shared.transactions import MAX_FLAGS, Room, cut
from monitoring.checks.builtin.shared.upgrade_text import new_code_line, upgrade_line
from monitoring.checks.engine.point import EvaluationPoint


def written_out(
    calls: Sequence[Transaction], at: EvaluationPoint, room: Room, before: ChainView | None = None
) -> list[Block]:
    """Read calls of one chain and write them out."""
    known = network(calls[0].chain_id)
    found = examine(calls, at.decoder, before or at.chains.view(known), at.labels, at.catalogue)
    tops = [one for one in at.noted if one.kind in (FactKind.CALL, FactKind.UNKNOWN) and "." not in one.data["place"]]
    at.noted.extend(call_facts(found, at.catalogue, len(tops) + 1))
    hints = _hints(found, known, at)
    said = _sentences(found, hints.names, at.labels, known, room)
    upgrades = [upgrade_line(one, at.labels, known) for one in found.upgrades[:MAX_FLAGS]]
    code_lines = [new_code_line(one) for one in hints.new_code]
    room.units -= sum(len(one.upgrade.proxy) * 6 for one in hints.new_code)  # about as long as its line is
    return [*said, *_flag_lines(found, room), *upgrades, *code_lines, code("\n".join(room.take(found.lines)))]


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
    """Take as many sentences as there is room for; the others are counted, and listed with the calls.

    Where not all fit, the outermost call and those with the worst flags come first; they stay in the order of calls.
    """
    worst = {id(flag.call): SEVERITIES.index(flag.severity) for flag in reversed(found.flags)}
    rank = sorted(enumerate(found.sentences), key=lambda row: (row[0] > 0, -worst.get(id(row[1].call), 0), row[0]))
    spelled, written = Spelled(labels, known, names), dict[int, Block]()
    for place, one in rank:
        sentence = spelled.sentence(one)
        units = len(sentence.text) + 1
        if room.sentences > 0 and room.said >= units:
            written[place] = sentence.block
            room.sentences, room.said, room.units = room.sentences - 1, room.said - units, room.units - units
    left_out = len(found.sentences) - len(written)
    more = [f"… and {counted(left_out, 'more call')}, in the list below"] * bool(left_out)
    has_unknown = any(found.sentences[place].unknown_parties(labels, known.id) for place in written)
    notes = [*more, *([f"({LEGEND})"] if has_unknown else [])]
    room.units -= sum(len(note) + 1 for note in notes)
    return [*(written[place] for place in sorted(written)), *map(line, notes)]


def _flag_lines(found: Examined, room: Room) -> Iterator[Block]:
    """Say what must be looked at, the worst first; the room is the whole message's."""
    shown = found.flags[: min(MAX_FLAGS, room.flags)]
    room.flags -= len(shown)
    for flag in shown:
        yield line(bold(flag.severity), f" {cut(flag.text)}")
    if len(found.flags) > len(shown):
        yield line(f"… and {len(found.flags) - len(shown)} more of this kind")
