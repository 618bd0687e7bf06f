"""Our decoder against web3's, on calldata that web3 encoded with ABIs from the contracts' own packages."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from monitoring.chains.abi.selectors import Declaration, declare
from monitoring.chains.decode.calldata import DecodedCall, Decoder, Transaction
from monitoring.chains.decode.signature_resolver import abi_functions
from tests.support.parts import missing

pytestmark = pytest.mark.node
web3 = pytest.importorskip("web3", reason="the extra `web3` is not installed")

PACKAGES = Path(__file__).resolve().parents[2] / "node_modules"
ABIS = {
    "timelock3": "oz3/build/contracts/TimelockController.json",
    "timelock4": "oz4/build/contracts/TimelockController.json",
    "timelock5": "oz5/build/contracts/TimelockController.json",
    "token": "oz4/build/contracts/ERC20PresetMinterPauser.json",
    "nft": "oz5/build/contracts/ERC721.json",
    "vault": "oz5/build/contracts/ERC4626.json",
    "ownable": "oz5/build/contracts/Ownable2Step.json",
    "rules": "oz5/build/contracts/AccessControlDefaultAdminRules.json",
    "manager": "oz5/build/contracts/AccessManager.json",
    "governor": "oz5/build/contracts/Governor.json",
    "bravo": "oz4/build/contracts/GovernorCompatibilityBravo.json",
    "old_admin": "oz4/build/contracts/ProxyAdmin.json",
    "proxy": "oz4/build/contracts/UUPSUpgradeable.json",
    "safe": "@safe-global/safe-contracts/build/artifacts/contracts/Safe.sol/Safe.json",
    "safe150": "@safe-global/safe-smart-account/build/artifacts/contracts/Safe.sol/Safe.json",
    "multisend": "@safe-global/safe-contracts/build/artifacts/contracts/libraries/MultiSend.sol/MultiSend.json",
    "pool": "@uniswap/v3-core/artifacts/contracts/UniswapV3Pool.sol/UniswapV3Pool.json",
    "factory": "@uniswap/v3-core/artifacts/contracts/UniswapV3Factory.sol/UniswapV3Factory.json",
}
# Aave's package is a hundred times the size of what is needed of it.
AAVE = {
    "supply": "address asset,uint256 amount,address onBehalfOf,uint16 referralCode",
    "withdraw": "address asset,uint256 amount,address to",
    "borrow": "address asset,uint256 amount,uint256 interestRateMode,uint16 referralCode,address onBehalfOf",
    "repay": "address asset,uint256 amount,uint256 interestRateMode,address onBehalfOf",
    "setReserveFreeze": "address asset,bool freeze",
    "setReserveInterestRateStrategyAddress": "address asset,address newRateStrategyAddress",
    "setAssetSources": "address[] assets,address[] sources",
}
A, B, C = ("0x" + digit * 40 for digit in "abc")
A, B, C = (web3.Web3.to_checksum_address(one) for one in (A, B, C))
ZERO = "0x" + "0" * 40
WORD = b"\x07" * 32
MULTISEND = "0x38869bf66a61cF6bDB996A6aE40D5853Fd43B526"
MAX = 2**256 - 1


def aave_abi() -> list[dict[str, Any]]:
    rows = {name: [part.split(" ") for part in inputs.split(",")] for name, inputs in AAVE.items()}
    return [
        {"type": "function", "name": name, "stateMutability": "nonpayable", "outputs": [],
         "inputs": [{"type": kind, "name": called} for kind, called in inputs]}
        for name, inputs in rows.items()
    ]  # fmt: skip


@cache
def contract(name: str) -> Any:
    if name == "aave":
        return web3.Web3().eth.contract(abi=aave_abi())
    path = PACKAGES / ABIS[name]
    if not path.exists():
        missing(f"{path.name} is not installed: run `npm ci`")
    return web3.Web3().eth.contract(abi=json.loads(path.read_text())["abi"])


def encoded(name: str, function: str, *args: Any) -> bytes:
    return bytes.fromhex(contract(name).encode_abi(function, args=list(args))[2:])


def packed(*calls: tuple[int, str, int, bytes]) -> bytes:
    """Pack for MultiSend, written here once more on purpose."""
    return b"".join(
        operation.to_bytes(1, "big")
        + bytes.fromhex(to[2:])
        + value.to_bytes(32, "big")
        + len(data).to_bytes(32, "big")
        + data
        for operation, to, value, data in calls
    )


def execution(data: bytes, to: str = A, operation: int = 0, safe: str = "safe", value: int = 0) -> bytes:
    return encoded(safe, "execTransaction", to, value, data, operation, 0, 0, 0, ZERO, ZERO, b"\x01" * 65)


def transactions() -> dict[str, tuple[str, bytes, list[str]]]:
    """Name -> (ABI of the outer call, calldata, the functions of the tree in order)."""
    transfer = encoded("token", "transfer(address,uint256)", B, 10**18)
    approve = encoded("token", "approve(address,uint256)", C, MAX)
    grant = encoded("timelock4", "grantRole(bytes32,address)", WORD, B)
    own = encoded("ownable", "transferOwnership(address)", B)
    delay = encoded("timelock5", "updateDelay(uint256)", 0)
    upgrade = encoded("old_admin", "upgradeAndCall(address,address,bytes)", A, B, own)
    one = encoded("timelock4", "schedule", A, 0, own, b"\0" * 32, WORD, 86400)
    batch = encoded("timelock5", "scheduleBatch", [A, B, C], [0, 1, 0], [own, b"", grant], b"\0" * 32, WORD, 172800)
    many = encoded("multisend", "multiSend", packed((0, A, 0, transfer), (0, B, 5, b""), (1, C, 0, own)))
    nested = encoded("multisend", "multiSend", packed((0, A, 0, one), (0, B, 0, upgrade)))
    simple = {
        "transfer": ("token", transfer),
        "approve everything": ("token", approve),
        "transferFrom": ("token", encoded("token", "transferFrom(address,address,uint256)", A, B, 5)),
        "increaseAllowance": ("token", encoded("token", "increaseAllowance(address,uint256)", A, 7)),
        "mint": ("token", encoded("token", "mint(address,uint256)", A, 10**24)),
        "burn": ("token", encoded("token", "burn(uint256)", 3)),
        "burnFrom": ("token", encoded("token", "burnFrom(address,uint256)", A, 3)),
        "pause": ("token", encoded("token", "pause()")),
        "unpause": ("token", encoded("token", "unpause()")),
        "setApprovalForAll": ("nft", encoded("nft", "setApprovalForAll(address,bool)", A, True)),
        "deposit": ("vault", encoded("vault", "deposit(uint256,address)", 10**6, A)),
        "mint shares": ("vault", encoded("vault", "mint(uint256,address)", 10**6, A)),
        "withdraw": ("vault", encoded("vault", "withdraw(uint256,address,address)", 1, A, B)),
        "redeem": ("vault", encoded("vault", "redeem(uint256,address,address)", 1, A, B)),
        "transferOwnership": ("ownable", own),
        "acceptOwnership": ("ownable", encoded("ownable", "acceptOwnership()")),
        "renounceOwnership": ("ownable", encoded("ownable", "renounceOwnership()")),
        "beginDefaultAdminTransfer": ("rules", encoded("rules", "beginDefaultAdminTransfer(address)", A)),
        "grantRole": ("timelock4", grant),
        "revokeRole": ("timelock4", encoded("timelock4", "revokeRole(bytes32,address)", WORD, A)),
        "renounceRole": ("timelock3", encoded("timelock3", "renounceRole(bytes32,address)", WORD, A)),
        "cancel": ("timelock3", encoded("timelock3", "cancel(bytes32)", WORD)),
        "updateDelay": ("timelock5", delay),
        "manager grantRole": ("manager", encoded("manager", "grantRole(uint64,address,uint32)", 4, A, 60)),
        "upgradeTo": ("proxy", encoded("proxy", "upgradeTo(address)", A)),
        "upgrade": ("old_admin", encoded("old_admin", "upgrade(address,address)", A, B)),
        "changeProxyAdmin": ("old_admin", encoded("old_admin", "changeProxyAdmin(address,address)", A, B)),
        "addOwnerWithThreshold": ("safe", encoded("safe", "addOwnerWithThreshold(address,uint256)", A, 3)),
        "removeOwner": ("safe", encoded("safe", "removeOwner(address,address,uint256)", A, B, 1)),
        "swapOwner": ("safe", encoded("safe", "swapOwner(address,address,address)", A, B, C)),
        "changeThreshold": ("safe", encoded("safe", "changeThreshold(uint256)", 1)),
        "enableModule": ("safe", encoded("safe", "enableModule(address)", A)),
        "disableModule": ("safe", encoded("safe", "disableModule(address,address)", A, B)),
        "setGuard": ("safe", encoded("safe", "setGuard(address)", A)),
        "setModuleGuard": ("safe150", encoded("safe150", "setModuleGuard(address)", A)),
        "setFallbackHandler": ("safe", encoded("safe", "setFallbackHandler(address)", A)),
        "approveHash": ("safe", encoded("safe", "approveHash(bytes32)", WORD)),
        "uniswap fee switch": ("pool", encoded("pool", "setFeeProtocol", 4, 4)),
        "uniswap collect": ("pool", encoded("pool", "collectProtocol", A, 2**128 - 1, 0)),
        "uniswap swap": ("pool", encoded("pool", "swap", A, True, -(10**18), 2**160 - 1, b"\x01" * 36)),
        "uniswap fee tier": ("factory", encoded("factory", "enableFeeAmount", 100, -1)),
        "uniswap owner": ("factory", encoded("factory", "setOwner", A)),
        "aave supply": ("aave", encoded("aave", "supply", A, 10**18, B, 0)),
        "aave withdraw": ("aave", encoded("aave", "withdraw", A, MAX, B)),
        "aave borrow": ("aave", encoded("aave", "borrow", A, 10**6, 2, 0, B)),
        "aave repay": ("aave", encoded("aave", "repay", A, MAX, 2, B)),
        "aave freeze": ("aave", encoded("aave", "setReserveFreeze", A, True)),
        "aave rate strategy": ("aave", encoded("aave", "setReserveInterestRateStrategyAddress", A, B)),
        "aave oracle": ("aave", encoded("aave", "setAssetSources", [A, B], [B, C])),
        "castVote": ("governor", encoded("governor", "castVote(uint256,uint8)", 7, 1)),
    }
    governor_call = ([A, B], [0, 9], [own, grant])
    trees: dict[str, tuple[str, bytes, list[str]]] = {
        "schedule": ("timelock4", one, ["schedule", "transferOwnership"]),
        "schedule, first generation": (
            "timelock3",
            encoded("timelock3", "schedule", A, 0, delay, b"\0" * 32, WORD, 1),
            ["schedule", "updateDelay"],
        ),
        "scheduleBatch": ("timelock5", batch, ["scheduleBatch", "transferOwnership", "", "grantRole"]),
        "execute": (
            "timelock5",
            encoded("timelock5", "execute", A, 1, own, b"\0" * 32, WORD),
            ["execute", "transferOwnership"],
        ),
        "executeBatch": (
            "timelock4",
            encoded("timelock4", "executeBatch", [A], [0], [grant], b"\0" * 32, WORD),
            ["executeBatch", "grantRole"],
        ),
        "upgradeToAndCall": (
            "proxy",
            encoded("proxy", "upgradeToAndCall(address,bytes)", A, own),
            ["upgradeToAndCall", "transferOwnership"],
        ),
        "upgradeAndCall": ("old_admin", upgrade, ["upgradeAndCall", "transferOwnership"]),
        "multiSend": ("multisend", many, ["multiSend", "transfer", "", "transferOwnership"]),
        "multiSend of a timelock and an upgrade": (
            "multisend",
            nested,
            ["multiSend", "schedule", "transferOwnership", "upgradeAndCall", "transferOwnership"],
        ),
        "execTransaction": ("safe", execution(approve), ["execTransaction", "approve"]),
        "execTransaction of a batch": (
            "safe150",
            execution(many, MULTISEND, 1, "safe150"),
            ["execTransaction", "multiSend", "transfer", "", "transferOwnership"],
        ),
        "execTransaction that sends": ("safe", execution(b"", value=10**18), ["execTransaction", ""]),
        "execTransactionFromModule": (
            "safe",
            encoded("safe", "execTransactionFromModule", A, 0, grant, 0),
            ["execTransactionFromModule", "grantRole"],
        ),
        "propose": (
            "governor",
            encoded("governor", "propose", *governor_call, "# Title\nwhy"),
            ["propose", "transferOwnership", "grantRole"],
        ),
        "queue": (
            "governor",
            encoded("governor", "queue", *governor_call, WORD),
            ["queue", "transferOwnership", "grantRole"],
        ),
        "governor execute": (
            "governor",
            encoded("governor", "execute", *governor_call, WORD),
            ["execute", "transferOwnership", "grantRole"],
        ),
        "bravo propose": (
            "bravo",
            encoded(
                "bravo",
                "propose(address[],uint256[],string[],bytes[],string)",
                [A, B],
                [0, 0],
                ["transferOwnership(address)", ""],
                [own[4:], grant],
                "why",
            ),
            ["propose", "transferOwnership", "grantRole"],
        ),
        "manager schedule": (
            "manager",
            encoded("manager", "schedule(address,bytes,uint48)", A, own, 0),
            ["schedule", "transferOwnership"],
        ),
        "manager multicall": (
            "manager",
            encoded(
                "manager", "multicall(bytes[])", [encoded("manager", "grantRole(uint64,address,uint32)", 4, A, 60)]
            ),
            ["multicall", "grantRole"],
        ),
    }
    flat = {name: (abi, data, [name_of(abi, data)]) for name, (abi, data) in simple.items()}
    return flat | trees


def name_of(abi: str, data: bytes) -> str:
    return str(contract(abi).decode_function_input(data)[0].fn_name)


def plain(value: Any) -> Any:
    """Lists and structs of web3 as the tuples we use."""
    if isinstance(value, dict):
        return tuple(plain(one) for one in value.values())
    return tuple(plain(one) for one in value) if isinstance(value, (list, tuple)) else value


def same_as_web3(call: DecodedCall, abi: str) -> None:
    function, arguments = contract(abi).decode_function_input(call.tx.data)
    assert call.signature == function.abi_element_identifier.replace(" ", "")
    assert [argument.value for argument in call.arguments] == [plain(value) for value in arguments.values()]


def test_more_than_forty_transactions_decode_as_web3_decodes_them() -> None:
    cases = transactions()
    assert len(cases) >= 40
    for name, (abi, data, tree) in cases.items():
        decoded = Decoder().decode(Transaction(1, A, data))
        calls = decoded.walk()
        assert [call.declaration.function.name if call.declaration else "" for call in calls] == tree, name
        same_as_web3(decoded, abi)
        for call in calls[1:]:
            if call.declaration:
                same_as_web3(call, abi_with(call.selector))


def abi_with(selector: bytes) -> str:
    for name in (*ABIS, "aave"):
        try:
            contract(name).get_function_by_selector(selector)
        except web3.exceptions.Web3ValueError:
            continue
        return name
    raise AssertionError(selector.hex())


class PackageAbi:
    """A rung that knows one package's ABI, as an explorer would answer it."""

    name = "abi"
    exact = False

    def __init__(self, abi: str) -> None:
        self._known = [declare(text) for text in abi_functions(contract(abi).abi)]

    def candidates(self, tx: Transaction) -> list[Declaration]:
        return [one for one in self._known if one.function.selector == tx.data[:4]]


def test_every_function_of_the_packages_has_the_selector_web3_gives_it() -> None:
    for name in ABIS:
        ours = {one.function.signature: one.function.selector for one in PackageAbi(name)._known}
        theirs = {str(one.abi_element_identifier) for one in contract(name).all_functions()}
        assert ours == {signature: bytes(web3.Web3.keccak(text=signature)[:4]) for signature in theirs}


def test_structs_and_arrays_of_a_target_abi_decode_as_web3_decodes_them() -> None:
    data = encoded("safe", "setup", [A, B], 2, C, b"\x01\x02", ZERO, ZERO, 0, ZERO)
    decoded = Decoder([PackageAbi("safe")]).decode(Transaction(1, A, data))
    assert decoded.origin == "abi"
    assert [argument.name for argument in decoded.arguments][:3] == ["_owners", "_threshold", "to"]
    same_as_web3(decoded, "safe")
