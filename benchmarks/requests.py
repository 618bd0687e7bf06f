"""What one run of the shipped on-chain monitors costs in JSON-RPC requests, against one request for each read.

Run from the checkout: `.venv/bin/python -m benchmarks.requests [--rounds 10]` (needs `make node`). The monitors of the
hourly task `protocols` run against local chains whose contracts answer as their drills say. Both sides read the same
values and are counted at the same gateways; the sides take turns in every round.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from automation.jobs.load import load_jobs
from monitoring.base.settings import CHECKOUT
from monitoring.chains.rpc.multicall import call as encode_call
from monitoring.chains.rpc.views import ChainView
from monitoring.checks.drill.file import DrilledMonitor, load_drilled
from monitoring.checks.engine.monitor import CHAINS
from monitoring.checks.engine.point import EvaluationPoint
from tests.support import anvil
from tests.support.answers import put_answers, put_multicall
from tests.support.evaluating import evaluate_checks
from tests.support.rpc import Rpc
from tools.demo_chain import Gateway

TASK = ("hourly", "protocols")


@dataclass(frozen=True, slots=True)
class Side:
    """One way to read everything: its requests by chain, and how long it took."""

    requests: Mapping[int, int]
    took_s: float
    reads: int
    passes: int


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=10)
    rounds = parser.parse_args().rounds
    if anvil.binary() is None:
        sys.exit(anvil.HOW_TO_GET_IT)
    scenes = [load_drilled(CHECKOUT / file) for file in _files()]
    with gateways(scenes) as chains:
        pairs = [(planned(scenes, chains), one_by_one(scenes, chains)) for _ in range(rounds)]
    report(pairs)
    return 0


def _files() -> Sequence[str]:
    profile = load_jobs(CHECKOUT / "automation/jobs.yaml", CHECKOUT).profiles[TASK[0]]
    return next(task.monitors for task in profile.tasks if task.name == TASK[1])


@contextmanager
def gateways(scenes: Sequence[DrilledMonitor]) -> Iterator[dict[int, Gateway]]:
    """Start a chain for each that the monitors read, answering as their drills say, behind a gateway that counts."""
    now = datetime.now(UTC)
    answers = {call: value for scene in scenes for call, value in scene.answers(now).items()}
    with ExitStack() as stack:
        found: dict[int, Gateway] = {}
        for chain in sorted({call.chain for call in answers}):
            node = stack.enter_context(anvil.running("--chain-id", str(chain)))
            put_multicall(node)
            put_answers(node, {call: value for call, value in answers.items() if call.chain == chain})
            found[chain] = stack.enter_context(Gateway(node))
        yield found


def planned(scenes: Sequence[DrilledMonitor], chains: Mapping[int, Gateway]) -> Side:
    """Read as a run does: all monitors together, in passes."""
    environ = {f"PROVIDER_URL_{CHAINS[chain].upper()}": gateway.url for chain, gateway in chains.items()}
    before, started_s = _counted(chains), time.monotonic()
    at = EvaluationPoint({**environ, "PROVIDER_PUBLIC": "off"})
    for chain, gateway in chains.items():
        view = at.chains.view(chain)
        if not isinstance(view, ChainView):
            raise SystemExit(f"{gateway.url} cannot be read: {view}")
    readings = evaluate_checks(
        [part for scene in scenes for part in scene.parts], None, {}, datetime.now(UTC), at=at
    ).readings
    took_s = time.monotonic() - started_s
    calls = sum(len(one) for one in readings.passes)
    return Side(_since(before, chains), took_s, calls, len(readings.passes))


class Plain:
    """Reads as a script does: one `eth_call` for each value."""

    def __init__(self, chains: Mapping[int, Gateway]) -> None:
        self._rpcs = {chain: Rpc(gateway.url) for chain, gateway in chains.items()}
        self.reads = 0

    def read(self, questions: Sequence[Any]) -> dict[Any, Any]:
        self.reads += len(questions)
        return {one: self._read(one) for one in questions}

    def _read(self, one: Any) -> Any:  # noqa: ANN401 - of the function's own type
        asked = encode_call(one.target, one.signature, *one.arguments)
        call = {"to": asked.target, "data": "0x" + asked.data.hex()}
        return asked.function.decode(bytes.fromhex(self._rpcs[one.chain]("eth_call", call, "latest")[2:]))


def one_by_one(scenes: Sequence[DrilledMonitor], chains: Mapping[int, Gateway]) -> Side:
    """Read monitor by monitor; each value once for each monitor."""
    before, started_s, plain = _counted(chains), time.monotonic(), Plain(chains)
    for scene in scenes:
        evaluate_checks(scene.parts, plain, {}, datetime.now(UTC))
    return Side(_since(before, chains), time.monotonic() - started_s, plain.reads, 0)


def _counted(chains: Mapping[int, Gateway]) -> dict[int, int]:
    return {chain: len(gateway.requests) for chain, gateway in chains.items()}


def _since(before: Mapping[int, int], chains: Mapping[int, Gateway]) -> dict[int, int]:
    return {chain: count - before[chain] for chain, count in _counted(chains).items()}


def report(pairs: Sequence[tuple[Side, Side]]) -> None:
    ours, plain = pairs[0]
    print(f"{ours.reads} reads on {len(ours.requests)} chains in {ours.passes} passes; {plain.reads} one by one")
    print(f"{'chain':<10} {'planned':>8} {'one by one':>11}")
    for chain in ours.requests:
        print(f"{CHAINS[chain]:<10} {ours.requests[chain]:>8} {plain.requests[chain]:>11}")
    total, single = sum(ours.requests.values()), sum(plain.requests.values())
    print(f"{'all':<10} {total:>8} {single:>11}   {single / total:.1f} times fewer")
    took = [statistics.median(side.took_s for side in sides) for sides in zip(*pairs, strict=True)]
    faster = f"median of {len(pairs)}; {took[1] / took[0]:.1f} times faster"
    print(f"{'seconds':<10} {took[0]:>8.2f} {took[1]:>11.2f}   {faster}")


if __name__ == "__main__":
    sys.exit(main())
