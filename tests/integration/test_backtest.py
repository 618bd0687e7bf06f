"""`backtest` on a local chain with a played history: exactly the alerts of the live engine, asked for only once."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from monitoring.base.http.client import HttpClient
from monitoring.chains.abi.addresses import checksum
from monitoring.chains.networks import network
from monitoring.chains.rpc.multicall import call as encode_call
from monitoring.checks.backtest.page import as_page
from monitoring.checks.backtest.past import PastWorld, StopReason
from monitoring.checks.backtest.playing import Played, Progress, play
from monitoring.checks.backtest.report import as_data, as_lines
from monitoring.checks.backtest.steps import past_run
from monitoring.checks.engine.monitor import Monitor
from monitoring.checks.expression.evaluate import ViewRead
from tests.support import parts
from tests.support.answers import forget_answer, put_answer, put_answers
from tests.support.anvil import Anvil
from tests.support.contracts import Contract
from tests.support.played_chain import BEGIN, HOUR, PlayedChain, alerts_of, loaded, played_chain
from tests.support.relay import Twist, relay
from tests.support.rpc import RpcError
from tests.support.rpc_server import Provider

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
SMALL = f"""\
monitor: small
protocol: acme
chain: mainnet
contracts: {{vault: "{VAULT}"}}
functions: ["used()(uint256)", "held()(uint256)"]
checks:
  - id: used
    watch: vault.used() / 100
    unit: "%"
    levels: [{{above: 80%, severity: medium}}, {{above: 95%, severity: critical}}]
    clear_below: 70%
    text: "{{value}} is used"
"""
MIXED = (
    SMALL.replace("monitor: small", "monitor: mixed")
    + """\
  - {id: service, require: number <= 1, severity: high}
sources: {number: {url: "https://api.example.org/x", number: a}}
host: {}
"""
)
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


def world_of(chain: PlayedChain, folder: Path, *, most: int = 5_000, slept: list[float] | None = None) -> PastWorld:
    steps = [BEGIN + number * HOUR for number in range(1, chain.hours + 1)]
    return PastWorld(
        chain.environ, folder / "kept", steps, most, HttpClient(), real_sleep=([] if slept is None else slept).append
    )


def backtested(world: PastWorld, monitors: Sequence[Monitor]) -> tuple[Played, list[tuple[object, ...]]]:
    with past_run("now", monitors, world.steps[0]) as run:
        played = play(world, [run], HOUR, str, Silent())
        return played, alerts_of(run.store.path)


@contextmanager
def playing(folder: Path) -> Iterator[tuple[PlayedChain, Monitor, Contract]]:
    """Start a chain on which all is well, with the monitor of it."""
    with played_chain(folder / "live") as chain:
        chain.node.rpc("evm_setAutomine", True)
        token = parts.package("oz4", "ERC20PresetMinterPauser").deploy(chain.node, "Dollar", "USD")
        chain.node.rpc("evm_setAutomine", False)
        put_answers(chain.node, {view(name): value for name, value in WELL.items()})
        yield chain, loaded(folder / "monitor.yaml", FULL % (VAULT, checksum(token.address))), token


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[PlayedChain, Monitor]]:
    """Play the whole history once, the live engine running at each hour of it."""
    with playing(tmp_path_factory.mktemp("played")) as (chain, monitor, token):
        for change in HISTORY:
            chain.hour(lambda: chain.run(monitor), changing(change, token))
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


@contextmanager
def in_front_of(chain: PlayedChain, twist: Twist) -> Iterator[tuple[PlayedChain, Provider]]:
    """Give the chain with a provider in front of its node that counts requests and may refuse them."""
    with relay(chain.node, twist=twist) as provider:
        node = replace(chain.node, url=provider.url)
        yield replace(chain, node=node), provider


def as_it_is(_method: str, _params: list[Any], result: Any) -> Any:
    return result


def block_of(method: str, params: list[Any]) -> int | None:
    """Return the block whose state is asked for."""
    tag = params[1] if method in ("eth_call", "eth_getBalance") else None
    return int(tag, 16) if isinstance(tag, str) and tag.startswith("0x") else None


def pruned_before(block: int) -> Twist:
    def twist(method: str, params: list[Any], result: Any) -> Any:
        asked = block_of(method, params)
        if asked is not None and asked < block:
            raise RpcError(method, {"code": -32000, "message": "missing trie node 1a2b (path ) state is not available"})
        return result

    return twist


def test_a_second_backtest_asks_for_nothing_again_and_finds_the_same(
    history: tuple[PlayedChain, Monitor], tmp_path: Path
) -> None:
    chain, monitor = history
    with in_front_of(chain, as_it_is) as (behind, provider):
        first, alerts = backtested(world_of(behind, tmp_path), [monitor])
        provider.requests = 0
        again, same = backtested(world_of(behind, tmp_path), [monitor])

    assert same == alerts
    assert first.requests > 50
    # Which chain is this, what is its newest block, how does it begin.
    assert again.requests == provider.requests == 3


def test_a_file_with_one_more_check_asks_only_for_that(history: tuple[PlayedChain, Monitor], tmp_path: Path) -> None:
    chain, monitor = history
    small = loaded(tmp_path / "small.yaml", SMALL)
    more = loaded(tmp_path / "more.yaml", SMALL + "  - {id: held, require: vault.held() >= 1000, severity: high}\n")
    asked: list[str] = []

    def note(method: str, params: list[Any], result: Any) -> Any:
        asked.append(str(params[:1]))
        return result

    with in_front_of(chain, note) as (behind, _):
        backtested(world_of(behind, tmp_path), [small])
        asked.clear()
        backtested(world_of(behind, tmp_path), [more])

    used = encode_call(VAULT, "used()(uint256)").data.hex()
    held = encode_call(VAULT, "held()(uint256)").data.hex()
    assert any(held in one for one in asked)
    assert not any(used in one for one in asked)
    assert monitor.name == "acme"


def test_where_old_blocks_are_gone_it_begins_at_the_first_that_is_there_and_says_so(
    history: tuple[PlayedChain, Monitor], tmp_path: Path
) -> None:
    chain, monitor = history
    world = world_of(chain, tmp_path)
    begin = world.archive(network(1)).head(BEGIN + 13 * HOUR)
    assert begin is not None
    with in_front_of(chain, pruned_before(begin.number)) as (behind, _):
        played, alerts = backtested(world_of(behind, tmp_path), [monitor])

    assert (played.first, played.judged, played.stopped) == (12, 8, None)
    assert "Began at 2026-11-01 13:00 UTC: Ethereum: no provider has the state at block" in played.notes[0]
    assert "PROVIDER_URL_MAINNET=https://" in played.notes[0]
    assert not played.is_complete
    assert [row[3] for row in alerts][:2] == ["held: 900 is below 1,000", "held is ok again: 1,500 (required: ≥ 1,000)"]


def test_without_an_archive_it_says_what_to_set(history: tuple[PlayedChain, Monitor], tmp_path: Path) -> None:
    chain, monitor = history
    with in_front_of(chain, pruned_before(10**9)) as (behind, _):
        played, alerts = backtested(world_of(behind, tmp_path), [monitor])

    assert played.stopped is not None
    assert played.stopped.reason is StopReason.PRUNED
    assert "PROVIDER_URL_MAINNET=https://" in played.stopped.text
    assert "missing trie node" in played.stopped.text
    assert (played.judged, alerts) == (0, [])
    assert "INCOMPLETE: 20 steps of 20 are missing" in as_lines(played)[-1]


def test_a_rate_limit_is_waited_for_and_changes_nothing(history: tuple[PlayedChain, Monitor], tmp_path: Path) -> None:
    chain, monitor = history
    refusals = iter(range(25))
    slept: list[float] = []

    def limited(method: str, params: list[Any], result: Any) -> Any:
        asked = block_of(method, params)
        if asked is not None and asked > 20 and next(refusals, None) is not None:
            raise RpcError(method, {"code": -32005, "message": "daily request count exceeded, request rate limited"})
        return result

    with in_front_of(chain, limited) as (behind, _):
        world = world_of(behind, tmp_path, slept=slept)
        played, alerts = backtested(world, [monitor])

    assert played.is_complete
    assert alerts == chain.alerts()
    assert slept


def test_a_rate_limit_that_does_not_end_stops_it_and_it_continues_there(
    history: tuple[PlayedChain, Monitor], tmp_path: Path
) -> None:
    chain, monitor = history
    waited: list[float] = []

    def limited(method: str, params: list[Any], result: Any) -> Any:
        if (block_of(method, params) or 0) > 20:
            raise RpcError(method, {"code": 429, "message": "Too Many Requests"})
        return result

    with in_front_of(chain, limited) as (behind, _):
        played, _ = backtested(world_of(behind, tmp_path, slept=waited), [monitor])
    with in_front_of(chain, as_it_is) as (behind, _):
        rest, alerts = backtested(world_of(behind, tmp_path), [monitor])

    assert played.stopped is not None
    assert played.stopped.reason is StopReason.RATE_LIMIT
    assert "it continues here" in played.stopped.text
    assert sum(waited) >= 600
    assert 0 < played.judged < 20
    assert rest.is_complete
    assert alerts == chain.alerts()


def test_the_budget_is_never_exceeded_and_several_small_ones_come_to_the_end(
    history: tuple[PlayedChain, Monitor], tmp_path: Path
) -> None:
    chain, monitor = history
    runs = 0
    with in_front_of(chain, as_it_is) as (behind, provider):
        while True:
            provider.requests, runs = 0, runs + 1
            played, alerts = backtested(world_of(behind, tmp_path, most=25), [monitor])
            assert provider.requests <= 25
            if played.stopped is None:
                break
            assert played.stopped.reason is StopReason.BUDGET
            assert runs < 10

    assert runs > 2
    assert alerts == chain.alerts()


def test_a_provider_that_is_down_stops_it_after_a_minute(history: tuple[PlayedChain, Monitor], tmp_path: Path) -> None:
    chain, monitor = history
    waited: list[float] = []
    dead = replace(chain, node=replace(chain.node, url="http://127.0.0.1:9"))

    played, _ = backtested(world_of(dead, tmp_path, slept=waited), [monitor])

    assert played.stopped is not None
    assert played.stopped.reason is StopReason.UNREACHABLE
    assert "PROVIDER_URL_MAINNET" in played.stopped.text
    assert played.judged == 0


def test_a_line_that_a_killed_process_left_half_written_is_asked_again(
    history: tuple[PlayedChain, Monitor], tmp_path: Path
) -> None:
    chain, monitor = history
    with in_front_of(chain, as_it_is) as (behind, provider):
        backtested(world_of(behind, tmp_path), [monitor])
        (folder,) = (tmp_path / "kept").iterdir()
        for path in [one for one in folder.iterdir() if one.name.isdecimal()][:3]:
            path.write_bytes(path.read_bytes()[:-7])
        provider.requests = 0
        _, alerts = backtested(world_of(behind, tmp_path), [monitor])

    assert alerts == chain.alerts()
    assert 3 < provider.requests <= 9


def test_what_only_knows_the_present_is_left_out_by_name(history: tuple[PlayedChain, Monitor], tmp_path: Path) -> None:
    chain, _ = history
    monitor = loaded(tmp_path / "mixed.yaml", MIXED)

    with past_run("now", [monitor], BEGIN + HOUR) as run:
        played = play(world_of(chain, tmp_path), [run], HOUR, str, Silent())
        left, alerts = run.left_out, run.alerts(played.end)
        text = "\n".join(as_lines(played))

    assert {f"{key.check}/{key.subject}".strip("/"): why for key, why in left.items()}[
        "service"
    ] == "asks api.example.org"
    assert {key.check for key in left} >= {"service", "disk", "memory", "load"}
    assert "used" not in {key.check for key in left}
    assert {row.dedupe_key for row in alerts} == {"used/1"}
    assert "Left out, because it asks api.example.org, which has no past: mixed/service." in text


def test_two_versions_share_their_answers_and_are_compared(
    history: tuple[PlayedChain, Monitor], tmp_path: Path
) -> None:
    chain, _ = history
    before = loaded(tmp_path / "before.yaml", SMALL)
    after = loaded(tmp_path / "after.yaml", SMALL.replace("above: 80%", "above: 90%"))
    with (
        past_run("now", [after], BEGIN + HOUR) as now,
        past_run("HEAD", [before], BEGIN + HOUR) as then,
        in_front_of(chain, as_it_is) as (behind, provider),
    ):
        played = play(world_of(behind, tmp_path), [now, then], HOUR, str, Silent())
        text, data, page = "\n".join(as_lines(played)), as_data(played), as_page(played)
        both, provider.requests = provider.requests, 0
        backtested(world_of(behind, tmp_path / "alone"), [before])

    assert both == provider.requests
    kinds = [one["kind"] for one in data["changes"]]  # type: ignore[index,attr-defined]
    assert kinds == ["changed", "same"]
    assert "before: 2026-11-01 02:00, 6 h, CRITICAL, 3 messages, now 2" in text
    assert re.search(r"^incidents +2 +2$", text, re.MULTILINE)
    assert page.count("<svg") == 2
    assert not re.search(r"https?://|<script|<link|@import|url\(", page)


@pytest.mark.ci
@pytest.mark.parametrize("seed", range(6))
def test_whatever_happens_on_the_chain_the_past_is_as_it_was_live(seed: int, tmp_path: Path) -> None:
    chance = random.Random(seed)
    values: dict[str, Callable[[], object]] = {
        "used": lambda: chance.choice([None, 50, 60, 75, 85, 91, 96, 97, 99]),
        "held": lambda: chance.choice([None, 900, 999, 1000, 2000]),
        "supply": lambda: chance.choice([9_000, 10_000, 10_500, 12_000]),
        "paused": lambda: chance.choice([None, True, False]),
        "rate": lambda: chance.choice([99, 100, 101]),
        "mint": lambda: chance.randrange(1, 9),
    }
    with playing(tmp_path) as (chain, monitor, token):
        for _ in range(24):
            names = chance.sample(sorted(values), chance.choice([0, 1, 1, 2, 3]))
            chain.hour(lambda: chain.run(monitor), changing({name: values[name]() for name in names}, token))
        _, past = backtested(world_of(chain, tmp_path), [monitor])

    assert past == chain.alerts()
    assert past
