"""A chain's state as it would be after calls that nobody has made: reads of it, by the provider, in one request.

Where a provider runs calls one after the other (`eth_simulateV1`), reads come behind the calls in the same request.
Else the state is written out as overrides, and reads are plain calls. `simulation` makes it, a `ChainView` reads it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from monitoring.chains.abi.function import AbiError, from_hex
from monitoring.chains.abi.values import Block
from monitoring.chains.rpc.errors import Fault, RpcError
from monitoring.chains.rpc.pool import ProviderPool

StateOverrides: TypeAlias = "Mapping[str, Mapping[str, object]]"  # by address, as eth_call's third parameter
SimCall: TypeAlias = "Mapping[str, str]"  # as eth_call's first parameter


@dataclass(frozen=True, slots=True)
class CallEnd:
    """How one call ended: `data` is what it returned, or the reason of its revert; `logs` as a receipt has them."""

    ok: bool
    data: bytes
    logs: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Supposed:
    """What is changed of a state, which calls are made in it, and when (UTC seconds; None: at the block's own time).

    `is_run`: the provider makes the calls before each read; else the overrides hold all that they changed. `then` is
    changed of the state after the calls, before the reads.
    """

    overrides: StateOverrides
    calls: tuple[SimCall, ...] = ()
    time: int | None = None
    is_run: bool = False
    then: StateOverrides = field(default_factory=dict)

    def also(self, overrides: StateOverrides) -> Supposed:
        """Return the same with more of the state changed."""
        return replace(self, overrides=merged(self.overrides, overrides))

    def where(self, tag: str) -> tuple[object, ...]:
        """Return what comes behind the call in a plain `eth_call`."""
        overrides = merged(self.overrides, self.then)
        if self.time is not None:
            return tag, overrides, {"time": hex(self.time)}
        return (tag, overrides) if overrides else (tag,)

    def run(self, reads: Sequence[SimCall], pool: ProviderPool, block: Block) -> list[CallEnd]:
        """Make the calls, then the reads, in one request; return how each of both ended.

        Raises:
            RpcError: the provider cannot, or answered nonsense.
        """
        blocks: list[dict[str, Any]] = [{"stateOverrides": dict(self.overrides), "calls": list(self.calls)}]
        if self.time is not None:
            blocks[0]["blockOverrides"] = {"time": hex(self.time)}
        if self.then:
            blocks.append({"stateOverrides": dict(self.then), "calls": list(reads)})
        else:
            blocks[0]["calls"] += reads
        asked = {"blockStateCalls": blocks, "traceTransfers": True, "validation": False}
        answer: Any = pool.call("eth_simulateV1", asked, block.tag, at_least=block.number)
        try:
            ends = [_end(one) for each in answer for one in each["calls"]]
        except (AbiError, LookupError, TypeError, ValueError) as error:
            raise RpcError(Fault.DECODE, f"the provider answered nonsense: {type(error).__name__}") from None
        asked_for = len(self.calls) + len(reads)
        if len(ends) != asked_for:
            raise RpcError(Fault.DECODE, f"the provider answered nonsense: {len(ends)} results of {asked_for} calls")
        return ends


def _end(one: Mapping[str, Any]) -> CallEnd:
    return CallEnd(int(one["status"], 16) == 1, from_hex(one["returnData"] or "0x"), tuple(one.get("logs") or ()))


def merged(first: StateOverrides, then: StateOverrides) -> dict[str, dict[str, object]]:
    """Return both, the later one above the earlier, slot by slot."""
    found = {address: dict(changed) for address, changed in first.items()}
    by_lower = {address.lower(): address for address in found}
    for address, changed in then.items():
        own = found.setdefault(by_lower.get(address.lower(), address), {})
        slots = {**_slots(own), **_slots(changed)}
        own |= changed
        if slots:
            own["stateDiff"] = slots
    return found


def _slots(changed: Mapping[str, object]) -> dict[str, str]:
    slots = changed.get("stateDiff")
    return dict(slots) if isinstance(slots, Mapping) else {}
