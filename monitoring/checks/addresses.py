"""Addresses as text: their EIP-55 checksum, and the lower-case form everything inside compares."""

from __future__ import annotations

import re

from eth_hash.auto import keccak

ZERO = "0x" + "0" * 40
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")


def looks_like_address(text: str) -> bool:
    return _ADDRESS.fullmatch(text) is not None


def checksummed(address: str) -> str:
    """Write an address with its EIP-55 checksum: a letter is upper case where the hash's digit is 8 or more."""
    digits = address[2:].lower()
    hashed = keccak(digits.encode()).hex()
    return "0x" + "".join(
        char.upper() if int(nibble, 16) >= 8 else char  # noqa: PLR2004 - EIP-55
        for char, nibble in zip(digits, hashed, strict=False)
    )


def address_problem(text: str) -> str | None:
    """Say what is wrong with an address written by hand, None if nothing is."""
    if not looks_like_address(text):
        digits = text.removeprefix("0x")
        if text.startswith("0x") and len(digits) != len(ZERO) - 2:
            return f"{text} has {len(digits)} digits after 0x, an address has 40"
        return f"{text!r} is not an address: write 0x and 40 hex digits"
    if text != checksummed(text):
        return f"the checksum of {text} is wrong: check the address, then write {checksummed(text)}"
    return None
