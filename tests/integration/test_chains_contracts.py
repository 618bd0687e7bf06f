"""Decoding and upgrades with contracts nobody here wrote, on a real node at their real addresses."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from monitoring.chains.abi.addresses import ZERO
from monitoring.chains.abi.selectors import events
from monitoring.chains.abi.values import Unknown
from monitoring.chains.decode.calldata import Decoder, Transaction
from monitoring.chains.decode.flags import FlagKind, flags
from monitoring.chains.decode.format_tx import Names, outline
from monitoring.chains.decode.inspect_tx import examine
from monitoring.chains.decode.proxies import ProxyContract, read_proxies, read_upgrades
from monitoring.chains.networks import network
from monitoring.chains.rpc.budget import Budget
from monitoring.chains.rpc.logs import LogCursor, LogFilter, scan
from monitoring.chains.rpc.views import Chains, ChainView
from tests.support import anvil, parts
from tests.support.anvil import Anvil
from tests.support.contracts import SAFE_1_4
from tests.support.own_contracts import runtime_code

pytestmark = pytest.mark.node
TIMELOCK = "0x88Ba032be87d5EF1fbE87336B7090767F367BF73"  # Yearn's, on six chains
MULTISEND = "0x38869bf66a61cF6bDB996A6aE40D5853Fd43B526"
NOTHING = b"\0" * 32


@pytest.fixture
def node() -> Iterator[Anvil]:
    if anvil.binary() is None:
        parts.missing(anvil.HOW_TO_GET_IT)
    with anvil.running("--chain-id", "1") as running:
        running.set_code(network(1).multicall3, runtime_code("Aggregate3"))
        yield running


def view_of(node: Anvil) -> ChainView:
    view = Chains(
        {"PROVIDER_URL_MAINNET": node.url, "PROVIDER_PUBLIC": "off"}, budget=Budget(sleep=lambda _s: None)
    ).view(1)
    assert isinstance(view, ChainView), view
    return view


def raw(text: str) -> bytes:
    return bytes.fromhex(text[2:])


def test_proxies_of_each_kind_show_what_stands_behind(node: Anvil) -> None:
    account = node.accounts[0]
    first = parts.package("oz4", "ERC20PresetMinterPauser").deploy(node, "One", "ONE").address
    second = parts.package("oz4", "ERC20PresetMinterPauser").deploy(node, "Two", "TWO").address
    plain = parts.package("oz5", "ERC1967Proxy").deploy(
        node, first, raw(parts.package("oz4", "ERC20PresetMinterPauser").calldata("totalSupply"))
    )
    beacon = parts.package("oz4", "UpgradeableBeacon").deploy(node, second)
    behind = parts.package("oz4", "BeaconProxy").deploy(node, beacon.address, b"")
    admin = parts.package("oz4", "ProxyAdmin").deploy(node)
    governed = parts.package("oz4", "TransparentUpgradeableProxy").deploy(node, first, admin.address, b"")
    found = read_proxies(view_of(node), [plain.address, behind.address, governed.address, first, account])
    shown = {one.address.lower(): one for one in found.values() if isinstance(one, ProxyContract)}
    assert shown[plain.address.lower()].implementation.lower() == first.lower()
    assert shown[behind.address.lower()].implementation.lower() == second.lower()
    assert shown[behind.address.lower()].beacon.lower() == beacon.address.lower()
    assert shown[governed.address.lower()].admin.lower() == admin.address.lower()
    assert shown[first.lower()].implementation == shown[account.lower()].implementation == ZERO


def test_an_upgrade_in_a_scheduled_batch_shows_old_and_new_implementation(node: Anvil) -> None:
    old = parts.package("oz4", "ERC20PresetMinterPauser").deploy(node, "One", "ONE").address
    new = parts.package("oz4", "ERC20PresetMinterPauser").deploy(node, "Two", "TWO").address
    admin = parts.package("oz4", "ProxyAdmin").deploy(node)
    proxy = parts.package("oz4", "TransparentUpgradeableProxy").deploy(node, old, admin.address, b"").address
    upgrade = parts.package("oz4", "ProxyAdmin").calldata("upgrade", proxy, new)
    batch = parts.package("oz5", "TimelockController").calldata(
        "scheduleBatch", [admin.address], [0], [raw(upgrade)], NOTHING, NOTHING, 86400
    )
    decoded = Decoder().decode(Transaction(1, TIMELOCK, raw(batch)))
    view = view_of(node)
    (found,) = read_upgrades(view, decoded)
    assert isinstance(found.old, str)
    assert (found.old.lower(), found.new.lower(), found.proxy.lower()) == (old.lower(), new.lower(), proxy.lower())
    assert found.diff_link == f"https://etherscan.io/contractdiffchecker?a1={found.old}&a2={found.new}"
    assert read_upgrades(view, Decoder().decode(Transaction(1, TIMELOCK, b""))) == ()


def test_an_upgrade_is_told_while_the_chain_cannot_be_read() -> None:
    if anvil.binary() is None:
        parts.missing(anvil.HOW_TO_GET_IT)
    with anvil.running("--chain-id", "1") as gone:
        view = view_of(gone)
    upgrade = raw(parts.package("oz4", "UUPSUpgradeable").calldata("upgradeTo", TIMELOCK))
    (found,) = read_upgrades(view, Decoder().decode(Transaction(1, MULTISEND, upgrade)))
    assert isinstance(found.old, Unknown)
    assert found.diff_link == ""


@pytest.mark.parametrize("generation", ["oz3", "oz4", "oz5"])
def test_a_batch_on_each_generation_of_timelock_is_read_from_its_logs(node: Anvil, generation: str) -> None:
    account = node.accounts[0]
    timelock = parts.package(generation, "TimelockController")
    arguments: tuple[object, ...] = (3600, [account], [account])
    deployed = timelock.deploy(node, *arguments, *(() if generation == "oz3" else (account,)))
    grant = raw(timelock.calldata("grantRole", NOTHING, account))
    delay = raw(timelock.calldata("updateDelay", 60))
    targets = [deployed.address, deployed.address]
    deployed.send("scheduleBatch", targets, [0, 0], [grant, delay], NOTHING, b"\7" * 32, 3600)
    scheduled = events("oz_timelock_controller")["CallScheduled"]
    wanted = LogFilter((deployed.address,), (scheduled.topic,))
    found = scan(view_of(node).pool, wanted, LogCursor(1, 0), node.head)
    fields = [scheduled.decode(log.topics, log.data) for log in found.logs]
    assert [one["index"] for one in fields] == [0, 1]
    assert fields[0]["id"] == fields[1]["id"]
    calls = [Transaction(1, str(one["target"]), bytes(one["data"])) for one in fields]  # type: ignore[arg-type]
    kinds = [flag.kind for call in calls for flag in flags(Decoder().decode(call))]
    assert kinds == [FlagKind.ROLE, FlagKind.DELAY]


def test_one_call_examines_a_batch_with_amounts_flags_and_upgrades(node: Anvil) -> None:
    token = parts.package("oz4", "ERC20PresetMinterPauser").deploy(node, "Gold", "GLD")
    proxy = parts.package("oz4", "ERC1967Proxy").deploy(node, token.address, b"")
    calls = [
        (token.address, raw(token.artifact.calldata("transfer", TIMELOCK, 25 * 10**17))),
        (token.address, raw(token.artifact.calldata("approve", TIMELOCK, 2**256 - 1))),
        (proxy.address, raw(parts.package("oz4", "UUPSUpgradeable").calldata("upgradeTo", TIMELOCK))),
    ]
    targets, payloads = [target for target, _ in calls], [data for _, data in calls]
    batch = parts.package("oz4", "TimelockController").calldata(
        "scheduleBatch", targets, [0, 0, 0], payloads, NOTHING, NOTHING, 60
    )
    tx = Transaction(1, TIMELOCK, raw(batch))
    view = view_of(node)
    found = examine([tx], Decoder(), view)
    text = "\n".join(map(str, found.lines))
    assert "amount: 2.5 “GLD”" in text
    assert "amount: unlimited “GLD”" in text
    assert [flag.kind for flag in found.flags] == [FlagKind.UNLIMITED_APPROVAL, FlagKind.UPGRADE]
    assert [str(one.old).lower() for one in found.upgrades] == [token.address.lower()]
    assert view.pool.hosts == ("127.0.0.1",)
    blind = examine([tx], Decoder(), Unknown("no provider"))
    assert blind.flags == found.flags
    assert "amount: 2500000000000000000 (in the token's smallest unit)" in "\n".join(map(str, blind.lines))


def test_a_safe_transaction_at_the_real_multisend_is_read_as_its_parts(node: Anvil) -> None:
    multisend = parts.package(SAFE_1_4, "MultiSend")
    node.set_code(MULTISEND, multisend.runtime_code)
    own = raw(parts.package("oz5", "Ownable2Step").calldata("transferOwnership", node.accounts[1]))
    packed = bytes([0]) + raw(TIMELOCK) + bytes(32) + len(own).to_bytes(32, "big") + own
    batch = raw(multisend.calldata("multiSend", packed))
    decoded = Decoder().decode(Transaction(1, MULTISEND, batch, operation=1))
    assert [flag.kind for flag in flags(decoded)] == [FlagKind.OWNERSHIP]
    lines = [str(line) for line in outline(decoded, Names())]
    assert lines[0] == "delegate call: multiSend on Safe MultiSend v1.4.1 (0x3886…B526)"
    assert "  transferOwnership on Yearn TimelockController (0x88Ba…BF73)" in lines
