"""What an alert says that a transaction would do, held against what it does when executed: our checks first of all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from eth_abi.abi import encode
from eth_hash.auto import keccak

from monitoring.chains.abi.addresses import checksum
from monitoring.chains.networks import network
from monitoring.checks.builtin import TYPES
from monitoring.checks.config.load import load_monitor
from monitoring.checks.engine.evaluate import evaluate
from monitoring.checks.engine.point import EvaluationPoint
from tests.integration.test_safes import later, watching
from tests.support import anvil, parts
from tests.support.anvil import Anvil
from tests.support.contracts import Contract
from tests.support.http_service import Reply, Seen, http_service
from tests.support.monitor_world import MonitorWorld, monitor_world
from tests.support.own_contracts import creation_code, runtime_code
from tests.support.relay import relay
from tests.support.safes import CURATION, SafeService, queued, safe_at
from tests.support.timelocks import DAY, NOTHING, SALT, YEARN, timelock_at

pytestmark = [pytest.mark.node, pytest.mark.ci]
STRANGER = checksum("0x" + "5a" * 20)
ZERO = "0x" + "0" * 40
CAP = """
monitor: cap
chain: mainnet
contracts:
  treasury: {{address: "{treasury}", functions: ["held()(uint256)", "owed()(uint256)", "fee()(uint256)"]}}
checks:
  - {{id: backing, require: treasury.held() / treasury.owed() >= 1, for: 3 runs, severity: critical}}
  - {{id: fee, require: treasury.fee() <= 50, severity: high}}
  - {{id: moved, change_of: treasury.held(), max_drop: 50%, window: 1d, severity: medium}}
  - {{id: quiet, require: treasury.owed() >= 1, severity: low}}
"""


def calldata(signature: str, *arguments: Any) -> str:
    kinds = [one for one in signature[signature.index("(") + 1 : -1].split(",") if one]
    return "0x" + keccak(signature.encode())[:4].hex() + encode(kinds, arguments).hex()


@dataclass
class Scene:
    """A Safe that owns a treasury with 102 coins, which owes 100; `folder` has the file of the monitor that says so."""

    node: Anvil
    safe: Contract
    coin: Contract
    treasury: str
    folder: Path
    url: str
    tmp_path: Path
    way: str

    def alert(self, *rows: dict[str, Any], **how: Any) -> str:
        with self.world(**how) as (world, service):
            world.run()
            service.rows["eth"] = list(rows)
            (told,) = later(world).told
        return told.text

    @contextmanager
    def world(self, **how: Any) -> Iterator[tuple[MonitorWorld, SafeService]]:
        service = SafeService()
        with watching(self.tmp_path, service, {"mainnet": self.url}, monitors=self.folder, **how) as world:
            yield world, service

    def row(self, nonce: int, to: str, data: str = "0x", **changes: Any) -> dict[str, Any]:
        return queued(nonce, to=checksum(to), data=data, **changes)

    def executed(self, *rows: dict[str, Any]) -> None:
        owner = bytes(12) + bytes.fromhex(self.node.accounts[0][2:]) + bytes(32) + b"\x01"
        for row in rows:
            self.safe.send(
                "execTransaction", row["to"], int(row["value"]), bytes.fromhex(row["data"][2:]), row["operation"],
                0, 0, 0, ZERO, ZERO, owner,
            )  # fmt: skip

    def readings(self) -> dict[str, Any]:
        monitor = load_monitor(self.folder / "cap" / "monitor.yaml", TYPES)
        at = EvaluationPoint({"PROVIDER_PUBLIC": "off", "PROVIDER_URL_MAINNET": self.node.url})
        return {one.seen.key.check: one.seen.reading for one in evaluate([monitor], at).checks}


@pytest.fixture(scope="module")
def node() -> Iterator[Anvil]:
    if anvil.binary() is None:
        parts.missing(anvil.HOW_TO_GET_IT)
    with anvil.running("--chain-id", "1") as running:
        running.set_code(network(1).multicall3, runtime_code("Aggregate3"))
        yield running


@pytest.fixture(params=["eth_simulateV1", "debug_traceCall"])
def scene(node: Anvil, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Scene]:
    snapshot = node.snapshot()
    safe = safe_at(node)
    coin = parts.package("oz4", "ERC20PresetMinterPauser").deploy(node, "Coin", "COIN")
    code = creation_code("Treasury") + encode(["address", "address"], [safe.address, coin.address]).hex()
    treasury = node.deploy(code)
    coin.send("mint", treasury, 102)
    folder = tmp_path / "protocols"
    for name, text in {"cap": CAP.format(treasury=checksum(treasury)), "other": CAP.format(treasury=STRANGER)}.items():
        (folder / name).mkdir(parents=True)
        (folder / name / "monitor.yaml").write_text(text)
    (folder / "README.md").write_text("no monitor")
    with relay(node, *(() if request.param == "eth_simulateV1" else ("eth_simulateV1",))) as provider:
        yield Scene(node, safe, coin, treasury, folder, provider.url, tmp_path, request.param)
    node.revert(snapshot)


def test_our_own_formulas_before_and_after_are_what_they_then_are(scene: Scene) -> None:
    row = scene.row(0, scene.treasury, calldata("withdraw(uint256)", 9))
    said = scene.alert(row)
    assert "Simulated: it runs\nCRITICAL takes cap backing from 1.02 to 0.93 (limit ≥ 1)\n" in said
    assert "takes cap moved from 102 to 93 (limit drop ≤ 50%)\n" in said, "it changes, within its limit"
    assert "Own checks: 2 that may read what it touches are unchanged.\n" in said
    assert f"arrives: 0.000000000000000009 “COIN” of token {checksum(scene.coin.address)} (price unknown) from" in said
    before = scene.readings()
    scene.executed(row)
    after = scene.readings()
    assert (float(before["backing"]), float(after["backing"])) == (1.02, 0.93)


def test_a_setting_is_said_by_its_view_and_by_the_check_that_holds_it(scene: Scene) -> None:
    row = scene.row(0, scene.treasury, calldata("setFee(uint256)", 60))
    said = scene.alert(row)
    assert "HIGH takes cap fee from 10 to 60" in said
    assert f"fee of {checksum(scene.treasury)}: 10 → 60\n" in said
    scene.executed(row)
    assert scene.readings()["fee"] == 60


def test_two_behind_each_other_are_run_in_their_order(scene: Scene) -> None:
    first = scene.row(0, scene.treasury, calldata("withdraw(uint256)", 9))
    coins = scene.coin.artifact.calldata("transfer", STRANGER, 7)
    second = scene.row(1, scene.coin.address, coins)
    with scene.world() as (world, service):
        world.run()
        service.rows["eth"] = [first]
        later(world)
        service.rows["eth"] = [first, second]
        (told,) = later(world).told
    assert "Simulated: it runs (after the transaction before it)\nOwn checks: none names a contract" in told.text
    assert "leaves: 0.000000000000000007 “COIN” of token" in told.text
    alone = scene.alert(second)
    assert "Simulated: it fails: it reverts: ERC20: transfer amount exceeds balance" in alone
    assert "(as if the transaction before it changed nothing)" in alone
    scene.executed(first, second)
    assert scene.coin.call("balanceOf", STRANGER) == 7


def test_one_behind_another_that_fails_is_said_to_be(scene: Scene) -> None:
    first = scene.row(0, scene.treasury, calldata("withdraw(uint256)", 1000))
    second = scene.row(1, scene.treasury, calldata("setFee(uint256)", 11))
    said = scene.alert(first, second)
    assert "it runs (as if the one at nonce 0 changed nothing: simulated, that one fails)" in said


def test_events_of_a_hostile_token_move_nothing(scene: Scene) -> None:
    fake = scene.node.deploy(creation_code("FakeToken"))
    said = scene.alert(scene.row(0, fake, calldata("airdrop(address,uint256)", CURATION, 1)))
    assert f"balance of {checksum(fake)} stays 0 units, whatever 1 event of the token may say\n" in said
    assert "arrives" not in said
    many = scene.alert(scene.row(0, fake, calldata("airdrop(address,uint256)", CURATION, 450)))
    assert "It emits more than 400 events: 51 were not looked at.\n" in many
    assert len(many.encode("utf-16-le")) / 2 < 4096


def test_what_a_contract_does_only_when_it_is_mined_cannot_be_seen(scene: Scene) -> None:
    row = scene.row(0, scene.treasury, calldata("pay()"))
    seen = {"eth_simulateV1": 1, "debug_traceCall": 102}[scene.way]  # a trace has the block's own fees
    assert f"arrives: {seen / 10**18:.18f} “COIN”" in scene.alert(row), "docs/how-to/safe.md says so"
    scene.executed(row)
    assert scene.coin.call("balanceOf", CURATION) == 102


def test_an_approval_and_an_upgrade_are_read_before_and_after(scene: Scene) -> None:
    node, safe = scene.node, scene.safe
    approve = scene.row(0, scene.coin.address, scene.coin.artifact.calldata("approve", STRANGER, 2**256 - 1))
    coin = f"“COIN” of token {checksum(scene.coin.address)}"
    assert f"may be taken by {STRANGER}: 0 {coin} → unlimited\n" in scene.alert(approve)
    token = parts.package("oz4", "ERC20PresetMinterPauser")
    old, new = (token.deploy(node, name, name).address for name in ("One", "Two"))
    proxy = parts.package("oz4", "TransparentUpgradeableProxy").deploy(node, old, safe.address, b"").address
    upgrade = scene.row(0, proxy, calldata("upgradeTo(address)", new))
    said = scene.alert(upgrade)
    assert f"implementation of {checksum(proxy)}: {checksum(old)} → {checksum(new)}\n" in said
    scene.executed(approve, scene.row(1, proxy, upgrade["data"]))
    slot = "0x360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc"
    assert checksum("0x" + node.rpc("eth_getStorageAt", proxy, slot, "latest")[-40:]) == checksum(new)
    assert scene.coin.call("allowance", CURATION, STRANGER) == 2**256 - 1


def test_a_time_dependent_formula_is_read_at_the_eta_of_a_timelock(scene: Scene) -> None:
    """The debt grows by one a second, from the operation on by a thousand: both are read at the same later instant."""
    node = scene.node
    timelock = timelock_at(node, "oz5")
    code = creation_code("Treasury") + encode(["address", "address"], [timelock.address, scene.coin.address]).hex()
    treasury = node.deploy(code)
    scene.coin.send("mint", treasury, 10_000_000)
    with node.impersonating(timelock.address):
        node.set_balance(timelock.address, 10**18)
        node.send(treasury, calldata("setPerSecond(uint256)", 1), sender=timelock.address)
    (scene.folder / "cap" / "monitor.yaml").write_text(CAP.format(treasury=checksum(treasury)))
    path = scene.tmp_path / "timelocks.yaml"
    row = f'{{name: Lock, chain: mainnet, address: "{YEARN}", protocol: acme, kind: oz_timelock_controller}}'
    path.write_text(f"monitor: timelocks\nchains: [mainnet]\ntimelocks:\n  rows: [{row}]\n")
    world = monitor_world(path, {"PROVIDER_URL_MAINNET": scene.url}, monitors=scene.folder)
    node.mine(4)
    world.run()
    start = int(node.block("latest")["timestamp"], 16)
    batch = ([treasury, treasury], [0, 0], [bytes.fromhex(one[2:]) for one in (
        calldata("setFee(uint256)", 60), calldata("setPerSecond(uint256)", 1000))], NOTHING, SALT)  # fmt: skip
    timelock.send("scheduleBatch", *batch, DAY)
    eta = timelock.call("getTimestamp", timelock.call("hashOperationBatch", *batch))
    node.mine(network(1).confirmations + 1)
    (told,) = world.run().told
    lines = told.text.split("\n")
    (backing,) = [one for one in lines if one.startswith("CRITICAL takes cap backing from ")]
    (fee,) = [one for one in lines if one.startswith("HIGH takes cap fee from 10 to 60")]
    assert start < eta
    assert lines.index("Simulated: it runs") < min(lines.index(backing), lines.index(fee))

    node.rpc("evm_setNextBlockTimestamp", eta)
    node.mine(1)
    before = [node.call(treasury, calldata(view)) for view in ("held()", "owed()")]
    node.rpc("evm_setNextBlockTimestamp", eta + 1)
    timelock.send("executeBatch", *batch)
    after = [node.call(treasury, calldata(view)) for view in ("held()", "owed()")]
    old, new = (int(held, 16) / int(owed, 16) for held, owed in (before, after))
    assert new < 1 < old
    words = backing.split()
    assert float(words[5].replace(",", "")) == pytest.approx(old, rel=1e-3)
    assert float(words[7]) == pytest.approx(new, rel=1e-3)


def test_a_role_and_fewer_signers_are_read_before_and_after(scene: Scene) -> None:
    coin, safe = scene.coin, scene.safe
    coin.send("grantRole", bytes(32), CURATION)
    minter = keccak(b"MINTER_ROLE")
    grant = scene.row(0, coin.address, coin.artifact.calldata("grantRole", minter, STRANGER))
    said = scene.alert(grant)
    assert f"role MINTER_ROLE of {checksum(coin.address)} for {STRANGER}: no → yes\n" in said
    owner = scene.row(1, CURATION, safe.artifact.calldata("addOwnerWithThreshold", STRANGER, 1))
    said = scene.alert(grant, owner)
    assert f"owners, 1 added: {STRANGER}\n" in said
    scene.executed(grant, owner)
    assert coin.call("hasRole", minter, STRANGER)
    assert checksum(STRANGER) in map(checksum, safe.call("getOwners"))


def test_a_guard_and_a_new_singleton_are_seen_in_storage(scene: Scene) -> None:
    row = scene.row(0, CURATION, scene.safe.artifact.calldata("setFallbackHandler", STRANGER))
    assert f"fallback handler: nobody → {STRANGER}\n" in scene.alert(row)


def test_what_leaves_has_its_price_in_dollars(scene: Scene) -> None:
    key = f"ethereum:{checksum(scene.coin.address)}"
    scene.coin.send("mint", CURATION, 5 * 10**18)

    def answer(_seen: Seen) -> Reply:
        now = int(scene.node.block("latest")["timestamp"], 16)
        return Reply({"coins": {key: {"price": 2.5, "timestamp": now, "confidence": 0.99}}})

    row = scene.row(0, scene.coin.address, scene.coin.artifact.calldata("transfer", STRANGER, 4 * 10**18))
    with http_service(answer) as market, scene.world() as (world, service):
        world.environ = {**world.environ, "DEFILLAMA_URL": market.url}
        world.run()
        service.rows["eth"] = [row]
        (told,) = later(world).told
    assert f"leaves: 4 “COIN” of token {checksum(scene.coin.address)} ($10) to {STRANGER}\n" in told.text
