"""Our API beside a stdlib server over the same data: requests a second, p99, memory, and the time to start.

Run from the checkout: `.venv/bin/python -m benchmarks.http_api [--seconds 3] [--rounds 5] [--alerts 10000]`. The client
is wrk (Debian has it), one thread of C, so that it is not what is measured. The servers take turns in each round:
unchanged data first, then with a writer that commits beside. Start-up is compared with a bare uvicorn and Starlette.
"""

from __future__ import annotations

import argparse
import http.client
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from benchmarks._history import build
from monitoring.store.db import schema
from monitoring.store.tables import alerts

PATH = "/v1/alerts?limit=100"
CONNECTIONS = (1, 16, 64)
COMMITS_A_SECOND = 20
BARE = """
import sys, uvicorn
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route
app = Starlette(routes=[Route("/v1/alerts", lambda request: Response(b"{}"))])
uvicorn.run(app, port=int(sys.argv[1]), loop="uvloop", http="httptools", ws="none", lifespan="off", log_config=None)
"""


@dataclass
class Server:
    """A server process under load, and what was measured of it."""

    name: str
    process: subprocess.Popen[bytes]
    port: int
    rates: dict[str, list[float]] = field(default_factory=dict)
    cpu_us: dict[str, list[float]] = field(default_factory=dict)
    p99s: dict[str, list[float]] = field(default_factory=dict)

    def load(self, kind: str, connections: int, seconds: int) -> None:
        """Let wrk ask for `seconds`; anything but 200 is a failure of the benchmark."""
        command = [
            "wrk",
            "--latency",
            "-t1",
            f"-c{connections}",
            f"-d{seconds}s",
            f"http://127.0.0.1:{self.port}{PATH}",
        ]
        cpu_before = self.cpu_s()
        said = subprocess.run(command, check=True, capture_output=True, text=True, timeout=seconds + 60).stdout
        if "Non-2xx" in said:
            raise SystemExit(f"{self.name} did not answer 200:\n{said}")
        key = f"{kind} {connections}"
        self.rates.setdefault(key, []).append(float(found(r"Requests/sec:\s+([\d.]+)", said)))
        answered = int(found(r"(\d+) requests in", said))
        self.cpu_us.setdefault(key, []).append((self.cpu_s() - cpu_before) / answered * 1e6)
        self.p99s.setdefault(key, []).append(milliseconds(found(r"99%\s+([\d.]+\w+)", said)))

    def cpu_s(self) -> float:
        """Return the CPU time so far: on a machine that does other things besides, the steadier measure."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def peak_mib(self) -> float:
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="utf-8")
        return int(found(r"VmHWM:\s+(\d+) kB", status)) / 1024


def found(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    if match is None:
        raise SystemExit(f"no {pattern!r} in:\n{text}")
    return match[1]


def milliseconds(text: str) -> float:
    number, unit = re.fullmatch(r"([\d.]+)(us|ms|s|m)", text).groups()  # type: ignore[union-attr]
    return float(number) * {"us": 0.001, "ms": 1, "s": 1000, "m": 60_000}[unit]


def ours(database: Path, port: int) -> subprocess.Popen[bytes]:
    environ = {"PATH": os.environ["PATH"], "CACHE_DIR": str(database.parent), "MONITORING_ENV_FILE": ""}
    return start([sys.executable, "-m", "monitoring.web"], {**environ, "MONITORING_API_PORT": str(port)})


def stdlib(database: Path, port: int) -> subprocess.Popen[bytes]:
    return start([sys.executable, "-m", "benchmarks._stdlib_server", str(database), str(port)], {})


def bare(_: Path, port: int) -> subprocess.Popen[bytes]:
    return start([sys.executable, "-c", BARE, str(port)], {})


STARTS = {"ours": ours, "stdlib": stdlib, "bare uvicorn": bare}


def start(command: list[str], environ: dict[str, str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command, env=environ or None, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@contextmanager
def running(name: str, database: Path) -> Iterator[Server]:
    port = free_port()
    server = Server(name, STARTS[name](database, port), port)
    try:
        first_answer(port)
        yield server
    finally:
        server.process.terminate()
        server.process.wait(30)


def first_answer(port: int) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        try:
            connection.request("GET", PATH)
            if connection.getresponse().read():
                return
        except OSError:
            time.sleep(0.002)
        finally:
            connection.close()
    raise SystemExit("a server did not come up within a minute")


@contextmanager
def writing(database: Path) -> Iterator[list[int]]:
    """Commit an alert `COMMITS_A_SECOND` times a second; the list grows with every commit."""
    over, stored = threading.Event(), list[int]()

    def write() -> None:
        with schema.open_database(database) as store:
            while not over.wait(1 / COMMITS_A_SECOND):
                alert = alerts.NewAlert("aave", "LOW", "utilisation 91.2 %")
                with store.write() as tx:
                    stored.append(alerts.insert(tx, alert, ["telegram"], datetime.now(UTC)))

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield stored
    finally:
        over.set()
        thread.join()


def measure_load(database: Path, rounds: int, seconds: int) -> None:
    with ExitStack() as stack:
        servers = [stack.enter_context(running(name, database)) for name in ("ours", "stdlib")]
        for _ in range(rounds):
            load_all(servers, "unchanged", seconds)
            with writing(database) as stored:
                load_all(servers, "changing", seconds)
        print(
            f"{PATH}; medians of {rounds} rounds of {seconds} s; changing: {COMMITS_A_SECOND} commits a second;"
            " us are of the server's CPU, a request"
        )
        mine, other = servers
        for key in mine.rates:
            report(key, mine, other)
        print(f"  peak memory after it: ours {mine.peak_mib():.0f} MiB, stdlib {other.peak_mib():.0f} MiB")
        print(f"  the writer committed {len(stored)} times in its last round")


def load_all(servers: list[Server], kind: str, seconds: int) -> None:
    for connections in CONNECTIONS:
        for server in servers:
            server.load(kind, connections, seconds)


def report(key: str, mine: Server, other: Server) -> None:
    rates = [statistics.median(server.rates[key]) for server in (mine, other)]
    p99s = [statistics.median(server.p99s[key]) for server in (mine, other)]
    cpus = [statistics.median(server.cpu_us[key]) for server in (mine, other)]
    kind, connections = key.split()
    print(f"  {kind:9} data, {connections:>2} connections:", end="")
    for name, rate, p99, cpu in zip(("ours", "stdlib"), rates, p99s, cpus, strict=True):
        print(f"  {name} {rate:6.0f}/s, p99 {p99:7.2f} ms, {cpu:4.0f} us", end="")
    print(f"   {rates[0] / rates[1]:4.1f}x, by CPU {cpus[1] / cpus[0]:4.1f}x")


def measure_starts(database: Path, rounds: int) -> None:
    took: dict[str, list[float]] = {name: [] for name in STARTS}
    for _ in range(rounds + 1):
        for name, samples in took.items():
            began = time.perf_counter()
            with running(name, database):
                samples.append(time.perf_counter() - began)
    medians = {
        name: statistics.median(samples[1:]) * 1000 for name, samples in took.items()
    }  # the first warms the disk
    print("from start to the first answer: " + ", ".join(f"{name} {ms:.0f} ms" for name, ms in medians.items()))
    print(f"  ours against a bare uvicorn: {medians['ours'] / medians['bare uvicorn']:.2f}x")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--alerts", type=int, default=10_000)
    arguments = parser.parse_args()
    if shutil.which("wrk") is None:
        raise SystemExit(
            "wrk is missing: install it (Debian: apt-get install wrk); a client in Python would be the limit"
        )
    with tempfile.TemporaryDirectory() as directory:
        database = build(Path(directory) / "monitoring.db", arguments.alerts)
        measure_starts(database, arguments.rounds)
        measure_load(database, arguments.rounds, arguments.seconds)


if __name__ == "__main__":
    main()
