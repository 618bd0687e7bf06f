"""Real Safes on a local chain at addresses of our choice, and the transaction service as a script."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from eth_abi.abi import encode
from eth_hash.auto import keccak

from monitoring.chains.abi.addresses import checksum
from tests.support import parts
from tests.support.anvil import Anvil
from tests.support.contracts import SAFE_1_4, SAFE_1_5, Contract
from tests.support.http_service import Reply, Seen

CURATION = "0x90D0f26025571295D18a6c041E47450B81886B51"  # Yearn's, one address on three chains
BOT = "0x80a3887BA60F76acAb48EE4aEAd0a71A0774A8B2"
TARGET = checksum("0x" + "a1" * 20)
OWNER = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"  # a local chain's first account
ZERO = "0x" + "0" * 40
GENERATIONS = {  # package, singleton, proxy
    "1.3.0": ("safe13", "GnosisSafe", "GnosisSafeProxy"),
    "1.4.1": (SAFE_1_4, "Safe", "SafeProxy"),
    "1.5.0": (SAFE_1_5, "Safe", "SafeProxy"),
}


@dataclass
class SafeService:
    """The transaction service: rows by chain, and what it does instead of answering."""

    rows: dict[str, list[Any]] = field(default_factory=dict)
    failing: bool = False
    asked: list[str] = field(default_factory=list)

    def answer(self, seen: Seen) -> Reply:
        url = urlsplit(seen.path)
        self.asked.append(url.path)
        if self.failing:
            return Reply({}, 503)
        query = parse_qs(url.query)
        at = int(query["offset"][0])
        kept = [one for one in self.rows.get(url.path.split("/")[1], []) if str(one.get("safe", CURATION)) in url.path]
        following = "more" if at + 100 < len(kept) else None
        return Reply({"results": kept[at : at + 100], "next": following})


def queued(nonce: int, mark: str = "01", *, chain: int = 1, **changes: Any) -> dict[str, Any]:
    """Return a row as the service shows it, under the hash of what it shows; `mark` makes it another transaction.

    Its signer is a local chain's first account, which owns the Safes of `safe_at`; no signature is given.
    """
    row: dict[str, Any] = {
        "safe": CURATION,
        "nonce": nonce,
        "to": TARGET,
        "value": "0",
        "data": "0x8456cb59",
        "operation": 0,
        "safeTxGas": 0 if mark == "01" else int(mark, 16),
        "baseGas": 0,
        "gasPrice": "0",
        "gasToken": ZERO,
        "refundReceiver": ZERO,
        "submissionDate": "2026-01-01T10:00:00Z",
        "isExecuted": False,
        "proposer": BOT,
        "proposedByDelegate": None,
        "confirmations": [{"owner": OWNER, "signature": None, "signatureType": "EOA"}],
        "confirmationsRequired": 3,
    } | changes
    return row if "safeTxHash" in row else row | {"safeTxHash": "0x" + hash_of(row, chain).hex()}


def hash_of(row: dict[str, Any], chain: int = 1) -> bytes:
    """Return what owners of a Safe since 1.3.0 sign for a row, by EIP-712 and eth-abi alone."""
    kind = (
        "SafeTx(address to,uint256 value,bytes data,uint8 operation,uint256 safeTxGas,uint256 baseGas,uint256 gasPrice,"
        "address gasToken,address refundReceiver,uint256 nonce)"
    )
    data = str(row["data"] or "0x")
    if any(char not in "0123456789abcdefABCDEF" for char in data[2:]):
        return bytes(32)
    amounts = [int(row[name]) for name in ("safeTxGas", "baseGas", "gasPrice")]
    message = encode(
        ["bytes32", "address", "uint256", "bytes32", "uint8", *["uint256"] * 3, "address", "address", "uint256"],
        [
            keccak(kind.encode()), row["to"], int(row["value"]), keccak(bytes.fromhex(data[2:])), row["operation"],
            *amounts, row["gasToken"], row["refundReceiver"], row["nonce"],
        ],
    )  # fmt: skip
    separator = keccak(b"EIP712Domain(uint256 chainId,address verifyingContract)")
    domain = encode(["bytes32", "uint256", "address"], [separator, chain, row["safe"]])
    return keccak(b"\x19\x01" + keccak(domain) + keccak(message))


def safe_at(node: Anvil, version: str = "1.4.1", address: str = CURATION) -> Contract:
    """Put a proxy and its singleton on the chain, with the node's first account as the only owner."""
    name, contract, proxy = GENERATIONS[version]
    singleton = parts.package(name, contract).deploy(node)
    parts.package(name, proxy).deploy_at(node, address, singleton.address)
    safe = singleton.artifact.at(node, address)
    safe.send("setup", [node.accounts[0]], 1, ZERO, b"", ZERO, ZERO, 0, ZERO)
    return safe


def execute(safe: Contract, function: str, *arguments: object) -> None:
    """Have the Safe call itself, approved by the owner who sends."""
    data = bytes.fromhex(safe.artifact.calldata(function, *arguments)[2:])
    owner = bytes(12) + bytes.fromhex(safe.node.accounts[0][2:])
    signature = owner + bytes(32) + b"\x01"
    safe.send("execTransaction", safe.address, 0, data, 0, 0, 0, 0, ZERO, ZERO, signature)


def signed(node: Anvil, row: dict[str, Any], *accounts: int, over: str = "") -> dict[str, Any]:
    """Have accounts of the node sign a row by `eth_sign`, over its own hash or another."""
    confirmations = []
    for account in accounts:
        made = node.rpc("eth_sign", node.accounts[account], over or row["safeTxHash"])
        signature = made[:-2] + f"{int(made[-2:], 16) + 4:02x}"
        confirmations.append(
            {"owner": checksum(node.accounts[account]), "signature": signature, "signatureType": "ETH_SIGN"}
        )
    return row | {"confirmations": confirmations}


def execute_row(safe: Contract, row: dict[str, Any], sender: str | None = None) -> dict[str, Any]:
    """Execute a row with the signatures that it lists, as anybody can; return the receipt."""
    proofs = sorted(row["confirmations"], key=lambda one: int(one["owner"], 16))
    signatures = b"".join(bytes.fromhex(one["signature"][2:]) for one in proofs)
    return safe.send(
        "execTransaction", row["to"], int(row["value"]), bytes.fromhex((row["data"] or "0x")[2:]), row["operation"],
        row["safeTxGas"], row["baseGas"], int(row["gasPrice"]), row["gasToken"], row["refundReceiver"], signatures,
        sender=sender,
    )  # fmt: skip
