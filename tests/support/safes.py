"""Real Safes on a local chain at addresses of our choice, and the transaction service as a script."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from monitoring.chains.abi.addresses import checksum
from tests.support import parts
from tests.support.anvil import Anvil
from tests.support.contracts import SAFE_1_4, SAFE_1_5, Contract
from tests.support.http_service import Reply, Seen

CURATION = "0x90D0f26025571295D18a6c041E47450B81886B51"  # Yearn's, one address on three chains
BOT = "0x80a3887BA60F76acAb48EE4aEAd0a71A0774A8B2"
TARGET = checksum("0x" + "a1" * 20)
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


def queued(nonce: int, mark: str = "01", **changes: Any) -> dict[str, Any]:
    return {
        "safe": CURATION,
        "nonce": nonce,
        "to": TARGET,
        "value": "0",
        "data": "0x8456cb59",
        "operation": 0,
        "safeTxHash": "0x" + (mark + f"{nonce:x}").rjust(64, "0"),
        "submissionDate": "2026-01-01T10:00:00Z",
        "isExecuted": False,
        "proposer": BOT,
        "proposedByDelegate": None,
        "confirmations": [{"owner": BOT}],
        "confirmationsRequired": 3,
    } | changes


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
