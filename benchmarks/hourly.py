"""The whole shipped hourly profile against providers with latency and limits: time, CPU, memory, requests.

Run from the checkout: `.venv/bin/python -m benchmarks.hourly [--latency 100ms] [--rounds 3]`. Three ways in each round:
`automation run hourly`; one interpreter for each monitor file, one after the other; one `eth_call` for each value, one
after the other. Every chain has one provider here, which answers as the drills say after the latency, takes at most 50
calls a batch, 100 calls a multicall and 2,000 blocks a range of logs, and refuses the 31st request of a second.
Services answer with their recordings after the same latency (`--services off`: they are refused). Two rounds before the
first are not counted: in them ranges of logs are learnt, and what happened before the first run is read.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from automation.jobs.load import load_jobs
from benchmarks._services import certificate, hosts_of, proxying, shipped_recordings
from monitoring.base.clock import Clock, SystemClock, parse_duration
from monitoring.base.http.client import Request
from monitoring.base.settings import CHECKOUT
from monitoring.chains.networks import networks
from monitoring.chains.rpc.multicall import call as encode_call
from monitoring.checks.drill.file import DrilledMonitor, drill_path, load_drilled
from monitoring.checks.drill.rehearsal import simulated
from monitoring.checks.expression.evaluate import ViewRead
from monitoring.checks.recorded.sim_chain import SimChain
from tests.support.host import Host
from tests.support.rpc import Rpc

PROFILE = "hourly"
BATCH, LOG_RANGE, A_SECOND = 50, 2_000, 30


@dataclass
class Provider:
    """What is asked of one chain, and when; a request beyond the limits is refused as providers do."""

    chain: SimChain
    latency_s: float
    clock: Clock = field(default_factory=SystemClock)
    requests: int = 0
    refused: int = 0
    methods: Counter[str] = field(default_factory=Counter)
    _times: deque[float] = field(default_factory=lambda: deque(maxlen=A_SECOND))
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, body: bytes) -> tuple[int, bytes]:
        asked = json.loads(body)
        calls = asked if isinstance(asked, list) else [asked]
        with self._lock:
            self.requests += 1
            self.methods.update(call["method"] for call in calls)
            now = time.monotonic()
            too_fast = len(self._times) == A_SECOND and now - self._times[0] < 1
            self._times.append(now)
        time.sleep(self.latency_s)
        problem = "request limit reached" if too_fast else self._beyond(calls)
        if problem:
            self.refused += 1
            error = json.dumps({"jsonrpc": "2.0", "id": None, "error": {"code": -32005, "message": problem}})
            return (429 if too_fast else 200), error.encode()
        return 200, self.chain.fetch(Request(self.chain.url, "POST", body=body), self.clock).body

    def _beyond(self, calls: Sequence[Mapping[str, Any]]) -> str:
        if len(calls) > BATCH:
            return f"batch too large: at most {BATCH}"
        ranges = [call["params"][0] for call in calls if call["method"] == "eth_getLogs"]
        if any(int(one["toBlock"], 16) - int(one["fromBlock"], 16) >= LOG_RANGE for one in ranges):
            return f"block range too large: at most {LOG_RANGE} blocks"
        return ""


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

        def do_POST(self) -> None:
            status, body = provider.answer(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler


def refusing(latency_s: float, asked: Counter[str]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_CONNECT(self) -> None:
            asked[self.path.partition(":")[0]] += 1
            time.sleep(latency_s)
            self.send_error(502)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds and CPU seconds of a way, memory of its largest process, requests by chain and service."""

    wall_s: float
    cpu_s: float
    memory_mb: float
    requests: Mapping[str, int]
    refused: int
    services: int


class World:
    """All that a way can reach, counted."""

    def __init__(
        self, stack: ExitStack, answers: Mapping[ViewRead, Any], latency_s: float, *, services: bool, folder: Path
    ) -> None:
        self.providers = {chain.id: Provider(chain, latency_s) for chain in simulated(answers).values()}
        for chain in networks():
            self.providers.setdefault(chain, Provider(SimChain(chain=chain), latency_s))
        self.urls = {id_: stack.enter_context(serving(answering(one))) for id_, one in self.providers.items()}
        self.services: Counter[str] = Counter()
        recordings = shipped_recordings()
        pem = certificate(folder, hosts_of(recordings))
        handler = (
            proxying(recordings, pem, latency_s, self.services) if services else refusing(latency_s, self.services)
        )
        proxy = stack.enter_context(serving(handler))
        slugs = {id_: networks()[id_].slug.upper() for id_ in self.urls}
        self.environ = {f"PROVIDER_URL_{slugs[id_]}": url for id_, url in self.urls.items()}
        self.environ |= {"HTTPS_PROXY": proxy, "PROVIDER_PUBLIC": "off", "SSL_CERT_FILE": str(pem)}
        self.environ |= {"DEFILLAMA_URL": "https://coins.llama.fi"}

    def measured(self, way: Any) -> Cost:  # noqa: ANN401 - a function without arguments
        before = {id_: one.requests for id_, one in self.providers.items()}
        refused, services = self._refused(), self.services.copy()
        used, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
        memory_mb = way()
        wall_s = time.monotonic() - started
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu_s = after.ru_utime + after.ru_stime - used.ru_utime - used.ru_stime
        counts = {networks()[id_].slug: one.requests - before[id_] for id_, one in self.providers.items()}
        counts |= {host: count - services[host] for host, count in self.services.items()}
        counts = {slug: count for slug, count in counts.items() if count}
        asked = self.services.total() - services.total()
        return Cost(wall_s, cpu_s, memory_mb, counts, self._refused() - refused, asked)

    def _refused(self) -> int:
        return sum(one.refused for one in self.providers.values())


def drilled(files: Sequence[str]) -> list[DrilledMonitor]:
    paths = [CHECKOUT / file for file in files]
    return [load_drilled(path) for path in paths if drill_path(path).exists()]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--latency", default="100ms", help="of each answer (default 100ms)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--services", choices=("on", "off"), default="on")
    asked = parser.parse_args()
    latency_s = (
        float(asked.latency[:-2]) / 1000 if asked.latency.endswith("ms") else parse_duration(asked.latency).seconds
    )
    tasks = [
        one for one in load_jobs(CHECKOUT / "automation/jobs.yaml", CHECKOUT).profiles[PROFILE].tasks if one.enabled
    ]
    files = [file for task in tasks for file in task.monitors]
    scripts = [task.script for task in tasks if task.script]
    now = datetime.now(UTC)
    answers = {call: value for scene in drilled(files) for call, value in scene.answers(now).items()}
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        world = World(stack, answers, latency_s, services=asked.services == "on", folder=directory)
        hosts = [_host(directory / "run"), _host(directory / "one")]
        ways = {
            "automation run hourly": lambda: ours(hosts[0], world),
            "an interpreter a file": lambda: interpreters(hosts[1], world, files, scripts),
            "a request a value": lambda: one_by_one(world, answers),
        }
        rounds = [{name: world.measured(way) for name, way in ways.items()} for _ in range(asked.rounds + 2)][2:]
    report(rounds, len(files), len(scripts), len(answers), asked.latency)
    return 0


def _host(directory: Path) -> Host:
    directory.mkdir()
    return Host(directory)


def ours(host: Host, world: World) -> float:
    done = subprocess.Popen(
        host.command("run", PROFILE), cwd=host.checkout, env=_environ(host, world),
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    return _largest_mb(done)


def interpreters(host: Host, world: World, files: Sequence[str], scripts: Sequence[str]) -> float:
    commands = [["-m", "monitoring.checks", "run", file] for file in files] + [[script] for script in scripts]
    return max(
        _largest_mb(
            subprocess.Popen(
                [sys.executable, *command], cwd=host.checkout, env=_environ(host, world),
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )
        )
        for command in commands
    )  # fmt: skip


def _environ(host: Host, world: World) -> dict[str, str]:
    environ = {**host.environ, **world.environ, "LOG_LEVEL": "DEBUG"}  # recorded, and sent nowhere
    environ.pop("PYTHONDONTWRITEBYTECODE")
    return environ


def _largest_mb(process: subprocess.Popen[bytes]) -> float:
    """Wait for a process; return the memory of it or of its largest child."""
    _, _, used = os.wait4(process.pid, 0)
    process.returncode = 0
    return used.ru_maxrss / 1024


def one_by_one(world: World, answers: Mapping[ViewRead, Any]) -> float:
    rpcs = {chain: Rpc(url) for chain, url in world.urls.items()}
    for view in answers:
        asked = encode_call(view.target, view.signature, *view.arguments)
        rpcs[view.chain]("eth_call", {"to": asked.target, "data": "0x" + asked.data.hex()}, "latest")
        time.sleep(max(0.0, 1 / A_SECOND - world.providers[view.chain].latency_s))
    return 0.0


def report(rounds: Sequence[Mapping[str, Cost]], files: int, scripts: int, values: int, latency: str) -> None:
    print(f"{files} monitor files, {scripts} scripts, {values} values of contracts in drills; latency {latency}")
    print(f"medians of {len(rounds)}, after two that learn; {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    print(f"{'':<26}{'wall s':>8}{'CPU s':>8}{'MB':>6}{'requests':>10}{'refused':>9}{'services':>10}{'wall x':>8}")
    best = statistics.median(each["automation run hourly"].wall_s for each in rounds)
    for name in rounds[0]:
        costs = [each[name] for each in rounds]
        wall, cpu, memory = (
            statistics.median(getattr(one, of) for one in costs) for of in ("wall_s", "cpu_s", "memory_mb")
        )
        total = int(statistics.median(sum(one.requests.values()) for one in costs))
        counts = (total, costs[0].refused, costs[0].services)
        row = f"{name:<26}{wall:>8.1f}{cpu:>8.1f}{memory:>6.0f}{counts[0]:>10}{counts[1]:>9}{counts[2]:>10}"
        print(f"{row}{wall / best:>8.1f}")
    for slug in sorted({slug for cost in rounds[0].values() for slug in cost.requests}):
        print(f"  {slug:<34}" + " ".join(f"{cost.requests.get(slug, 0):>8}" for cost in rounds[0].values()))


if __name__ == "__main__":
    sys.exit(main())
