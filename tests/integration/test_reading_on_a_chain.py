"""What an alert says of a call is what the chain says: owners, roles, settings and code before, on real contracts."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from monitoring.chains.abi.addresses import checksum
from monitoring.chains.abi.function import parse_function
from monitoring.chains.abi.selectors import declare
from monitoring.chains.decode.calldata import Decoder, Transaction
from monitoring.chains.decode.inspect_tx import Examined, examine
from monitoring.chains.decode.labels import Labels
from monitoring.chains.networks import network
from monitoring.chains.rpc.budget import Budget
from monitoring.chains.rpc.views import Chains, ChainView
from monitoring.chains.sentences.catalogue import Catalogue
from monitoring.checks.expression.evaluate import ViewRead
from tests.support import anvil, parts
from tests.support.answers import put_answers
from tests.support.anvil import Anvil
from tests.support.own_contracts import runtime_code
from tests.support.safes import safe_at

pytestmark = pytest.mark.node
B = checksum("0x" + "b2" * 20)
SETTINGS = "0x" + "5e" * 20


@pytest.fixture(scope="module")
def shared() -> Iterator[Anvil]:
    if anvil.binary() is None:
        parts.missing(anvil.HOW_TO_GET_IT)
    with anvil.running("--chain-id", "1") as running:
        running.set_code(network(1).multicall3, runtime_code("Aggregate3"))
        yield running


@pytest.fixture
def node(shared: Anvil) -> Iterator[Anvil]:
    snapshot = shared.snapshot()
    yield shared
    shared.revert(snapshot)


def view_of(node: Anvil) -> ChainView:
    environ = {"PROVIDER_URL_MAINNET": node.url, "PROVIDER_PUBLIC": "off"}
    view = Chains(environ, budget=Budget(sleep=lambda _s: None)).view(1)
    assert isinstance(view, ChainView), view
    return view


def read(node: Anvil, to: str, data: str | bytes, value: int = 0) -> Examined:
    body = bytes.fromhex(data[2:]) if isinstance(data, str) else data
    return examine([Transaction(1, to, body, value)], Decoder([Catalogue()]), view_of(node), Labels(), Catalogue())


def said(node: Anvil, to: str, data: str | bytes) -> str:
    found = read(node, to, data)
    assert len(found.sentences) == 1
    return str(found.sentences[0])


def test_a_setting_is_shown_before_and_after_by_a_view_that_is_found_by_name(node: Anvil) -> None:
    put_answers(
        node,
        {
            ViewRead(1, SETTINGS, "fee()(uint256)"): 30,
            ViewRead(1, SETTINGS, "getLimit(address)(uint256)", (B,)): 7,
            ViewRead(1, SETTINGS, "deposit_limit()(uint256)"): 12_000_000,
        },
    )
    at = checksum(SETTINGS)
    set_fee = parse_function("setFee(uint256)").encode([50])
    assert said(node, SETTINGS, set_fee) == f"Sets the fee of {at} to 50 (fee(): 30 → 50)"
    same = parse_function("setFee(uint256)").encode([30])
    assert said(node, SETTINGS, same) == f"Sets the fee of {at} to 30 (fee(): 30, as it is already)"
    unknown = parse_function("setCurator(address)").encode([B])
    assert said(node, SETTINGS, unknown) == f"Makes {B} the curator of vault {at} (value now: unknown)"


def test_a_view_with_the_same_arguments_is_tried_for_a_function_only_its_verified_source_names(node: Anvil) -> None:
    put_answers(node, {ViewRead(1, SETTINGS, "getLimit(address)(uint256)", (B,)): 7})

    class Abi:
        name, exact = "abi", False

        def candidates(self, tx: Transaction) -> list[object]:
            return [declare("setLimit(address who,uint256 limit)")]

    data = parse_function("setLimit(address,uint256)").encode([B, 9])
    decoder = Decoder([Abi()])  # type: ignore[list-item]
    found = examine([Transaction(1, SETTINGS, data)], decoder, view_of(node), Labels(), Catalogue())
    assert [str(one) for one in found.sentences] == [
        f"Calls setLimit of {checksum(SETTINGS)} (its name is from the verified source) (getLimit(): 7 → 9)"
    ]


def test_roles_and_owners_are_shown_as_they_are(node: Anvil) -> None:
    coin = parts.package("oz4", "ERC20PresetMinterPauser").deploy(node, "Coin", "COIN")
    role = coin.call("MINTER_ROLE")
    at, first = checksum(coin.address), checksum(node.accounts[0])
    grant = coin.artifact.calldata("grantRole", role, B)
    assert said(node, at, grant) == f"Gives role MINTER_ROLE of {at} to {B} (has it now: false; members now: 1)"
    revoke = coin.artifact.calldata("revokeRole", role, first)
    assert said(node, at, revoke) == f"Takes role MINTER_ROLE of {at} from {first} (has it now: true; members now: 1)"
    assert said(node, at, coin.artifact.calldata("pause")) == f"Pauses {at} (paused() now: false)"
    timelock = parts.package("oz5", "TimelockController").deploy(node, 3600, [first], [first], first)
    there = checksum(timelock.address)
    give = timelock.artifact.calldata("grantRole", timelock.call("PROPOSER_ROLE"), B)
    assert said(node, there, give) == (
        f"Gives role PROPOSER_ROLE of {there} to {B} (has it now: false; members now: unknown)"
    )
    delay = timelock.artifact.calldata("updateDelay", 60)
    assert said(node, there, delay) == f"Sets the delay of timelock {there} to 1 min (getMinDelay(): 1 h → 1 min)"
    admin = parts.package("oz5", "ProxyAdmin").deploy(node, first)
    moved = admin.artifact.calldata("transferOwnership", B)
    assert said(node, admin.address, moved) == (
        f"Makes {B} the owner of {checksum(admin.address)} (owner() now: {first})"
    )


@pytest.mark.parametrize("version", ["1.3.0", "1.4.1", "1.5.0"])
def test_a_safe_s_setup_is_shown_before_what_changes_it(node: Anvil, version: str) -> None:
    safe = safe_at(node, version)
    at, owner = checksum(safe.address), checksum(node.accounts[0])
    assert said(node, at, safe.artifact.calldata("addOwnerWithThreshold", B, 2)) == (
        f"Makes {B} an owner of Safe {at}, with 2 signatures required "
        f"(owners now: 1: {owner}; signatures required: 1 → 2)"
    )
    assert said(node, at, safe.artifact.calldata("enableModule", B)) == (
        f"Lets module {B} execute anything for Safe {at} without signatures (modules now: 0)"
    )
    assert said(node, at, safe.artifact.calldata("setGuard", B)) == (
        f"Makes {B} the guard of Safe {at}, which can stop its transactions (guard: none → {B})"
    )
    assert said(node, at, safe.artifact.calldata("setFallbackHandler", B)).endswith(f"(fallback handler: none → {B})")
    swap = safe.artifact.calldata("swapOwner", "0x" + "00" * 19 + "01", owner, B)
    assert said(node, at, swap) == (
        f"Makes {B} an owner of Safe {at} in place of {owner} (owners now: 1: {owner}; signatures required now: 1)"
    )


def test_all_setters_of_a_batch_are_read_in_one_request(node: Anvil) -> None:
    put_answers(node, {ViewRead(1, SETTINGS, "fee()(uint256)"): 30})
    timelock = parts.package("oz5", "TimelockController").deploy(node, 3600, [], [], node.accounts[0])
    set_fee = parse_function("setFee(uint256)").encode([50])

    def requests(count: int) -> int:
        batch = timelock.artifact.calldata(
            "scheduleBatch", [SETTINGS] * count, [0] * count, [set_fee] * count, b"\0" * 32, b"\0" * 32, 3600
        )
        view = view_of(node)
        body = bytes.fromhex(batch[2:])
        before = view.pool.requests
        tx = Transaction(1, timelock.address, body)
        found = examine([tx], Decoder([Catalogue()]), view, Labels(), Catalogue())
        assert [str(one).rpartition(" (")[2] for one in found.sentences[1:]] == ["fee(): 30 → 50)"] * count
        return view.pool.requests - before

    assert requests(1) == requests(20) == 1
