"""What a Safe's transaction would do: run by the provider on the newest block, and what it moves and changes.

The Safe is left as it is but for what is missing to execute: approvals of as many owners as its threshold asks, its
nonce where the transaction waits behind others that are not run before it, and money for gas. So guards, delegate
calls, batches and gas refunds run as they will. What could not be looked at is never called unchanged, and never safe.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from monitoring.chains.abi.addresses import ZERO, checksum, keccak256
from monitoring.chains.abi.function import AbiError, encode, parse_function
from monitoring.chains.decode.calldata import Transaction
from monitoring.chains.rpc.errors import Fault, RpcError
from monitoring.chains.rpc.multicall import call, revert_reason
from monitoring.chains.rpc.supposed import StateOverrides, Supposed
from monitoring.chains.rpc.views import ChainView
from monitoring.chains.safes.hashing import GasTerms, SafeIdentity, generation, safe_hashes
from monitoring.chains.simulation.calls import not_simulated
from monitoring.chains.simulation.facts import Simulation
from monitoring.chains.simulation.looking import Looks, look
from monitoring.chains.simulation.running import Plan, Ran, run
from monitoring.chains.simulation.tracing import trace_of

_OLDEST = (1, 0, 0)
# Where every Safe since 1.0.0 keeps these: mapping of modules, nonce, mapping of approved hashes by owner.
_MODULES, _NONCE, _APPROVED = 1, 5, 8
_SENDER = checksum("0x" + keccak256("monitoring: simulated sender").hex()[-40:])  # nobody's, so that no role is its own
_MONEY = hex(10**24)
_EXECUTE = parse_function(
    "execTransaction(address,uint256,bytes,uint8,uint256,uint256,uint256,address,address,bytes)(bool)"
)
_AS_MODULE = parse_function("execTransactionFromModuleReturnData(address,uint256,bytes,uint8)(bool,bytes)")
_SENTINEL = "0x" + "1".rjust(40, "0")
_SLOTS = {
    "singleton": "0x" + "0" * 64,
    "guard": "0x" + keccak256("guard_manager.guard.address").hex(),
    "module guard": "0x" + keccak256("module_manager.module_guard.address").hex(),
    "fallback handler": "0x" + keccak256("fallback_manager.handler.address").hex(),
}
# What a Safe says of signatures that it does not take: ours were not there, so the overrides were not.
_NOT_SIGNED = re.compile(r"\bGS02\d\b")
# Behind these two a Safe hides why the call inside failed.
_HIDDEN = re.compile(r"^(: GS013)?$")


@dataclass(frozen=True, slots=True)
class Planned:
    """A transaction of a Safe as its chain would execute it; `safe_nonce` and `owners` are the Safe's own, now.

    `earlier` are those at the nonces between the Safe's and its own, where each is known: they are run before it.
    `contracts` and `settings` are what to look at in addition.
    """

    safe: SafeIdentity
    call: Transaction
    nonce: int
    gas: GasTerms
    safe_nonce: int
    owners: tuple[str, ...]
    threshold: int
    earlier: tuple[Planned, ...] = ()
    contracts: tuple[str, ...] = ()
    settings: tuple[tuple[str, str], ...] = ()


def simulate(one: Planned, view: ChainView) -> Simulation:
    """Run a transaction on the block of a view. Nothing is sent, and nothing raises for the network's sake."""
    version = generation(one.safe.version)
    if version is None or version < _OLDEST:
        return Simulation(None, f"a Safe {one.safe.version} is too old for it")
    try:
        found = _simulated(one, view)
    except RpcError as error:
        if one.earlier and error.fault in (Fault.UNSUPPORTED, Fault.TOO_HEAVY):
            return simulate(replace(one, earlier=()), view)
        return Simulation(None, not_simulated(error, view))
    except AbiError as error:
        return Simulation(None, f"the provider answered nonsense: {error}")
    return found if found.note or one.nonce == one.safe_nonce else replace(found, note=_order(one))


def _order(one: Planned) -> str:
    """Say what was supposed of the transactions before it."""
    count = one.nonce - one.safe_nonce
    before = "transaction" if count == 1 else f"{count} transactions"
    return f"after the {before} before it" if one.earlier else f"as if the {before} before it changed nothing"


def _simulated(one: Planned, view: ChainView) -> Simulation:
    ran = run(Plan((_run(one),), _overrides(one), tuple(map(_run, one.earlier))), view)
    reverted = next((each.nonce for each, end in zip(one.earlier, ran.first, strict=False) if not end.ok), None)
    if reverted is not None:
        note = f"as if the one at nonce {reverted} changed nothing: simulated, that one fails"
        return replace(_simulated(replace(one, earlier=()), view), note=note)
    end = ran.ends[-1]
    reason = "" if end.ok else revert_reason(end.data)
    if _NOT_SIGNED.search(reason):
        return Simulation(None, f"the provider does not run it as if it were signed{reason}")
    if not end.ok:
        why = f"it reverts{_reason(one, ran, reason, view)}"
        return Simulation(runs=False, reason=why, changes=None if ran.after is None else {})
    found = look(ran, _looks(one), view)
    if found.changes and "modules" in found.changes:
        modules = tuple(page[0] for page in found.changes["modules"] if isinstance(page, tuple))
        found = replace(found, changes={**found.changes, "modules": (modules[0], modules[1])})
    if _EXECUTE.decode(end.data) is True:
        return replace(found, runs=True)
    # Where gas was reserved for it, or is paid back, a call that fails inside reverts nothing: the refund is paid.
    inside = f"the call inside fails, and the nonce is used up{_reason(one, ran, '', view)}"
    return replace(found, runs=False, reason=inside)


def _looks(one: Planned) -> Looks:
    safe = one.safe.address
    views = {
        "threshold": call(safe, "getThreshold()(uint256)"),
        "owners": call(safe, "getOwners()(address[])"),
        "modules": call(safe, "getModulesPaginated(address,uint256)(address[],address)", _SENTINEL, 50),
    }
    return Looks(checksum(safe), views, _SLOTS, (one.call.to, *one.contracts), one.settings)


def _reason(one: Planned, ran: Ran, said: str, view: ChainView) -> str:
    """Return why the call inside failed: by its trace, or as a module would make it; else what the Safe itself says."""
    if not _HIDDEN.match(said):
        return said
    if ran.traces:
        return ran.traces[-1].reason or said
    if ran.before is None:
        return said
    return _as_module(one, ran.before, view) or _by_trace(one, ran.before, view) or said


def _as_module(one: Planned, before: Supposed, view: ChainView) -> str:
    """Run the call alone, as a module would: a Safe hides why a call inside failed."""
    call_ = one.call
    data = _AS_MODULE.encode((call_.to, call_.value, call_.data, call_.operation))
    try:
        end = before.run([{"from": _SENDER, "to": one.safe.address, "data": _hex(data)}], view.pool, view.block)[-1]
        found = _AS_MODULE.decode(end.data) if end.ok else ()
    except (RpcError, AbiError):
        return ""
    inner = found[1] if isinstance(found, tuple) and found and found[0] is False else b""
    return revert_reason(inner) if isinstance(inner, bytes) else ""


def _by_trace(one: Planned, before: Supposed, view: ChainView) -> str:
    """Ask for a trace: a batch fails without any reason, so only its frames have one."""
    if before.calls:
        return ""
    try:
        trace, _ = trace_of(_run(one), before, view.pool, view.block)
    except RpcError:
        return ""
    return trace.reason


def _overrides(one: Planned) -> StateOverrides:
    changed = {_slot_of(_SENDER, _MODULES): _word(1)}
    for each in (*one.earlier, one):
        digest = bytes.fromhex(safe_hashes(each.safe, each.call, each.nonce, each.gas).safe_tx_hash[2:])
        changed |= {_approval(owner, digest): _word(1) for owner in _signing(each)}
    if one.nonce != one.safe_nonce and not one.earlier:
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
