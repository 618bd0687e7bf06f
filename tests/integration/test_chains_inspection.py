"""What an address is and who controls it, on a real chain with contracts nobody here wrote."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from collections.abc import Iterator

import pytest

from monitoring.chains.abi.addresses import checksum
from monitoring.chains.abi.values import Unknown
from monitoring.chains.inspection.control import inspect
from monitoring.chains.inspection.endpoint import read_capabilities
from monitoring.chains.inspection.model import ContractFacts, ContractKind, Inspection
from monitoring.chains.networks import network
from monitoring.chains.rpc.pool import Head
from monitoring.chains.rpc.views import Chains
from monitoring.checks.expression.evaluate import ViewRead
from tests.support import anvil, parts
from tests.support.answers import put_answers, put_multicall
from tests.support.anvil import Anvil
from tests.support.child import CHECKOUT, child_environ
from tests.support.host import DEAF
from tests.support.safes import CURATION, safe_at
from tests.support.timelocks import DAY, timelock_at

VAULT = checksum("0x" + "e4" * 20)
ASSET = checksum("0x" + "a5" * 20)


@pytest.fixture(scope="module")
def _mainnet() -> Iterator[Anvil]:
    if anvil.binary() is None:
        parts.missing(anvil.HOW_TO_GET_IT)
    with anvil.running("--chain-id", "1") as node:
        put_multicall(node)
        node.mine(3)
        yield node


@pytest.fixture
def chain(_mainnet: Anvil) -> Iterator[Anvil]:
    before = _mainnet.snapshot()
    yield _mainnet
    _mainnet.revert(before)


def look(node: Anvil, address: str) -> Inspection:
    view = Chains({"PROVIDER_URL_MAINNET": node.url}).view(1)
    assert not isinstance(view, Unknown), view
    return inspect(view, address)


def facts(node: Anvil, address: str) -> ContractFacts:
    return look(node, address).facts


def put_views(node: Anvil, target: str, **views: object) -> None:
    kinds = {bool: "bool", int: "uint256"}
    calls = {}
    for name, value in views.items():
        kind = "address" if isinstance(value, str) and value.startswith("0x") else kinds.get(type(value), "string")
        calls[ViewRead(1, target, f"{name}()({kind})")] = value
    put_answers(node, calls)  # type: ignore[arg-type]


@pytest.mark.parametrize("version", ["1.3.0", "1.4.1", "1.5.0"])
def test_a_safe_shows_its_version_owners_and_threshold(chain: Anvil, version: str) -> None:
    safe_at(chain, version)

    found = look(chain, CURATION)

    assert found.facts.kind is ContractKind.SAFE
    assert (found.facts.safe_version, found.facts.threshold) == (version, 1)
    assert found.facts.owners == (checksum(chain.accounts[0]),)
    assert found.contracts[checksum(chain.accounts[0])].kind is ContractKind.ACCOUNT


@pytest.mark.parametrize("generation", ["oz3", "oz4", "oz5"])
def test_a_timelock_shows_its_delay(chain: Anvil, generation: str) -> None:
    timelock = timelock_at(chain, generation)

    found = facts(chain, timelock.address)

    assert (found.kind, found.timelock, found.delay_s) == (ContractKind.TIMELOCK, "oz_timelock_controller", DAY)
    if generation == "oz3":  # the one that lists its members
        assert found.roles["PROPOSER_ROLE"] == (checksum(chain.accounts[0]),)


@pytest.mark.parametrize(
    ("views", "kind"),
    [
        ({"delay": 2 * DAY, "GRACE_PERIOD": 14 * DAY, "admin": CURATION}, "compound_timelock"),
        ({"delay": 2 * DAY, "proxy": CURATION, "owner": CURATION}, "ds_pause"),
        ({"delay": 2 * DAY, "OPERATIONS_MULTISIG": CURATION}, "puffer_timelock"),
        ({"voteTime": 2 * DAY, "supportRequiredPct": 50}, "aragon_voting"),
    ],
)
def test_other_kinds_of_timelock_are_known_by_their_views(chain: Anvil, views: dict[str, object], kind: str) -> None:
    put_views(chain, VAULT, **views)

    found = facts(chain, VAULT)

    assert (found.timelock, found.delay_s) == (kind, 2 * DAY)


def test_a_vault_shows_its_asset_and_what_a_share_is_worth(chain: Anvil) -> None:
    put_views(chain, ASSET, symbol="USDC", decimals=6, totalSupply=10**15)
    put_views(chain, VAULT, symbol="vUSDC", decimals=18, totalSupply=10**24, asset=ASSET, totalAssets=2 * 10**12)
    put_answers(chain, {ViewRead(1, VAULT, "convertToAssets(uint256)(uint256)", (10**18,)): 1_050_000})

    found = facts(chain, VAULT)

    assert found.kind is ContractKind.VAULT
    assert (found.asset, found.asset_symbol, found.asset_decimals) == (ASSET, "USDC", 6)
    assert (found.decimals, found.total_assets, found.assets_of_share) == (18, 2 * 10**12, 1_050_000)
    assert facts(chain, ASSET).kind is ContractKind.TOKEN


def test_from_a_proxy_over_admin_contract_and_timelock_and_safe_to_the_people(chain: Anvil) -> None:
    safe = safe_at(chain)
    timelock = timelock_at(chain, "oz3")
    timelock.send("grantRole", timelock.call("PROPOSER_ROLE"), safe.address)
    admin = parts.package("oz4", "ProxyAdmin").deploy(chain)
    token = parts.package("oz4", "ERC20PresetMinterPauser").deploy(chain, "Acme", "ACME")
    proxy = parts.package("oz4", "TransparentUpgradeableProxy").deploy(chain, token.address, admin.address, b"")
    admin.send("transferOwnership", timelock.address)

    found = look(chain, checksum(proxy.address))

    assert found.facts.proxy == "upgradeable"
    assert found.facts.implementation == checksum(token.address)
    path = [found.address, checksum(admin.address), checksum(timelock.address), CURATION]
    relations = [found.contracts[a].controllers()[b] for a, b in itertools.pairwise(path)]
    assert relations == ["proxy admin", "owner", "PROPOSER_ROLE"]
    assert found.contracts[checksum(chain.accounts[0])].kind is ContractKind.ACCOUNT
    assert found.left_out == 0


def test_a_token_lists_who_has_its_roles_and_that_it_is_not_paused(chain: Anvil) -> None:
    token = parts.package("oz4", "ERC20PresetMinterPauser").deploy(chain, "Acme", "ACME\x1b[31m")

    found = facts(chain, checksum(token.address))

    person = checksum(chain.accounts[0])
    assert (found.kind, found.symbol, found.paused) == (ContractKind.TOKEN, "ACME[31m", False)
    assert found.roles == dict.fromkeys(("MINTER_ROLE", "PAUSER_ROLE", "DEFAULT_ADMIN_ROLE"), (person,))


def test_two_contracts_that_own_each_other_end(chain: Anvil) -> None:
    put_views(chain, VAULT, owner=ASSET)
    put_views(chain, ASSET, owner=VAULT)

    found = look(chain, VAULT)

    assert set(found.contracts) == {VAULT, ASSET}


def test_a_minimal_proxy_shows_its_code(chain: Anvil) -> None:
    chain.set_code(VAULT, "0x363d3d373d3d3d363d73" + ASSET[2:].lower() + "5af43d82803e903d91602b57fd5bf3")

    found = facts(chain, VAULT)

    assert (found.proxy, found.implementation) == ("minimal (ERC-1167)", ASSET)


def test_an_account_that_delegates_its_code_is_still_a_person(chain: Anvil) -> None:
    chain.set_code(VAULT, "0xef0100" + ASSET[2:].lower())

    assert facts(chain, VAULT).kind is ContractKind.ACCOUNT


def test_what_an_endpoint_can_do(chain: Anvil) -> None:
    pool = Chains({"PROVIDER_URL_MAINNET": chain.url, "PROVIDER_PUBLIC": "off"}).pool(1)
    (head,) = pool.heads(pool.providers)

    assert isinstance(head, Head)
    found = read_capabilities(network(1), head)
    assert (found.archive, found.log_range) == (True, 100_000)


def child(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "monitoring.chains", *arguments]
    env = child_environ({"MONITORING_ENV_FILE": "", **DEAF, **environ})
    return subprocess.run(command, cwd=CHECKOUT, env=env, capture_output=True, text=True, timeout=60, check=False)


def test_the_child_writes_what_its_reader_reads(chain: Anvil) -> None:
    safe_at(chain)

    done = child("inspect", CURATION, "--chain", "mainnet", PROVIDER_URL_MAINNET=chain.url)

    assert done.returncode == 0, done.stderr
    assert Inspection.from_json(json.loads(done.stdout)).facts.safe_version == "1.4.1"


def test_a_chain_that_cannot_be_read_is_said_of_the_address(chain: Anvil) -> None:
    del chain
    done = child("inspect", CURATION, "--chain", "mainnet")

    assert done.returncode == 0, done.stderr
    found = Inspection.from_json(json.loads(done.stdout)).facts
    assert found.kind is ContractKind.UNREAD
    assert "cannot connect" in found.problem


def test_a_wrong_checksum_is_refused(chain: Anvil) -> None:
    del chain
    done = child("inspect", CURATION[:-1] + "2", "--chain", "mainnet")

    assert done.returncode == 2
    assert "checksum" in done.stderr
