"""The sample of fourteen checks on a real chain, run as a task: each fires, worsens, recovers and goes blind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from eth_hash.auto import keccak

from monitoring.checks.builtin import TYPES
from monitoring.checks.config.load import load_monitor
from monitoring.checks.engine.evaluate import evaluate
from monitoring.checks.engine.point import EvaluationPoint
from monitoring.checks.expression.evaluate import ViewRead
from monitoring.checks.expression.values import Value
from tests.support import anvil, parts
from tests.support.answers import forget_answer, put_answers, put_multicall
from tests.support.anvil import Anvil
from tests.support.checks_host import ChecksHost

pytestmark = pytest.mark.node
FILE = Path(__file__).parents[1] / "data/monitors/good/threejane.yaml"
ZERO = "0x" + "00" * 20
PAUSED, FLOOR = keccak(b"IS_PAUSED"), keccak(b"SUSD3_NOMINAL_BACKING_FLOOR")
JUNIOR_SHARES = 10_000_000 * 10**6
WELL: dict[str, Value] = {
    "rate": 11 * 10**17,
    "market": (80 * 10**12, 0, 40 * 10**12, 0),
    "junior shares": JUNIOR_SHARES,
    "junior": 11 * 10**12,
    "usd3 share": 11 * 10**14,
    "susd3 share": 12 * 10**14,
    "usd3 assets": 60 * 10**12,
    "susd3 assets": 11 * 10**12,
    "exit": 6 * 10**12,
    "fund": 10**12,
    "usd3 shutdown": False,
    "susd3 shutdown": False,
    "paused": 0,
    "floor": 8 * 10**12,
    "cap": 10**14,
}
BAD: dict[str, Value] = {
    "market": (80 * 10**12, 0, 80 * 10**12, 0),  # 11 of 88 million: 12.5 % junior, 1.143 covered
    "usd3 share": 11 * 10**14 - 1, "susd3 share": 12 * 10**14 - 1, "usd3 assets": 50 * 10**12,
    "susd3 assets": 9 * 10**12, "exit": 3_999_999 * 10**6, "fund": 9 * 10**11,
    "usd3 shutdown": True, "susd3 shutdown": True, "paused": 1, "floor": 12 * 10**12, "cap": 10**14 + 1,
}  # fmt: skip
WORSE: dict[str, Value] = BAD | {"market": (80 * 10**12, 0, 110 * 10**12, 0)}  # 11 of 121 million: 9.1 %, 1.1 covered
WORST: dict[str, Value] = WORSE | {"market": (80 * 10**12, 0, 250 * 10**12, 0)}  # 4 %, 1.04 covered


@pytest.fixture
def node() -> Iterator[Anvil]:
    if anvil.binary() is None:
        parts.missing(anvil.HOW_TO_GET_IT)
    with anvil.running("--chain-id", "1") as running:
        put_multicall(running)
        yield running


def calls() -> dict[str, ViewRead]:
    at = {name: by_chain[1] for name, by_chain in load_monitor(FILE, TYPES).contracts.items()}

    def of(name: str, signature: str, *arguments: Value) -> ViewRead:
        return ViewRead(1, at[name], signature, arguments)

    shares = "convertToAssets(uint256)(uint256)"
    return {
        "rate": of("wausdc", shares, 10**18),
        "market": of("usd3", "getMarketLiquidity()(uint256,uint256,uint256,uint256)"),
        "junior shares": of("usd3", "balanceOf(address)(uint256)", at["susd3"]),
        "junior": of("usd3", shares, JUNIOR_SHARES),
        "usd3 share": of("usd3", shares, 10**15),
        "susd3 share": of("susd3", shares, 10**15),
        "usd3 assets": of("usd3", "totalAssets()(uint256)"),
        "susd3 assets": of("susd3", "totalAssets()(uint256)"),
        "exit": of("usd3", "availableWithdrawLimit(address)(uint256)", ZERO),
        "fund": of("wausdc", "balanceOf(address)(uint256)", at["fund"]),
        "usd3 shutdown": of("usd3", "isShutdown()(bool)"),
        "susd3 shutdown": of("susd3", "isShutdown()(bool)"),
        "paused": of("config", "config(bytes32)(uint256)", PAUSED),
        "floor": of("config", "config(bytes32)(uint256)", FLOOR),
        "cap": of("config", "getDebtCap()(uint256)"),
    }


def put(node: Anvil, values: dict[str, Value]) -> None:
    known = calls()
    put_answers(node, {known[name]: value for name, value in {**WELL, **values}.items()})
    node.mine()


def test_each_of_the_fourteen_checks_fires_worsens_recovers_and_goes_blind(node: Anvil, tmp_path: Path) -> None:
    host, seen = ChecksHost(tmp_path, {"PROVIDER_URL_MAINNET": node.url}), [0]
    put(node, {})
    lines = host.run(FILE)
    assert len(lines) == 14
    assert host.told == []
    put(node, BAD)
    host.run(FILE)
    assert sorted(host.new(seen)) == [
        "CRITICAL alert paused is on",
        "CRITICAL alert susd3-shutdown is on",
        "CRITICAL alert usd3-share-price fell by 9.091e-14%, from 1.1",
        "CRITICAL alert usd3-shutdown is on",
        "HIGH alert junior-buffer: 12.5% is below 15%",
        "HIGH alert susd3-share-price fell by 8.333e-14%, from 1.2",
        "LOW alert debt-cap changed: 100,000,000,000,000 → 100,000,000,000,001",
        "LOW alert susd3-assets fell by 18.18%: 11,000,000 → 9,000,000",
        "LOW alert usd3-assets fell by 16.67%: $60,000,000 → $50,000,000",
        "MEDIUM alert backing-floor changed: $8,000,000 → $12,000,000",
        "MEDIUM alert exit-liquidity: $3,999,999 is below $4,000,000",
        "MEDIUM alert floor-breach: floor $12,000,000, junior $11,000,000: over by $1,000,000 (9.09%)",
        "MEDIUM alert insurance-fund fell by 10%: $1,100,000 → $990,000",
    ]
    host.run(FILE)
    assert host.new(seen) == [], "the same readings say nothing"
    put(node, WORSE)
    host.run(FILE)
    assert sorted(host.new(seen)) == [
        "HIGH alert senior-coverage: 1.1 is below 1.11",
        "HIGH worsened Worse: junior-buffer: 9.09% is below 15%",
    ]
    put(node, WORST)
    host.run(FILE)
    assert sorted(host.new(seen)) == [
        "CRITICAL worsened Worse: senior-coverage: 1.0417 is below 1.06",
        "HIGH worsened Worse: junior-buffer: 4% is below 15%",
    ]
    for call in calls().values():
        forget_answer(node, call)
    node.mine()
    assert sum(" unknown" in line for line in host.run_without_data(FILE)) == 14
    assert host.new(seen) == [], "unknown neither fires nor clears"
    assert host.rows("SELECT count(*) FROM conditions WHERE state = 'firing'") == [(7,)]
    put(node, {})
    host.run(FILE)
    assert sorted(
        line.partition(" (")[0].partition(": floor")[0] for line in host.new(seen) if " recovery " in line
    ) == [
        "LOW recovery exit-liquidity is ok again: $6,000,000",
        "LOW recovery floor-breach is ok again",
        "LOW recovery junior-buffer is ok again: 25%",
        "LOW recovery paused is off again",
        "LOW recovery senior-coverage is ok again: 1.3333",
        "LOW recovery susd3-shutdown is off again",
        "LOW recovery usd3-shutdown is off again",
    ]
    assert host.rows("SELECT count(*) FROM conditions WHERE state = 'firing'") == [(0,)]


def test_the_fourteen_checks_cost_two_multicalls(node: Anvil) -> None:
    put(node, {})
    at = EvaluationPoint({"PROVIDER_URL_MAINNET": node.url, "PROVIDER_PUBLIC": "off"})
    evaluation = evaluate([load_monitor(FILE, TYPES)], at)
    assert len(evaluation.readings.passes) == 2
    assert at.chains.requests == 3, "the head, then one multicall a pass"
