"""`backtest` on a local chain with a played history: exactly the alerts of the live engine, asked for only once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from monitoring.base.clock import SystemClock
from monitoring.base.http.client import HttpClient
from monitoring.chains.abi.addresses import checksum
from monitoring.checks.backtest.past import PastWorld
from monitoring.checks.backtest.playing import Played, Progress, play
from monitoring.checks.backtest.steps import past_run
from monitoring.checks.engine.monitor import Monitor
from monitoring.checks.expression.evaluate import ViewRead
from tests.support import parts
from tests.support.answers import forget_answer, put_answer, put_answers
from tests.support.anvil import Anvil
from tests.support.contracts import Contract
from tests.support.played_chain import BEGIN, HOUR, PlayedChain, alerts_of, loaded, played_chain

pytestmark = pytest.mark.node
VAULT = checksum("0x" + "a1" * 20)
FULL = """\
monitor: acme
protocol: acme
chain: mainnet
contracts: {vault: "%s", token: "%s"}
functions: ["used()(uint256)", "held()(uint256)", "supply()(uint256)", "paused()(bool)", "rate()(uint256)"]
checks:
  - id: used
    watch: vault.used() / 100
    unit: "%%"
    levels: [{above: 80%%, severity: medium}, {above: 95%%, severity: critical}]
    clear_below: 70%%
    text: "{value} is used"
  - {id: waits, watch: vault.used() / 100, levels: [{above: 90%%, severity: high}], for: 3h}
  - {id: held, require: vault.held() >= 1000, severity: high}
  - {id: supply, change_of: vault.supply(), max_change: 10%%, severity: low}
  - {id: paused, flag: vault.paused(), severity: critical}
  - {id: rate, never_falls: vault.rate(), severity: high}
  - id: moves
    event: Transfer(address,address,uint256)
    contracts: token
    severity: low
"""
WELL = {"used": 50, "held": 2000, "supply": 10_000, "paused": False, "rate": 100}
Change = dict[str, object]
HISTORY: Sequence[Change] = [
    {}, {"used": 85}, {"used": 75}, {"used": 96}, {"used": 97}, {"used": 97}, {"used": 97}, {"used": 60},
    {"held": None}, {}, {}, {}, {"held": 900}, {"held": 1500, "supply": 12_000}, {"paused": True, "mint": 5},
    {"rate": 99}, {"paused": False, "rate": 101, "mint": 7, "supply": 5_000}, {"used": 91}, {"used": 50}, {},
]  # fmt: skip


def view(name: str) -> ViewRead:
    return ViewRead(1, VAULT, f"{name}()({'bool' if name == 'paused' else 'uint256'})")


def changing(change: Change, token: Contract) -> Callable[[Anvil], None]:
    def act(node: Anvil) -> None:
        for name, value in change.items():
            if name == "mint":
                node.rpc("evm_setAutomine", True)
                token.send("mint", node.accounts[1], value)
                node.rpc("evm_setAutomine", False)
            elif value is None:
                forget_answer(node, view(name))
            else:
                put_answer(node, view(name), value)  # type: ignore[arg-type]  # a value of the language

    return act


class Silent(Progress):
    """Keeps what a person would see."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        super().__init__(self.lines.append, self.lines.append)


def world_of(chain: PlayedChain, folder: Path, *, most: int = 5_000, **more: object) -> PastWorld:
    steps = [BEGIN + number * HOUR for number in range(1, chain.hours + 1)]
    return PastWorld(chain.environ, folder / "kept", steps, most, HttpClient(), clock=SystemClock(), **more)  # type: ignore[arg-type]


def backtested(world: PastWorld, monitors: Sequence[Monitor]) -> tuple[Played, list[tuple[object, ...]]]:
    with past_run("now", monitors, world.steps[0]) as run:
        played = play(world, [run], HOUR, str, Silent())
        return played, alerts_of(run.store.path)


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[PlayedChain, Monitor]]:
    """Play the whole history once, the live engine running at each hour of it."""
    folder = tmp_path_factory.mktemp("played")
    with played_chain(folder / "live") as chain:
        chain.node.rpc("evm_setAutomine", True)
        token = parts.package("oz4", "ERC20PresetMinterPauser").deploy(chain.node, "Dollar", "USD")
        chain.node.rpc("evm_setAutomine", False)
        put_answers(chain.node, {view(name): value for name, value in WELL.items()})
        monitor = loaded(folder / "monitor.yaml", FULL % (VAULT, checksum(token.address)))
        for change in HISTORY:
            chain.hour([monitor], changing(change, token))
        yield chain, monitor


def test_a_backtest_gives_exactly_the_alerts_that_the_live_engine_gave(
    history: tuple[PlayedChain, Monitor], tmp_path: Path
) -> None:
    chain, monitor = history
    live = chain.alerts()

    played, past = backtested(world_of(chain, tmp_path), [monitor])

    assert played.is_complete
    assert past == live
    assert len(live) > 10
    print("\n".join(" ".join(map(str, row[:4])) for row in live))
