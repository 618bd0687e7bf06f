"""A JSON-RPC provider on loopback that can misbehave in every way a provider does."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from monitoring.chains.abi.addresses import keccak256
from monitoring.chains.abi.function import decode, encode, parse_function
from monitoring.chains.networks import network

KEY = "s3cr3t-k3y-0f-th3-0p3rat0r"
AGGREGATE3 = parse_function("aggregate3((address,bool,bytes)[])((bool,bytes)[])")
MULTICALL3 = network(1).multicall3


class Failure(Exception):  # noqa: N818 - it stands for an answer
    """A JSON-RPC error that a scripted method answers."""

    def __init__(self, code: int, message: str, data: Any = None) -> None:
        self.error = {"code": code, "message": message} | ({"data": data} if data is not None else {})
        super().__init__(message)


@dataclass
class Provider:
    """What one provider knows and how it behaves; tests change its fields while it runs."""

    chain_id: int = 1
    head: int = 1000
    head_time: Callable[[], float] = lambda: 0.0
    block_time_s: int = 12
    views: dict[tuple[str, str], Any] = field(default_factory=dict)  # (address, signature) -> value | Failure
    logs: list[dict[str, Any]] = field(default_factory=list)
    transactions: dict[str, dict[str, str]] = field(default_factory=dict)
    multicall: bool = True
    batch_limit: int | None = None
    batches: bool = True
    log_range: int | None = None
    multicall_limit: int | None = None
    status: int = 200
    retry_after: str = ""
    body: bytes | None = None  # answered as it is
    raw: Callable[[Any], Any] = lambda _asked: None  # what a request is answered with as it is; None: the usual way
    hang: threading.Event | None = None  # wait for this before answering
    drip: bool = False
    fork: str = ""  # another chain's mark in the hashes …
    fork_from: int = 0  # … of blocks from here on
    blooms: bool = False  # headers have a `logsBloom`, of all `logs`
    leaves_out: Callable[[Any], bool] = lambda _log: False  # which of them `eth_getLogs` does not answer
    pruned: bool = False  # receipts are there, without logs
    failing: Callable[[str, list[Any]], Failure | None] = lambda _method, _params: None
    requests: int = 0
    asked: list[tuple[str, list[Any]]] = field(default_factory=list)
    url: str = ""

    def count(self, method: str) -> int:
        return sum(1 for name, _ in self.asked if name == method)

    def block_hash(self, number: int) -> str:
        mark = self.fork if number >= self.fork_from else ""
        return "0x" + (mark + f"{number:x}").rjust(64, "b")

    def answer(self, method: str, params: list[Any]) -> Any:
        failure = self.failing(method, params)
        if failure is not None:
            raise failure
        known = getattr(self, method, None) if method.startswith("eth_") else None
        if known is None:
            raise Failure(-32601, f"the method {method} does not exist/is not available")
        return known(*params)

    def eth_chainId(self) -> str:  # noqa: N802 - JSON-RPC's names
        return hex(self.chain_id)

    def eth_getBlockByNumber(self, tag: str, _full: bool) -> dict[str, str] | None:  # noqa: N802
        number = self.head if tag == "latest" else int(tag, 16)
        if number > self.head:
            return None
        seconds = int(self.head_time()) - (self.head - number) * self.block_time_s
        header = {"number": hex(number), "hash": self.block_hash(number), "timestamp": hex(seconds)}
        if self.blooms:
            here = [log for log in self.logs if int(log["blockNumber"], 16) == number]
            header["logsBloom"] = bloom(item for log in here for item in (log["address"], *log["topics"]))
        return header

    def eth_getCode(self, address: str, tag: str) -> str:  # noqa: N802
        return "0x60" if any(target.lower() == address.lower() for target, _ in self.views) else "0x"

    def eth_getStorageAt(self, address: str, slot: str, tag: str) -> str:  # noqa: N802
        return "0x" + "0" * 64

    def eth_call(self, call: dict[str, str], tag: str, *_overrides: Any) -> str:
        if int(tag, 16) > self.head:
            raise Failure(-32602, "BlockOutOfRangeError: block height is beyond the head")
        data = bytes.fromhex(call["data"][2:])
        if call["to"].lower() == MULTICALL3.lower():
            return "0x" + self._aggregate(data).hex()
        ok, returned = self._view(call["to"], data)
        if not ok:
            raise Failure(3, "execution reverted", "0x" + returned.hex())
        return "0x" + returned.hex()

    def _aggregate(self, data: bytes) -> bytes:
        if not self.multicall:
            return b""
        (calls,) = decode(AGGREGATE3.inputs, data[4:])
        if self.multicall_limit and len(calls) > self.multicall_limit:  # type: ignore[arg-type]
            raise Failure(-32000, "out of gas")
        rows = [self._view(target, calldata) for target, _, calldata in calls]  # type: ignore[union-attr,misc]
        return encode(AGGREGATE3.outputs, [rows], "aggregate3")

    def _view(self, target: str, data: bytes) -> tuple[bool, bytes]:
        for (address, signature), value in self.views.items():
            function = parse_function(signature)
            if address.lower() == target.lower() and data[:4] == function.selector:
                if isinstance(value, Failure):
                    return False, bytes.fromhex(str(value.error.get("data", ""))[2:])
                result = value(*decode(function.inputs, data[4:])) if callable(value) else value
                values = result if len(function.outputs) > 1 else [result]
                return True, encode(function.outputs, values, signature)
        return True, b""

    def eth_getLogs(self, wanted: dict[str, Any]) -> list[dict[str, Any]]:  # noqa: N802
        first, last = int(wanted["fromBlock"], 16), int(wanted["toBlock"], 16)
        if self.log_range and last - first + 1 > self.log_range:
            raise Failure(-32005, f"block range is limited to {self.log_range}")
        return [
            log | {"blockHash": log.get("blockHash") or self.block_hash(int(log["blockNumber"], 16))}
            for log in self.logs
            if first <= int(log["blockNumber"], 16) <= last and not self.leaves_out(log)
        ]

    def eth_getBlockReceipts(self, tag: str) -> list[dict[str, Any]]:  # noqa: N802
        rows = [log | {"blockHash": self.block_hash(int(tag, 16))} for log in self.logs if log["blockNumber"] == tag]
        return [{"transactionHash": row["transactionHash"], "logs": [] if self.pruned else [row]} for row in rows]

    def eth_getTransactionByHash(self, tx_hash: str) -> dict[str, str] | None:  # noqa: N802
        return self.transactions.get(tx_hash)

    def eth_getTransactionReceipt(self, tx_hash: str) -> dict[str, Any] | None:  # noqa: N802
        found = [log for log in self.logs if log["transactionHash"] == tx_hash]
        rows = [log | {"blockHash": self.block_hash(int(log["blockNumber"], 16))} for log in found]
        return {"logs": rows} if rows else None


def bloom(items: Iterable[str]) -> str:
    """A filter as a node writes it, computed byte by byte."""
    found = bytearray(256)
    for item in items:
        digest = keccak256(bytes.fromhex(item[2:]))
        for at in (0, 2, 4):
            bit = (digest[at] << 8 | digest[at + 1]) & 0x7FF
            found[255 - bit // 8] |= 1 << bit % 8
    return "0x" + found.hex()


def event_log(block: int, index: int = 0, *, address: str = "0x" + "11" * 20, topic: str = "0x" + "aa" * 32) -> Any:
    return {
        "address": address,
        "topics": [topic],
        "data": "0x",
        "blockNumber": hex(block),
        "blockHash": "",
        "transactionHash": "0x" + f"{block:x}".rjust(64, "7"),
        "logIndex": hex(index),
    }


class _Endpoint(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # or each answer waits 40 ms for an acknowledgement
    provider: Provider
    released: threading.Event

    def log_message(self, *_: object) -> None:
        pass

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        one = self.provider
        one.requests += 1
        calls = body if isinstance(body, list) else [body]
        one.asked += [(call["method"], call["params"]) for call in calls]
        if one.hang is not None:
            one.hang.wait(60)
        try:
            self._send(self._reply(body))
        except OSError:
            self.close_connection = True

    def _reply(self, body: Any) -> bytes:
        one = self.provider
        if one.body is not None:
            return one.body
        odd = one.raw(body)
        if odd is not None:
            return json.dumps(odd).encode()
        if one.status != 200:
            return b"<html>" + self.path.encode() + b"</html>"
        if isinstance(body, list):
            if not one.batches or (one.batch_limit and len(body) > one.batch_limit):
                text = f"batch too large, see https://{KEY}.example/{KEY}"
                return json.dumps({"jsonrpc": "2.0", "id": None, "error": {"code": -32007, "message": text}}).encode()
            return json.dumps([self._one(call) for call in body][::-1]).encode()  # any order is legal
        return json.dumps(self._one(body)).encode()

    def _one(self, call: dict[str, Any]) -> dict[str, Any]:
        head = {"jsonrpc": "2.0", "id": call["id"]}
        try:
            return head | {"result": self.provider.answer(call["method"], call["params"])}
        except Failure as failure:
            return head | {"error": failure.error}

    def _send(self, payload: bytes) -> None:
        self.send_response(self.provider.status)
        if self.provider.retry_after:
            self.send_header("retry-after", self.provider.retry_after)
        self.send_header("content-length", str(len(payload)))
        self.end_headers()
        if not self.provider.drip:
            self.wfile.write(payload)
            return
        for place in range(len(payload)):
            self.wfile.write(payload[place : place + 1])
            if self.released.wait(0.3):
                return


@contextmanager
def serving(*providers: Provider) -> Iterator[list[str]]:
    """Serve each provider on a port of its own; yields URLs with a key in the path."""
    released = threading.Event()
    servers = []
    for one in providers:
        endpoint = type("Endpoint", (_Endpoint,), {"provider": one, "released": released})
        server = ThreadingHTTPServer(("127.0.0.1", 0), endpoint)
        server.daemon_threads = True
        server.block_on_close = False
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        one.url = f"http://127.0.0.1:{server.server_port}/v3/{KEY}"
        servers.append(server)
    try:
        yield [one.url for one in providers]
    finally:
        released.set()
        for one in providers:
            if one.hang is not None:
                one.hang.set()
        for server in servers:
            server.shutdown()
            server.server_close()


__all__ = ["KEY", "Failure", "Provider", "bloom", "event_log", "serving"]
