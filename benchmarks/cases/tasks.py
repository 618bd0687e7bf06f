"""Tasks as forks of a warm interpreter, next to an interpreter each; what one more costs, and the memory of all."""

from __future__ import annotations

import os
import select
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from automation.executor.executor import Task, TaskResult, TaskStatus, run_tasks
from automation.executor.fork_client import ForkServer, server_environment
from benchmarks.cases import CASES
from benchmarks.measuring import Curve, Goal, Result, Role, Size, Way, cost, environment, in_turns, python, ratios
from benchmarks.processes import pss_mib
from benchmarks.worlds.slow_rpc import slow_rpc

DELAY_S = 0.05
PRELOAD = ("web3", "aiohttp", "requests")
CALLS = """
import sys
from web3 import HTTPProvider, Web3
w3 = Web3(HTTPProvider(sys.argv[1]))
for _ in range(5):
    w3.provider.make_request("eth_blockNumber", [])
"""
WAIT = "\nimport os, time\nprint('up', flush=True)\nwhile not os.path.exists('go'): time.sleep(0.02)\n"
FORK = """
import gc, os, sys, time, web3
gc.freeze()
took = []
for _ in range(int(sys.argv[1])):
    began = time.perf_counter()
    if not (pid := os.fork()):
        os._exit(0)
    os.waitpid(pid, 0)
    took.append(time.perf_counter() - began)
print(sorted(took)[len(took) // 2] * 1000)
"""


def measure(size: Size) -> Result:
    case, result = CASES["tasks"], Result(CASES["tasks"].title, CASES["tasks"].about)
    tasks = size.pick(28, 4, 1)
    with slow_rpc(DELAY_S if size is not Size.SMALLEST else 0.0) as url, tempfile.TemporaryDirectory() as directory:
        ways = Ways(Path(directory), url, preload=PRELOAD if size is not Size.SMALLEST else ())
        script = ways.script("calls.py", CALLS if size is not Size.SMALLEST else "")
        ours = Way(f"ours: {tasks} at once, the fork server is up", Role.OURS)
        one_by_one = Way("`subprocess.run`, one after the other", Role.ALTERNATIVE)
        eight = Way("`subprocess.run`, eight at once", Role.ALTERNATIVE)
        acts: list[tuple[Way, Callable[[], dict[str, float]]]] = [
            (ours, lambda: ways.forked(script, tasks, parallel=tasks)),
            (one_by_one, lambda: cost(lambda: ways.interpreters(script, tasks, 1))),
            (eight, lambda: cost(lambda: ways.interpreters(script, tasks, 8))),
        ]
        ways.interpreters(script, 1, 1)  # byte code and page cache
        in_turns(acts, size.pick(5, 1, 1), case.seconds(size) * 0.75)
        result.ways = [ours, one_by_one, eight]
        faster = ratios(one_by_one, ours, "wall ms")
        result.goals = [_many_goal(faster, tasks)]
        result.headline = (
            f"**{statistics.median(faster):.0f} × faster** than an interpreter a task: {tasks} tasks that import web3"
            f" and wait for five calls of 50 ms, in {ours.median('wall ms') / 1000:.1f} s."
        )
        one_more(ways, result, size)
        if size is Size.FULL:
            result.curves = [growth(ways, script)]
        if size is not Size.SMALLEST:
            memory(ways, result, size)
    return result


def _many_goal(faster: list[float], tasks: int) -> Goal:
    return Goal(
        f"{tasks} tasks with web3, than one interpreter after the other", faster, 30, at_least=True, unit="× faster",
        why="what is left is the five calls themselves and web3's own work for each, which two cores share.",
    )  # fmt: skip


class Ways:
    """A directory of scripts, and both ways to run them."""

    def __init__(self, directory: Path, url: str, preload: Sequence[str]) -> None:
        self.folder, self._url, self._preload = directory, url, preload
        self._env = environment(LANG="C.UTF-8")

    def script(self, name: str, text: str) -> str:
        (self.folder / name).write_text(text)
        return name

    def interpreters(self, script: str, count: int, at_once: int) -> None:
        """Run as the plain runner does: an interpreter each, output through pipes, a session of its own."""

        def run(_: int) -> None:
            subprocess.run(
                [sys.executable, script, self._url], cwd=self.folder, env=self._env, stdin=subprocess.DEVNULL,
                capture_output=True, start_new_session=True, check=True, timeout=120,
            )  # fmt: skip

        with ThreadPoolExecutor(at_once) as pool:
            list(pool.map(run, range(count)))

    def forked(
        self, script: str, count: int, *, parallel: int = 1, isolate: bool = False,
        on_line: Callable[[str, str], None] = lambda *_: None, on_start: Callable[[str, int], None] = lambda *_: None,
    ) -> dict[str, float]:  # fmt: skip
        """Return the cost of the tasks; that of the server, which is up before, is a column of its own."""
        commands = [
            Task(name=f"t{n}", argv=(script, self._url), env=self._env, timeout_s=120.0, isolate=isolate)
            for n in range(count)
        ]
        server: ForkServer | None = None

        def start() -> None:
            nonlocal server
            env = server_environment(task.env for task in commands)
            server = ForkServer(cwd=str(self.folder), env=env, preload=self._preload)
            select.select([server], [], [], 30)  # it says so when it is ready

        before = cost(start)
        found = list[TaskResult]()
        values = cost(
            lambda: found.extend(
                run_tasks(
                    commands, cwd=self.folder, parallel=parallel, on_line=on_line, on_start=on_start,
                    on_result=lambda _: None, server=server,
                )
            )
        )  # fmt: skip
        for result in found:
            if result.status is not TaskStatus.OK:
                raise RuntimeError(f"{result.name}: {result.reason}\n{result.output_tail}")
        return {**values, "server_ms": before["wall_ms"]}


def one_more(ways: Ways, result: Result, size: Size) -> None:
    """Add what one more task costs once the server is up, and what a fork and a spawn cost at all."""
    few, many = 2, size.pick(60, 20, 4)
    script = ways.script("empty.py", "")
    more = Way("one more empty task", Role.OURS)
    for _ in range(size.pick(5, 1, 1)):
        less, all_ = ways.forked(script, few), ways.forked(script, many)
        more.add(
            wall_ms=(all_["wall_ms"] - less["wall_ms"]) / (many - few),
            CPU_ms=max(0.01, all_["CPU_ms"] - less["CPU_ms"]) / (many - few),
        )
    spawn = Way("`posix_spawn` of `true`", Role.LIMIT)
    for _ in range(size.pick(5, 2, 1)):
        values = cost(lambda: [os.waitpid(os.posix_spawn("/bin/true", ["true"], {}), 0) for _ in range(50)])
        spawn.add(wall_ms=values["wall_ms"] / 50, CPU_ms=values["CPU_ms"] / 50)
    result.ways += [more, spawn]
    if size is not Size.SMALLEST:
        fork = Way("`fork` and `_exit` of an interpreter with web3", Role.LIMIT)
        fork.add(wall_ms=float(subprocess.check_output(python("-c", FORK, "60"))))
        result.ways.append(fork)
    result.goals.append(Goal("CPU of one more task", more.samples["CPU ms"], 30, unit="ms"))


def growth(ways: Ways, script: str) -> Curve:
    series: dict[str, list[tuple[float, float]]] = {"wall": [], "CPU": []}
    for count in (1, 7, 28, 112):
        values = ways.forked(script, count, parallel=28)
        series["wall"].append((count, values["wall_ms"] / 1000))
        series["CPU"].append((count, values["CPU_ms"] / 1000))
    return Curve("Tasks of one run, 28 at once", "tasks", "s", series)


def memory(ways: Ways, result: Result, size: Size) -> None:
    """Add the memory of many tasks that are alive at once, forked and as interpreters of their own."""
    script = ways.script("wait.py", CALLS + WAIT)
    for name, count, isolate, role in (
        ("ours", size.pick(28, 4, 1), False, Role.OURS),
        ("an interpreter each", size.pick(6, 2, 1), True, Role.ALTERNATIVE),
    ):  # fmt: skip
        way = Way(f"memory of a task, {count} alive, {name}", role)
        way.samples["PSS MiB"] = _memory(ways, script, count, isolate=isolate)
        result.ways.append(way)


def _memory(ways: Ways, script: str, count: int, *, isolate: bool) -> list[float]:
    pids, ups, found = list[int](), list[str](), list[float]()
    go = ways.folder / "go"
    go.unlink(missing_ok=True)

    def look(_: str, line: str) -> None:
        ups.append(line)
        if len(ups) == count:
            found.extend(pss_mib(pid) for pid in pids)
            go.touch()

    ways.forked(script, count, parallel=count, isolate=isolate, on_line=look, on_start=lambda _, pid: pids.append(pid))
    return found
