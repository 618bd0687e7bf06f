"""Sentences about calls: each in plain words, none left out, every amount right, no name of a stranger believed."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.chains.abi.addresses import SignatureError, checksum
from monitoring.chains.abi.function import parse_function
from monitoring.chains.abi.selectors import declare
from monitoring.chains.decode.calldata import Argument, DecodedCall, Decoder, Transaction
from monitoring.chains.decode.flags import flags
from monitoring.chains.decode.foreign_names import quoted
from monitoring.chains.decode.format_tx import Names
from monitoring.chains.decode.labels import Labels
from monitoring.chains.decode.setters import reads_of
from monitoring.chains.networks import network
from monitoring.chains.rpc.tokens import Token, native_token
from monitoring.chains.sentences.catalogue import Catalogue, shipped
from monitoring.chains.sentences.describe import sentences
from monitoring.chains.sentences.fill import Known, Mention
from monitoring.chains.sentences.named_signature import parse_named
from monitoring.chains.sentences.pattern import parse_pattern

A, B = checksum("0x" + "a1" * 20), checksum("0x" + "b2" * 20)
COIN = "0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48"
MULTISEND = "0x38869bf66a61cF6bDB996A6aE40D5853Fd43B526"
MAX = 2**256 - 1
USDC = f"“USDC” of token {COIN}"
PATH = bytes.fromhex(COIN[2:]) + b"\0\x0b\xb8" + bytes.fromhex(B[2:])
SUBMIT_CAP = "submitCap((address,address,address,address,uint256),uint256)"


def data(signature: str, *args: object) -> bytes:
    return parse_function(signature).encode(args)


def packed(*calls: tuple[str, int, bytes]) -> bytes:
    return b"".join(
        b"\0" + bytes.fromhex(to[2:]) + value.to_bytes(32) + len(body).to_bytes(32) + body for to, value, body in calls
    )


def known(symbol: str = "USDC", decimals: int = 6) -> Known:
    return Known(
        Names(Labels(), {(1, COIN): Token(COIN, symbol, decimals)}, {1: native_token(network(1))}),
        {(A.lower(), "asset()(address)"): COIN},
    )


def said(calldata: bytes, to: str = COIN, *, value: int = 0, operation: int = 0, symbol: str = "USDC") -> list[str]:
    catalogue = Catalogue()
    decoded = Decoder([catalogue]).decode(Transaction(1, to, calldata, value, operation))
    return list(map(str, sentences([decoded], catalogue, known(symbol))))


@pytest.mark.parametrize(
    ("to", "calldata", "words"),
    [
        (COIN, data("transfer(address,uint256)", B, 1_250_500_000), f"Sends 1,250.5 {USDC} to {B}"),
        (COIN, data("approve(address,uint256)", B, MAX), f"Lets {B} take an unlimited amount of {USDC}"),
        (COIN, data("approve(address,uint256)", B, 0), f"Lets {B} take 0 {USDC}"),
        (
            A,
            data("withdraw(uint256,address,address)", 5_000_000, B, B),
            f"Withdraws 5 {USDC} from vault {A} to {B}, out of the shares of {B}",
        ),
        (
            A,
            data("supply(address,uint256,address,uint16)", COIN, 1, B, 0),
            f"Supplies 0.000001 {USDC} to {A} for {B}",
        ),
        (A, data("grantRole(bytes32,address)", b"\0" * 32, B), f"Gives role DEFAULT_ADMIN_ROLE of {A} to {B}"),
        (A, data("updateDelay(uint256)", 172800), f"Sets the delay of timelock {A} to 2 d"),
        (A, data("setReserveFactor(address,uint256)", COIN, 1050), f"Sets the reserve factor of {COIN} to 10.5%"),
        (
            A,
            data(SUBMIT_CAP, (COIN, B, A, A, 86 * 10**16), 7_000_000),
            (f"Proposes a cap for the market of vault {A} with collateral {B}, oracle {A} and LLTV 86%: "
            f"7 {USDC}"),
        ),
        (
            A,
            data("exactInput((bytes,address,uint256,uint256))", (PATH, B, 3, 4)),
            (f"Swaps 0.000003 {USDC} for at least 4 units of token {B} "
            f"(its decimals are not known), to {B}"),
        ),
        (A, b"", f"Sends nothing to {A}"),
        (A, b"\xde\xad\xbe\xef" + b"\1" * 32, f"Calls unknown function 0xdeadbeef of {A}: what it does is not known"),
        (A, b"\xde\xad", f"Calls no function of {A}: what it does is not known [calldata shorter than a selector]"),
    ],
)  # fmt: skip
def test_a_call_is_said_in_one_sentence(to: str, calldata: bytes, words: str) -> None:
    assert said(calldata, to)[0] == words


def test_what_is_sent_along_is_never_left_out() -> None:
    assert said(data("pause()"), A, value=15 * 10**17) == [f"Pauses {A}, with 1.5 ETH"]
    assert said(data("deposit()"), A, value=10**18) == [f"Pays 1 ETH into {A}, as wrapping does"]
    assert said(b"", A, value=1) == [f"Sends 0.000000000000000001 ETH to {A}"]


def test_a_delegate_call_is_said_to_be_one() -> None:
    assert said(data("pause()"), A, operation=1) == [f"As a delegate call, with all rights of the caller: Pauses {A}"]


def test_every_call_of_a_batch_keeps_its_place_whether_it_is_known_or_not() -> None:
    transfer = data("transfer(address,uint256)", B, 1_000_000)
    inner = data("multiSend(bytes)", packed((COIN, 0, transfer), (B, 5, b"")))
    calls = ((COIN, 0, transfer), (A, 0, b"\xde\xad\xbe\xef"), (MULTISEND, 0, inner), (A, 0, data("pause()")))
    assert [one.partition(" ")[0] for one in said(data("multiSend(bytes)", packed(*calls)), MULTISEND)] == [
        "Makes", "1.", "2.", "3.", "3.1.", "3.2.", "4.",
    ]  # fmt: skip


_CALLS = st.one_of(
    st.binary(max_size=80),
    st.builds(lambda n: data("transfer(address,uint256)", B, n), st.integers(0, MAX)),
    st.builds(lambda n: data("approve(address,uint256)", B, n), st.integers(0, MAX)),
    st.sampled_from(
        [data("pause()"), data("multiSend(bytes)", b"broken"), data("transfer(address,uint256)", B, 1)[:40]]
    ),
)


@given(st.lists(st.tuples(st.sampled_from([A, COIN]), st.integers(0, 2**200), _CALLS), max_size=8))
def test_no_call_is_dropped_or_renumbered(calls: list[tuple[str, int, bytes]]) -> None:
    decoded = Decoder([Catalogue()]).decode(
        Transaction(1, MULTISEND, data("multiSend(bytes)", packed(*calls)), operation=1)
    )
    found = sentences([decoded], Catalogue(), known())
    top = [one for one in found if one.number and "." not in one.number]
    assert [(one.number, one.call.tx.to, one.call.tx.data) for one in top] == [
        (str(place), to, body) for place, (to, _, body) in enumerate(calls, 1)
    ]
    assert len(found) == len(decoded.walk())
    assert all(one.parts for one in found)


@given(st.integers(0, MAX), st.integers(0, 77))
def test_every_amount_is_right_to_the_last_digit(units: int, decimals: int) -> None:
    decoded = Decoder([Catalogue()]).decode(Transaction(1, COIN, data("transfer(address,uint256)", B, units)))
    (found,) = sentences([decoded], Catalogue(), known(decimals=decimals))
    shown = str(found).removeprefix("Sends ").partition(" “USDC”")[0]
    if units >= 2**255:
        assert shown == "an unlimited amount of"
        return
    whole, _, rest = shown.replace(",", "").partition(".")
    assert int(whole) * 10**decimals + int((rest or "0").ljust(decimals, "0")[:decimals] or "0") == units
    assert len(rest) <= decimals


@given(st.binary(max_size=600), st.integers(0, 3))
def test_no_calldata_breaks_a_sentence(body: bytes, operation: int) -> None:
    for selector in list(shipped())[::7]:
        decoded = Decoder([Catalogue()]).decode(Transaction(1, A, selector + body, 0, operation))
        for one in sentences([decoded], Catalogue(), known()):
            assert "\n" not in str(one)
            assert "{" not in str(one)


@given(st.data())
def test_every_pattern_of_ours_can_be_filled_and_names_every_address_it_should(draw: st.DataObject) -> None:
    selector = draw.draw(st.sampled_from(sorted(shipped())))
    pattern = shipped()[selector]
    function = pattern.signature.declaration.function
    values = [_value(str(kind), draw) for kind in function.inputs]
    decoded = Decoder([Catalogue()]).decode(Transaction(1, A, function.encode(values)))
    found = sentences([decoded], Catalogue(), known())[0]
    assert "(not there)" not in str(found) or "path" in function.signature or "bytes" in str(function.inputs)
    assert len(str(found)) < 1500


def _value(kind: str, draw: st.DataObject) -> object:  # noqa: PLR0911 - one a kind
    if kind.endswith("[]"):
        inner = kind[:-2]
        return [_value(inner, draw) for _ in range(draw.draw(st.integers(0, 2)))]
    if kind.startswith("("):
        return tuple(_value(str(one), draw) for one in parse_function(f"f{kind}").inputs)
    if kind == "address":
        return draw.draw(st.sampled_from([A, B, COIN]))
    if kind == "bool":
        return draw.draw(st.booleans())
    if kind == "string":
        return draw.draw(st.text(max_size=30))
    if kind == "bytes":
        return draw.draw(st.binary(max_size=64))
    if kind.startswith("bytes"):
        return draw.draw(st.binary(min_size=int(kind[5:]), max_size=int(kind[5:])))
    bits = int(kind.lstrip("uint"))
    low, high = (0, 2**bits - 1) if kind.startswith("u") else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    return draw.draw(st.integers(low, high))


NASTY = [
    "\u202eCDSU", "US\u200bDC", "USDС", "“USDC” of token 0x0000000000000000000000000000000000000001", "A" * 400,
    "\n\nCRITICAL all is well", "0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48", "", "{to|party}",
    "Treasury (0xA0b8…eB48)",
]  # fmt: skip


@pytest.mark.parametrize("name", NASTY)
def test_a_token_s_own_name_stays_in_quotes_next_to_its_address_and_changes_nothing_else(name: str) -> None:
    calldata = data("transfer(address,uint256)", B, 1_000_000)
    (text,) = said(calldata, symbol=name)
    assert text == f"Sends 1 {quoted(name)} of token {COIN} to {B}"
    inside = quoted(name).partition("”")[0]
    assert not set(inside[1:]) & set("“”\n\u202e\u200b")
    assert len(inside) <= 41
    decoded = Decoder().decode(Transaction(1, COIN, calldata))
    assert flags(decoded) == ()


def test_letters_that_look_like_others_are_pointed_out() -> None:
    assert quoted("USDС") == "“USDС” (not only plain letters)"
    assert quoted("USDC") == "“USDC”"


@pytest.mark.parametrize("name", ["0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48", "0xa0b86991c6218b36c1d19d4a2e.eth"])
def test_a_name_that_looks_like_an_address_is_not_written_as_one(name: str) -> None:
    text = quoted(name)
    assert "looks like an address" in text
    assert "b86991" not in text


def test_an_address_one_should_know_is_marked_and_only_own_rows_make_it_known() -> None:
    catalogue = Catalogue()
    decoded = Decoder([catalogue]).decode(Transaction(1, COIN, data("transfer(address,uint256)", B, 1)))
    (found,) = sentences([decoded], catalogue, known())
    assert [part for part in found.parts if isinstance(part, Mention)] == [Mention(COIN), Mention(B, is_party=True)]
    assert found.unknown_parties(Labels(), 1) == [B]
    assert found.unknown_parties(Labels({(1, B): "Treasury"}), 1) == []
    assert found.unknown_parties(Labels({(10, B): "Treasury elsewhere"}), 1) == [B]
    curated = "0x88Ba032be87d5EF1fbE87336B7090767F367BF73"
    assert Labels().name(1, curated)
    assert not Labels().is_own(1, curated)


def test_a_pattern_that_cannot_be_filled_is_refused_when_it_is_read() -> None:
    for says in (
        "{nobody}",
        "{to|token}",
        "{amount|percent}",
        "{amount|poem}",
        "{amount|token:to.x}",
        "{amount",
        "x" * 500,
    ):
        with pytest.raises(SignatureError):
            parse_pattern("transfer(address to,uint256 amount)", says)
    for call in ("transfer", "transfer(address to", "transfer(address to))", "transfer(addres to)", "f((uint256 a)"):
        with pytest.raises(SignatureError):
            parse_named(call)


def test_members_of_structs_are_found_by_name() -> None:
    named = parse_named("f((address asset, (uint a, uint b)[] legs) order, bytes path)")
    assert named.declaration.function.signature == "f((address,(uint256,uint256)[]),bytes)"
    assert named.resolve("order.legs.[-1].b") == ((0, 1, -1, 1), "uint256")
    assert named.resolve("path.[0:20]") == ((1, slice(0, 20)), "bytes")


def test_digits_of_an_amount_equal_a_decimal() -> None:
    assert Decimal(Token(COIN, "X", 18).digits(10**18 + 1).replace(",", "")) == Decimal("1.000000000000000001")


_NAMES = st.from_regex(r"(set|set_|update|change|_set)[A-Za-z0-9_$]{0,12}", fullmatch=True)
_KINDS = st.sampled_from(["uint256", "address", "bool", "bytes32", "uint256[]", "(uint256,address)", "bytes", "string"])


@given(
    _NAMES, st.lists(_KINDS, min_size=1, max_size=3), st.sampled_from([A, A.lower(), "0x" + "Ab" * 20, ""]), st.data()
)
def test_no_setter_of_any_name_breaks_what_is_read_of_it(
    name: str, kinds: list[str], to: str, draw: st.DataObject
) -> None:
    declaration = declare(f"{name}({','.join(kinds)})")
    values = tuple(_value(kind, draw) for kind in kinds)
    arguments = tuple(map(Argument, declaration.names, declaration.function.inputs, values))  # type: ignore[arg-type]
    one = DecodedCall(Transaction(1, to, declaration.function.encode(values)), declaration, "abi", arguments)
    for read in reads_of(one):
        assert (read.call is None) != (not read.slot)
