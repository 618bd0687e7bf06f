"""What calls of one sender would do together, such as an operation of a timelock at the time from which it can run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from monitoring.chains.abi.addresses import checksum
from monitoring.chains.decode.calldata import Transaction
from monitoring.chains.rpc.errors import Fault, RpcError
from monitoring.chains.rpc.multicall import revert_reason
from monitoring.chains.rpc.views import ChainView
from monitoring.chains.simulation.facts import Simulation
from monitoring.chains.simulation.looking import IMPLEMENTATION, Looks, look
from monitoring.chains.simulation.running import Plan, run


def simulate_calls(
    sender: str,
    calls: Sequence[Transaction],
    when: datetime | None,
    view: ChainView,
    settings: tuple[tuple[str, str], ...] = (),
) -> Simulation:
    """Run calls of one sender one after the other, at an instant where one is given: what they move and change.

    Views are read at the same instant before and after. Nothing raises for the network's sake. A call that fails ends
    it, as it would end a batch. `settings` are views by contract that are read too.
    """
    block = view.block.at if when is None or when <= view.block.at else when
    made = tuple(
        {"from": sender, "to": one.to, "data": "0x" + one.data.hex(), "value": hex(one.value)} for one in calls
    )
    try:
        ran = run(Plan(made, {}, time=int(block.timestamp()) + 1), view)
    except RpcError as error:
        return Simulation(None, not_simulated(error, view))
    for place, end in enumerate(ran.ends, 1):
        if not end.ok:
            which = f"call {place} of {len(calls)}" if len(calls) > 1 else "it"
            traced = ran.traces[place - 1].reason if ran.traces else ""
            return Simulation(False, f"{which} reverts{traced or revert_reason(end.data)}", changes={})
    looks = Looks(
        checksum(sender), {}, {"implementation": IMPLEMENTATION}, tuple(one.to for one in calls if one.data),
        (*settings, *((sender, name) for name in ("getMinDelay()(uint256)", "delay()(uint256)"))),
    )  # fmt: skip
    return replace(look(ran, looks, view), runs=True)


_TROUBLES = {
    Fault.UNSUPPORTED: "has neither eth_simulateV1 nor debug_traceCall",
    Fault.RATE_LIMIT: "is rate limited",
    Fault.TOO_HEAVY: "finds it too heavy",
}


def not_simulated(error: RpcError, view: ChainView) -> str:
    """Return why nobody could say what calls would do; the provider's address is nobody's affair in an alert."""
    if view.pool.budget.left_s <= 0:
        return "the time that a run has for simulations is used up"
    text = str(error)
    return text if text.startswith("the provider") else f"the provider {_TROUBLES.get(error.fault, error.fault.value)}"
