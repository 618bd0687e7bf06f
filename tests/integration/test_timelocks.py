"""The built-in type `timelocks` against OpenZeppelin's own contracts at real addresses of a local chain."""

from __future__ import annotations

import functools
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from monitoring.alerts.message.model import Severity
from monitoring.chains.abi.addresses import checksum
from monitoring.chains.networks import network
from monitoring.chains.rpc.memory import RunMemory
from monitoring.checks.builtin.timelocks.kinds import signals
from monitoring.checks.state.load import StoredMemory
from monitoring.store.db.database import Tx
from monitoring.store.db.handle import SteadyStore
from monitoring.store.tables import chain_memory
from tests.support import parts
from tests.support.anvil import Anvil
from tests.support.chain_clock import ManualClock
from tests.support.monitor_world import MonitorWorld, Told, monitor_world
from tests.support.rpc_server import Failure, Provider, serving
from tests.support.timelocks import DAY, NOTHING, SALT, YEARN, calls_of, raw, scheduled_logs, timelock_at

pytestmark = pytest.mark.node
ROW = (
    f'    - {{name: Yearn, chain: mainnet, address: "{YEARN}", protocol: yearn, kind: oz_timelock_controller, '
    "min_delay: 7d, mirror_channel: yearn_internal}\n"
)


def world_of(tmp_path: Path, urls: str | list[str], rows: str = "", **how: Any) -> MonitorWorld:
    path = tmp_path / "monitor.yaml"
    path.write_text(
        f"monitor: timelocks\nchains: [mainnet]\ntimelocks:\n  first_run_lookback: 12h\n  rows:\n{rows or ROW}"
    )
    urls = [urls] if isinstance(urls, str) else urls
    environ = {f"PROVIDER_URL_MAINNET_{place}": url for place, url in enumerate(urls, 1)}
    return monitor_world(path, environ, **how)


def started(tmp_path: Path, node: Anvil, rows: str = "", **how: Any) -> MonitorWorld:
    """Return a world that has judged everything up to now, the contract's own beginning among it."""
    node.mine(4)
    world = world_of(tmp_path, node.url, rows, **how)
    world.run()
    return world


def mined(node: Anvil, world: MonitorWorld) -> list[Told]:
    node.mine(network(1).confirmations + 1)
    return world.run().told


@pytest.mark.parametrize("generation", ["oz3", "oz4", "oz5"])
def test_a_batch_is_told_once_with_when_and_what_it_does_and_then_what_became_of_it(
    node: Anvil, tmp_path: Path, generation: str
) -> None:
    timelock = timelock_at(node, generation)
    world = started(tmp_path, node)
    assert world.run().told == []
    receipt = timelock.send("scheduleBatch", *calls_of(timelock), NOTHING, SALT, 2 * DAY)
    told, mirrored = mined(node, world)
    assert (told.severity, told.channel) == (Severity.HIGH, "yearn")
    assert (mirrored.severity, mirrored.channel) == (Severity.HIGH, "yearn_internal")
    said, mirror = (one.text.partition("\nMute: ")[0].partition(": ")[2] for one in (told, mirrored))
    assert mirror == said
    ready = datetime.fromtimestamp(int(node.block(receipt["blockNumber"])["timestamp"], 16) + 2 * DAY, UTC)
    assert told.message.title.startswith(f"Yearn (mainnet): operation scheduled, can run {ready:%Y-%m-%d %H:%M} UTC (")
    assert len(told.transition.entries) == 1, "two logs of one id, and a log of the salt, are one operation"
    assert "HIGH delay: updateDelay\nMEDIUM role: grantRole\n" in told.text
    assert "  role: DEFAULT_ADMIN_ROLE" in told.text
    assert receipt["transactionHash"] in told.text
    assert world.run().told == []

    timelock.send("cancel", timelock.call("hashOperationBatch", *calls_of(timelock), NOTHING, SALT))
    (cancelled, _) = mined(node, world)
    assert (cancelled.severity, cancelled.message.title) == (Severity.LOW, "Yearn (mainnet): operation cancelled")


def test_what_an_operation_would_do_is_in_its_alert_and_is_what_it_then_does(node: Anvil, tmp_path: Path) -> None:
    timelock, receiver = timelock_at(node, "oz5"), checksum("0x" + "5a" * 20)
    coin = parts.package("oz4", "ERC20PresetMinterPauser").deploy(node, "Coin", "COIN")
    coin.send("mint", YEARN, 5 * 10**18)
    node.set_balance(YEARN, 10**18)
    world = started(tmp_path, node)
    pay = raw(coin.artifact.calldata("transfer", receiver, 4 * 10**18))
    batch = ([receiver, coin.address], [3 * 10**17, 0], [b"", pay], NOTHING, SALT)
    timelock.send("scheduleBatch", *batch, 2 * DAY)
    told, _ = mined(node, world)
    named = f"{receiver[:6]}…{receiver[-4:]}" if receiver not in told.text else receiver
    leaves = [
        f"leaves: {what} (price unknown) to {named}\n"
        for what in ("0.3 ETH", f"4 “COIN” of token {checksum(coin.address)}")
    ]
    assert f"Simulated: it runs\n{''.join(leaves)}" in told.text
    too_much = raw(coin.artifact.calldata("transfer", receiver, 6 * 10**18))
    timelock.send("schedule", coin.address, 0, too_much, NOTHING, SALT, 2 * DAY)
    told, _ = mined(node, world)
    assert "Simulated: it fails: it reverts: ERC20: transfer amount exceeds balance\n" in told.text

    timelock.send("schedule", receiver, 0, b"", NOTHING, SALT, 2 * DAY)
    told, _ = mined(node, world)
    assert "roles or implementations; implementation is unchanged. Nothing else was looked at.\n" in told.text
    assert "threshold" not in told.text, "nobody looked at a Safe"

    node.rpc("evm_increaseTime", 3 * DAY)
    node.mine(1)
    timelock.send("executeBatch", *batch)
    assert coin.call("balanceOf", receiver) == 4 * 10**18


def test_what_an_operation_changes_of_the_timelock_is_told_as_well(node: Anvil, tmp_path: Path) -> None:
    timelock = timelock_at(node, "oz5", min_delay_s=0)
    world = started(tmp_path, node, ROW.replace(", mirror_channel: yearn_internal", ""))
    for call in calls_of(timelock)[2]:
        timelock.send("schedule", YEARN, 0, call, NOTHING, SALT, 0)
        timelock.send("execute", YEARN, 0, call, NOTHING, SALT)
    (told,) = mined(node, world)
    assert told.severity is Severity.HIGH
    assert told.message.title == (
        "Yearn (mainnet): 2 operations scheduled, 1 change of control, 1 change of the delay, 2 operations executed"
    )
    by_what = {entry.facts["what"]: entry.severity for entry in told.transition.entries}
    assert by_what == {
        "scheduled": Severity.HIGH,
        "executed": Severity.LOW,
        "power moved": Severity.HIGH,  # the admin's role
        "delay changed": Severity.HIGH,  # below min_delay
    }
    assert "New duration: 1 min" in told.text
    with node.impersonating(YEARN):
        timelock.send("updateDelay", 30 * DAY, sender=YEARN)
        timelock.send("grantRole", timelock.call("EXECUTOR_ROLE"), node.accounts[2], sender=YEARN)
    (told,) = mined(node, world)
    assert told.severity is Severity.MEDIUM


def test_an_operation_scheduled_shortly_before_the_first_run_is_told(node: Anvil, tmp_path: Path) -> None:
    timelock = timelock_at(node, "oz5")
    timelock.send("scheduleBatch", *calls_of(timelock), NOTHING, SALT, 2 * DAY)
    node.mine(4)
    told, _ = world_of(tmp_path, node.url).run().told
    assert "1 operation scheduled" in told.message.title


def test_an_upgrade_is_told_with_the_old_and_the_new_implementation(node: Anvil, tmp_path: Path) -> None:
    timelock = timelock_at(node, "oz4")
    token = parts.package("oz4", "ERC20PresetMinterPauser")
    old, new = token.deploy(node, "One", "ONE").address, token.deploy(node, "Two", "TWO").address
    admin = parts.package("oz4", "ProxyAdmin").deploy(node).address
    proxy = parts.package("oz4", "TransparentUpgradeableProxy").deploy(node, old, admin, b"").address
    world = started(tmp_path, node)
    upgrade = raw(parts.package("oz4", "ProxyAdmin").calldata("upgrade", proxy, new))
    timelock.send("schedule", admin, 0, upgrade, NOTHING, SALT, 2 * DAY)
    told, _ = mined(node, world)
    assert f"HIGH upgrade: upgrade\nProxy {checksum(proxy)}: {checksum(old)} → {checksum(new)} (compare" in told.text


def test_strange_calls_and_strange_logs_are_told_as_hex(node: Anvil, tmp_path: Path) -> None:
    timelock = timelock_at(node, "oz5")
    world = started(tmp_path, node)
    timelock.send("schedule", node.accounts[3], 5, b"\xde\xad\xbe\xef\x01", NOTHING, SALT, 2 * DAY)
    told, _ = mined(node, world)
    assert f"0xdeadbeef01 to {checksum(node.accounts[3])} with 0.000000000000000005 ETH [unknown function]" in told.text
    topic = next(topic for topic, signal in signals("oz_timelock_controller").items() if signal.name == "CallScheduled")
    # push a topic, no data: LOG1(0, 0, topic); STOP
    node.set_code(YEARN, "0x7f" + topic[2:] + "5f5fa100")
    node.send(YEARN)
    told, _ = mined(node, world)
    assert told.severity is Severity.HIGH
    assert f"The event could not be decoded:\n{topic} 0x" in told.text
    assert "Can run: unknown: the event does not say" in told.text


def test_a_huge_batch_is_cut_and_says_so(node: Anvil, tmp_path: Path) -> None:
    timelock = timelock_at(node, "oz5")
    world = started(tmp_path, node)
    call = raw(timelock.artifact.calldata("grantRole", SALT, node.accounts[1]))
    timelock.send("scheduleBatch", [YEARN] * 90, [0] * 90, [call] * 90, NOTHING, SALT, 2 * DAY)
    told, _ = mined(node, world)
    assert len(told.text.encode("utf-16-le")) / 2 < 4096
    assert "… and 84 more of this kind" in told.text
    assert "more lines" in told.text
    assert len(told.transition.entries) == 1
    for place in range(20):
        salt = bytes([place]) * 32
        timelock.send("scheduleBatch", [YEARN] * 9, [0] * 9, [call] * 9, NOTHING, salt, 2 * DAY)
    told, _ = mined(node, world)
    assert len(told.text.encode("utf-16-le")) / 2 < 4096
    assert told.message.title.endswith(": 20 operations scheduled")
    assert "… and 16 more: 0x" in told.text


def test_an_operation_told_that_a_reorganisation_removes_is_said_so(node: Anvil, tmp_path: Path) -> None:
    timelock = timelock_at(node, "oz5")
    world = started(tmp_path, node)
    receipt = timelock.send("scheduleBatch", *calls_of(timelock), NOTHING, SALT, 2 * DAY)
    assert len(mined(node, world)) == 2
    node.reorg(8)
    told, _ = mined(node, world)
    assert told.message.title == "Yearn (mainnet): 1 reported event removed by a reorganisation"
    assert told.severity is Severity.HIGH
    assert receipt["transactionHash"] in told.text
    assert mined(node, world) == []
    timelock.send("scheduleBatch", *calls_of(timelock), NOTHING, SALT, 2 * DAY)
    assert len(mined(node, world)) == 2, "scheduled anew it is news again"


def test_a_chain_that_cannot_be_read_is_reported_once_and_nothing_is_lost(node: Anvil, tmp_path: Path) -> None:
    timelock = timelock_at(node, "oz5")
    world = started(tmp_path, node)
    dead = {"PROVIDER_URL_MAINNET": "http://127.0.0.1:1", "PROVIDER_PUBLIC": "off"}
    good, world.environ = world.environ, dead
    timelock.send("scheduleBatch", *calls_of(timelock), NOTHING, SALT, 2 * DAY)
    blind = [world.run() for _ in range(4)]
    assert [len(one.sources()) for one in blind] == [0, 0, 2, 0]
    assert [one.told for one in blind] == [[], [], [], []]
    world.environ = good
    assert len(mined(node, world)) == 2


def test_all_timelocks_of_a_chain_share_their_requests(tmp_path: Path) -> None:
    provider = Provider(head=300_000, head_time=time.time)
    rows = "".join(ROW.replace(YEARN, checksum(f"0x{place:040x}")) for place in range(1, 21))
    with serving(provider) as urls:
        world = world_of(tmp_path, urls, rows)
        world.run()
        before = provider.count("eth_getLogs")
        found = world.run()
    assert len(found.outcomes) == 40
    assert provider.count("eth_getLogs") - before == 1
    assert found.requests == 2


def test_two_hundred_thousand_blocks_at_a_limit_of_a_thousand_take_some_runs_and_lose_nothing(tmp_path: Path) -> None:
    scheduled = scheduled_logs(range(100_003, 300_000, 9_973))
    provider = Provider(head=100_000, head_time=time.time, log_range=1_000, logs=scheduled)
    with serving(provider) as urls:
        world = world_of(tmp_path, urls, ROW.replace(", mirror_channel: yearn_internal", ""))
        world.run()
        provider.head = 300_000
        told: list[Told] = []
        runs = 0
        while True:
            at = len(provider.asked)
            found = world.run()
            runs, told = runs + 1, told + found.told
            ranges = [params[0] for method, params in provider.asked[at:] if method == "eth_getLogs"]
            assert len(ranges) <= 75
            (outcome,) = found.outcomes.values()
            if outcome.condition.no_data is None:
                break
            assert outcome.condition.memory["next"] == int(ranges[-1]["toBlock"], 16) + 1
    assert runs == 4
    entries = [entry for one in told for entry in one.transition.entries]
    assert [entry.facts["block"] for entry in entries] == list(range(100_003, 299_998, 9_973))


def _keep(memory: RunMemory, now: datetime, tx: Tx) -> None:
    for (kind, key), value in memory.new.items():
        chain_memory.put(tx, kind, key, value, now)


def test_a_limit_of_a_provider_is_used_by_the_next_runs_and_found_again_after_a_day(tmp_path: Path) -> None:
    """Each run is a process of its own: what it knows of the provider comes out of the store."""
    provider = Provider(head=100_000, head_time=time.time, log_range=1_000)
    clock = ManualClock()
    with serving(provider) as urls, closing(SteadyStore(tmp_path / "kept.db", clock)) as store:
        world = world_of(tmp_path, urls, ROW.replace(", mirror_channel: yearn_internal", ""))
        refused = []
        for hours in (0, 1, 1, 25):
            clock.advance(hours * 3600)
            world.memory = StoredMemory(store, clock)
            provider.head += 4_000
            before = provider.count("eth_getLogs")
            world.run()
            ranges = [params[0] for method, params in provider.asked if method == "eth_getLogs"]
            sizes = [int(one["toBlock"], 16) - int(one["fromBlock"], 16) + 1 for one in ranges[before:]]
            refused.append(sum(size > 1_000 for size in sizes))
            store.write(functools.partial(_keep, world.memory, clock.now()))
    assert refused == [1, 0, 0, 1]


def test_a_run_that_dies_half_way_goes_on_where_the_last_one_ended(tmp_path: Path) -> None:
    scheduled = scheduled_logs(range(100_003, 300_000, 9_973))
    provider = Provider(head=100_000, head_time=time.time, log_range=1_000, logs=scheduled)
    with serving(provider) as urls:
        world = world_of(tmp_path, urls, ROW.replace(", mirror_channel: yearn_internal", ""))
        world.run()
        provider.head = 300_000
        told = world.run().told
        cursor = next(iter(world.conditions.values())).memory["next"]
        provider.failing = lambda method, _: Failure(-32603, "internal error") if method == "eth_getLogs" else None
        broken = world.run()
        assert next(iter(world.conditions.values())).memory["next"] == cursor
        assert broken.told == []
        provider.failing = lambda _method, _params: None
        for _ in range(4):
            told += world.run().told
    entries = [entry for one in told for entry in one.transition.entries]
    assert [entry.facts["block"] for entry in entries] == list(range(100_003, 299_998, 9_973))
    assert next(iter(world.conditions.values())).no_data is None
