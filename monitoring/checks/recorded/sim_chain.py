"""A chain made of a table of calls: the product's reading code asks it as it asks a provider.

Used by drills, and by authors through `utils.testing`. It answers JSON-RPC in this process; no socket is opened.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from monitoring.base.clock import Clock
from monitoring.base.http.client import Answer, FetchError, Request
from monitoring.chains.abi.function import AbiError, decode, encode, parse_function
from monitoring.chains.abi.selectors import declared_event
from monitoring.chains.abi.values import Unknown
from monitoring.chains.networks import network

_AGGREGATE3 = parse_function("aggregate3((address,bool,bytes)[])((bool,bytes)[])")
_ERROR = parse_function("Error(string)")
_SELECTOR = bytes.fromhex("08c379a0")


@dataclass(frozen=True, slots=True)
class Reverts:
    """Stands in the table for a view that reverts, with its reason."""

    reason: str = ""

    @property
    def data(self) -> bytes:
        return _SELECTOR + encode(_ERROR.inputs, [self.reason], "Error") if self.reason else b""


@dataclass(frozen=True, slots=True)
class SimLog:
    """A log of a `SimChain`; `index` is unique on the whole chain."""

    contract: str
    topics: tuple[str, ...]
    data: str
    block: int
    tx: str
    index: int

    def as_json(self, block_hash: str) -> dict[str, Any]:
        """Return it as a provider says it."""
        return {
            "address": self.contract, "topics": list(self.topics), "data": self.data, "blockNumber": hex(self.block),
            "blockHash": block_hash, "transactionHash": self.tx, "logIndex": hex(self.index),
        }  # fmt: skip


@dataclass
class SimChain:
    """A chain whose views are `calls`: `{(address, "totalAssets()(uint256)"): 123}`.

    A value, a tuple for several, a function of the arguments, or what makes that one call unknown: `Reverts("why")`,
    `Unknown("why")`. Change `calls` between runs; `down = True` makes the whole chain unreachable. `emit` adds an event
    to `logs`; take it out of them again, and it was reorganised away. Methods in `refuses` answer with an error.
    """

    calls: dict[tuple[str, str], Any] = field(default_factory=dict)
    chain: int | str = 1
    head: int = 20_000_000
    down: bool = False
    logs: list[SimLog] = field(default_factory=list)
    refuses: frozenset[str] = frozenset()

    @property
    def id(self) -> int:
        return network(self.chain).id

    @property
    def environ(self) -> Mapping[str, str]:
        """Return the variables that make this the chain's only provider."""
        return {f"PROVIDER_URL_{network(self.chain).slug.upper()}": self.url, "PROVIDER_PUBLIC": "off"}

    @property
    def url(self) -> str:
        return f"http://simulated-{network(self.chain).slug}/"

    def emit(self, contract: str, event: str, *values: Any, tx: str = "") -> SimLog:  # noqa: ANN401 - by its types
        """Mine a block with this event, and so many on top that it is read; `event` as in `Paused(address account)`.

        Raises:
            SignatureError: the values do not fit.
        """
        return self.add(contract, *declared_event(event).encode(values), tx=tx)

    def add(self, contract: str, topics: tuple[str, ...], data: str, *, tx: str = "") -> SimLog:
        """Mine a block with a log of these topics and data, and so many on top that it is read."""
        self.head += 1
        found = SimLog(
            contract, topics, data, self.head, tx or f"0x{self.head:056x}{len(self.logs):08x}", len(self.logs)
        )
        self.logs.append(found)
        self.head += network(self.chain).confirmations
        return found

    def fetch(self, request: Request, clock: Clock) -> Answer:
        """Answer a provider's request."""
        if self.down:
            raise FetchError(request.host, "cannot be reached")
        asked = json.loads(request.body)
        replies = [self._reply(one, clock) for one in asked] if isinstance(asked, list) else self._reply(asked, clock)
        return Answer(request.host, 200, {}, json.dumps(replies).encode())

    def _reply(self, asked: Mapping[str, Any], clock: Clock) -> dict[str, Any]:
        head = {"jsonrpc": "2.0", "id": asked["id"]}
        methods: Mapping[str, Callable[[list[Any]], Any]] = {
            "eth_chainId": lambda _: hex(self.id),
            "eth_blockNumber": lambda _: hex(self.head),
            "eth_getBlockByNumber": lambda params: self._block(params[0], clock),
            "eth_getCode": lambda params: "0x60" if self._has(params[0]) else "0x",
            "eth_getStorageAt": lambda _: "0x" + "0" * 64,
            "eth_getBalance": lambda _: "0x0",
            "eth_getLogs": lambda params: self._logs(params[0]),
            "eth_call": lambda params: self._call(params[0]),
        }
        method = methods.get(asked["method"])
        if asked["method"] in self.refuses:
            return head | {"error": {"code": -32000, "message": "no answer"}}
        if method is None:
            return head | {"error": {"code": -32601, "message": f"a SimChain has no {asked['method']}"}}
        found = method(asked["params"])
        return head | (found if isinstance(found, dict) and "error" in found else {"result": found})

    def _block(self, tag: str, clock: Clock) -> dict[str, str]:
        number = self.head if tag == "latest" else int(tag, 16)
        seconds = int(clock.now().timestamp()) - (self.head - number) * 12
        return {"number": hex(number), "hash": self._hash(number), "timestamp": hex(seconds)}

    def _hash(self, number: int) -> str:
        """Return a block's hash, another one for other logs: a block that lost one was reorganised away."""
        here = sum(1 << min(one.index, 30) for one in self.logs if one.block == number)
        return f"0x{here:08x}{number:056x}"

    def _logs(self, asked: Mapping[str, Any]) -> list[dict[str, Any]]:
        first, last = int(asked["fromBlock"], 16), int(asked["toBlock"], 16)
        addresses = {str(one).lower() for one in asked.get("address", ())}
        kinds = asked["topics"][0] if asked.get("topics") else None
        return [
            one.as_json(self._hash(one.block))
            for one in self.logs
            if first <= one.block <= last and one.contract.lower() in addresses
            if kinds is None or one.topics[0] in kinds
        ]

    def _has(self, address: str) -> bool:
        return any(target.lower() == address.lower() for target, _ in self.calls)

    def _call(self, call: Mapping[str, str]) -> Any:  # noqa: ANN401 - a result or an error of JSON-RPC
        target, data = call["to"], bytes.fromhex(call["data"][2:])
        if target.lower() == network(self.chain).multicall3.lower():
            return "0x" + self._aggregate(data).hex()
        found = self._view(self._views(), target, data)
        if isinstance(found, Reverts):
            return {"error": {"code": 3, "message": "execution reverted", "data": "0x" + found.data.hex()}}
        return "0x" + found.hex()

    def _aggregate(self, data: bytes) -> bytes:
        (calls,) = cast("tuple[tuple[tuple[str, bool, bytes], ...]]", decode(_AGGREGATE3.inputs, data[4:]))
        views = self._views()
        found = [self._view(views, target, calldata) for target, _, calldata in calls]
        rows = [(False, one.data) if isinstance(one, Reverts) else (True, one) for one in found]
        return encode(_AGGREGATE3.outputs, [rows], "aggregate3")

    def _views(self) -> Mapping[str, list[tuple[str, Any]]]:
        """Return the rows of the table by address: a multicall looks a hundred of them up."""
        found: dict[str, list[tuple[str, Any]]] = {}
        for (address, signature), value in self.calls.items():
            found.setdefault(address.lower(), []).append((signature, value))
        return found

    def _view(self, views: Mapping[str, list[tuple[str, Any]]], target: str, data: bytes) -> bytes | Reverts:
        for signature, value in views.get(target.lower(), ()):
            function = parse_function(signature)
            if data[:4] != function.selector:
                continue
            found = value(*decode(function.inputs, data[4:])) if callable(value) else value
            if isinstance(found, Unknown):
                return Reverts(found.reason)
            if isinstance(found, Reverts):
                return found
            try:
                return encode(function.outputs, found if len(function.outputs) > 1 else [found], signature)
            except AbiError as error:
                raise AbiError(f"the table's {signature} of {target}: {error}") from None
        return b""
