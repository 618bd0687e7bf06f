"""28 tasks that import a heavy library and make five calls of 50 ms: one interpreter each in sequence, or forked.

Run from the checkout: `.venv/bin/python -m benchmarks.tasks [--tasks 28] [--rounds 3]`. The library is web3
where it is installed, else what the development venv has of that weight. The calls go to a server on loopback
in a process of its own. Both ways run in each round, so that the ratio holds on a machine that drifts.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import multiprocessing
import multiprocessing.connection
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from automation.executor.executor import Task, TaskResult, TaskStatus, run_tasks

DELAY_S = 0.05
LIMIT_S = 120.0
ANSWER = b'{"jsonrpc":"2.0","id":1,"result":"0x10"}'
HAS_WEB3 = importlib.util.find_spec("web3") is not None
PRELOAD = ("web3", "aiohttp", "requests") if HAS_WEB3 else ("schemathesis.cli", "hypothesis", "http.client")

CALLS_BY_WEB3 = """
import sys
from web3 import HTTPProvider, Web3
w3 = Web3(HTTPProvider(sys.argv[1]))
for _ in range(5):
    w3.provider.make_request("eth_blockNumber", [])
"""
CALLS_BY_HAND = """
import http.client, sys
import hypothesis, schemathesis.cli
from urllib.parse import urlsplit
connection = http.client.HTTPConnection(urlsplit(sys.argv[1]).netloc)
for _ in range(5):
    connection.request("POST", "/", b'{"jsonrpc":"2.0","id":1,"method":"eth_blockNumber","params":[]}')
    connection.getresponse().read()
"""
CALLS = CALLS_BY_WEB3 if HAS_WEB3 else CALLS_BY_HAND
WAIT = "\nimport os, time\nprint('up', flush=True)\nwhile not os.path.exists('go'): time.sleep(0.02)\n"


def serve(port: multiprocessing.connection.Connection) -> None:
    """Answer each request on a kept connection after the delay."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
                await reader.readexactly(length)
                await asyncio.sleep(DELAY_S)
                fields = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
                writer.write(fields % len(ANSWER) + ANSWER)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def listen() -> None:
        server = await asyncio.start_server(answer, "127.0.0.1", 0, backlog=256)
        port.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(listen())


@contextmanager
def rpc() -> Iterator[str]:
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=serve, args=(theirs,))
    process.start()
    try:
        yield f"http://127.0.0.1:{ours.recv()}"
    finally:
        process.kill()
        process.join()


class Bench:
    """A directory of scripts, and both ways to run them."""

    def __init__(self, directory: Path, url: str) -> None:
        self._directory = directory
        self._url = url
        self._env = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ} | {"LANG": "C.UTF-8"}

    def script(self, name: str, text: str) -> str:
        (self._directory / name).write_text(text)
        return name

    def sequential(self, script: str, count: int) -> None:
        """Run as the plain runner does: an interpreter each, one after the other, output through pipes."""
        for _ in range(count):
            subprocess.run(
                [sys.executable, script, self._url],
                cwd=self._directory,
                env=self._env,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                start_new_session=True,
                check=True,
                timeout=LIMIT_S,
            )

    def forked(
        self,
        script: str,
        count: int,
        *,
        parallel: int = 1,
        isolate: bool = False,
        on_line: Callable[[str, str], None] = lambda *_: None,
        on_start: Callable[[str, int], None] = lambda *_: None,
    ) -> list[TaskResult]:
        commands = [
            Task(name=f"t{n}", argv=(script, self._url), env=self._env, timeout_s=LIMIT_S, isolate=isolate)
            for n in range(count)
        ]
        results = run_tasks(
            commands,
            cwd=self._directory,
            parallel=parallel,
            preload=PRELOAD,
            on_line=on_line,
            on_start=on_start,
            on_result=lambda _: None,
        )
        for result in results:
            if result.status is not TaskStatus.OK:
                raise SystemExit(f"{result.name}: {result.reason}\n{result.output_tail}")
        return results

    def memory(self, script: str, count: int, *, isolate: bool) -> tuple[float, float]:
        """Return the median private and proportional memory (MiB) of `count` tasks alive at once."""
        pids: list[int] = []
        ups: list[str] = []
        found: list[dict[str, float]] = []

        def look(_: str, line: str) -> None:
            ups.append(line)
            if len(ups) == count:
                found.extend(smaps(pid) for pid in pids)
                (self._directory / "go").touch()

        self.forked(
            script, count, parallel=count, isolate=isolate, on_line=look, on_start=lambda _, pid: pids.append(pid)
        )
        (self._directory / "go").unlink()
        private = [each["Private_Clean"] + each["Private_Dirty"] for each in found]
        return statistics.median(private), statistics.median(each["Pss"] for each in found)


def smaps(pid: int) -> dict[str, float]:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    return {line.split(":")[0]: int(line.split()[1]) / 1024 for line in lines}


def cost(work: Callable[[], object]) -> tuple[float, float]:
    """Return wall and CPU seconds, the CPU of this process and of all its children."""
    before, began = cpu(), time.monotonic()
    work()
    return time.monotonic() - began, cpu() - before


def cpu() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=28)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with rpc() as url, tempfile.TemporaryDirectory() as directory:
        bench = Bench(Path(directory), url)
        profile(bench, arguments.tasks, arguments.rounds)
        single_task(bench, arguments.rounds)
        memory(bench, arguments.tasks)


def profile(bench: Bench, tasks: int, rounds: int) -> None:
    script = bench.script("calls.py", CALLS)
    bench.sequential(script, 1)  # byte code and page cache
    print(f"{tasks} tasks: {PRELOAD[0]} and five calls of {DELAY_S * 1000:.0f} ms; wall s (CPU s)")
    ratios = []
    for number in range(rounds):
        old, old_cpu = cost(lambda: bench.sequential(script, tasks))
        new, new_cpu = cost(lambda: bench.forked(script, tasks, parallel=tasks))
        ratios.append(old / new)
        print(
            f"  round {number + 1}: sequential {old:.2f} ({old_cpu:.1f}), "
            f"forked {new:.2f} ({new_cpu:.1f}): {old / new:.1f}x"
        )
    print(f"  median {statistics.median(ratios):.1f}x")


def single_task(bench: Bench, rounds: int, count: int = 60) -> None:
    """What one more task costs, once the fork server is up: an empty script, one after the other."""
    script = bench.script("empty.py", "")
    walls, cpus = [], []
    for _ in range(rounds):
        first, first_cpu = cost(lambda: bench.forked(script, 1))
        all_, all_cpu = cost(lambda: bench.forked(script, count))
        walls.append((all_ - first) / (count - 1) * 1000)
        cpus.append((all_cpu - first_cpu) / (count - 1) * 1000)
    print(f"one more empty task: {statistics.median(walls):.1f} ms wall, {statistics.median(cpus):.1f} ms CPU")
    print(f"  the fork server itself: up and gone in {first * 1000:.0f} ms, {first_cpu * 1000:.0f} ms CPU")


def memory(bench: Bench, tasks: int) -> None:
    script = bench.script("wait.py", CALLS + WAIT)
    private, pss = bench.memory(script, tasks, isolate=False)
    print(f"memory of {tasks} alive at once: {private:.1f} MiB private, {pss:.1f} MiB PSS each")
    few = min(tasks, 6)
    private, pss = bench.memory(script, few, isolate=True)
    print(f"  {few} isolated ones: {private:.1f} MiB private, {pss:.1f} MiB PSS each")


if __name__ == "__main__":
    main()
