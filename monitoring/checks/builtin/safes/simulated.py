"""What a queued transaction of a Safe would do, simulated when its alert is written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, cast

from monitoring.alerts.message.text import Block
from monitoring.chains.abi.addresses import checksum
from monitoring.chains.decode.calldata import Transaction
from monitoring.chains.networks import network
from monitoring.chains.rpc.views import ChainView
from monitoring.chains.safes.hashing import GasTerms, SafeIdentity
from monitoring.chains.safes.simulation import Planned, simulate
from monitoring.checks.builtin.safes.hash_text import gas_of
from monitoring.checks.builtin.shared.data_rows import RowContract
from monitoring.checks.builtin.shared.setters import called, settings_of
from monitoring.checks.builtin.shared.simulation_text import report
from monitoring.checks.engine.point import EvaluationPoint
from monitoring.conditions.outcome import Entry


def simulation_blocks(entry: Entry, call: Transaction, place: RowContract, at: EvaluationPoint) -> list[Block]:
    """Simulate a transaction on the block of this run and say what came of it."""
    one, view = _planned(entry, call, place), at.spare.chains.view(network(place.chain))
    if one is None or not isinstance(view, ChainView):
        return []
    decoded = [at.decoder.decode(call)]
    one = replace(one, contracts=called(decoded), settings=settings_of(decoded))
    return report(simulate(one, view), place.address, view, at)


def _planned(entry: Entry, call: Transaction, place: RowContract) -> Planned | None:
    facts = entry.facts
    version, owners = facts.get("version"), facts.get("owners")
    numbers = [facts.get(name) for name in ("nonce", "safe_nonce", "required")]
    nonce, safe_nonce, threshold = (one if isinstance(one, int) else -1 for one in numbers)
    if not isinstance(version, str) or not isinstance(owners, tuple) or min(nonce, safe_nonce, threshold) < 0:
        return None
    identity = SafeIdentity(checksum(place.address), place.chain, version)
    signers = tuple(checksum(str(one)) for one in owners)
    planned = Planned(identity, call, nonce, gas_of(entry), safe_nonce, signers, threshold)
    return replace(planned, earlier=tuple(_earlier(entry, planned)))


def _earlier(entry: Entry, one: Planned) -> Iterator[Planned]:
    """Yield the transactions that will be executed before it, where there is one at each nonce."""
    rows = entry.facts.get("earlier")
    for row in rows if isinstance(rows, tuple) else ():
        nonce, to, value, data, operation, gas = cast("tuple[Any, ...]", row)
        made = Transaction(one.safe.chain_id, to, data, value, operation)
        yield replace(one, call=made, nonce=nonce, gas=GasTerms(*gas))
