"""Puts answers on a local chain: at each contract a program that answers exactly the calls it was given answers for.

So the shipped monitors run unchanged against a chain, at their real addresses. Used by tests, benchmark and demo.
"""

from __future__ import annotations

from collections.abc import Mapping

from eth_abi.abi import encode
from eth_hash.auto import keccak

from monitoring.chains.networks import network
from monitoring.chains.rpc.multicall import call as encode_call
from monitoring.checks.expression.evaluate import ViewRead
from monitoring.checks.expression.values import Value
from monitoring.checks.expression.views import parse_view
from tests.support.anvil import Anvil
from tests.support.own_contracts import runtime_code

_WORD = 32


def put_multicall(node: Anvil) -> None:
    """Put Multicall3's interface where every chain has it."""
    node.set_code(network(1).multicall3, runtime_code("Aggregate3"))


def put_answers(node: Anvil, answers: Mapping[ViewRead, Value]) -> None:
    """Store the answers of one chain's calls; what is already there stays."""
    for target in {call.target for call in answers}:
        node.set_code(target, runtime_code("Answers"))
    for call, value in answers.items():
        put_answer(node, call, value)


def put_answer(node: Anvil, call: ViewRead, value: Value) -> None:
    """Store the answer to one call; its target must have the program."""
    data = encode_call(call.target, call.signature, *call.arguments).data
    types = [str(one) for one in parse_view(call.signature).outputs]
    words = encode(types, value if len(types) > 1 else [value])  # type: ignore[arg-type]  # a tuple of outputs
    slot = int.from_bytes(keccak(data))
    node.set_storage(call.target, slot, len(words))
    for index in range(0, len(words), _WORD):
        slot = (slot + 1) % 2**256
        node.set_storage(call.target, slot, int.from_bytes(words[index : index + _WORD]))


def forget_answer(node: Anvil, call: ViewRead) -> None:
    """Make a call revert from now on."""
    data = encode_call(call.target, call.signature, *call.arguments).data
    node.set_storage(call.target, int.from_bytes(keccak(data)), 0)
