"""`skip` left out a Safe's transaction although nobody could decode it, and with it a hidden upgrade.

Input: the shipped rule for Pendle (left out unless a call upgrades or moves ownership) and calldata that cannot be
decoded: an unknown function, an unknown function that carries `upgradeTo` in its bytes, a batch whose inside is
unknown, data shorter than a selector. Right result: reported; a plain transfer and a known harmless call are left out.
"""

from __future__ import annotations

import pytest

from monitoring.chains.abi.function import parse_function, selector_of
from monitoring.chains.decode.calldata import Decoder, Transaction
from monitoring.checks.builtin.safes.rules import Skip

pytestmark = pytest.mark.case("D.8")
TARGET, OTHER = "0x" + "a1" * 20, "0x" + "b2" * 20
RULE = Skip("pendle", unless_calls=frozenset({selector_of("upgradeTo(address)")}))
TO_TARGET = Skip("euler", unless_to=frozenset({TARGET}))
UNKNOWN = bytes.fromhex("deadbeef")


def call(signature: str, *arguments: object) -> bytes:
    return parse_function(signature).encode(arguments)


UPGRADE = call("upgradeTo(address)", TARGET)
APPROVE = call("approve(address,uint256)", OTHER, 5)
BATCH = "scheduleBatch(address[],uint256[],bytes[],bytes32,bytes32,uint256)"


def batch(*inside: bytes) -> bytes:
    zero = bytes(32)
    return call(BATCH, [OTHER] * len(inside), [0] * len(inside), list(inside), zero, zero, 0)


@pytest.mark.parametrize(
    ("data", "left_out"),
    [
        (b"", True),
        (APPROVE, True),
        (batch(APPROVE, APPROVE), True),
        (UPGRADE, False),
        (batch(APPROVE, UPGRADE), False),
        (UNKNOWN + bytes(32), False),
        (UNKNOWN + UPGRADE, False),
        (batch(APPROVE, UNKNOWN + bytes(32)), False),
        (b"\x01\x02", False),
        (call("setText(bytes32,string,string)", bytes(32), "a", "b") + UPGRADE, False),
    ],
)
def test_only_what_is_decoded_whole_is_left_out(data: bytes, left_out: bool) -> None:
    decoded = Decoder().decode(Transaction(1, OTHER, data))
    assert RULE.leaves_out(decoded) is left_out


def test_a_target_anywhere_in_the_bytes_counts_as_reached() -> None:
    hidden = call("approve(address,uint256)", TARGET, 5)
    assert not TO_TARGET.leaves_out(Decoder().decode(Transaction(1, OTHER, hidden)))
    assert TO_TARGET.leaves_out(Decoder().decode(Transaction(1, OTHER, APPROVE)))
