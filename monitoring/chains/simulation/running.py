"""Runs calls in a state that is supposed: by `eth_simulateV1`, else by `debug_traceCall`, else by `eth_call`.

Each says less than the one before: a plain call says only whether it runs, and nothing can be read after it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from monitoring.chains.abi.function import from_hex
from monitoring.chains.rpc.errors import Fault, RpcError
from monitoring.chains.rpc.supposed import CallEnd, SimCall, StateOverrides, Supposed
from monitoring.chains.rpc.views import ChainView
from monitoring.chains.simulation.tracing import Trace, changed_by, trace_of

# The provider does not do it, or says so in words nobody knows: the next way may.
_NOT_THIS_WAY = (Fault.UNSUPPORTED, Fault.ERROR)
MAX_TRACED = 8  # calls one after the other, each of which costs two traces


@dataclass(frozen=True, slots=True)
class Plan:
    """Calls to run one after the other; `first` are those of others that come before. `time` is in UTC seconds."""

    calls: tuple[SimCall, ...]
    overrides: StateOverrides
    first: tuple[SimCall, ...] = ()
    time: int | None = None


@dataclass(frozen=True, slots=True)
class Ran:
    """How the calls of a plan ended, those that come first and its own, as far as they were run.

    `before` and `after` are the states without and with its own calls; None where nothing can be read, and then no
    log was seen either. `traces` are there where it was traced.
    """

    first: tuple[CallEnd, ...]
    ends: tuple[CallEnd, ...]
    before: Supposed | None = None
    after: Supposed | None = None
    traces: tuple[Trace, ...] = ()


def run(plan: Plan, view: ChainView) -> Ran:
    """Run a plan on the block of a view.

    Raises:
        RpcError: the provider does it in no way, or failed.
    """
    for way in (_simulated, _traced):
        try:
            return way(plan, view)
        except RpcError as error:
            if error.fault not in _NOT_THIS_WAY:
                raise
    return _called(plan, view)


def _simulated(plan: Plan, view: ChainView) -> Ran:
    before = Supposed(plan.overrides, plan.first, plan.time, is_run=True)
    after = replace(before, calls=(*plan.first, *plan.calls))
    ends = after.run((), view.pool, view.block)
    return Ran(tuple(ends[: len(plan.first)]), tuple(ends[len(plan.first) :]), before, after)


def _traced(plan: Plan, view: ChainView) -> Ran:
    """Trace one call after the other, each in the state that those before it leave."""
    calls = (*plan.first, *plan.calls)
    if len(calls) > MAX_TRACED:
        raise RpcError(Fault.TOO_HEAVY, f"the provider has no eth_simulateV1, and {len(calls)} calls are not traced")
    states, ends, traces = [Supposed(plan.overrides, time=plan.time)], [], []
    for one in calls:
        trace, diff = trace_of(one, states[-1], view.pool, view.block)
        traces.append(trace)
        ends.append(CallEnd(trace.ok, trace.output, trace.logs))
        states.append(states[-1].also(changed_by(diff)))
        if not trace.ok:
            break
    count = len(plan.first)
    before = states[min(count, len(states) - 1)]
    return Ran(tuple(ends[:count]), tuple(ends[count:]), before, states[-1], tuple(traces[count:]))


def _called(plan: Plan, view: ChainView) -> Ran:
    """Ask only whether a single call runs."""
    if plan.first or len(plan.calls) != 1:
        raise RpcError(Fault.UNSUPPORTED, "several calls, and no way to run them")
    where = Supposed(plan.overrides, time=plan.time).where(view.block.tag)
    try:
        answer = view.pool.call("eth_call", plan.calls[0], *where, at_least=view.block.number)
    except RpcError as error:
        if error.fault is not Fault.REVERT:
            raise
        return Ran((), (CallEnd(ok=False, data=from_hex(error.data or "0x")),))
    return Ran((), (CallEnd(ok=True, data=from_hex(str(answer))),))
