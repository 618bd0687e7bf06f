"""What a simulated Safe transaction says is what happens when it is executed: real Safes, tokens, batches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

from monitoring.chains.abi.addresses import checksum
from monitoring.chains.decode.calldata import Transaction
from monitoring.chains.networks import network
from monitoring.chains.rpc.views import ChainView
from monitoring.chains.safes.hashing import GasTerms, SafeIdentity, safe_hashes
from monitoring.chains.safes.simulation import Planned, simulate
from monitoring.chains.simulation.facts import Simulation, TokenMove
from monitoring.checks.engine.point import EvaluationPoint
from tests.support import anvil, parts
from tests.support.contracts import SAFE_1_4, SAFE_1_5, Contract
from tests.support.own_contracts import runtime_code
from tests.support.relay import relay
from tests.support.rpc import RpcError

pytestmark = [pytest.mark.node, pytest.mark.ci]
ZERO = "0x" + "0" * 40
STRANGER = checksum("0x" + "5a" * 20)
SAFES = {
    "1.3.0": ("safe13", "GnosisSafe", "GnosisSafeProxy"),
    "1.4.1": (SAFE_1_4, "Safe", "SafeProxy"),
    "1.5.0": (SAFE_1_5, "Safe", "SafeProxy"),
}
NO_GAS = GasTerms()


@dataclass
class Scene:
    """A Safe of three owners, all of whom must sign, with 10,000 coins and one ether."""

    node: anvil.Anvil
    safe: Contract
    coin: Contract
    batch: Contract
    version: str
    url: str

    def planned(self, to: str, data: str = "0x", value: int = 0, operation: int = 0, gas: GasTerms = NO_GAS) -> Planned:
        nonce = self.safe.call("nonce")
        call = Transaction(1, to, bytes.fromhex(data[2:]), value, operation)
        owners = tuple(map(checksum, self.safe.call("getOwners")))
        identity = SafeIdentity(self.safe.address, 1, self.version)
        return Planned(identity, call, nonce, gas, nonce, owners, self.safe.call("getThreshold"))

    def simulated(self, one: Planned) -> Simulation:
        view = EvaluationPoint({"PROVIDER_URL_MAINNET": self.url, "PROVIDER_PUBLIC": "off"}).chains.view(1)
        assert isinstance(view, ChainView)
        before = (self.safe.call("nonce"), self.safe.call("getThreshold"), self.node.rpc("eth_blockNumber"))
        found = simulate(one, view)
        assert before == (self.safe.call("nonce"), self.safe.call("getThreshold"), self.node.rpc("eth_blockNumber"))
        return found

    def executed(self, one: Planned) -> None:
        """Approve it by all owners and have somebody else execute it."""
        digest = bytes.fromhex(safe_hashes(one.safe, one.call, one.nonce, one.gas).safe_tx_hash[2:])
        signers = sorted(one.owners, key=lambda owner: int(owner, 16))[: one.threshold]
        for owner in signers:
            self.safe.send("approveHash", digest, sender=owner)
        proof = b"".join(bytes(12) + bytes.fromhex(owner[2:]) + bytes(32) + b"\x01" for owner in signers)
        call, gas = one.call, one.gas
        terms = (gas.safe_tx_gas, gas.base_gas, gas.gas_price, gas.token, gas.receiver)
        self.safe.send(
            "execTransaction", call.to, call.value, call.data, call.operation, *terms, proof,
            sender=self.node.accounts[9],
        )  # fmt: skip

    def many(self, *calls: tuple[str, int, str]) -> str:
        packed = b"".join(
            b"\0"
            + bytes.fromhex(to[2:])
            + value.to_bytes(32)
            + (len(data) // 2 - 1).to_bytes(32)
            + bytes.fromhex(data[2:])
            for to, value, data in calls
        )
        return self.batch.artifact.calldata("multiSend", packed)


@pytest.fixture(scope="module")
def node() -> Iterator[anvil.Anvil]:
    if anvil.binary() is None:
        parts.missing(anvil.HOW_TO_GET_IT)
    with anvil.running("--chain-id", "1") as running:
        running.set_code(network(1).multicall3, runtime_code("Aggregate3"))
        yield running


@pytest.fixture(params=[(version, "eth_simulateV1") for version in SAFES] + [("1.4.1", "debug_traceCall")])
def scene(node: anvil.Anvil, request: pytest.FixtureRequest) -> Iterator[Scene]:
    """Make the Safe of each generation; the provider of the last one can only trace."""
    version, way = request.param
    snapshot = node.snapshot()
    package, singleton, proxy = SAFES[version]
    master = parts.package(package, singleton).deploy(node)
    safe = master.artifact.at(node, parts.package(package, proxy).deploy(node, master.address).address)
    safe.send("setup", node.accounts[:3], 3, ZERO, b"", ZERO, ZERO, 0, ZERO)
    coin = parts.package("oz4", "ERC20PresetMinterPauser").deploy(node, "Coin", "COIN")
    coin.send("mint", safe.address, 10_000)
    node.set_balance(safe.address, 10**18)
    batch = parts.package(SAFE_1_4, "MultiSend").deploy(node)
    with relay(node, *(() if way == "eth_simulateV1" else ("eth_simulateV1",))) as provider:
        yield Scene(node, safe, coin, batch, version, provider.url)
        assert way in {name for name, _ in provider.asked}
    node.revert(snapshot)


def test_a_transfer_moves_what_it_then_moves(scene: Scene) -> None:
    one = scene.planned(scene.coin.address, scene.coin.artifact.calldata("transfer", STRANGER, 400))
    assert scene.simulated(one) == Simulation(
        True, moves=(TokenMove(checksum(scene.coin.address), checksum(scene.safe.address), STRANGER, 400),), changes={}
    )
    scene.executed(one)
    assert scene.coin.call("balanceOf", STRANGER) == 400


def test_a_batch_by_delegate_call_moves_all_it_moves(scene: Scene) -> None:
    coins = scene.coin.artifact.calldata("transfer", STRANGER, 5)
    one = scene.planned(
        scene.batch.address, scene.many((STRANGER, 7, "0x"), (scene.coin.address, 0, coins)), operation=1
    )
    safe = checksum(scene.safe.address)
    assert scene.simulated(one).moves == (
        TokenMove(ZERO, safe, STRANGER, 7),
        TokenMove(checksum(scene.coin.address), safe, STRANGER, 5),
    )
    before = int(scene.node.rpc("eth_getBalance", STRANGER, "latest"), 16)
    scene.executed(one)
    assert int(scene.node.rpc("eth_getBalance", STRANGER, "latest"), 16) - before == 7
    assert scene.coin.call("balanceOf", STRANGER) == 5


def test_fewer_owners_that_must_sign_are_seen_before_and_after(scene: Scene) -> None:
    one = scene.planned(scene.safe.address, scene.safe.artifact.calldata("changeThreshold", 1))
    assert scene.simulated(one).changes == {"threshold": (3, 1)}
    scene.executed(one)
    assert scene.safe.call("getThreshold") == 1


def test_a_module_and_an_owner_that_come_are_seen(scene: Scene) -> None:
    data = scene.many(
        (scene.safe.address, 0, scene.safe.artifact.calldata("enableModule", STRANGER)),
        (scene.safe.address, 0, scene.safe.artifact.calldata("addOwnerWithThreshold", STRANGER, 3)),
    )
    changes = scene.simulated(scene.planned(scene.batch.address, data, operation=1)).changes
    assert changes is not None
    assert {name: set(after) - set(before) for name, (before, after) in changes.items()} == {  # type: ignore[arg-type]
        "owners": {STRANGER},
        "modules": {STRANGER},
    }


def test_approvals_and_roles_are_named_by_their_contract(scene: Scene) -> None:
    coin = scene.coin
    coin.send("grantRole", bytes(32), scene.safe.address)
    data = scene.many(
        (coin.address, 0, coin.artifact.calldata("approve", STRANGER, 2**256 - 1)),
        (coin.address, 0, coin.artifact.calldata("grantRole", bytes(32), STRANGER)),
    )
    found = scene.simulated(scene.planned(scene.batch.address, data, operation=1))
    assert [(one.event, one.contract) for one in found.grants] == [
        ("Approval", checksum(coin.address)),
        ("RoleGranted", checksum(coin.address)),
    ]
    assert (found.grants[0].fields["spender"], found.grants[0].fields["amount"]) == (STRANGER, 2**256 - 1)
    assert found.grants[1].fields["account"] == STRANGER


def test_a_refund_that_drains_the_safe_is_a_move_in_ether_and_in_a_token(scene: Scene) -> None:
    native = GasTerms(0, 10**7, 10**10, ZERO, STRANGER)
    found = scene.simulated(scene.planned(STRANGER, gas=native))
    (move,) = found.moves
    assert (move.token, move.receiver) == (ZERO, STRANGER)
    assert move.amount >= 10**17

    scene.coin.send("mint", scene.safe.address, 10**9)
    one = scene.planned(scene.safe.address, gas=GasTerms(0, 10**8, 1, scene.coin.address, STRANGER))
    found = scene.simulated(one)
    (move,) = found.moves
    assert (move.token, move.receiver) == (checksum(scene.coin.address), STRANGER)
    assert move.amount >= 10**8
    scene.executed(one)
    assert scene.coin.call("balanceOf", STRANGER) >= 10**8


def test_what_reverts_says_why_and_moves_nothing(scene: Scene) -> None:
    one = scene.planned(scene.coin.address, scene.coin.artifact.calldata("transfer", STRANGER, 50_000))
    found = scene.simulated(one)
    assert found == Simulation(False, "it reverts: ERC20: transfer amount exceeds balance", changes={})
    with pytest.raises(RpcError):
        scene.executed(one)


def test_what_fails_inside_a_batch_has_its_reason_from_a_trace(scene: Scene) -> None:
    too_much = scene.coin.artifact.calldata("transfer", STRANGER, 50_000)
    data = scene.many((STRANGER, 7, "0x"), (scene.coin.address, 0, too_much))
    one = scene.planned(scene.batch.address, data, operation=1)
    assert scene.simulated(one).reason == "it reverts: ERC20: transfer amount exceeds balance"
    with pytest.raises(RpcError):
        scene.executed(one)


def test_a_call_that_fails_inside_with_gas_set_aside_is_a_failure(scene: Scene) -> None:
    gas = GasTerms(safe_tx_gas=90_000)
    one = scene.planned(scene.coin.address, scene.coin.artifact.calldata("transfer", STRANGER, 50_000), gas=gas)
    found = scene.simulated(one)
    assert (found.runs, found.moves) == (False, ())
    assert found.reason == "the call inside fails, and the nonce is used up: ERC20: transfer amount exceeds balance"
    scene.executed(one)
    assert scene.safe.call("nonce") == one.nonce + 1
    assert scene.coin.call("balanceOf", STRANGER) == 0


def test_one_that_waits_behind_others_runs_at_its_own_nonce(scene: Scene) -> None:
    one = replace(scene.planned(STRANGER, value=3), nonce=scene.safe.call("nonce") + 5)
    assert scene.simulated(one).moves == (TokenMove(ZERO, checksum(scene.safe.address), STRANGER, 3),)


def test_a_delegate_call_to_a_strangers_code_runs_as_it_will(scene: Scene) -> None:
    data = scene.many((STRANGER, 10**18, "0x"))
    found = scene.simulated(scene.planned(scene.batch.address, data, operation=1))
    assert found.moves == (TokenMove(ZERO, checksum(scene.safe.address), STRANGER, 10**18),)
    plain = scene.simulated(scene.planned(scene.batch.address, data))
    assert plain.runs is False, "MultiSend refuses a plain call"
