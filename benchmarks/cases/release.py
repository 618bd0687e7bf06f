"""This tree next to an older release, with the same Python and packages, on state directories of their own."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from benchmarks.cases import CASES
from benchmarks.cases.start import TASK, act_of
from benchmarks.measuring import Goal, Result, Role, Size, Way, in_turns, ratios
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
WHY = "more is done before: rows that prove what ran, people on call, slots in which runs start."
WAYS: Mapping[str, Sequence[str]] = {
    "list": ["list"],
    "status": ["status"],
    "run, a task that prints": ["run", "plain"],
    "run, a task that reads a chain": ["run", "chain"],
}


def measure(size: Size) -> Result:
    case, result = CASES["release"], Result(CASES["release"].title, CASES["release"].about)
    names = list(WAYS)[: size.pick(4, 4, 1)]
    with tempfile.TemporaryDirectory() as directory:
        folder, commit = Path(directory), release_before.OLDER
        older = ROOT if size is Size.SMALLEST else release_before.extract(commit, folder / "tree")
        sides = {"now": _host(folder / "now", ROOT), commit[:7]: _host(folder / "older", older)}
        ways = {
            (side, name): Way(f"{name}: {side}", Role.OURS if side == "now" else Role.ALTERNATIVE)
            for name in names for side in sides
        }  # fmt: skip
        acts: list[tuple[Way, Callable[[], Mapping[str, float]]]] = [
            (way, partial(act_of, sides[side], sides[side].command(*WAYS[name]), folder / "first-line"))
            for (side, name), way in ways.items()
        ]
        in_turns(acts, size.pick(5, 1, 1), case.seconds(size), warm=size.pick(1, 0, 0))
    result.ways = list(ways.values())
    result.goals = [
        Goal(f"`{name}`, of {commit[:7]}", ratios(ways["now", name], ways[commit[:7], name], "CPU ms"), 1.0, why=WHY)
        for name in names
    ]
    return result


def _host(directory: Path, tree: Path) -> Host:
    """Return a host with a tree as it was released, and a profile for each way."""
    directory.mkdir()
    host = Host(directory)
    release_before.put(tree, host)
    plain, chain = host.script("plain", TASK), host.script("chain", CHAIN_TASK)
    host.jobs(
        "profiles:\n"
        f"  plain: {{cron: '0 0 1 1 *', tasks: [{{name: plain, script: {plain}}}]}}\n"
        f"  chain: {{cron: '0 0 1 1 *', tasks: [{{name: chain, script: {chain}}}]}}\n"
    )
    host.environ.pop("PYTHONDONTWRITEBYTECODE")  # as on a host: compiled once
    return host
