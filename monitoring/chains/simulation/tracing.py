"""What `debug_traceCall` says of a call: its frames with logs and reasons, and the state that it leaves, as overrides.

The shapes are geth's `callTracer` and `prestateTracer` in diff mode, which others copy.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from monitoring.chains.abi.function import AbiError, from_hex
from monitoring.chains.abi.values import Block
from monitoring.chains.rpc.errors import Fault, RpcError
from monitoring.chains.rpc.multicall import revert_reason
from monitoring.chains.rpc.pool import ProviderPool
from monitoring.chains.rpc.provider import Ask
from monitoring.chains.rpc.supposed import SimCall, Supposed
from monitoring.chains.simulation.facts import native_move

_MOVES_MONEY = ("CALL", "CREATE", "CREATE2", "SELFDESTRUCT")
_MAX_FRAMES = 2000  # a batch of a thousand calls; more is not walked through, and said to be nonsense
_ZERO_WORD = "0x" + "0" * 64


@dataclass(frozen=True, slots=True)
class Trace:
    """One call, traced: how it ended, its logs (with moves of the native token), whom it called, why it failed."""

    ok: bool
    output: bytes
    logs: tuple[Mapping[str, Any], ...]
    called: tuple[str, ...]
    reason: str


def trace_of(call: SimCall, state: Supposed, pool: ProviderPool, block: Block) -> tuple[Trace, Mapping[str, Any]]:
    """Trace a call in a supposed state: its frames, and the difference of state that it makes.

    Raises:
        RpcError: the provider cannot, or answered nonsense.
    """
    options: dict[str, Any] = {"stateOverrides": dict(state.overrides)}
    if state.time is not None:
        options["blockOverrides"] = {"time": hex(state.time)}
    tracers = (("callTracer", {"withLog": True}), ("prestateTracer", {"diffMode": True}))
    asks = [
        Ask("debug_traceCall", (call, block.tag, {"tracer": name, "tracerConfig": config, **options}))
        for name, config in tracers
    ]
    frames, diff = pool.batch(asks, at_least=block.number)
    for one in (frames, diff):
        if isinstance(one, RpcError):
            raise one
    try:
        return _read(frames), _as_diff(diff)
    except (AbiError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise RpcError(Fault.DECODE, f"the provider answered nonsense: {type(error).__name__}") from None


def _read(root: Any) -> Trace:  # noqa: ANN401 - what a stranger's server answered
    frames = list(_frames(root))
    logs: list[Mapping[str, Any]] = []
    for frame in frames:
        value = int(frame.get("value") or "0x0", 16)
        if value and frame["type"] in _MOVES_MONEY:
            logs.append(native_move(frame["from"], frame["to"], value))
        logs += frame.get("logs") or ()
    called = tuple(dict.fromkeys(str(frame["to"]).lower() for frame in frames if frame.get("to")))
    ok = "error" not in root
    return Trace(ok, from_hex(root.get("output") or "0x"), tuple(logs), called, deepest_reason(root))


def _frames(root: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the frames that were not undone, in order."""
    left = [root]
    for _ in range(_MAX_FRAMES):
        if not left:
            return
        frame = left.pop(0)
        if "error" not in frame:
            yield frame
            left[:0] = frame.get("calls") or ()
    raise ValueError("too many frames")


def deepest_reason(root: Mapping[str, Any]) -> str:
    """Return why the innermost of the last failing calls failed: those around it may hide its reason."""
    reason, frame = "", root
    for _ in range(_MAX_FRAMES):
        if "error" in frame:
            reason = revert_reason(_output(frame)) or reason
        failed = [one for one in frame.get("calls") or () if "error" in one or _deeper(one)]
        if not failed:
            return reason
        frame = failed[-1]
    return reason


def _deeper(frame: Mapping[str, Any]) -> bool:
    return any("error" in one for one in frame.get("calls") or ())


def _output(frame: Mapping[str, Any]) -> bytes:
    try:
        return from_hex(frame.get("output") or "0x")
    except AbiError:
        return b""


def _as_diff(diff: Any) -> Mapping[str, Any]:  # noqa: ANN401 - as above
    changed_by(diff)
    found: Mapping[str, Any] = diff
    return found


def changed_by(diff: Mapping[str, Any]) -> dict[str, dict[str, object]]:
    """Return a difference of state as overrides.

    A slot that became zero, and an account that is gone, have no `post`.
    """
    before, after = diff["pre"], diff["post"]
    found: dict[str, dict[str, object]] = {}
    for address in {**before, **after}:
        old, new = before.get(address) or {}, after.get(address)
        if new is None:
            found[address] = {"balance": "0x0", "code": "0x"}
            continue
        slots = dict.fromkeys(old.get("storage") or {}, _ZERO_WORD) | dict(new.get("storage") or {})
        own: dict[str, object] = {name: new[name] for name in ("balance", "code") if name in new}
        found[address] = own | ({"stateDiff": slots} if slots else {})
    return {address: changed for address, changed in found.items() if changed}
