"""The whole shipped hourly profile against providers with latency and limits; the same reads by other ways."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from automation.jobs.load import load_jobs
from benchmarks.cases import CASES
from benchmarks.measuring import CHECKOUT, Goal, Result, Role, Size, Way, environment, in_turns, python
from benchmarks.worlds.providers import A_SECOND, Noted, World
from monitoring.base.clock import from_text
from monitoring.checks.drill.file import drill_path, load_drilled
from monitoring.checks.expression.evaluate import ViewRead
from tests.support.host import Host

PROFILE = "hourly"
_REPEATED = 450  # `eth_call`s at most that other ways repeat


def measure(size: Size) -> Result:
    case, result = CASES["requests"], Result(CASES["requests"].title, CASES["requests"].about)
    latency_s = size.pick(0.1, 0.1, 0.0)
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        world = World(stack, drilled_answers(size), latency_s, directory)
        host = _host(directory, world, size)
        ours = Way(f"`automation run {PROFILE}`", Role.OURS)
        run = partial(_run, host, world)
        for _ in range(size.pick(2, 0, 0)):
            run()  # ranges of logs are learnt, and what happened before the first run is read
        longest = _longest_chain(host, run)
        seen = run()
        ours.add(**_columns(seen))
        result.ways = [ours]
        result.ways.append(Way("the longest chain of dependent requests of a task", Role.LIMIT))
        result.ways[-1].add(requests=longest, wall_s=longest * latency_s)
        if size is not Size.SMALLEST:
            _by_other_ways(result, world, directory, size)
        if size is Size.FULL:
            in_turns([(ours, lambda: _columns(run()))], 3, case.seconds(size) * 0.4)
        noted = seen[1]
    chain_s = max(longest * latency_s, 0.001)
    times = noted.reads / max(1, len(noted.spans))
    result.goals = [
        Goal("the profile, of the longest chain of dependent requests",
             [each / chain_s for each in ours.samples["wall s"]], 3, why=_why_longer(ours, longest)),
        Goal("requests, than reads", [times], 20, at_least=True, unit="× fewer", why=_why_many(noted)),
    ]  # fmt: skip
    result.headline = (
        f"**{times:.1f} × fewer requests than reads**: {noted.reads} reads of {_what(size)} in {len(noted.spans)}."
    )
    return result


def _why_longer(ours: Way, longest: int) -> str:
    cpu_s, cores = ours.median("CPU s"), os.cpu_count() or 1
    return (
        f"the run computes for {cpu_s:.1f} s, at least {cpu_s / cores:.1f} s on {cores} cores: its own start, and"
        " a process a task that loads its monitors, judges and stores. The requests of tasks overlap with that and with"
        f" each other ({longest} in a row for the longest task)."
    )


def _why_many(noted: Noted) -> str:
    kinds = noted.kinds
    return (
        f"of {len(noted.spans)} requests {kinds['heads']} ask for the head of a chain, one a chain and task, since each"
        f" task reads at a block of its own; {kinds['services']} go to services, which take one question;"
        f" {kinds['logs']} read logs and {kinds['views']} contracts, often because of what was read before. Of chains"
        f" alone a request holds {noted.chain_reads:.1f} reads. Fewer needs tasks that share a process and a block, so"
        " that a slow service or a crash of one would hold up all. With vaults of 30 markets, the most they may have,"
        " 20.4 × was measured, with vaults of five 13.6 ×."
    )


def _what(size: Size) -> str:
    return "the hourly profile" if size is Size.FULL else "one task of the hourly profile"


def drilled_answers(size: Size) -> Mapping[ViewRead, Any]:
    """Return what contracts answer, as the drills of the profile's monitors say."""
    if size is Size.SMALLEST:
        return {}
    tasks = load_jobs(CHECKOUT / "automation/jobs.yaml", CHECKOUT).profiles[PROFILE].tasks
    files = [CHECKOUT / file for task in tasks if task.enabled for file in task.monitors]
    scenes, now = [load_drilled(file) for file in files if drill_path(file).exists()], datetime.now(UTC)
    return {call: value for scene in scenes for call, value in scene.answers(now).items()}


def _host(directory: Path, world: World, size: Size) -> Host:
    (directory / "run").mkdir()
    host = Host(directory / "run")
    host.environ.pop("PYTHONDONTWRITEBYTECODE")
    host.environ |= {**world.environ, "LOG_LEVEL": "DEBUG"}  # alerts are recorded, and sent nowhere
    if size is not Size.FULL:
        host.keep_tasks(*size.pick((), ("host", "protocols"), ("host",)))
    return host


_Seen = tuple[float, Noted, float, float]


def _run(host: Host, world: World) -> _Seen:
    """Run the profile; return the wall time, what was asked, the CPU time, and the memory of the largest process."""
    noted, began = world.begin(), time.monotonic()
    process = subprocess.Popen(
        host.command("run", PROFILE), cwd=host.checkout, env=host.environ, stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    _, _, used = os.wait4(process.pid, 0)
    process.returncode = 0
    return time.monotonic() - began, noted, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def _columns(seen: _Seen) -> dict[str, float]:
    wall_s, noted, cpu_s, memory_mib = seen
    return {
        "wall s": wall_s, "CPU s": cpu_s, "largest MiB": memory_mib, "requests": len(noted.spans), "reads": noted.reads,
        "chain reads a request": noted.chain_reads, "refused": noted.refused,
    }  # fmt: skip


def _longest_chain(host: Host, run: Callable[[], _Seen]) -> int:
    """Return how many requests of one task came one after the other, of the task with the most.

    A request may depend on every one of its task that had ended before it began. Counted in a run of one task after the
    other, since nothing else says whose a request is.
    """
    own = host.checkout / "automation/jobs.d/in_turn.yaml"
    own.parent.mkdir(exist_ok=True)
    own.write_text(f"profiles: {{{PROFILE}: {{parallel: 1}}}}\n")
    noted = run()[1]
    own.unlink()
    rows = host.rows("SELECT started_at, ended_at FROM task_runs WHERE run_id = (SELECT max(id) FROM runs)")
    spans = [tuple(from_text(str(each)).timestamp() for each in row) for row in rows if row[1]]
    return max((_in_a_row([one for one in noted.spans if first <= one[0] <= last]) for first, last in spans), default=0)


def _in_a_row(requests: Sequence[tuple[float, float]]) -> int:
    count, ended = 0, 0.0
    for began, over in sorted(requests, key=lambda one: one[1]):
        if began >= ended:
            count, ended = count + 1, over
    return count


def _by_other_ways(result: Result, world: World, directory: Path, size: Size) -> None:
    """Add the same `eth_call`s, one request each and in web3's batches; both judge nothing and read no events."""
    calls = {world.urls[chain]: [*dict.fromkeys(asked)] for chain, asked in world.noted.calls.items()}
    # One request a read takes as long as there are reads: a part of them shows as much.
    step = -(-sum(map(len, calls.values())) // size.pick(_REPEATED, 60, 0))
    calls = {url: asked[::step] for url, asked in calls.items()}
    file, count = directory / "calls.json", sum(map(len, calls.values()))
    file.write_text(json.dumps(calls))
    for name, script in (("one request a read", "request_a_read"), ("web3.py, `batch_requests`", "web3_batches")):
        way = Way(f"{name}: {count} `eth_call`s", Role.ALTERNATIVE)
        way.add(**_other(world, python(str(CHECKOUT / f"benchmarks/alternatives/{script}.py"), str(file))))
        result.ways.append(way)
    result.notes.append(
        f"the other ways repeat one in {step} of the profile's `eth_call`s alone, at once and without the limit of"
        f" {A_SECOND} requests a second where it was met; events, services and judging are left out."
    )


def _other(world: World, command: Sequence[str]) -> dict[str, float]:
    noted, began = world.begin(), time.monotonic()
    process = subprocess.Popen(command, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    said = process.communicate()[1]
    if process.returncode:
        raise RuntimeError(said[-2000:])
    return {
        "wall s": time.monotonic() - began, "requests": len(noted.spans), "reads": noted.reads,
        "refused": noted.refused,
    }  # fmt: skip
