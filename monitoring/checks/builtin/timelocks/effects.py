"""What an execution changed, as the chain has it: views one block before and after it, and what its events say.

Read when the alert is written, within the small budget of what an alert can go without. A view that is not there says
nothing; what no view and no event says was not looked at.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from monitoring.alerts.message.text import Block, bold, line
from monitoring.chains.abi.addresses import ZERO, SignatureError, checksum
from monitoring.chains.abi.values import AbiValue, Unknown
from monitoring.chains.decode.calldata import Transaction
from monitoring.chains.networks import network
from monitoring.chains.rpc.block_pinning import pin_at
from monitoring.chains.rpc.errors import RpcError
from monitoring.chains.rpc.multicall import Call, call
from monitoring.chains.rpc.views import ChainView
from monitoring.chains.simulation.facts import Setting, Simulation, TokenMove, looked_at
from monitoring.checks.builtin.shared.data_rows import RowContract
from monitoring.checks.builtin.shared.setters import called, settings_of
from monitoring.checks.builtin.shared.simulation_text import report_executed
from monitoring.checks.engine.point import EvaluationPoint

_OWN = ("getMinDelay()(uint256)", "delay()(uint256)")
_OF_ANY = ("owner()(address)", "paused()(bool)", "implementation()(address)")
_MOST_CONTRACTS = 10


def executed_blocks(
    transaction: str, block: int, calls: Sequence[Transaction], place: RowContract, at: EvaluationPoint
) -> list[Block]:
    """Compare the chain before and after the block of an execution, and say what its own events say."""
    view = at.spare.chains.view(network(place.chain))
    if isinstance(view, Unknown) or not calls:
        return []
    logs = _logs(transaction, view)
    before, after = (_at(number, view, at) for number in (block - 1, block))
    if logs is None or before is None or after is None:
        return [line(bold("What it changed"), " was not looked at: the provider does not have its block.")]
    own, settings = checksum(place.address), _settings(calls, place, at)
    moves, grants = looked_at(logs)
    moves += tuple(TokenMove(ZERO, own, checksum(one.to), one.value) for one in calls if one.value)  # no log says these
    tokens = [one.token for one in moves if own in (one.sender, one.receiver) and one.token != ZERO and not one.is_one]
    asked: dict[tuple[str, str], Call] = {
        ("balance", one): call(one, "balanceOf(address)(uint256)", own) for one in dict.fromkeys(tokens)
    }
    asked |= settings
    pairs = _twice(asked, before, after)
    found = Simulation(
        True, moves=moves, grants=grants, changes={},
        balances={key[1]: pair for key, pair in pairs.items() if key[0] == "balance"} | _native(own, before, after),
        settings=tuple(
            Setting(key[0], key[1].partition("(")[0], *pair)
            for key, pair in pairs.items()
            if key[0] != "balance" and pair[0] != pair[1]
        ),
        same=_same(pairs),
    )  # fmt: skip
    return report_executed(found, own, view, at, block)


def _settings(calls: Sequence[Transaction], place: RowContract, at: EvaluationPoint) -> dict[tuple[str, str], Call]:
    decoded = [at.decoder.decode(one) for one in calls]
    contracts = dict.fromkeys(map(checksum, called(decoded)[:_MOST_CONTRACTS]))
    views = [*settings_of(decoded), *((place.address, one) for one in _OWN)]
    views += [(contract, one) for contract in contracts for one in _OF_ANY]
    found: dict[tuple[str, str], Call] = {}
    for contract, signature in views:
        try:
            found[checksum(contract), signature] = call(contract, signature)
        except SignatureError:
            continue
    return found


def _twice(
    asked: Mapping[tuple[str, str], Call], before: ChainView, after: ChainView
) -> dict[tuple[str, str], tuple[AbiValue, AbiValue]]:
    """Return what both blocks answer; a view that one of them lacks says nothing."""
    first, second = before.read(asked), after.read(asked)
    found: dict[tuple[str, str], tuple[AbiValue, AbiValue]] = {}
    for key in asked:
        old, new = first[key], second[key]
        if not isinstance(old, Unknown) and not isinstance(new, Unknown):
            found[key] = (old, new)
    return found


def _same(pairs: Mapping[tuple[str, str], tuple[AbiValue, AbiValue]]) -> tuple[str, ...]:
    names = [key[1].partition("(")[0] for key, (old, new) in pairs.items() if key[0] != "balance" and old == new]
    return tuple(dict.fromkeys(names))


def _native(own: str, before: ChainView, after: ChainView) -> dict[str, tuple[AbiValue, AbiValue]]:
    old, new = before.balances([own])[own], after.balances([own])[own]
    if isinstance(old, Unknown) or isinstance(new, Unknown):
        return {}
    return {ZERO: (old, new)}


def _at(number: int, view: ChainView, at: EvaluationPoint) -> ChainView | None:
    block = pin_at(view.pool, number)
    return None if isinstance(block, Unknown) else ChainView(view.pool, block, at.memory)


def _logs(transaction: str, view: ChainView) -> Sequence[Mapping[str, Any]] | None:
    try:
        receipt = view.pool.call("eth_getTransactionReceipt", transaction, at_least=view.block.number)
    except RpcError:
        return None
    logs = receipt.get("logs") if isinstance(receipt, dict) else None
    return [one for one in logs if isinstance(one, dict)] if isinstance(logs, list) else None
