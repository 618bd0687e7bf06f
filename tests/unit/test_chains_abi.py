"""Signatures, types, addresses: what is read, what is refused and with which words."""

from __future__ import annotations

import subprocess
import sys
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitoring.chains.abi.addresses import SignatureError, check_address, checksum, keccak256, short
from monitoring.chains.abi.function import AbiError, decode, encode, from_hex, parse_event, parse_function
from monitoring.chains.abi.selectors import declare, events, roles, table
from monitoring.chains.abi.types import AbiType

A = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"  # an example of EIP-55 itself


def types_of(text: str) -> tuple[AbiType, ...]:
    return parse_function(f"f({text})").inputs


@pytest.mark.parametrize(
    ("signature", "selector"),
    [
        ("totalSupply()(uint256)", "18160ddd"),
        ("balanceOf(address)(uint)", "70a08231"),
        ("getAssetInfo(uint8)((uint8,address,address,uint64,uint64,uint64,uint64,uint128))", "c8c7fe6b"),
        ("diamondCut((address,uint8,bytes4[])[],address,bytes)", "1f931c1c"),
        ("get_dy(int128,int128,uint256)(uint256)", "5e0d443f"),
        ("_setImplementation(address)", "bb913f41"),
    ],
)
def test_selectors_are_those_of_the_chain(signature: str, selector: str) -> None:
    assert parse_function(signature).selector.hex() == selector


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ("", "is not a signature"),
        ("totalSupply", "write it as in balanceOf(address)(uint256)"),
        ("(uint256)", "is not a signature"),
        ("f(", "the parentheses do not match"),
        ("f()) ", "'(' was expected here"),
        ("f()(bool)(bool)", "nothing may follow the signature"),
        ("f() (uint256)", "'(' was expected here"),
        ("totalSupply()(uint256 supply)", "has a name in it: write only the type, uint256"),
        ("balanceOf(address owner)(uint256)", "has a name in it: write only the type, address"),
        ("f(uint257)", "'uint257' is not an ABI type"),
        ("f(uint7)", "'uint7' is not an ABI type"),
        ("f(bytes33)", "'bytes33' is not an ABI type"),
        ("f(bytes0)", "'bytes0' is not an ABI type"),
        ("f(address,)", "a type is missing"),
        ("f(()[])", "an empty tuple"),
        ("f(uint256[0][])", "an array of 0 entries"),
        ("f(uint256[1000000000])", "an array of 1000000000 entries"),
        ("f(" + "(" * 20 + "uint256" + ")" * 20 + ")", "nested too deeply"),
        ("f(uint256" + "[]" * 20 + ")", "nested too deeply"),
    ],
)
def test_a_wrong_signature_is_refused_with_what_is_wrong(wrong: str, words: str) -> None:
    with pytest.raises(SignatureError) as caught:
        parse_function(wrong)
    assert words in str(caught.value)


def test_one_output_is_a_value_several_are_a_tuple_and_structs_are_tuples() -> None:
    data = encode(types_of("uint256,address"), [7, A], "x")
    assert parse_function("pair()(uint256,address)").decode(data) == (7, A)
    assert parse_function("pair()((uint256,address))").decode(data) == (7, A)
    assert parse_function("one()(uint256)").decode(data[:32]) == 7


def test_overloads_are_told_apart_by_their_types() -> None:
    assert parse_function("mint(uint256,address)").selector != parse_function("mint(address,uint256)").selector


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ([], "takes 2 arguments, not 0"),
        ([1, 2], "do not fit"),
        (["0x1234", 2], "do not fit"),
        ([A, -1], "do not fit"),
        ([A, 2**256], "do not fit"),
        ([A, "x"], "do not fit"),
        ([A, Fraction(1, 2)], "do not fit"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(args: list[Any], words: str) -> None:
    with pytest.raises(SignatureError) as caught:
        parse_function("f(address,uint256)").encode(args)
    assert words in str(caught.value)


def test_whole_fractions_and_hex_text_are_arguments() -> None:
    function = parse_function("f(uint256,bytes32,(bytes,address)[])")
    one = function.encode([Fraction(10**18), "0x" + "ab" * 32, [("0x1234", A)]])
    assert one == function.encode([10**18, b"\xab" * 32, [(b"\x12\x34", A.lower())]])


@pytest.mark.parametrize(
    ("signature", "data"),
    [
        ("a()(uint256)", ""),
        ("a()(uint256)", "00" * 31),
        ("a()(bool)", "00" * 31 + "02"),
        ("a()(string)", "4f4c44".ljust(64, "0")),
        ("a()(string)", "00" * 31 + "20" + "ff" * 32),
        ("a()(address)", "ff" * 32),
        ("a()(uint8)", "00" * 30 + "0100"),
    ],
)
def test_data_that_does_not_fit_is_an_abi_error(signature: str, data: str) -> None:
    with pytest.raises(AbiError):
        parse_function(signature).decode(bytes.fromhex(data))


def test_pointers_that_share_a_tail_are_refused_before_they_are_followed() -> None:
    """Three kilobytes that spell a thousand lists of a thousand lists."""
    count = 60
    inner = count.to_bytes(32, "big") + (32 * count).to_bytes(32, "big") * count + b"\0" * 32
    level = count.to_bytes(32, "big") + (32 * count).to_bytes(32, "big") * count + inner
    bomb = (32).to_bytes(32, "big") + level
    with pytest.raises(AbiError, match="more entries than it has words"):
        decode(types_of("uint256[][][]"), bomb)


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(
        ["uint256", "bytes", "string[]", "(address,bytes[])[]", "uint8[3][]", "bytes32,bool[][]", "int128[2]"]
    ),
    st.binary(max_size=600),
)
def test_any_bytes_decode_or_are_an_abi_error(types: str, data: bytes) -> None:
    kinds = types_of(types)
    try:
        values = decode(kinds, data)
    except AbiError:
        return
    assert len(values) == len(kinds)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**256 - 1), st.binary(max_size=99), st.text(max_size=40), st.lists(st.booleans(), max_size=5))
def test_what_is_encoded_decodes_to_itself(number: int, data: bytes, text: str, bits: list[bool]) -> None:
    kinds = types_of("uint256,(bytes,string),bool[]")
    text = text.encode("utf-8", "ignore").decode()
    assert decode(kinds, encode(kinds, [number, (data, text), bits], "x")) == (number, (data, text), tuple(bits))


def test_addresses_are_checksummed_and_a_typo_is_told_with_the_right_form() -> None:
    assert checksum(A.lower()) == A
    assert check_address(A.lower()) == A
    assert check_address("0x" + A[2:].upper()) == A
    assert short(A) == "0x5aAe…eAed"
    with pytest.raises(SignatureError, match=f"the right form of them is {A}"):
        check_address(A.replace("5aA", "5AA"))
    for wrong in ("", "0x", A[:-1], A + "0", A.replace("0x", ""), "0x" + "g" * 40):
        with pytest.raises(SignatureError):
            checksum(wrong)


def test_hex_is_read_or_an_abi_error() -> None:
    assert from_hex("0x00ff") == b"\x00\xff"
    with pytest.raises(AbiError):
        from_hex("0xzz")


def test_events_read_indexed_and_plain_fields_by_name() -> None:
    event = parse_event("CallScheduled(bytes32 indexed id, uint256 indexed index, address target, bytes data)")
    data = encode(types_of("address,bytes"), [A, b"\x01"], "x")
    topics = [event.topic, "0x" + "11" * 32, "0x" + "0" * 63 + "2"]
    assert event.decode(topics, "0x" + data.hex()) == {"id": b"\x11" * 32, "index": 2, "target": A, "data": b"\x01"}
    for other in ([], topics[:2], ["0x" + "00" * 32, *topics[1:]]):
        with pytest.raises(AbiError):
            event.decode(other, "0x" + data.hex())


def test_an_indexed_text_is_its_hash() -> None:
    event = parse_event("Named(string indexed name)")
    assert event.decode([event.topic, "0x" + keccak256("x").hex()], "0x") == {"name": keccak256("x")}


def test_every_event_of_the_data_has_the_topic_of_its_declaration() -> None:
    known = {
        (
            "oz_timelock_controller",
            "CallScheduled",
        ): "0x4cf4410cc57040e44862ef0f45f3dd5a5e02db8eb8add648d4b0e236f1d07dca",
        ("oz_timelock_controller", "CallSalt"): "0x20fda5fd27a1ea7bf5b9567f143ac5470bb059374a27e8f67cb44f946f6d0387",
        ("compound_timelock", "QueueTransaction"): "0x76e2796dc3a81d57b0e8504b647febcbeeb5f4af818e164f11eef8131a6a763f",
        ("proxy", "Upgraded"): "0xbc7cd75a20ee27fd9adebab32041f755214dbc6bffa90cc0225b39da2e5c2d3b",
        ("safe", "ExecutionSuccess"): "0x442e715f626346e8c54381002da614f62bee8d27386535b2521ec8540898556e",
    }
    for (kind, name), topic in known.items():
        assert events(kind)[name].topic == topic


def test_the_table_names_the_functions_that_move_power() -> None:
    known = {
        "7eff275e": "changeProxyAdmin",
        "f2fde38b": "transferOwnership",
        "610b5925": "enableModule",
        "8d80ff0a": "multiSend",
        "01d5062a": "schedule",
        "1acaa198": "aggregate",
    }
    assert {selector: table()[bytes.fromhex(selector)].function.name for selector in known} == known
    assert all(not row.flag or row.severity for row in table().values())
    assert roles()[b"\0" * 32] == "DEFAULT_ADMIN_ROLE"


def test_a_declaration_keeps_the_names_of_its_parameters() -> None:
    assert declare("f((address,uint256)[] calls, bytes data)").names == ("calls", "data")
    assert declare("f((address,(uint8,bool)[2]),bytes)").names == ("0", "1")
    with pytest.raises(SignatureError):
        declare("f")


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ("Paused", "write it as in"),
        ("Paused(address,)", "a type is missing"),
        ("Paused(address account) (bool)", "'(' was expected here"),
        ("Paused(address account)(bool)", "write an event as in Paused(address account)"),
        ("Paused(addres account)", "'addres' is not an ABI type"),
        ("Paused(address indexed of account)", "')' was expected here"),
    ],
)
def test_a_wrong_event_is_refused_with_what_is_wrong(wrong: str, words: str) -> None:
    with pytest.raises(SignatureError) as caught:
        parse_event(wrong)
    assert words in str(caught.value)


def test_an_event_may_hold_tuples_and_fields_without_names() -> None:
    event = parse_event("event Set((address, uint256)[] indexed rows, bool);")
    assert [(str(one.kind), one.name, one.indexed) for one in event.fields] == [
        ("(address,uint256)[]", "rows", True),
        ("bool", "1", False),
    ]


def test_spaces_between_the_types_change_nothing() -> None:
    assert parse_function("f( address , (uint8, bool)[] )(bool)") == parse_function("f(address,(uint8,bool)[])(bool)")


@settings(max_examples=300, deadline=None)
@given(
    st.recursive(
        st.sampled_from(["address", "bool", "string", "bytes", "bytes4", "uint8", "int256"]),
        lambda inner: st.one_of(
            st.tuples(inner, st.sampled_from(["[]", "[3]"])).map("".join),
            st.lists(inner, min_size=1, max_size=3).map(lambda parts: f"({','.join(parts)})"),
        ),
        max_leaves=6,
    )
)
def test_a_type_is_written_as_it_was_read(text: str) -> None:
    (kind,) = types_of(text)
    assert str(kind) == text


def test_a_signature_is_read_without_the_codec_which_costs_half_a_second() -> None:
    text = """
import sys
from monitoring.chains.abi.function import parse_event, parse_function
from monitoring.checks.config import load
view = parse_function("balanceOf(address)(uint256)")
print(view.selector.hex(), parse_event("Paused(address account)").topic, "eth_abi" in sys.modules)
print(view.decode(bytes(32)), "eth_abi" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == [
        "70a08231",
        "0x62e78cea01bee320cd4e420270b5ea74000d11b0c9f74754ebdbfc544b05a258",
        "False",
        "0",
        "True",
    ]
