"""A multicall as the calls it is made of, so that each call at a block is asked and kept once, alone or with others."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import cast

from monitoring.chains.abi.function import AbiError, decode, encode, from_hex, parse_function
from monitoring.chains.rpc.errors import Fault, RpcError
from monitoring.chains.rpc.provider import Ask, Outcome

_AGGREGATE3 = parse_function("aggregate3((address,bool,bytes)[])((bool,bytes)[])")


@dataclass(frozen=True, slots=True)
class BundledCalls:
    """The calls of one `aggregate3`, each a target and its data, at one block."""

    multicall: str
    calls: tuple[tuple[str, bytes], ...]
    tag: str

    def without(self, places: Collection[int]) -> Ask:
        """Return the request for the others."""
        rest = [(target, True, data) for place, (target, data) in enumerate(self.calls) if place not in places]
        data = "0x" + _AGGREGATE3.encode([rest]).hex()
        return Ask("eth_call", ({"to": self.multicall, "data": data}, self.tag))


def parts_of(result: str, count: int) -> list[Outcome]:
    """Return what each of `count` calls came to; nothing where there is no such contract, or it answers nonsense."""
    try:
        rows = cast("Sequence[tuple[bool, bytes]]", _AGGREGATE3.decode(from_hex(result)))
    except AbiError:
        return []
    if len(rows) != count:
        return []
    return [
        "0x" + data.hex() if ok else RpcError(Fault.REVERT, "reverted", data="0x" + data.hex()) for ok, data in rows
    ]


def aggregate_of(ask: Ask, multicall: str) -> BundledCalls | None:
    """Return the calls in a request; None if it is another one, or of a state that is supposed."""
    if ask.method != "eth_call" or len(ask.params) != 2:  # noqa: PLR2004 - the call and its block
        return None
    request, tag = ask.params
    if not isinstance(request, dict) or str(request.get("to", "")).lower() != multicall.lower():
        return None
    data = from_hex(str(request.get("data", "")))
    if data[:4] != _AGGREGATE3.selector:
        return None
    (rows,) = cast("tuple[Sequence[tuple[str, bool, bytes]]]", decode(_AGGREGATE3.inputs, data[4:]))
    return BundledCalls(multicall, tuple((target, called) for target, _, called in rows), str(tag))


def split(whole: BundledCalls) -> list[Ask]:
    """Return each call as the request it would be alone."""
    return [Ask("eth_call", ({"to": target, "data": "0x" + data.hex()}, whole.tag)) for target, data in whole.calls]


def combined(answers: Sequence[Outcome | None]) -> str:
    """Return the answer of a multicall whose calls came to this."""
    rows = [
        (False, from_hex(one.data or "0x")) if isinstance(one, RpcError) else (True, from_hex(str(one)))
        for one in answers
    ]
    return "0x" + encode(_AGGREGATE3.outputs, [rows], "aggregate3").hex()
