"""This tree against an older release, in turns: what looking costs, and the way to the first line of a task.

Run from the checkout: `.venv/bin/python -m benchmarks.releases [--commit 2eee65c] [--rounds 9] [--long]`.

Both trees run with the same Python and packages, on state directories of their own. `--long` adds each tree's own
`benchmarks.tasks` and `benchmarks.requests` (minutes; the latter needs `make node`).
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.start import TASK, Cost, measure
from tests.support import release_before
from tests.support.host import ROOT, Host

# Of a task that reads a chain the first line of its function counts: what it imports comes before.
CHAIN_TASK = (
    """
import os, time
from utils.chain import Chain
from utils.monitor import monitor

@monitor("bench")
def main(m):
    """
    + TASK.splitlines()[1]
    + """

if __name__ == "__main__":
    main()
"""
)


class Side:
    """A tree as a host has it, with a profile for each way."""

    def __init__(self, directory: Path, tree: Path) -> None:
        directory.mkdir()
        self.host, self.mark = Host(directory), directory / "first-line"
        release_before.put(tree, self.host)
        plain, chain = self.host.script("plain", TASK), self.host.script("chain", CHAIN_TASK)
        self.host.jobs(
            "profiles:\n"
            f"  plain: {{cron: '0 0 1 1 *', tasks: [{{name: plain, script: {plain}}}]}}\n"
            f"  chain: {{cron: '0 0 1 1 *', tasks: [{{name: chain, script: {chain}}}]}}\n"
        )
        self.environ = {**self.host.environ, "FIRST_LINE": str(self.mark)}
        self.environ.pop("PYTHONDONTWRITEBYTECODE")  # as on a host: compiled once

    def cost(self, arguments: Sequence[str]) -> Cost:
        return measure(self.host.command(*arguments), self.host.checkout, self.environ, self.mark)


WAYS: Mapping[str, Sequence[str]] = {
    "list": ["list"],
    "status": ["status"],
    "run, a task that prints": ["run", "plain"],
    "run, a task that reads a chain": ["run", "chain"],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--commit", default=release_before.OLDER)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--long", action="store_true")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        older = release_before.extract(asked.commit, Path(directory) / "tree")
        sides = {asked.commit[:7]: Side(Path(directory) / "older", older), "now": Side(Path(directory) / "now", ROOT)}
        print(f"medians of {asked.rounds}, after one that compiles; load {os.getloadavg()[0]:.1f} of {os.cpu_count()}")
        print(f"{'':<34}{'CPU ms':>9}{'now':>7}{'ratio':>8}{'first line ms':>16}{'now':>7}{'ratio':>8}", flush=True)
        for name, arguments in WAYS.items():
            found = [[side.cost(arguments) for side in sides.values()] for _ in range(asked.rounds + 1)][1:]
            print(_row(name, list(zip(*found, strict=True))), flush=True)
        if asked.long:
            (older / "node_modules").symlink_to(ROOT / "node_modules")
            for module, rounds in (("benchmarks.tasks", "3"), ("benchmarks.requests", "3")):
                for name, tree in (("now", ROOT), (asked.commit[:7], older)):
                    print(f"\n{module}, {name}", flush=True)
                    subprocess.run([sys.executable, "-m", module, "--rounds", rounds], cwd=tree, check=False)


def _row(name: str, sides: Sequence[Sequence[Cost]]) -> str:
    cpu = [statistics.median(cost.cpu for cost in costs) * 1000 for costs in sides]
    row = f"{name:<34}{cpu[0]:9.0f}{cpu[1]:7.0f}{cpu[1] / cpu[0]:8.2f}"
    lines = [[cost.first_line for cost in costs if cost.first_line is not None] for costs in sides]
    if not all(lines):
        return row
    first = [statistics.median(each) * 1000 for each in lines]
    return f"{row}{first[0]:16.0f}{first[1]:7.0f}{first[1] / first[0]:8.2f}"


if __name__ == "__main__":
    main()
