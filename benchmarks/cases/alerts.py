"""Servers of `/v1/alerts` under load: data that does not change, and one alert stored a second."""

from __future__ import annotations

import statistics
import tempfile
import threading
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from benchmarks.cases import CASES
from benchmarks.cases.history import History, timed
from benchmarks.load import load
from benchmarks.measuring import CHECKOUT, Goal, Result, Role, Size, Way, environment, in_turns, python, ratios
from benchmarks.processes import cpu_s, free_port, pss_mib, serving
from benchmarks.worlds.history import build
from monitoring.store.db import schema
from monitoring.store.tables import alerts

PATH = "/v1/alerts?limit=100"
CONNECTIONS = 16
WHY = (
    "with a commit between requests the page is read and written as JSON again; then our server does what the other one"
    " does, less often. See CPU: the server's time for an answer."
)


@dataclass(frozen=True)
class Server:
    name: str
    role: Role
    port: int
    pid: int

    def loaded(self, seconds: float) -> dict[str, float]:
        before = cpu_s(self.pid)
        found = load(self.port, PATH, CONNECTIONS, seconds)
        used = (cpu_s(self.pid) - before) / max(1, found.answers) * 1e6
        return {"answers_a_second": found.rate, "p99_ms": found.p99_ms, "CPU_µs_an_answer": used}


def measure(size: Size) -> Result:
    case, result = CASES["alerts"], Result(CASES["alerts"].title, CASES["alerts"].about)
    seconds, rounds = size.pick(2.0, 1.0, 0.1), size.pick(4, 1, 1)
    with tempfile.TemporaryDirectory() as directory, ExitStack() as stack:
        database = build(Path(directory) / "monitoring.db", size.pick(10_000, 10_000, 300))
        servers = _servers(stack, database)
        still = _under_load(servers, "unchanged", seconds, rounds, case.seconds(size) / 2)
        with _storing(database):
            changing = _under_load(servers[:3], "one stored a second", seconds, rounds, case.seconds(size) / 2)
        result.ways = [*still, *changing, _query_alone(database)]
        result.ways += [_memory(server) for server in servers]
    unchanged, changed = (ratios(ways[0], ways[1], "answers a second") for ways in (still, changing))
    result.goals = [
        Goal("unchanged, than a connection a request", unchanged, 10, at_least=True, unit="× as many answers", why=WHY),
        Goal("one stored a second, than a connection a request", changed, 5, at_least=True, unit="× as many answers",
             why=WHY),
    ]  # fmt: skip
    result.headline = (
        f"**{statistics.median(unchanged):.1f} × as many answers** of `/v1/alerts` as the standard library's server;"
        f" {statistics.median(changed):.1f} × while alerts are stored."
    )
    return result


def _servers(stack: ExitStack, database: Path) -> list[Server]:
    stdlib = python("-m", "benchmarks.alternatives.stdlib_server", str(database))
    ports = [free_port() for _ in range(4)]
    state = {"CACHE_DIR": str(database.parent), "MONITORING_API_PORT": str(ports[0]), "PYTHONPATH": str(CHECKOUT)}
    page = database.with_name("page.json")
    commands: Sequence[tuple[str, Role, list[str]]] = (
        ("ours", Role.OURS, python("-m", "monitoring.web")),
        ("stdlib, a connection a request", Role.ALTERNATIVE, [*stdlib, str(ports[1])]),
        ("stdlib, kept connections", Role.ALTERNATIVE, [*stdlib, str(ports[2]), "kept"]),
        ("bare uvicorn, the same bytes", Role.LIMIT,
         python(str(CHECKOUT / "benchmarks/alternatives/bare_uvicorn.py"), str(page), str(ports[3]))),
    )  # fmt: skip
    found = []
    for port, (name, role, command) in zip(ports, commands, strict=True):
        if role is Role.LIMIT:
            page.write_bytes(urllib.request.urlopen(f"http://127.0.0.1:{ports[0]}{PATH}", timeout=30).read())
        pid = stack.enter_context(serving(command, port, environment(**state)))
        found.append(Server(name, role, port, pid))
    return found


def _under_load(servers: Sequence[Server], kind: str, seconds: float, rounds: int, budget_s: float) -> list[Way]:
    ways = [Way(f"{server.name}; {kind}", server.role) for server in servers]
    acts: list[tuple[Way, Callable[[], dict[str, float]]]] = [
        (way, partial(server.loaded, seconds)) for way, server in zip(ways, servers, strict=True)
    ]
    in_turns(acts, rounds, budget_s)
    return ways


@contextmanager
def _storing(database: Path) -> Iterator[None]:
    """Store an alert a second."""
    over = threading.Event()

    def store() -> None:
        with schema.open_database(database) as opened:
            while not over.wait(1):
                with opened.write() as tx:
                    alerts.insert(
                        tx, alerts.NewAlert("aave", "LOW", "utilisation 91.2 %"), ["telegram"], datetime.now(UTC)
                    )

    thread = threading.Thread(target=store)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _query_alone(database: Path) -> Way:
    """Return the page from the question to its JSON in this process: what no server of one core goes below."""
    history, way = History.opened("", database), Way("the query and its JSON alone, one core", Role.LIMIT)
    for _ in range(20):
        wall_ms, _cpu = timed(history.asked({"limit": 100}))
        way.add(answers_a_second=1000 / wall_ms)
    return way


def _memory(server: Server) -> Way:
    way = Way(f"memory after it: {server.name}", server.role)
    way.add(PSS_MiB=pss_mib(server.pid))
    return way
