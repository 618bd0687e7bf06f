"""What a Safe's transaction would do: run by the provider on the newest block, and what it moves and changes.

The Safe is left as it is but for what is missing to execute: approvals of as many owners as its threshold asks, its
nonce where the transaction waits behind others, and money for gas. So guards, delegate calls, batches and gas refunds
run as they will. By `eth_simulateV1`; where the provider has none, by `eth_call` with the same overrides, which says
only whether it runs. What could not be looked at is never called unchanged, and never safe.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from monitoring.chains.abi.addresses import ZERO, checksum, keccak256
from monitoring.chains.abi.function import AbiError, Function, encode, from_hex, parse_function
from monitoring.chains.abi.values import AbiValue
from monitoring.chains.decode.calldata import Transaction
from monitoring.chains.rpc.errors import Fault, RpcError
from monitoring.chains.rpc.multicall import revert_reason
from monitoring.chains.rpc.views import ChainView
from monitoring.chains.safes.hashing import GasTerms, SafeIdentity, generation, safe_hashes
from monitoring.chains.simulation import Simulation, looked_at

_OLDEST = (1, 0, 0)
# Where every Safe since 1.0.0 keeps these: mapping of modules, nonce, mapping of approved hashes by owner.
_MODULES, _NONCE, _APPROVED = 1, 5, 8
_SENDER = checksum("0x" + keccak256("monitoring: simulated sender").hex()[-40:])  # nobody's, so that no role is its own
_MONEY = hex(10**24)
_EXECUTE = parse_function(
    "execTransaction(address,uint256,bytes,uint8,uint256,uint256,uint256,address,address,bytes)(bool)"
)
_AS_MODULE = parse_function("execTransactionFromModuleReturnData(address,uint256,bytes,uint8)(bool,bytes)")
_VIEWS = {
    "threshold": parse_function("getThreshold()(uint256)"),
    "owners": parse_function("getOwners()(address[])"),
    "modules": parse_function("getModulesPaginated(address,uint256)(address[],address)"),
}
_ARGUMENTS: Mapping[str, tuple[object, ...]] = {"modules": ("0x" + "1".rjust(40, "0"), 50)}


@dataclass(frozen=True, slots=True)
class Planned:
    """A transaction of a Safe as its chain would execute it; `safe_nonce` and `owners` are the Safe's own, now."""

    safe: SafeIdentity
    call: Transaction
    nonce: int
    gas: GasTerms
    safe_nonce: int
    owners: tuple[str, ...]
    threshold: int


def simulate(one: Planned, view: ChainView) -> Simulation:
    """Run a transaction on the block of a view. Nothing is sent, and nothing raises for the network's sake."""
    found = generation(one.safe.version)
    if found is None or found < _OLDEST:
        return Simulation(None, f"a Safe {one.safe.version} is too old for it")
    try:
        return _simulated(one, view)
    except RpcError as error:
        if error.fault not in (Fault.UNSUPPORTED, Fault.ERROR):
            return Simulation(None, str(error))
    except (AbiError, LookupError, TypeError, ValueError) as error:
        return Simulation(None, f"the provider answered nonsense: {error}")
    return _called(one, view)


def _simulated(one: Planned, view: ChainView) -> Simulation:
    looks = [{"to": one.safe.address, "data": _hex(fn.encode(_ARGUMENTS.get(name, ())))} for name, fn in _VIEWS.items()]
    asked = {
        "blockStateCalls": [{"stateOverrides": _overrides(one), "calls": [*looks, _run(one), *looks, _why(one)]}],
        "traceTransfers": True,
        "validation": False,
    }
    answer: Any = view.pool.call("eth_simulateV1", asked, view.block.tag, at_least=view.block.number)
    calls = answer[0]["calls"]
    before, ran, after, why = calls[: len(looks)], calls[len(looks)], calls[len(looks) + 1 : -1], calls[-1]
    is_reverted = int(ran["status"], 16) != 1
    if is_reverted:
        return Simulation(runs=False, reason=f"it reverts{_reason(ran, why)}", changes={})
    changes = {
        name: (old, new)
        for (name, fn), first, last in zip(_VIEWS.items(), before, after, strict=True)
        if (old := _value(fn, first)) != (new := _value(fn, last))
    }
    logs = ran.get("logs") or []
    moves, grants = looked_at(logs)
    if _EXECUTE.decode(from_hex(ran["returnData"])) is True:
        return Simulation(True, "", moves, grants, changes)
    # Where gas was reserved for it, or is paid back, a call that fails inside reverts nothing: the refund is paid.
    return Simulation(
        False, f"the call inside fails, and the nonce is used up{_reason(ran, why)}", moves, grants, changes
    )


def _called(one: Planned, view: ChainView) -> Simulation:
    """Ask only whether it runs."""
    try:
        params = (_run(one), view.block.tag, _overrides(one))
        answer = view.pool.call("eth_call", *params, at_least=view.block.number)
        return Simulation(bool(_EXECUTE.decode(from_hex(str(answer)))), "")
    except RpcError as error:
        if error.fault is Fault.REVERT:
            return Simulation(runs=False, reason=f"it reverts{revert_reason(from_hex(error.data or '0x'))}")
        return Simulation(None, str(error))
    except AbiError as error:
        return Simulation(None, str(error))


def _overrides(one: Planned) -> Mapping[str, Mapping[str, object]]:
    digest = bytes.fromhex(safe_hashes(one.safe, one.call, one.nonce, one.gas).safe_tx_hash[2:])
    changed = {_approval(owner, digest): _word(1) for owner in _signing(one)}
    changed[_slot_of(_SENDER, _MODULES)] = _word(1)
    if one.nonce != one.safe_nonce:
        changed[_word(_NONCE)] = _word(one.nonce)
    return {one.safe.address: {"stateDiff": changed}, _SENDER: {"balance": _MONEY}}


def _signing(one: Planned) -> list[str]:
    """Return as many owners as must sign, in the order in which a Safe wants them."""
    return sorted(one.owners, key=lambda owner: int(owner, 16))[: one.threshold]


def _run(one: Planned) -> Mapping[str, str]:
    call, gas = one.call, one.gas
    proof = b"".join(bytes(12) + bytes.fromhex(owner[2:]) + bytes(32) + b"\x01" for owner in _signing(one))
    terms = (gas.safe_tx_gas, gas.base_gas, gas.gas_price, gas.token, gas.receiver)
    data = _EXECUTE.encode((call.to, call.value, call.data, call.operation, *terms, proof))
    run = {"from": _SENDER, "to": one.safe.address, "data": _hex(data)}
    # A refund in the native token is at most what the executing transaction itself pays for gas.
    return run | ({"gasPrice": hex(gas.gas_price)} if gas.gas_price and gas.token == ZERO else {})


def _why(one: Planned) -> Mapping[str, str]:
    """Run the call alone, as a module would: a Safe hides why a call inside failed."""
    call = one.call
    data = _AS_MODULE.encode((call.to, call.value, call.data, call.operation))
    return {"from": _SENDER, "to": one.safe.address, "data": _hex(data)}


def _reason(ran: Mapping[str, Any], why: Mapping[str, Any]) -> str:
    """Return the reason that the call alone gives, else the Safe's own."""
    inner = ""
    if int(why["status"], 16) == 1:
        found = _AS_MODULE.decode(from_hex(why["returnData"]))
        data = found[1] if isinstance(found, tuple) and found[0] is False else b""
        inner = revert_reason(data) if isinstance(data, bytes) else ""
    return inner or (revert_reason(from_hex(ran["returnData"] or "0x")) if int(ran["status"], 16) != 1 else "")


def _value(function: Function, answer: Mapping[str, Any]) -> AbiValue:
    found = function.decode(from_hex(answer["returnData"]))
    return found[0] if function.name.startswith("getModules") and isinstance(found, tuple) else found


def _approval(owner: str, digest: bytes) -> str:
    inner = keccak256(_words("address,uint256", owner, _APPROVED))
    return _hex(keccak256(digest + inner))


def _slot_of(address: str, mapping: int) -> str:
    return _hex(keccak256(_words("address,uint256", address, mapping)))


def _words(kinds: str, *values: object) -> bytes:
    return encode(parse_function(f"words({kinds})").inputs, values, "a slot")


def _word(number: int) -> str:
    return f"0x{number:064x}"


def _hex(data: bytes) -> str:
    return "0x" + data.hex()
