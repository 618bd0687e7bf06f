"""One monitor file whose rows grow: requests, CPU and what is stored."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from pathlib import Path

from benchmarks.cases import CASES
from benchmarks.measuring import CHECKOUT, Curve, Goal, Result, Role, Size, Way
from monitoring.checks.config.rows import MAX_ROWS
from tests.support.checks_host import ChecksHost
from tests.support.rpc_server import Provider, serving

TOKEN, BALANCE = "0x" + "11" * 20, "balanceOf(address)(uint256)"
FILE = """
monitor: holders
chain: 1
contracts: {{token: "{token}"}}
for_each:
  h:
{rows}
checks:
  - {{id: "balance/{{h.name}}", require: token.balanceOf(h.at) > 0, severity: low}}
"""


def measure(size: Size) -> Result:
    result = Result(CASES["checks"].title, CASES["checks"].about)
    cpu, requests = list[tuple[float, float]](), list[tuple[float, float]]()
    for count in size.pick((1, 10, 100, MAX_ROWS), (1, 100), (2,)):
        way = Way(f"{count} checks", Role.OURS)
        for _ in range(size.pick(5, 2, 1)):
            way.add(**_run(count))
        result.ways.append(way)
        cpu.append((count, min(way.samples["CPU ms"])))
        requests.append((count, way.median("requests")))
    few, many = result.ways[0], result.ways[-1]
    result.curves = [Curve("A monitor file with more checks", "checks", "CPU ms, or requests",
                           {"CPU ms": cpu, "requests": requests})]  # fmt: skip
    result.goals = [
        Goal(f"requests for {many.name}, of those for one", [many.median("requests") / few.median("requests")],
             3 if size is Size.FULL else 2, why="a multicall holds at most 100 calls, and a request five of them."),
    ]  # fmt: skip
    return result


def _run(count: int) -> dict[str, float]:
    """Run a file with so many rows twice on a fresh host; return the cost of the second run."""
    rows = "\n".join(f'    - {{name: "h{number}", at: "0x{number:040d}"}}' for number in range(1, count + 1))
    provider = Provider(chain_id=1, head_time=time.time, views={(TOKEN, BALANCE): 7})
    with tempfile.TemporaryDirectory() as directory, serving(provider):
        host = ChecksHost(Path(directory), {"PROVIDER_URL_MAINNET": provider.url})
        file = host.file(FILE.format(token=TOKEN, rows=rows))
        for _ in range(2):
            before, began = provider.requests, time.monotonic()
            process = subprocess.Popen(
                host.command("run", file), env=host.env(), cwd=CHECKOUT, stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )  # fmt: skip
            code, used = os.wait4(process.pid, 0)[1:]
            process.returncode = os.waitstatus_to_exitcode(code)
            if process.returncode:
                raise RuntimeError(f"the run of {count} checks ended with {process.returncode}")
        return {
            "wall ms": (time.monotonic() - began) * 1000, "CPU ms": (used.ru_utime + used.ru_stime) * 1000,
            "requests": provider.requests - before,
        }  # fmt: skip
