"""descriptors.d: descriptors in the form of ERC-7730, each mistake with its place, and none that costs an alert."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.chains.abi.addresses import checksum
from monitoring.chains.abi.function import parse_function
from monitoring.chains.decode.calldata import Decoder, Transaction
from monitoring.chains.decode.flags import flags
from monitoring.chains.decode.format_tx import Names
from monitoring.chains.decode.labels import Labels
from monitoring.chains.networks import network
from monitoring.chains.rpc.tokens import Token, native_token
from monitoring.chains.sentences.catalogue import Catalogue
from monitoring.chains.sentences.describe import sentences
from monitoring.chains.sentences.erc7730 import DescriptorError, read_descriptor
from monitoring.chains.sentences.fill import Known
from monitoring.chains.sentences.own import read_folder
from tests.support.checkouts import write
from tests.support.host import Host

VAULT, B = checksum("0x" + "c0" * 20), checksum("0x" + "b2" * 20)
COIN = "0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48"
KNOWN = Known(Names(Labels(), {(1, COIN): Token(COIN, "USDC", 6)}, {1: native_token(network(1))}))
MONITOR = """\
monitor: acme
chain: 1
contracts: {token: "0x83F20F44975D03b1b09e64809B757c47f942BEeA"}
checks: [{id: supply, changed: token.totalSupply(), severity: low}]
"""
DESCRIPTOR: dict[str, Any] = {
    "$schema": "../../specs/erc7730-v1.schema.json",
    "context": {"contract": {"deployments": [{"chainId": 1, "address": VAULT}]}},
    "metadata": {"owner": "Acme", "enums": {"mode": {"1": "stable", "2": "variable"}}, "constants": {"coin": COIN}},
    "display": {
        "definitions": {"amount": {"label": "Amount", "format": "tokenAmount", "params": {"tokenPath": "order.coin"}}},
        "formats": {
            "park((address coin,uint256 amount) order,address to,uint256 mode,uint256 until)": {
                "intent": "Park funds",
                "fields": [
                    {"path": "#.order.amount", "$ref": "$.display.definitions.amount"},
                    {"path": "to", "label": "Beneficiary", "format": "addressName", "params": {"types": ["eoa"]}},
                    {"path": "mode", "label": "Rate", "format": "enum", "params": {"$ref": "$.metadata.enums.mode"}},
                    {"path": "until", "label": "Until", "format": "date", "params": {"encoding": "timestamp"}},
                ],
            },
            "swap(uint256 amount,bytes path,uint256 share)": {
                "intent": "Swap",
                "interpolatedIntent": "Swap {amount} along {path.[0:20]} keeping {share}",
                "fields": [
                    {"path": "amount", "format": "tokenAmount", "params": {"token": "$.metadata.constants.coin"}},
                    {"path": "path.[0:20]", "label": "First", "format": "addressName"},
                    {"path": "share", "label": "Share", "format": "unit", "params": {"base": "%", "decimals": 2}},
                ],
            },
            "pay(address[] who)": {
                "intent": "Pay",
                "fields": [
                    {"path": "@.value", "label": "Amount", "format": "amount"},
                    {"path": "who.[]", "label": "Receivers", "format": "addressName"},
                ],
            },
        },
    },
}


def folder(tmp_path: Path, document: object, name: str = "acme.json") -> Path:
    text = document if isinstance(document, str) else json.dumps(document, indent=1)
    (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def said(where: Path, signature: str, *values: object, to: str = VAULT, value: int = 0, chain: int = 1) -> str:
    patterns, mistakes = read_folder(where)
    assert mistakes == []
    catalogue = Catalogue(patterns)
    tx = Transaction(chain, to, parse_function(signature).encode(values), value)
    return str(sentences([Decoder([catalogue]).decode(tx)], catalogue, KNOWN)[0])


PARK = "park((address,uint256),address,uint256,uint256)"


def test_a_descriptor_gives_its_contract_s_calls_its_words(tmp_path: Path) -> None:
    where = folder(tmp_path, DESCRIPTOR)
    end = " (words of the descriptor “acme.json”)"
    assert said(where, PARK, (COIN, 2_500_000), B, 2, 1_800_000_000) == (
        f"Park funds: Amount 2.5 “USDC” of token {COIN}; Beneficiary {B}; Rate variable (2); "
        f"Until 2027-01-15 08:00 UTC{end}"
    )
    path = bytes.fromhex(COIN[2:]) + b"\0\0\1" + bytes.fromhex(B[2:])
    assert said(where, "swap(uint256,bytes,uint256)", 10**6, path, 1250) == (
        f"Swap 1 “USDC” of token {COIN} along {COIN} keeping 12.5%{end}"
    )
    assert said(where, "pay(address[])", [B], value=10**18) == f"Pay: Amount 1 ETH; Receivers (in the list below){end}"


def test_it_says_nothing_of_another_contract_or_chain(tmp_path: Path) -> None:
    where = folder(tmp_path, DESCRIPTOR)
    for to, chain in ((B, 1), (VAULT, 10)):
        text = said(where, PARK, (COIN, 1), B, 2, 3, to=to, chain=chain)
        assert (
            text == f"Calls unknown function 0x{parse_function(PARK).selector.hex()} of {to}: what it does is not known"
        )


def test_its_words_change_no_flag_and_no_judgement(tmp_path: Path) -> None:
    harmless = copy.deepcopy(DESCRIPTOR)
    harmless["display"]["formats"] = {
        "transferOwnership(address newOwner)": {"intent": "Say hello", "fields": [{"path": "newOwner", "label": "To"}]}
    }
    where = folder(tmp_path, harmless)
    call = parse_function("transferOwnership(address)").encode([B])
    assert said(where, "transferOwnership(address)", B).startswith("Say hello: To ")
    decoded = Decoder([Catalogue(read_folder(where)[0])]).decode(Transaction(1, VAULT, call))
    assert [flag.severity for flag in flags(decoded)] == ["HIGH"]
    folder(tmp_path, DESCRIPTOR, "other.json")
    unknown = parse_function(PARK).encode([(COIN, 1), B, 2, 3])
    assert Decoder().decode(Transaction(1, VAULT, unknown)).declaration is None


@pytest.mark.parametrize(
    ("change", "mistake"),
    [
        ('{"a": 1,}', "acme.json:1:9 is not JSON: "),
        ("[]", "acme.json:1:1 the file: a JSON object is missing here"),
        ({"context": {"eip712": {}}}, "context.contract: is missing: descriptors of signed messages are not used here"),
        ({"context": {"contract": {}}}, "context.contract.deployments: name each contract"),
        ({"context": {"contract": {"deployments": [{"chainId": "1", "address": VAULT}]}}}, "write chainId as a number"),

        ({"display": {"formats": {"transfer(adress to)": {"intent": "x"}}}}, "'adress' is not an ABI type"),
        ({"display": {"formats": {"0x12345678": {"intent": "x", "fields": []}}}}, "write it as in transfer("),
        ({"display": {"formats": {"f(uint256 a)": {"fields": []}}}}, ".intent: say what the call does"),
        ({"display": {"formats": {"f(uint256 a)": {"intent": "x", "fields": [{"path": "b"}]}}}}, "there is no b at b"),
        ({"display": {"formats": {"f(bool a)": {"intent": "x", "fields": [{"path": "a", "format": "date"}]}}}},
         "a is bool"),
        (
            {"display": {"formats": {"f(bool a)": {"intent": "x", "interpolatedIntent": "y {b}", "fields": []}}}},
            "b is no path of its fields",
        ),
        (
            {"display": {"formats": {"f(bool a)": {"intent": "x", "fields": [{"$ref": "$.display.nothing"}]}}}},
            "there is no $.display.nothing in the file",
        ),
        ({"includes": "https://example.org/common.json"}, "put common.json into the same folder: nothing is fetched"),
    ],
)  # fmt: skip
def test_a_mistake_has_its_place_and_what_to_write_instead(tmp_path: Path, change: object, mistake: str) -> None:
    document = change if isinstance(change, str) else {**DESCRIPTOR, **change}  # type: ignore[dict-item]
    _, mistakes = read_folder(folder(tmp_path, document))
    assert len(mistakes) == 1
    assert mistake in mistakes[0]


def test_one_bad_function_leaves_the_others_and_names_its_line(tmp_path: Path) -> None:
    document = copy.deepcopy(DESCRIPTOR)
    document["display"]["formats"]["broken(uint256 a"] = {"intent": "x", "fields": []}
    where = folder(tmp_path, document)
    patterns, mistakes = read_folder(where)
    assert len(patterns) == 3
    text = (where / "acme.json").read_text(encoding="utf-8")
    line = text[: text.index('"broken(')].count("\n") + 1
    assert mistakes[0].startswith(f"{where / 'acme.json'}:{line}:")


def test_what_a_file_includes_lies_next_to_it(tmp_path: Path) -> None:
    own = {"context": DESCRIPTOR["context"], "includes": "common-acme.part"}
    folder(tmp_path, {"display": DESCRIPTOR["display"], "metadata": DESCRIPTOR["metadata"]}, "common-acme.part")
    assert said(folder(tmp_path, own), PARK, (COIN, 1), B, 1, 2).startswith("Park funds: ")


def test_a_contract_described_twice_is_a_mistake_and_the_first_counts(tmp_path: Path) -> None:
    folder(tmp_path, DESCRIPTOR)
    _, mistakes = read_folder(folder(tmp_path, DESCRIPTOR, "zwei.json"))
    assert len(mistakes) == 3
    assert "is described in acme.json already" in mistakes[0]


def test_words_of_a_descriptor_are_cleaned_and_cut(tmp_path: Path) -> None:
    document = copy.deepcopy(DESCRIPTOR)
    document["display"]["formats"] = {
        "f(uint256 a)": {"intent": "Good\u202e\n“news” " + "x" * 300, "fields": [{"path": "a", "label": "y" * 99}]}
    }
    text = said(folder(tmp_path, document), "f(uint256)", 1)
    assert "\u202e" not in text
    assert "\n" not in text
    assert len(text) < 250


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=3),
    max_leaves=12,
)


@given(st.data())
def test_no_document_breaks_the_reader(data: st.DataObject) -> None:
    document = copy.deepcopy(DESCRIPTOR)
    at: Any = document
    while True:
        keys = list(at) if isinstance(at, dict) else list(range(len(at))) if isinstance(at, list) else []
        if not keys:
            break
        key = data.draw(st.sampled_from(keys))
        if not isinstance(at[key], dict | list) or data.draw(st.booleans()):
            at[key] = data.draw(_JSON)
            break
        at = at[key]
    try:
        read = read_descriptor(document, "any")
    except DescriptorError:
        return
    assert all(str(one) for one in read.mistakes)
    for pattern in read.patterns:
        function = pattern.signature.declaration.function
        body = data.draw(st.binary(max_size=500))
        catalogue = Catalogue({(1, VAULT.lower(), function.selector): pattern})
        decoded = Decoder([catalogue]).decode(Transaction(1, VAULT, function.selector + body))
        assert sentences([decoded], catalogue, KNOWN)[0].parts


def test_validate_reports_a_bad_descriptor_and_a_good_one_is_used(tmp_path: Path) -> None:
    host = Host(tmp_path)
    host.jobs("profiles: {hourly: {cron: '5 * * * *', tasks: [{name: acme, monitors: [protocols/acme/monitor.yaml]}]}}")
    write(host.checkout / "protocols/acme/monitor.yaml", MONITOR)
    own = write(host.checkout / "automation/descriptors.d/acme.json", json.dumps(DESCRIPTOR))
    done = host.automation("validate")
    assert (done.returncode, "descriptors.d" in done.stderr) == (0, False)
    own.write_text("{", encoding="utf-8")
    refused = host.automation("validate")
    assert refused.returncode == 2
    assert "automation/descriptors.d/acme.json:1:2 is not JSON: " in refused.stderr
