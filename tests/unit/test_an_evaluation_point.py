"""Where monitors are evaluated: at a block that is asked for, with a state that is supposed, and with known answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from monitoring.base.http.client import Answer, Request
from monitoring.checks.config.load import load_monitor
from monitoring.checks.engine.evaluate import evaluate
from monitoring.checks.engine.point import EvaluationPoint
from monitoring.checks.expression.evaluate import ViewRead
from utils.testing import SimChain, SimClock

A = "0x1111111111111111111111111111111111111111"
YAML = f"""
monitor: one
chain: 1
contracts: {{a: "{A}"}}
checks: [{{id: floor, require: a.totalSupply() >= 100, severity: high}}]
"""


class Noted:
    """A simulated chain that notes what it is asked."""

    def __init__(self) -> None:
        self.chain = SimChain({(A, "totalSupply()(uint256)"): 5})
        self.clock = SimClock()
        self.asked: list[dict[str, Any]] = []

    def __call__(self, request: Request, _timeout_s: float) -> Answer:
        body = json.loads(request.body)
        self.asked += body if isinstance(body, list) else [body]
        return self.chain.fetch(request, self.clock)

    def of(self, method: str) -> list[list[Any]]:
        return [one["params"] for one in self.asked if one["method"] == method]


def monitor_of(folder: Path) -> Any:
    (folder / "monitor.yaml").write_text(YAML)
    return load_monitor(folder / "monitor.yaml")


def test_a_block_and_a_supposed_state_reach_the_provider(tmp_path: Path) -> None:
    noted, block = Noted(), 19_000_000
    supposed = {A: {"code": "0x60"}}
    at = EvaluationPoint(
        noted.chain.environ,
        noted.clock,
        blocks={1: block},
        overrides={1: supposed},
        fetch=noted,
        sleep=noted.clock.sleep,
    )
    evaluation = evaluate([monitor_of(tmp_path)], at)

    assert [one.seen.reading for one in evaluation.checks] == [5]
    assert [params[0] for params in noted.of("eth_getBlockByNumber")] == [hex(block)], "no head is asked for"
    assert [params[1:] for params in noted.of("eth_call")] == [[hex(block), supposed]]
    assert evaluation.record.judged_blocks == {1: block}


def test_what_is_known_is_not_asked_again_and_loads_no_chain(tmp_path: Path) -> None:
    at = EvaluationPoint({}, SimClock(), known={ViewRead(1, A, "totalSupply()(uint256)"): 50})
    evaluation = evaluate([monitor_of(tmp_path)], at)

    (check,) = evaluation.checks
    assert check.seen.reading == 50
    assert check.composed is not None
    assert check.composed.alert.severity.name == "HIGH"
    assert not at.has_read
    assert evaluation.again(evaluation.record.before).checks[0].seen.outcome == check.seen.outcome
