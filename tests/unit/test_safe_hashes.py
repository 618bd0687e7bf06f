"""The hash of a Safe transaction is computed here: equal to one of the public chain, and bound to everything in it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some

from monitoring.chains.decode.calldata import Transaction
from monitoring.chains.safes.hashing import GasTerms, SafeIdentity, generation, safe_hashes

ROW = json.loads((Path(__file__).parents[1] / "golden/safe_tx.json").read_text())["rows"][0]
SAFE = SafeIdentity(ROW["safe"], ROW["chain_id"], ROW["safe_version"])
CALL = Transaction(ROW["chain_id"], ROW["to"], bytes.fromhex(ROW["data"][2:]), int(ROW["value"]), ROW["operation"])
GAS = GasTerms(
    ROW["safeTxGas"], ROW["baseGas"], int(ROW["gasPrice"]), ROW["gasToken"], ROW["refundReceiver"]
)  # fmt: skip
OTHER = "0x" + "5a" * 20


def test_a_transaction_of_the_public_chain_has_the_hash_that_its_owners_signed() -> None:
    found = safe_hashes(SAFE, CALL, ROW["nonce"], GAS)
    assert ["0x" + found.domain.hex(), "0x" + found.message.hex(), found.safe_tx_hash] == [
        ROW["domain_hash"],
        ROW["message_hash"],
        ROW["safeTxHash"],
    ]


@pytest.mark.parametrize(
    ("safe", "call", "nonce", "gas"),
    [
        (replace(SAFE, address=OTHER), CALL, ROW["nonce"], GAS),
        (replace(SAFE, chain_id=10), CALL, ROW["nonce"], GAS),
        (replace(SAFE, version="1.1.1"), CALL, ROW["nonce"], GAS),
        (SAFE, replace(CALL, to=OTHER), ROW["nonce"], GAS),
        (SAFE, replace(CALL, value=1), ROW["nonce"], GAS),
        (SAFE, replace(CALL, data=CALL.data + b"\0"), ROW["nonce"], GAS),
        (SAFE, replace(CALL, operation=1), ROW["nonce"], GAS),
        (SAFE, CALL, ROW["nonce"] + 1, GAS),
        *((SAFE, CALL, ROW["nonce"], replace(GAS, **{name: 1})) for name in ("safe_tx_gas", "base_gas", "gas_price")),
        *((SAFE, CALL, ROW["nonce"], replace(GAS, **{name: OTHER})) for name in ("token", "receiver")),
    ],
)
def test_whatever_is_changed_the_hash_is_another(
    safe: SafeIdentity, call: Transaction, nonce: int, gas: GasTerms
) -> None:
    assert safe_hashes(safe, call, nonce, gas).safe_tx_hash != ROW["safeTxHash"]


@pytest.mark.parametrize(
    ("text", "numbers"),
    [("1.3.0", (1, 3, 0)), ("1.3.0+L2", (1, 3, 0)), ("0.1.0", (0, 1, 0)), ("1.4.1-beta", (1, 4, 1)), ("", None),
     ("x", None), ("1.3", None), ("1.3.0.1", None), ("-1.0.0", None)],
)  # fmt: skip
def test_a_version_is_three_numbers(text: str, numbers: tuple[int, ...] | None) -> None:
    assert generation(text) == numbers


@given(some.text("0123456789.+-Lx²", max_size=12))
def test_no_text_of_a_contract_raises(text: str) -> None:
    assert generation(text) is None or len(generation(text) or ()) == 3
