"""What the hourly profile reads, on loopback: a provider a chain with latency and limits, services behind a proxy.

Every request is noted with its instants, and every read inside it: an `eth_call` of a multicall is one request and as
many reads as it holds.
"""

from __future__ import annotations

import json
import threading
import time
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from benchmarks.worlds.morpho import service_answers, vault_calls
from benchmarks.worlds.services import certificate, hosts_of, proxying, shipped_recordings
from monitoring.base.clock import Clock, SystemClock
from monitoring.base.http.client import Request
from monitoring.chains.abi.function import decode, parse_function
from monitoring.chains.networks import networks
from monitoring.checks.drill.rehearsal import simulated
from monitoring.checks.expression.evaluate import ViewRead
from monitoring.checks.recorded.sim_chain import SimChain

BATCH, LOG_RANGE, A_SECOND = 50, 2_000, 30
_AGGREGATE3 = parse_function("aggregate3((address,bool,bytes)[])((bool,bytes)[])")
_SELECTOR = "0x" + _AGGREGATE3.selector.hex()


@dataclass
class Noted:
    """What was asked of everybody: the instants of each request, the reads in it, and the calls to repeat.

    `kinds` counts the requests by what they are for: `heads`, `logs`, `views`, `services` (one read each), `others`.
    """

    spans: list[tuple[float, float]] = field(default_factory=list)
    reads: int = 0
    refused: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    calls: dict[int, list[tuple[str, str]]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def request(self, began: float, reads: int, kind: str) -> None:
        with self.lock:
            self.spans.append((began, time.time()))
            self.reads += reads
            self.kinds[kind] += 1

    @property
    def chain_reads(self) -> float:
        """Return how many reads of a chain one request held."""
        services = self.kinds["services"]
        return (self.reads - services) / max(1, len(self.spans) - services)


@dataclass
class Provider:
    """Answers for one chain after the latency; a request beyond the limits is refused as providers do."""

    chain: SimChain
    latency_s: float
    noted: Noted
    clock: Clock = field(default_factory=SystemClock)
    _times: deque[float] = field(default_factory=lambda: deque(maxlen=A_SECOND))

    def answer(self, body: bytes) -> tuple[int, bytes]:
        began, asked = time.time(), json.loads(body)
        calls = asked if isinstance(asked, list) else [asked]
        with self.noted.lock:
            too_fast = len(self._times) == A_SECOND and began - self._times[0] < 1
            self._times.append(began)
        time.sleep(self.latency_s)
        problem = "request limit reached" if too_fast else _beyond(calls)
        self.noted.request(began, 0 if problem else sum(map(self._reads, calls)), _kind(calls))
        if problem:
            self.noted.refused += 1
            error = json.dumps({"jsonrpc": "2.0", "id": None, "error": {"code": -32005, "message": problem}})
            return (429 if too_fast else 200), error.encode()
        return 200, self.chain.fetch(Request(self.chain.url, "POST", body=body), self.clock).body

    def _reads(self, call: Mapping[str, Any]) -> int:
        """Return how many questions a call holds, and note those that others are to repeat."""
        if call["method"] != "eth_call":
            return 1
        target, data = call["params"][0]["to"], call["params"][0]["data"]
        inner = [(target, data)]
        if data.startswith(_SELECTOR):
            (rows,) = decode(_AGGREGATE3.inputs, bytes.fromhex(data[10:]))
            inner = [(row[0], "0x" + row[2].hex()) for row in rows]
        self.noted.calls.setdefault(self.chain.id, []).extend(inner)
        return len(inner)


def _kind(calls: Sequence[Mapping[str, Any]]) -> str:
    methods = {call["method"] for call in calls}
    if "eth_getLogs" in methods:
        return "logs"
    if any(call["params"][:1] == ["latest"] for call in calls if call["method"] == "eth_getBlockByNumber"):
        return "heads"
    return "views" if "eth_call" in methods else "others"


def _beyond(calls: Sequence[Mapping[str, Any]]) -> str:
    if len(calls) > BATCH:
        return f"batch too large: at most {BATCH}"
    ranges = [call["params"][0] for call in calls if call["method"] == "eth_getLogs"]
    if any(int(one["toBlock"], 16) - int(one["fromBlock"], 16) >= LOG_RANGE for one in ranges):
        return f"block range too large: at most {LOG_RANGE} blocks"
    return ""


class World:
    """All that a profile can reach, counted since it was last begun."""

    def __init__(self, stack: ExitStack, answers: Mapping[ViewRead, Any], latency_s: float, folder: Path) -> None:
        self.noted, chains = Noted(), {chain.id: chain for chain in simulated(answers).values()}
        chains |= {each: SimChain(chain=each) for each in networks() if each not in chains}
        for each, table in vault_calls().items():
            chains[each].calls |= table
        providers = {each: Provider(chain, latency_s, self.noted) for each, chain in chains.items()}
        self._providers = providers
        self.urls = {each: stack.enter_context(serving(answering(one))) for each, one in providers.items()}
        recordings = service_answers(shipped_recordings())
        pem = certificate(folder, hosts_of(recordings))
        proxy = stack.enter_context(serving(proxying(recordings, pem, latency_s, self._asked)))
        slugs = {each: networks()[each].slug.upper() for each in self.urls}
        self.environ = {f"PROVIDER_URL_{slugs[each]}": url for each, url in self.urls.items()}
        self.environ |= {"HTTPS_PROXY": proxy, "PROVIDER_PUBLIC": "off", "SSL_CERT_FILE": str(pem)}
        self.environ |= {"DEFILLAMA_URL": "https://coins.llama.fi"}

    def begin(self) -> Noted:
        """Forget what was asked so far."""
        self.noted = Noted()
        for provider in self._providers.values():
            provider.noted = self.noted
        return self.noted

    def _asked(self, began: float) -> None:
        self.noted.request(began, 1, "services")


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def answering(provider: Provider) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1

        def do_POST(self) -> None:
            status, body = provider.answer(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler
