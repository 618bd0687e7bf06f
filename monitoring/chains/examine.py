"""Everything worth saying of one transaction, in one call: tree, flags, lines, and what its upgrades replace.

Called by the monitors of Safes, timelocks and proposals. Whatever cannot be had is left out or `Unknown`; the alert
goes out all the same.
"""

from __future__ import annotations

from dataclasses import dataclass

from monitoring.chains.calldata import DecodedCall, Decoder, Transaction
from monitoring.chains.flags import Flag, flags
from monitoring.chains.labels import Labels
from monitoring.chains.networks import networks
from monitoring.chains.outline import Line, Names, outline, token_addresses
from monitoring.chains.proxies import Upgrade, read_upgrades
from monitoring.chains.reads import ChainView
from monitoring.chains.tokens import Token, native_token
from monitoring.chains.values import Unknown


@dataclass(frozen=True, slots=True)
class Examined:
    """A transaction as an alert shows it. `names` spells further addresses the same way."""

    decoded: DecodedCall
    flags: tuple[Flag, ...]
    lines: tuple[Line, ...]
    upgrades: tuple[Upgrade, ...]
    names: Names


def examine(tx: Transaction, decoder: Decoder, view: ChainView | Unknown, labels: Labels | None = None) -> Examined:
    """Decode, judge by rules and write out a transaction; an unknown view costs amounts and upgrades, nothing else."""
    decoded = decoder.decode(tx)
    tokens: dict[tuple[int, str], Token | Unknown] = {}
    upgrades: tuple[Upgrade, ...] = ()
    if isinstance(view, ChainView):
        read = view.tokens(token_addresses(decoded))
        tokens = {(tx.chain_id, address): token for address, token in read.items()}
        upgrades = read_upgrades(view, decoded)
    known = networks().get(tx.chain_id)
    names = Names(labels or Labels(), tokens, {tx.chain_id: native_token(known)} if known else {})
    return Examined(decoded, flags(decoded), outline(decoded, names), upgrades, names)
