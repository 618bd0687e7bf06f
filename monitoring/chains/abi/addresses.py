"""Keccak-256 and EIP-55: addresses as people write and check them."""

from __future__ import annotations

import re
from functools import lru_cache

from eth_hash.auto import keccak

from monitoring.base.errors import UsageError

ZERO = "0x" + "0" * 40
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")
_CHECKSUM_NIBBLE = 8


class SignatureError(UsageError):
    """A signature, an address or an argument somebody wrote cannot be used.

    `reason` and `offset` serve where the text and its place are shown anyway; `str()` says which text it was.
    """

    def __init__(self, reason: str, offset: int = 0, text: str | None = None) -> None:
        self.reason, self.offset = reason, offset
        super().__init__(reason if text is None else f"{text!r} is not a signature: {reason}")


def keccak256(data: bytes | str) -> bytes:
    return keccak(data.encode() if isinstance(data, str) else data)


def checksum(address: str) -> str:
    """Return an address in its EIP-55 form.

    Raises:
        SignatureError: not twenty bytes of hex.
    """
    if not _ADDRESS.fullmatch(address):
        raise SignatureError(f"{address!r} is not an address: write 0x and 40 hex digits")
    return _marked(address[2:].lower())


# Each read of a contract and each log of it brings its address once more.
@lru_cache(maxsize=4096)
def _marked(plain: str) -> str:
    digest = keccak256(plain).hex()
    marked = (char.upper() if int(digest[place], 16) >= _CHECKSUM_NIBBLE else char for place, char in enumerate(plain))
    return "0x" + "".join(marked)


def check_address(address: str) -> str:
    """Return an address somebody wrote, refusing a mixed-case one whose checksum is wrong (a typo).

    Raises:
        SignatureError: malformed, or the checksum does not fit; the message carries the right one.
    """
    right = checksum(address)
    if address[2:] not in (right[2:], right[2:].lower(), right[2:].upper()):
        raise SignatureError(f"{address} has a wrong checksum: check the digits, the right form of them is {right}")
    return right


def address_problem(text: str) -> str | None:
    """Return what is wrong with an address in a file, None if nothing is; its checksum must be written."""
    if not is_address(text):
        digits = text.removeprefix("0x")
        if text.startswith("0x") and len(digits) != len(ZERO) - 2:
            return f"{text} has {len(digits)} digits after 0x, an address has 40"
        return f"{text!r} is not an address: write 0x and 40 hex digits"
    if text != checksum(text):
        return f"the checksum of {text} is wrong: check the address, then write {checksum(text)}"
    return None


def is_address(text: object) -> bool:
    return isinstance(text, str) and _ADDRESS.fullmatch(text) is not None


def short(address: str) -> str:
    """Return `0x1234…abcd`, as shown next to a label."""
    return f"{address[:6]}…{address[-4:]}"


def address_in(word: bytes) -> str:
    """Return the address in the last twenty bytes of a word, as slots and topics hold it."""
    return checksum("0x" + word[-20:].hex().rjust(40, "0"))
