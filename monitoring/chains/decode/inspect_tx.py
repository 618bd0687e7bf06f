"""Everything worth saying of a few transactions, in one call: tree, flags, lines, and what its upgrades replace.

Called by the monitors of Safes, timelocks and proposals. Whatever cannot be had is left out or `Unknown`; the alert
goes out all the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from monitoring.chains.abi.values import Unknown
from monitoring.chains.decode.calldata import DecodedCall, Decoder, Transaction
from monitoring.chains.decode.flags import Flag, flags, worst_first
from monitoring.chains.decode.format_tx import Names, TxLine, outline, token_addresses
from monitoring.chains.decode.labels import Labels
from monitoring.chains.decode.proxies import Upgrade, read_upgrades
from monitoring.chains.networks import networks
from monitoring.chains.rpc.tokens import Token, native_token
from monitoring.chains.rpc.views import ChainView


@dataclass(frozen=True, slots=True)
class Examined:
    """Transactions as an alert shows them. `names` spells further addresses the same way."""

    decoded: tuple[DecodedCall, ...]
    flags: tuple[Flag, ...]
    lines: tuple[TxLine, ...]
    upgrades: tuple[Upgrade, ...]
    names: Names


def examine(
    txs: Sequence[Transaction], decoder: Decoder, view: ChainView | Unknown, labels: Labels | None = None
) -> Examined:
    """Decode, judge by rules and write out transactions of one chain; the worst flags of all come first.

    An unknown view costs amounts and what upgrades replace, nothing else.
    """
    decoded = tuple(decoder.decode(tx) for tx in txs)
    chain_id = txs[0].chain_id if txs else 0
    tokens: dict[tuple[int, str], Token | Unknown] = {}
    upgrades: list[Upgrade] = []
    if isinstance(view, ChainView):
        wanted = dict.fromkeys(address for one in decoded for address in token_addresses(one))
        tokens = {(chain_id, address): token for address, token in view.tokens(wanted).items()}
        upgrades = [upgrade for one in decoded for upgrade in read_upgrades(view, one)]
    known = networks().get(chain_id)
    names = Names(labels or Labels(), tokens, {chain_id: native_token(known)} if known else {})
    found = worst_first(flag for one in decoded for flag in flags(one))
    lines = tuple(line for one in decoded for line in outline(one, names))
    return Examined(decoded, found, lines, tuple(upgrades), names)
