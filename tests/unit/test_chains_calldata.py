"""The decoder: trees, limits, broken input, flags and the words that reach an alert."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitoring.chains.abi.function import parse_function
from monitoring.chains.abi.selectors import Declaration, declare, table
from monitoring.chains.decode.calldata import DecodeLimits, Decoder, Transaction
from monitoring.chains.decode.flags import Flag, FlagKind, flags
from monitoring.chains.decode.format_tx import Names, outline, token_addresses
from monitoring.chains.decode.labels import Labels, is_multisend
from monitoring.chains.decode.unwrap import unpack_multisend
from monitoring.chains.networks import network
from monitoring.chains.rpc.tokens import Token, native_token
from tests.support.chain_clock import ManualClock

A, B, C = "0x" + "a1" * 20, "0x" + "b2" * 20, "0x" + "c3" * 20
A, B, C = (parse_function("f()(address)").decode(b"\0" * 12 + bytes.fromhex(one[2:])) for one in (A, B, C))  # type: ignore[assignment]
MULTISEND = "0x38869bf66a61cF6bDB996A6aE40D5853Fd43B526"
CALL_ONLY = "0x9641d764fc13c8B624c04430C7356C1C7C8102e2"
USDC = "0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48"
MAX = 2**256 - 1


def data(signature: str, *args: object) -> bytes:
    return parse_function(signature).encode(args)


def decode(calldata: bytes, to: str = A, operation: int = 0, value: int = 0, limits: DecodeLimits | None = None):  # type: ignore[no-untyped-def]  # noqa: ANN201
    return Decoder(limits=limits).decode(Transaction(1, to, calldata, value, operation))


def packed(*calls: tuple[int, str, int, bytes]) -> bytes:
    return b"".join(
        bytes([operation]) + bytes.fromhex(to[2:]) + value.to_bytes(32, "big") + len(body).to_bytes(32, "big") + body
        for operation, to, value, body in calls
    )


def found(calldata: bytes, to: str = A, operation: int = 0) -> list[tuple[FlagKind, str]]:
    return [(flag.kind, flag.severity) for flag in flags(decode(calldata, to, operation))]


OWN = data("transferOwnership(address)", B)
APPROVE = data("approve(address,uint256)", B, MAX)


def test_a_delegate_call_to_anything_but_multisend_is_critical() -> None:
    assert found(OWN, A, 1)[0] == (FlagKind.DELEGATE_CALL, "CRITICAL")
    batch = data("multiSend(bytes)", packed((0, A, 0, data("pause()"))))
    assert found(batch, MULTISEND, 1) == [(FlagKind.PAUSE, "LOW")]
    assert found(batch, CALL_ONLY, 1) == [(FlagKind.PAUSE, "LOW")]


def test_a_copy_of_multisend_at_another_address_is_no_multisend() -> None:
    batch = data("multiSend(bytes)", packed((0, A, 0, data("pause()"))))
    assert found(batch, C, 1)[0] == (FlagKind.DELEGATE_CALL, "CRITICAL")
    assert not is_multisend("")


def test_a_delegate_call_inside_a_batch_is_found() -> None:
    batch = data("multiSend(bytes)", packed((0, A, 0, data("pause()")), (1, C, 0, OWN)))
    assert found(batch, MULTISEND, 1)[0] == (FlagKind.DELEGATE_CALL, "CRITICAL")


def test_an_operation_that_does_not_exist_is_critical() -> None:
    assert found(data("multiSend(bytes)", packed((7, A, 0, b""))), MULTISEND, 1)[0][1] == "CRITICAL"


@pytest.mark.parametrize(
    ("calldata", "flag"),
    [
        (APPROVE, (FlagKind.UNLIMITED_APPROVAL, "HIGH")),
        (data("approve(address,uint256)", B, 2**255), (FlagKind.UNLIMITED_APPROVAL, "HIGH")),
        (data("approve(address,uint256)", B, 10**30), (FlagKind.APPROVAL, "LOW")),
        (data("increaseAllowance(address,uint256)", B, MAX), (FlagKind.UNLIMITED_APPROVAL, "HIGH")),
        (data("setApprovalForAll(address,bool)", B, True), (FlagKind.UNLIMITED_APPROVAL, "HIGH")),
        (data("approve(address,address,uint160,uint48)", A, B, 2**160 - 1, 9), (FlagKind.UNLIMITED_APPROVAL, "HIGH")),
        (data("approve(address,address,uint160,uint48)", A, B, 5, 9), (FlagKind.APPROVAL, "LOW")),
        (OWN, (FlagKind.OWNERSHIP, "HIGH")),
        (data("renounceOwnership()"), (FlagKind.OWNERSHIP, "HIGH")),
        (data("grantRole(bytes32,address)", b"\0" * 32, B), (FlagKind.ROLE, "MEDIUM")),
        (data("upgradeTo(address)", B), (FlagKind.UPGRADE, "HIGH")),
        (data("upgradeToAndCall(address,bytes)", B, b""), (FlagKind.UPGRADE, "HIGH")),
        (data("addOwnerWithThreshold(address,uint256)", B, 1), (FlagKind.OWNERS, "HIGH")),
        (data("enableModule(address)", B), (FlagKind.MODULE, "CRITICAL")),
        (data("setGuard(address)", B), (FlagKind.GUARD, "HIGH")),
        (data("updateDelay(uint256)", 0), (FlagKind.DELAY, "HIGH")),
        (data("mint(address,uint256)", B, 1), (FlagKind.MINT, "MEDIUM")),
    ],
)
def test_calls_that_move_power_are_flagged(calldata: bytes, flag: tuple[FlagKind, str]) -> None:
    assert found(calldata) == [flag]


@pytest.mark.parametrize(
    "calldata",
    [
        data("approve(address,uint256)", B, 0),
        data("setApprovalForAll(address,bool)", B, False),
        data("transfer(address,uint256)", B, 5),
    ],
)
def test_calls_that_move_none_are_not(calldata: bytes) -> None:
    assert found(calldata) == []


def test_flags_of_inner_calls_come_out_worst_first() -> None:
    batch = data(
        "scheduleBatch(address[],uint256[],bytes[],bytes32,bytes32,uint256)",
        [A, B, C],
        [0, 0, 0],
        [APPROVE, OWN, data("enableModule(address)", B)],
        b"\0" * 32,
        b"\0" * 32,
        1,
    )
    assert [severity for _, severity in found(batch)] == ["CRITICAL", "HIGH", "HIGH"]
    assert isinstance(flags(decode(batch))[0], Flag)


def nest(depth: int) -> bytes:
    inner = OWN
    for _ in range(depth):
        inner = data("execute(address,uint256,bytes)", A, 0, inner)
    return inner


def test_three_levels_inside_are_decoded_and_the_fourth_is_said_to_be_there() -> None:
    assert [call.note for call in decode(nest(3)).walk()] == ["", "", "", ""]
    walked = decode(nest(4)).walk()
    assert len(walked) == 4
    assert walked[-1].note == "calls deeper than 3 levels are not shown"
    assert (FlagKind.UNDECODED, "MEDIUM") in found(nest(4))


def test_the_number_of_calls_the_bytes_and_the_time_are_bounded() -> None:
    many = data("multiSend(bytes)", packed(*[(0, A, 0, OWN)] * 300))
    walked = decode(many).walk()
    assert sum(call.declaration is not None for call in walked) == 200
    assert "more than 200 calls" in walked[-1].note
    assert "is not looked into" in decode(OWN + b"\0" * 300_000).note
    clock = ManualClock()

    class Slow:
        name, exact = "slow", False

        def candidates(self, _tx: Transaction) -> list[Declaration]:
            clock.advance(6)
            return []

    unknown = b"\x01\x02\x03\x04"
    slow = data("multiSend(bytes)", packed(*[(0, A, 0, unknown)] * 5))
    notes = [call.note for call in Decoder([Slow()], clock=clock).decode(Transaction(1, A, slow)).inner]
    assert notes[:2] == ["unknown function"] * 2
    assert notes[2] == "decoding took longer than 10 s: the rest is not shown"


@pytest.mark.parametrize(
    ("calldata", "note"),
    [
        (b"", "no calldata"),
        (b"\x01", "calldata shorter than a selector"),
        (b"\xde\xad\xbe\xef", "unknown function"),
        (OWN[:-1], "not transferOwnership(address)"),
        (OWN[:4] + b"\xff" * 32, "not transferOwnership(address)"),
    ],
)
def test_what_cannot_be_decoded_stays_hex_with_a_note(calldata: bytes, note: str) -> None:
    decoded = decode(calldata)
    assert decoded.declaration is None
    assert note in decoded.note


def test_a_broken_batch_shows_what_could_be_read_and_says_so() -> None:
    cut = data("multiSend(bytes)", packed((0, A, 0, OWN), (0, B, 0, OWN))[:-1])
    decoded = decode(cut, MULTISEND, 1)
    assert [call.tx.to for call in decoded.inner] == [A]
    assert "120 bytes at the end are not a packed transaction" in decoded.note
    assert (FlagKind.UNDECODED, "MEDIUM") in found(cut, MULTISEND, 1)


def test_a_length_that_lies_does_not_allocate() -> None:
    liar = bytes([0]) + b"\x11" * 20 + b"\0" * 32 + b"\xff" * 32
    assert unpack_multisend(liar).calls == ()


def test_lists_of_different_lengths_are_said_to_be_unable_to_run() -> None:
    calldata = data(
        "executeBatch(address[],uint256[],bytes[],bytes32,bytes32)", [A, B], [0], [OWN, OWN], b"\0" * 32, b"\0" * 32
    )
    assert "different lengths" in decode(calldata).note


def test_calldata_with_bytes_behind_it_is_still_decoded() -> None:
    assert decode(OWN + b"referral").signature == "transferOwnership(address)"


def test_plain_bytes_that_are_a_known_call_are_shown_as_one() -> None:
    calldata = data("safeTransferFrom(address,address,uint256,bytes)", A, B, 1, OWN)
    assert [call.signature for call in decode(calldata).inner] == ["transferOwnership(address)"]
    other = data("safeTransferFrom(address,address,uint256,bytes)", A, B, 1, b"\xde\xad\xbe\xef")
    assert decode(other).inner == ()


def test_signatures_of_a_safe_are_never_taken_for_a_call() -> None:
    calldata = data(
        "execTransaction(address,uint256,bytes,uint8,uint256,uint256,uint256,address,address,bytes)",
        *(A, 0, APPROVE, 0, 0, 0, 0, A, A, OWN),
    )
    assert [call.signature for call in decode(calldata).inner] == ["approve(address,uint256)"]


class Guess:
    """A registry where anybody may write."""

    name, exact = "4byte", True

    def __init__(self, *texts: str) -> None:
        self._known = [declare(text) for text in texts]

    def candidates(self, tx: Transaction) -> list[Declaration]:
        return [one for one in self._known if one.function.selector == tx.data[:4]]


def test_a_guess_is_believed_only_if_it_encodes_back_to_the_same_bytes() -> None:
    calldata = data("obscure(uint256,bytes)", 5, b"\x01")
    good = Decoder([Guess("obscure(uint256,bytes)")]).decode(Transaction(1, A, calldata))
    assert (good.origin, good.signature) == ("4byte", "obscure(uint256,bytes)")
    assert Decoder([Guess("obscure(uint256,bytes)")]).decode(Transaction(1, A, calldata + b"\0" * 32)).note
    dirty = calldata[:-1] + b"\x01"
    assert Decoder([Guess("obscure(uint256,bytes)")]).decode(Transaction(1, A, dirty)).declaration is None


def test_a_guess_never_overrules_our_own_table() -> None:
    guess = Guess("transferOwnership(address harmless)")
    assert Decoder([guess]).decode(Transaction(1, A, OWN)).origin == "table"


def test_the_outline_names_addresses_amounts_and_roles() -> None:
    batch = data(
        "multiSend(bytes)",
        packed(
            (0, USDC, 0, data("transfer(address,uint256)", B, 1_250_500_000)),
            (0, USDC, 0, APPROVE),
            (0, C, 0, data("grantRole(bytes32,address)", b"\0" * 32, B)),
            (0, "0x88Ba032be87d5EF1fbE87336B7090767F367BF73", 0, data("updateDelay(uint256)", 60)),
            (0, B, 15 * 10**17, b""),
            (0, B, 0, b"\xde\xad\xbe\xef" * 20),
        ),
    )
    decoded = decode(batch, MULTISEND, 1)
    assert token_addresses(decoded) == [USDC]
    names = Names(
        Labels({(1, B.lower()): "Treasury"}),
        {(1, USDC): Token(USDC, "USDC", 6)},
        {1: native_token(network(1))},
    )
    text = "\n".join(map(str, outline(decoded, names)))
    assert "delegate call: multiSend on Safe MultiSend v1.4.1 (0x3886…B526)" in text
    assert "  transfer on 0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48 (token “USDC”)" in text
    assert "to: Treasury (0xb2b2…B2B2)".lower() in text.lower()
    assert "amount: 1,250.5 “USDC”" in text
    assert "amount: unlimited “USDC”" in text
    assert "role: DEFAULT_ADMIN_ROLE" in text
    assert "updateDelay on Yearn TimelockController (0x88Ba…BF73)" in text
    assert "send to Treasury (0xB2B2…b2B2) with 1.5 ETH".lower() in text.lower()
    assert "(80 bytes) to Treasury" in text
    assert "[unknown function]" in text


def test_a_stranger_s_text_cannot_break_the_lines() -> None:
    evil = "x\n\x1b[31m\u202e" + "y" * 500
    calldata = data("propose(address[],uint256[],bytes[],string)", [], [], [], evil)
    lines = outline(decode(calldata), Names())
    assert all("\n" not in line.text and "\x1b" not in line.text and "\u202e" not in line.text for line in lines)
    assert max(len(line.text) for line in lines) < 200


def test_a_long_outline_is_cut_and_says_how_much() -> None:
    lines = outline(decode(data("multiSend(bytes)", packed(*[(0, A, 0, OWN)] * 150))), Names())
    assert len(lines) == 121
    assert lines[-1].text.endswith("more lines")


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(sorted(table())), st.binary(max_size=700), st.integers(0, 2))
def test_nothing_a_stranger_sends_raises(selector: bytes, body: bytes, operation: int) -> None:
    decoded = decode(selector + body, A, operation)
    assert outline(decoded, Names())
    assert isinstance(flags(decoded), tuple)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=400))
def test_no_packed_bytes_raise(body: bytes) -> None:
    decoded = decode(data("multiSend(bytes)", body), MULTISEND, 1)
    assert sum(len(call.tx.data) for call in decoded.inner) <= len(body)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_flipping_a_byte_of_a_real_batch_never_raises(draw: st.DataObject) -> None:
    whole = data(
        "scheduleBatch(address[],uint256[],bytes[],bytes32,bytes32,uint256)",
        *([A, B], [0, 1], [nest(2), APPROVE], b"\0" * 32, b"\0" * 32, 1),
    )
    place = draw.draw(st.integers(4, len(whole) - 1))
    broken = whole[:place] + bytes([draw.draw(st.integers(0, 255))]) + whole[place + 1 :]
    assert outline(decode(broken), Names())
