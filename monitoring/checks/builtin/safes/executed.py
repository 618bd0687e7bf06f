"""What a Safe executed by its chain: the hash that owners signed, whether it ran, and the call that carried it.

The service's own word that something was executed is data; only these events count.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from monitoring.chains.abi.addresses import checksum, is_address
from monitoring.chains.abi.function import AbiError, decode, parse_function
from monitoring.chains.abi.selectors import events
from monitoring.chains.abi.values import Unknown
from monitoring.chains.decode.calldata import Transaction
from monitoring.chains.rpc.logs import EventLog
from monitoring.chains.rpc.provider import Ask
from monitoring.chains.rpc.views import ChainView
from monitoring.chains.safes.hashing import GasTerms, SafeIdentity, generation, safe_hashes
from monitoring.checks.builtin.safes.verification import SafeState
from monitoring.checks.builtin.shared.contract_logs import Stretch
from monitoring.checks.builtin.shared.per_chain import answer_per_chain
from monitoring.checks.engine.point import EvaluationPoint

_SUCCESS = events("safe")["ExecutionSuccess"].topic
# Before 1.1.0 a failure was called otherwise, and success emitted nothing.
_FAILURES = frozenset({events("safe")[name].topic for name in ("ExecutionFailure", "ExecutionFailed")})
TOPICS = frozenset({_SUCCESS}) | _FAILURES
_SUCCESS_SINCE = (1, 1, 0)
_EXEC = parse_function("execTransaction(address,uint256,bytes,uint8,uint256,uint256,uint256,address,address,bytes)")
_RECENT = 200  # nonces before the Safe's own, among which an execution's is looked for


@dataclass(frozen=True, slots=True)
class Execution:
    """One event: a transaction that owners signed ran, or failed and used up its nonce."""

    safe_tx_hash: str
    ran: bool
    block: int
    block_hash: str
    tx: str
    index: int
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Content:
    """What a transaction does, at its nonce; of calldata longer than can be kept only the beginning.

    `refund`: the Safe pays for gas, or that is not known; then also an empty one can move all that it has.
    """

    nonce: int
    call: Transaction
    size: int
    refund: bool = False

    @property
    def is_whole(self) -> bool:
        return len(self.call.data) == self.size

    def is_rejection(self, safe: str) -> bool:
        """Return whether it does nothing but use up its nonce."""
        one = self.call
        return one.to.lower() == safe and not self.size and not one.value and not one.operation and not self.refund


@dataclass(frozen=True, slots=True)
class CarrierOf:
    """Who sent a transaction of the chain, and with which calldata."""

    chain: int
    tx: str


@dataclass(frozen=True, slots=True)
class Carrier:
    sender: str
    to: str
    data: bytes


def answer_carriers(asked: Sequence[CarrierOf], at: EvaluationPoint) -> dict[CarrierOf, Carrier | Unknown]:
    """Read the transactions of each chain together."""
    return answer_per_chain(asked, at, _read_carriers)


def _read_carriers(asked: Sequence[CarrierOf], view: ChainView) -> Mapping[CarrierOf, Carrier | Unknown]:
    asks = [Ask("eth_getTransactionByHash", (one.tx,)) for one in asked]
    return {
        one: _carrier(found, view.network.slug)
        for one, found in zip(asked, view.pool.batch(asks, at_least=view.block.number), strict=True)
    }


def _carrier(found: object, slug: str) -> Carrier | Unknown:
    row = found if isinstance(found, dict) else {}
    sender, to, data = row.get("from"), row.get("to"), row.get("input")
    if not is_address(sender) or not is_address(to):
        return Unknown("the transaction could not be read", slug)
    try:
        return Carrier(checksum(str(sender)), checksum(str(to)), bytes.fromhex(str(data).removeprefix("0x")))
    except ValueError:
        return Unknown("the transaction's calldata is not hex", slug)


def executions(stretch: Stretch) -> tuple[Execution, ...]:
    """Return what was executed in the blocks that were read, in the chain's order."""
    found = [_execution(log, stretch) for log in stretch.logs if log.topics and log.topics[0] in TOPICS]
    return tuple(one for one in found if one is not None)


def _execution(log: EventLog, stretch: Stretch) -> Execution | None:
    """Read an event; the hash is indexed since 1.4.0, and the first word of the data before."""
    word = log.topics[1] if len(log.topics) > 1 else log.data[:66]
    if len(word) != len("0x") + 64:
        return None
    at = stretch.at(log.block_number)
    ran = log.topics[0] == _SUCCESS
    return Execution(word.lower(), ran, log.block_number, log.block_hash, log.tx_hash, log.index, at)


def emits_success(state: SafeState) -> bool:
    """Return whether the Safe's version emits an event for what ran; one that is not known is taken for a new one."""
    known = generation(state.identity.version) if isinstance(state.identity, SafeIdentity) else None
    return known is None or known >= _SUCCESS_SINCE


def content_of(carrier: Carrier | Unknown, execution: Execution, state: SafeState) -> Content | None:
    """Return what was executed, from the calldata that carried it, if that hashes to what the chain says it ran.

    None where it cannot be known: another contract called the Safe, or the version of the Safe is not known.
    """
    if isinstance(carrier, Unknown) or isinstance(state.identity, Unknown):
        return None
    if carrier.to != checksum(state.identity.address) or carrier.data[:4] != _EXEC.selector:
        return None
    if generation(state.identity.version) is None:
        return None
    try:
        call, gas = _carried(carrier.data, state.identity)
    except AbiError:
        return None
    for nonce in range(state.nonce - 1, max(-1, state.nonce - _RECENT), -1):
        if safe_hashes(state.identity, call, nonce, gas).safe_tx_hash == execution.safe_tx_hash:
            return Content(nonce, call, len(call.data), gas.gas_price > 0)
    return None


def _carried(calldata: bytes, identity: SafeIdentity) -> tuple[Transaction, GasTerms]:
    """Return the call and the gas terms in the calldata of `execTransaction`.

    Raises:
        AbiError: it is none.
    """
    found: Any = decode(_EXEC.inputs, calldata[4:])
    to, value, data, operation, safe_tx_gas, base_gas, gas_price, token, receiver, _ = found
    gas = GasTerms(safe_tx_gas, base_gas, gas_price, checksum(token), checksum(receiver))
    return Transaction(identity.chain_id, checksum(to), data, value, operation), gas
