"""Hashes and signers as real Safes of six generations see them, on a local chain."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest

from monitoring.chains.abi.addresses import checksum
from monitoring.chains.abi.values import Unknown
from monitoring.chains.decode.calldata import Transaction
from monitoring.chains.networks import network
from monitoring.chains.rpc.views import ChainView
from monitoring.chains.safes.hashing import GasTerms, SafeHashes, SafeIdentity, safe_hashes
from monitoring.chains.safes.signatures import SignerOf, signers
from monitoring.checks.engine.point import EvaluationPoint
from tests.support import anvil, parts
from tests.support.contracts import SAFE_1_4, SAFE_1_5, Contract
from tests.support.own_contracts import runtime_code

pytestmark = pytest.mark.node
ZERO = "0x" + "0" * 40
SAFES = {  # version: package, singleton, proxy
    "0.1.0": ("safe01", "GnosisSafe", "Proxy"),
    "1.0.0": ("safe10", "GnosisSafe", "Proxy"),
    "1.1.1": ("safe11", "GnosisSafe", "Proxy"),
    "1.3.0": ("safe13", "GnosisSafe", "GnosisSafeProxy"),
    "1.4.1": (SAFE_1_4, "Safe", "SafeProxy"),
    "1.5.0": (SAFE_1_5, "Safe", "SafeProxy"),
}
CALL = Transaction(1, "0x" + "a1" * 20, b"\x84\x56\xcb\x59")


@pytest.fixture(scope="module")
def node() -> Iterator[anvil.Anvil]:
    if anvil.binary() is None:
        parts.missing(anvil.HOW_TO_GET_IT)
    with anvil.running("--chain-id", "1") as running:
        running.set_code(network(1).multicall3, runtime_code("Aggregate3"))
        yield running


def a_safe(node: anvil.Anvil, version: str, owner: str = "") -> Contract:
    name, contract, proxy = SAFES[version]
    singleton = parts.package(name, contract).deploy(node)
    safe = singleton.artifact.at(node, parts.package(name, proxy).deploy(node, singleton.address).address)
    inputs = len(next(one for one in safe.artifact.abi if one.get("name") == "setup")["inputs"])
    payment = [ZERO, 0, ZERO]  # since 1.0.0; a fallback handler before it since 1.1.0
    safe.send("setup", [owner or node.accounts[0]], 1, ZERO, b"", *{4: [], 7: payment, 8: [ZERO, *payment]}[inputs])
    return safe


@pytest.mark.parametrize("version", SAFES)
def test_the_hash_is_the_one_that_the_safe_itself_computes(node: anvil.Anvil, version: str) -> None:
    safe, chance = a_safe(node, version), random.Random(7)
    identity = SafeIdentity(safe.address, 1, safe.call("VERSION"))
    assert identity.version.startswith(version)
    for _ in range(25):
        call = Transaction(
            1, _address(chance), chance.randbytes(chance.randrange(200)), _amount(chance), chance.randrange(2)
        )
        gas = GasTerms(_amount(chance), _amount(chance), _amount(chance), _address(chance), _address(chance))
        nonce = _amount(chance)
        asked = (call.to, call.value, call.data, call.operation, gas.safe_tx_gas, gas.base_gas, gas.gas_price)
        theirs = safe.call("getTransactionHash", *asked, gas.token, gas.receiver, nonce)
        assert safe_hashes(identity, call, nonce, gas).safe_tx_hash == "0x" + theirs.hex()


def _address(chance: random.Random) -> str:
    return "0x" + chance.randbytes(20).hex()


def _amount(chance: random.Random) -> int:
    return chance.getrandbits(chance.choice([8, 64, 256]))


def hashes(safe: Contract) -> SafeHashes:
    return safe_hashes(SafeIdentity(safe.address, 1, safe.call("VERSION")), CALL, 0, GasTerms())


def signed_by(node: anvil.Anvil, safe: Contract, signature: bytes) -> str | Unknown:
    view = EvaluationPoint({"PROVIDER_URL_MAINNET": node.url, "PROVIDER_PUBLIC": "off"}).chains.view(1)
    assert isinstance(view, ChainView)
    question = SignerOf(1, safe.address, hashes(safe).signed, signature)
    return signers([question], view)[question]


def by_account(node: anvil.Anvil, safe: Contract, account: str) -> bytes:
    """Have the node sign the typed data, as a wallet does."""
    fields = {"to": "address", "value": "uint256", "data": "bytes", "operation": "uint8", "safeTxGas": "uint256",
              "baseGas": "uint256", "gasPrice": "uint256", "gasToken": "address", "refundReceiver": "address",
              "nonce": "uint256"}  # fmt: skip
    typed: dict[str, Any] = {
        "types": {
            "EIP712Domain": [{"name": "chainId", "type": "uint256"}, {"name": "verifyingContract", "type": "address"}],
            "SafeTx": [{"name": name, "type": kind} for name, kind in fields.items()],
        },
        "primaryType": "SafeTx",
        "domain": {"chainId": 1, "verifyingContract": safe.address},
        "message": {
            "to": CALL.to, "value": 0, "data": "0x" + CALL.data.hex(), "operation": 0, "safeTxGas": 0, "baseGas": 0,
            "gasPrice": 0, "gasToken": ZERO, "refundReceiver": ZERO, "nonce": 0,
        },
    }  # fmt: skip
    return bytes.fromhex(node.rpc("eth_signTypedData_v4", account, typed)[2:])


def by_eth_sign(node: anvil.Anvil, safe: Contract, account: str) -> bytes:
    found = bytes.fromhex(node.rpc("eth_sign", account, hashes(safe).safe_tx_hash)[2:])
    return found[:64] + bytes([found[64] + 4])


@pytest.mark.parametrize("make", [by_account, by_eth_sign])
def test_an_account_is_recovered_from_its_signature_and_executes_with_it(node: anvil.Anvil, make: Any) -> None:
    safe, owner = a_safe(node, "1.4.1"), node.accounts[0]
    signature = make(node, safe, owner)
    assert signed_by(node, safe, signature) == checksum(owner)
    safe.call("checkSignatures", bytes.fromhex(hashes(safe).safe_tx_hash[2:]), hashes(safe).signed, signature)


def test_another_accounts_signature_is_not_the_owners(node: anvil.Anvil) -> None:
    safe = a_safe(node, "1.4.1")
    assert signed_by(node, safe, by_account(node, safe, node.accounts[3])) == checksum(node.accounts[3])


def test_a_hash_approved_on_the_chain_is_its_owners_and_before_nobodys(node: anvil.Anvil) -> None:
    safe, owner = a_safe(node, "1.4.1"), node.accounts[0]
    signature = bytes(12) + bytes.fromhex(owner[2:]) + bytes(32) + b"\x01"
    assert signed_by(node, safe, signature) == ""
    safe.send("approveHash", bytes.fromhex(hashes(safe).safe_tx_hash[2:]))
    assert signed_by(node, safe, signature) == checksum(owner)


@pytest.mark.parametrize("version", ["1.3.0", "1.4.1", "1.5.0"])
def test_a_safe_that_owns_a_safe_signs_as_a_contract(node: anvil.Anvil, version: str) -> None:
    inner, handler = a_safe(node, version), _handler(node, version)
    with node.impersonating(inner.address):
        inner.send("setFallbackHandler", handler, sender=inner.address)
    safe = a_safe(node, version, inner.address)
    head = bytes(12) + bytes.fromhex(inner.address[2:]) + (65).to_bytes(32) + b"\0"
    data = bytes.fromhex(hashes(safe).safe_tx_hash[2:]) if version == "1.5.0" else hashes(safe).signed
    message = inner.artifact.at(node, inner.address)
    inner_hash = _message_hash(node, message, handler, data)
    made = bytes.fromhex(node.rpc("eth_sign", node.accounts[0], "0x" + inner_hash.hex())[2:])
    proof = made[:64] + bytes([made[64] + 4])
    assert signed_by(node, safe, head + len(proof).to_bytes(32) + proof) == checksum(inner.address)
    assert signed_by(node, safe, head + len(proof).to_bytes(32) + bytes(65)) == ""


def _handler(node: anvil.Anvil, version: str) -> str:
    return parts.package(SAFES[version][0], "CompatibilityFallbackHandler").deploy(node).address


def _message_hash(node: anvil.Anvil, safe: Contract, handler: str, data: bytes) -> bytes:
    found: bytes = (
        parts.package(SAFES["1.4.1"][0], "CompatibilityFallbackHandler")
        .at(node, handler)
        .call("getMessageHashForSafe", safe.address, data)
    )
    return found


def test_a_place_beyond_the_signature_is_no_empty_signature(node: anvil.Anvil) -> None:
    """A Safe refuses it; the owner here says yes to whatever it is asked."""
    safe, yes = a_safe(node, "1.4.1"), "0x" + "77" * 20
    node.set_code(yes, "0x631626ba7e60e01b60005260206000f3")
    head = bytes(12) + bytes.fromhex(yes[2:])
    assert signed_by(node, safe, head + (65).to_bytes(32) + b"\0" + bytes(32)) == checksum(yes)
    for place in (0, 64, 66, 97, 2**255):
        assert signed_by(node, safe, head + place.to_bytes(32) + b"\0" + bytes(32)) == ""


@pytest.mark.parametrize(
    "signature",
    [b"", b"\x01", bytes(64), bytes(65), bytes(64) + b"\x01", bytes(64) + b"\x1b", bytes(64) + b"\xff",
     bytes([255]) * 65, bytes(12) + b"\x5a" * 20 + bytes(32) + b"\0", bytes(12) + b"\x5a" * 20 + b"\xff" * 32 + b"\0"],
)  # fmt: skip
def test_bytes_that_are_no_signature_are_nobodys(node: anvil.Anvil, signature: bytes) -> None:
    assert signed_by(node, a_safe(node, "1.4.1"), signature) == ""
