"""Calls of a message, read and written out: sentences, flags, upgrades, then the calls, where they have arguments.

Loaded by the first alert about a transaction. What cannot be read stays hex or unknown; nothing here holds an alert up.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from monitoring.alerts.message.facts import FactKind
from monitoring.alerts.message.text import Block, bold, code, line
from monitoring.base.plural import counted
from monitoring.chains.abi.addresses import checksum, is_address
from monitoring.chains.abi.values import Unknown
from monitoring.chains.decode.calldata import DecodedCall, Transaction
from monitoring.chains.decode.flags import SEVERITIES, Flag, FlagKind
from monitoring.chains.decode.inspect_tx import Examined, examine
from monitoring.chains.decode.strangers import foreign_names
from monitoring.chains.decode.upgrades import NewCode, read_new_code
from monitoring.chains.networks import Network, network
from monitoring.chains.rpc.block_pinning import pin_at
from monitoring.chains.rpc.views import ChainView
from monitoring.chains.sentences.catalogue import Catalogue
from monitoring.checks.builtin.shared.call_facts import call_facts
from monitoring.checks.builtin.shared.sentence_text import LEGEND, Spelled
from monitoring.checks.builtin.shared.transactions import MAX_FLAGS, Room, cut
from monitoring.checks.builtin.shared.upgrade_text import new_code_line, upgrade_line
from monitoring.checks.engine.point import EvaluationPoint


def written_out(
    calls: Sequence[Transaction], at: EvaluationPoint, room: Room, executed_in: int | None = None
) -> list[Block]:
    """Read calls of one chain and write them out."""
    known = network(calls[0].chain_id)
    before = None if executed_in is None else _view_before(executed_in, known, at)
    found = examine(calls, at.decoder, at.chains.view(known), at.labels, at.catalogue, before)
    tops = [one for one in at.noted if one.kind in (FactKind.CALL, FactKind.UNKNOWN) and "." not in one.data["place"]]
    at.noted.extend(call_facts(found, at.catalogue, len(tops) + 1))
    hints = _hints(found, known, at)
    is_listed = not all(_is_all_said(call, at.catalogue) for call in found.decoded)
    whole = () if is_listed else [checksum(call.tx.to) for call in found.decoded if is_address(call.tx.to)]
    spelled = Spelled(at.labels, known, hints.names, frozenset(whole))
    said, left_out = _sentences(found, spelled, room)
    upgrades = [upgrade_line(one, at.labels, known) for one in found.upgrades[:MAX_FLAGS]]
    code_lines = [new_code_line(one) for one in hints.new_code]
    room.units -= sum(len(one.upgrade.proxy) * 6 for one in hints.new_code)  # about as long as its line is
    listed = [code("\n".join(room.take(found.lines)))] if is_listed or left_out else []
    flag_lines = _flag_lines([one for one in found.flags if left_out or not _is_repeated(one, at.catalogue)], room)
    return [*said, *flag_lines, *upgrades, *code_lines, *listed]


def _view_before(block: int, known: Network, at: EvaluationPoint) -> ChainView | Unknown:
    """Return the chain as an execution in a block met it."""
    view = at.spare.chains.view(known)
    pinned = view if isinstance(view, Unknown) else pin_at(view.pool, block - 1)
    if isinstance(view, Unknown) or isinstance(pinned, Unknown):
        return Unknown("the block before it could not be read")
    return ChainView(view.pool, pinned, at.memory)


def _is_all_said(call: DecodedCall, catalogue: Catalogue) -> bool:
    """Return whether the list of calls would only repeat the sentence, which is in our own words."""
    pattern = catalogue.pattern(call)
    is_bare = not call.tx.data if call.declaration is None else not call.arguments and not call.inner
    return is_bare and call.tx.operation == 0 and (pattern is None or not pattern.source)


def _is_repeated(flag: Flag, catalogue: Catalogue) -> bool:
    """Return whether a finding only names again what a sentence in our own words says."""
    pattern = catalogue.pattern(flag.call)
    is_low = SEVERITIES.index(flag.severity) <= SEVERITIES.index("LOW")
    return is_low and flag.kind is not FlagKind.UNDECODED and pattern is not None and not pattern.source


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


def _sentences(found: Examined, spelled: Spelled, room: Room) -> tuple[list[Block], int]:
    """Take as many sentences as there is room for; return also how many others there are, listed with the calls.

    Where not all fit, the outermost call and those with the worst flags come first; they stay in the order of calls.
    """
    worst = {id(flag.call): SEVERITIES.index(flag.severity) for flag in reversed(found.flags)}
    rank = sorted(enumerate(found.sentences), key=lambda row: (row[0] > 0, -worst.get(id(row[1].call), 0), row[0]))
    written = dict[int, Block]()
    for place, one in rank:
        sentence = spelled.sentence(one)
        units = len(sentence.text) + 1
        if room.sentences > 0 and room.said >= units:
            written[place] = sentence.block
            room.sentences, room.said, room.units = room.sentences - 1, room.said - units, room.units - units
    left_out = len(found.sentences) - len(written)
    more = [f"… and {counted(left_out, 'more call')}, in the list below"] * bool(left_out)
    labels, chain = spelled.labels, spelled.known.id
    has_unknown = any(found.sentences[place].unknown_parties(labels, chain) for place in written)
    notes = [*more, *([f"({LEGEND})"] if has_unknown else [])]
    room.units -= sum(len(note) + 1 for note in notes)
    return [*(written[place] for place in sorted(written)), *map(line, notes)], left_out


def _flag_lines(found: Sequence[Flag], room: Room) -> Iterator[Block]:
    """Say what must be looked at, the worst first; the room is the whole message's."""
    shown = found[: min(MAX_FLAGS, room.flags)]
    room.flags -= len(shown)
    for flag in shown:
        yield line(bold(flag.severity), f" {cut(flag.text)}")
    if len(found) > len(shown):
        yield line(f"… and {len(found) - len(shown)} more of this kind")
