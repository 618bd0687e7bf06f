"""Which event a text declares: whole, or by its types alone where our table knows it."""

from __future__ import annotations

import pytest

from monitoring.chains.abi.addresses import SignatureError
from monitoring.chains.abi.selectors import declared_event

A, B = "0x" + "11" * 20, "0x" + "22" * 20


@pytest.mark.parametrize(
    ("short", "whole"),
    [
        (
            "Transfer(address,address,uint256)",
            "Transfer(address indexed from, address indexed to, uint256 value)",
        ),
        ("Upgraded(address)", "event Upgraded(address indexed implementation);"),
        ("Paused(address)", "Paused(address account)"),
    ],
)
def test_a_known_event_may_be_written_by_its_types_alone(short: str, whole: str) -> None:
    assert declared_event(short) == declared_event(whole)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("Moved(address,uint256)", "write which arguments are indexed, and their names, as in Moved(address indexed"),
        ("ProposalExecuted(uint256)", "write which arguments are indexed"),  # known with and without
        ("Moved(adress who)", "'adress' is not an ABI type"),
        ("Moved(address who)(uint256)", "write an event as in"),
    ],
)
def test_what_is_ambiguous_or_wrong_is_refused(text: str, says: str) -> None:
    with pytest.raises(SignatureError, match=r"^.*") as refused:
        declared_event(text)
    assert says in str(refused.value)


def test_an_event_without_arguments_needs_no_names() -> None:
    assert declared_event("Stopped()").fields == ()


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("Transfer(address,address,uint256)", (A, B, 7)),
        ("Note(string indexed title, string text, uint256[] numbers)", (b"\1" * 32, "words", (1, 2))),
    ],
)
def test_what_is_encoded_is_decoded_again(text: str, values: tuple[object, ...]) -> None:
    event = declared_event(text)
    assert tuple(event.decode(*event.encode(values)).values()) == values
