"""Everything worth saying of a few transactions, in one call: tree, flags, lines, and what its upgrades replace.

Called by the monitors of Safes, timelocks and proposals. Whatever cannot be had is left out or `Unknown`; the alert
goes out all the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from monitoring.chains.abi.values import Unknown
from monitoring.chains.decode.calldata import DecodedCall, Decoder, Transaction
from monitoring.chains.decode.flags import Flag, flags, worst_first
from monitoring.chains.decode.format_tx import Names, TxLine, outline, token_addresses
from monitoring.chains.decode.labels import Labels
from monitoring.chains.decode.proxies import Upgrade, read_upgrades
from monitoring.chains.decode.setters import ValueBefore, states_before
from monitoring.chains.networks import networks
from monitoring.chains.rpc.tokens import native_token
from monitoring.chains.rpc.views import ChainView
from monitoring.chains.sentences.catalogue import Catalogue
from monitoring.chains.sentences.describe import Sentence, sentences, tokens_of, views_of
from monitoring.chains.sentences.fill import Known


@dataclass(frozen=True, slots=True)
class Examined:
    """Transactions as an alert shows them. `names` spells further addresses the same way."""

    decoded: tuple[DecodedCall, ...]
    flags: tuple[Flag, ...]
    lines: tuple[TxLine, ...]
    upgrades: tuple[Upgrade, ...]
    names: Names
    sentences: tuple[Sentence, ...] = ()


def examine(
    txs: Sequence[Transaction],
    decoder: Decoder,
    view: ChainView | Unknown,
    labels: Labels | None = None,
    catalogue: Catalogue | None = None,
    before: ChainView | Unknown | None = None,
) -> Examined:
    """Decode, judge by rules and write out transactions of one chain; the worst flags of all come first.

    An unknown view costs amounts and what upgrades replace, nothing else. `before` is the chain as calls that were
    executed met it; where that is unknown, nothing is said of what they changed.
    """
    decoded = tuple(decoder.decode(tx) for tx in txs)
    chain_id = txs[0].chain_id if txs else 0
    words, network = catalogue or Catalogue(), networks().get(chain_id)
    native = {chain_id: native_token(network)} if network else {}
    known = Known(Names(labels or Labels(), {}, native), is_done=before is not None)
    met = view if before is None else before
    upgrades: list[Upgrade] = []
    states: list[tuple[ValueBefore, ...]] = []
    if isinstance(met, ChainView):
        states = states_before(met, [inside for one in decoded for inside in one.walk()])
    if isinstance(view, ChainView):
        known = _read(decoded, words, known, view)
        old = met if isinstance(met, ChainView) else view
        upgrades = [upgrade for one in decoded for upgrade in read_upgrades(old, one)]
    found = worst_first(flag for one in decoded for flag in flags(one))
    lines = tuple(line for one in decoded for line in outline(one, known.names))
    return Examined(decoded, found, lines, tuple(upgrades), known.names, sentences(decoded, words, known, states))


def _read(decoded: Sequence[DecodedCall], words: Catalogue, known: Known, view: ChainView) -> Known:
    """Read what words need: the views that name tokens in one request, then what is not remembered of the tokens."""
    views = view.read(asked) if (asked := views_of(decoded, words)) else {}
    known = replace(known, views=views)
    wanted = [address for one in decoded for address in token_addresses(one)] + tokens_of(decoded, words, known)
    tokens = view.tokens(dict.fromkeys(wanted))
    found = {(view.network.id, address): token for address, token in tokens.items()}
    return replace(known, names=replace(known.names, tokens=found))
