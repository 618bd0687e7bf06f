"""What an alert says of a call is what the chain says: owners, roles, settings and code before, on real contracts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.alerts.message.text import Block, Code, Line
from monitoring.alerts.message.text_layout import lay_out
from monitoring.base.http.client import Answer, FetchError, Request
from monitoring.chains.abi.addresses import checksum
from monitoring.chains.abi.function import parse_function, selector_of
from monitoring.chains.abi.selectors import declare
from monitoring.chains.abi.values import Unknown
from monitoring.chains.decode.birth import ContractAge, contract_age
from monitoring.chains.decode.calldata import Decoder, Transaction
from monitoring.chains.decode.dispatcher import selectors_in
from monitoring.chains.decode.ens import REGISTRY, ens_names, namehash
from monitoring.chains.decode.inspect_tx import Examined, examine
from monitoring.chains.decode.labels import Labels
from monitoring.chains.decode.proxies import ADMIN
from monitoring.chains.decode.signature_resolver import ExplorerAbi
from monitoring.chains.decode.upgrades import NewCode, read_new_code
from monitoring.chains.networks import network
from monitoring.chains.rpc.budget import Budget
from monitoring.chains.rpc.memory import RunMemory
from monitoring.chains.rpc.views import Chains, ChainView
from monitoring.chains.sentences.catalogue import Catalogue
from monitoring.chains.services.client import Service
from monitoring.checks.builtin.shared.transactions import Room, call_blocks
from monitoring.checks.builtin.shared.upgrade_text import new_code_line
from monitoring.checks.engine.point import EvaluationPoint
from monitoring.checks.expression.evaluate import ViewRead
from tests.support import anvil, parts
from tests.support.answers import put_answers
from tests.support.anvil import Anvil
from tests.support.chain_clock import ManualClock
from tests.support.contracts import SAFE_1_4, Contract, signature
from tests.support.http_service import Reply, http_service
from tests.support.own_contracts import runtime_code
from tests.support.safes import safe_at

pytestmark = pytest.mark.node
B = checksum("0x" + "b2" * 20)
SETTINGS = "0x" + "5e" * 20
NOW = datetime(2026, 1, 1, tzinfo=UTC)


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
    shared.rpc("evm_mine")  # a head of now, however long the tests before took
    yield shared
    shared.revert(snapshot)


def view_of(node: Anvil, block: int | None = None) -> ChainView:
    environ = {"PROVIDER_URL_MAINNET": node.url, "PROVIDER_PUBLIC": "off"}
    blocks = {} if block is None else {1: block}
    view = Chains(environ, budget=Budget(sleep=lambda _s: None), blocks=blocks).view(1)
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
        f"Makes {B} an owner of Safe {at}; signatures required then: 2 "
        f"(owners now: {owner}; signatures required: 1 → 2)"
    )
    assert said(node, at, safe.artifact.calldata("enableModule", B)) == (
        f"Lets module {B} execute anything for Safe {at} without signatures (modules now: none)"
    )
    assert said(node, at, safe.artifact.calldata("setGuard", B)) == (
        f"Makes {B} the guard of Safe {at}, which can stop its transactions (guard: none → {B})"
    )
    assert said(node, at, safe.artifact.calldata("setFallbackHandler", B)).endswith(f"(fallback handler: none → {B})")
    swap = safe.artifact.calldata("swapOwner", "0x" + "00" * 19 + "01", owner, B)
    assert said(node, at, swap) == (
        f"Makes {B} an owner of Safe {at} in place of {owner} (owners now: {owner}; signatures required now: 1)"
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


def new_code_of(node: Anvil, to: str, data: str, explorer: ExplorerAbi | None = None) -> NewCode:
    (found,) = read_new_code(view_of(node), read(node, to, data).upgrades, explorer)
    return found


def test_an_upgrade_says_which_functions_come_and_go_and_how_old_the_code_is(node: Anvil) -> None:
    first = parts.package("oz4", "ERC20PresetMinterPauser").deploy(node, "One", "ONE")
    second = parts.package("oz5", "TimelockController").deploy(node, 60, [], [], node.accounts[0])
    proxy = parts.package("oz5", "ERC1967Proxy").deploy(node, first.address, initial(first))
    upgrade = parts.package("oz5", "UUPSUpgradeable").calldata("upgradeToAndCall", second.address, b"")
    found = new_code_of(node, proxy.address, upgrade)
    before, after = selectors(first), selectors(second)
    assert (found.comes, found.goes) == (after - before, before - after)
    assert isinstance(found.age, ContractAge)
    assert not found.age.at_least
    text = plain(new_code_line(found))
    assert re.search(r"; about [^;]+ old; ", text)
    assert "whether its source is verified was not looked up (no key for an explorer)" in text
    assert "storage layout not compared" in text
    assert re.search(r"\d+ new \(updateDelay, .*\d+ gone \(mint, ", text)


@pytest.mark.parametrize("kind", ["transparent", "beacon", "admin"])
def test_every_kind_of_proxy_shows_the_code_it_has_and_gets(node: Anvil, kind: str) -> None:
    account = node.accounts[0]
    first = parts.package("oz4", "ERC20PresetMinterPauser").deploy(node, "One", "ONE")
    second = parts.package("oz4", "ERC20PresetMinterPauser").deploy(node, "Two", "TWO")
    if kind == "beacon":
        beacon = parts.package("oz5", "UpgradeableBeacon").deploy(node, first.address, account)
        to, data, proxy = beacon.address, beacon.artifact.calldata("upgradeTo", second.address), beacon.address
    elif kind == "admin":
        made = parts.package("oz5", "TransparentUpgradeableProxy").deploy(node, first.address, account, initial(first))
        admin = "0x" + node.rpc("eth_getStorageAt", made.address, ADMIN, "latest")[-40:]
        data = parts.package("oz5", "ProxyAdmin").calldata("upgradeAndCall", made.address, second.address, b"")
        to, proxy = admin, made.address
    else:
        made = parts.package("oz4", "TransparentUpgradeableProxy").deploy(node, first.address, account, initial(first))
        to, proxy = made.address, made.address
        data = parts.package("oz4", "ITransparentUpgradeableProxy").calldata("upgradeTo", second.address)
    found = new_code_of(node, to, data)
    assert (found.upgrade.proxy.lower(), str(found.upgrade.old).lower(), found.upgrade.new.lower()) == (
        proxy.lower(), first.address.lower(), second.address.lower(),
    )  # fmt: skip
    assert (found.comes, found.goes) == (frozenset(), frozenset())
    assert "the same functions as before" in plain(new_code_line(found))


def test_an_upgrade_to_an_address_without_code_says_so(node: Anvil) -> None:
    first = parts.package("oz4", "ERC20PresetMinterPauser").deploy(node, "One", "ONE")
    proxy = parts.package("oz4", "ERC1967Proxy").deploy(node, first.address, initial(first))
    found = new_code_of(node, proxy.address, parts.package("oz4", "UUPSUpgradeable").calldata("upgradeTo", B))
    assert plain(new_code_line(found)).startswith("There is no contract at the new address")


@pytest.fixture(scope="module")
def aged() -> Iterator[Anvil]:
    """A chain of its own, whose blocks come faster than its clock says."""
    if anvil.binary() is None:
        parts.missing(anvil.HOW_TO_GET_IT)
    with anvil.running("--chain-id", "1") as running:
        yield running


@pytest.mark.parametrize("blocks", [1, 5, 70, 300])
def test_the_age_of_a_contract_is_right_to_a_few_percent(aged: Anvil, blocks: int) -> None:
    made = parts.package("oz5", "ProxyAdmin").deploy(aged, aged.accounts[0])
    born = int(aged.rpc("eth_getBlockByNumber", "latest", False)["timestamp"], 16)
    aged.rpc("anvil_mine", hex(blocks), "0xc")
    view = view_of(aged, int(aged.rpc("eth_blockNumber"), 16))
    before = view.pool.requests
    found = contract_age(view, made.address)
    assert isinstance(found, ContractAge)
    assert found.age.total_seconds() == pytest.approx(view.block.at.timestamp() - born, rel=0.05)
    assert view.pool.requests - before <= 5


@pytest.mark.parametrize(
    ("package", "name"),
    [("oz5", "AccessManager"), ("oz4", "TimelockController"), (SAFE_1_4, "Safe"), ("safe13", "GnosisSafe")],
)
def test_functions_are_read_from_code_as_the_compiler_lists_them(package: str, name: str) -> None:
    made = parts.package(package, name)
    assert selectors_in(bytes.fromhex(made.runtime_code[2:])) == {
        selector_of(signature(one)) for one in made.abi if one["type"] == "function"
    }


@given(st.binary(max_size=400))
def test_code_of_any_kind_gives_selectors_and_no_error(code: bytes) -> None:
    assert all(len(one) == 4 for one in selectors_in(code))


class Ens:
    """ENS at its address: a registry and one resolver that answers what somebody registered."""

    def __init__(self, node: Anvil) -> None:
        self.node, self.resolver = node, "0x" + "e5" * 20

    def claims(self, address: str, name: str) -> None:
        self._resolves(namehash(f"{address[2:].lower()}.addr.reverse"), "name(bytes32)(string)", name)

    def leads(self, name: str, address: str) -> None:
        self._resolves(namehash(name), "addr(bytes32)(address)", address)

    def _resolves(self, node: bytes, view: str, value: str) -> None:
        put_answers(
            self.node,
            {
                ViewRead(1, REGISTRY, "resolver(bytes32)(address)", (node,)): self.resolver,
                ViewRead(1, self.resolver, view, (node,)): value,
            },
        )


def test_an_ens_name_is_shown_only_if_it_leads_back_to_the_address(node: Anvil) -> None:
    ens = Ens(node)
    honest, liar, strange, half = (checksum("0x" + mark * 20) for mark in ("01", "02", "03", "04"))
    ens.claims(honest, "treasury.eth")
    ens.leads("treasury.eth", honest)
    ens.claims(liar, "treasury.eth")  # claims the name of another
    ens.claims(strange, "trеasury.eth")
    ens.leads("trеasury.eth", strange)
    ens.claims(half, "nowhere.eth")
    assert ens_names(view_of(node), [honest, liar, strange, half, B]) == {honest: "treasury.eth"}
    assert namehash("vitalik.eth").hex() == "ee6c4522aab0003e8d14cd40a6af439055fd2577951148c14b6cea9a53475835"


def test_no_name_of_others_takes_an_address_s_place_or_changes_what_is_flagged(node: Anvil) -> None:
    ens = Ens(node)
    ens.claims(B, "yearn-treasury.eth")
    ens.leads("yearn-treasury.eth", B)
    environ = {"PROVIDER_URL_MAINNET": node.url, "PROVIDER_PUBLIC": "off", "FOURBYTE_URL": "http://127.0.0.1:1"}
    coin = parts.package("oz4", "ERC20PresetMinterPauser").deploy(node, "Evil", "“Treasury” (0xA0b8…eB48)\u202e")
    data = bytes.fromhex(coin.artifact.calldata("approve", B, 2**256 - 1)[2:])
    blocks = call_blocks([Transaction(1, coin.address, data)], EvaluationPoint(environ), Room())
    text = "\n".join(map(plain, blocks))
    assert f"Lets {B} (unknown; ENS “yearn-treasury.eth”) take an unlimited amount of" in text
    assert "“'Treasury' (0x……eB48)” (a name that looks like an address) of token" in text
    assert "HIGH approve without a limit" in text
    assert "\u202e" not in text


def test_the_explorer_s_word_is_bounded_cached_and_off_without_a_key(node: Anvil) -> None:
    rows = [{"ContractName": "FiatTokenV2\u202e", "ABI": "[]", "Implementation": ""}]
    made = parts.package("oz5", "ProxyAdmin").deploy(node, node.accounts[0])
    proxy = parts.package("oz5", "ERC1967Proxy").deploy(node, made.address, initial_owner(made))
    upgrade = parts.package("oz4", "UUPSUpgradeable").calldata("upgradeTo", made.address)
    with http_service(lambda _: Reply({"status": "1", "result": rows})) as service:
        environ = {
            "PROVIDER_URL_MAINNET": node.url, "PROVIDER_PUBLIC": "off", "ETHERSCAN_API_KEY": "key",
            "ETHERSCAN_URL": service.url, "FOURBYTE_URL": "http://127.0.0.1:1",
        }  # fmt: skip
        memory = RunMemory()
        for _ in range(2):
            at = EvaluationPoint(environ, memory=memory)
            text = "\n".join(
                map(plain, call_blocks([Transaction(1, proxy.address, bytes.fromhex(upgrade[2:]))], at, Room()))
            )
            assert "source verified, the explorer calls it “FiatTokenV2”" in text
        assert len(service.seen) == 1
        rows[0]["ContractName"] = ""
        at = EvaluationPoint(environ)
        text = "\n".join(
            map(plain, call_blocks([Transaction(1, proxy.address, bytes.fromhex(upgrade[2:]))], at, Room()))
        )
        assert "source NOT verified" in text
        asked = len(service.seen)
        at = EvaluationPoint({**environ, "ETHERSCAN_API_KEY": ""})
        call_blocks([Transaction(1, proxy.address, bytes.fromhex(upgrade[2:]))], at, Room())
        assert len(service.seen) == asked


def plain(block: Block) -> str:
    if isinstance(block, Code):
        return block.text
    return "".join(piece.text for piece in lay_out(block.parts, NOW)) if isinstance(block, Line) else ""


def initial(contract: Contract) -> bytes:
    return bytes.fromhex(contract.artifact.calldata("totalSupply")[2:])


def initial_owner(contract: Contract) -> bytes:
    return bytes.fromhex(contract.artifact.calldata("owner")[2:])


def selectors(contract: Contract) -> frozenset[bytes]:
    return frozenset(selector_of(signature(one)) for one in contract.artifact.abi if one["type"] == "function")


def test_ten_unknown_addresses_cost_as_many_requests_as_one(node: Anvil) -> None:
    ens = Ens(node)
    people = [checksum("0x" + f"{place:02x}" * 20) for place in range(0x31, 0x3B)]
    for place, one in enumerate(people):
        ens.claims(one, f"person{place}.eth")
        ens.leads(f"person{place}.eth", one)

    def requests(count: int) -> int:
        view = view_of(node)
        before = view.pool.requests
        assert len(ens_names(view, people[:count])) == count
        return view.pool.requests - before

    assert requests(1) == requests(10) == 4


def test_an_explorer_that_hangs_is_asked_no_more_once_its_time_is_used_up() -> None:
    clock, asked = ManualClock(), list[str]()

    def slow(request: Request, _: float) -> Answer:
        asked.append(request.url)
        clock.advance(4)
        raise FetchError("explorer.example", "no answer")

    explorer = ExplorerAbi(Service(slow, Budget(clock=clock, sleep=lambda _s: None)), RunMemory(), "key")
    answers = [explorer.verified(1, checksum("0x" + f"{place:02x}" * 20)) for place in range(1, 9)]
    assert all(isinstance(one, Unknown) for one in answers)
    assert len(asked) == 2
