"""The ABI's types, with the ways between what people write and what eth-abi wants.

Data whose very decoding could exhaust memory is refused here, by its types and before it is decoded.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import cast

from monitoring.chains.abi.addresses import checksum
from monitoring.chains.abi.values import AbiValue

WORD = 32


@dataclass(frozen=True, slots=True)
class AbiType:
    """A type: a base by name, a tuple by its members, an array by its one member and `length` (-1: dynamic)."""

    base: str
    members: tuple[AbiType, ...] = ()
    length: int | None = None

    def __str__(self) -> str:
        if self.base == "array":
            return f"{self.members[0]}[{'' if self.length == -1 else self.length}]"
        if self.base == "tuple":
            return f"({','.join(map(str, self.members))})"
        return self.base

    @property
    def nesting(self) -> int:
        """How many tuples and arrays are in one another."""
        return 1 + max(member.nesting for member in self.members) if self.members else 0

    @property
    def dynamic(self) -> bool:
        if self.base == "array" and self.length == -1:
            return True
        return self.base in ("string", "bytes") or any(member.dynamic for member in self.members)

    @property
    def hashed_when_indexed(self) -> bool:
        return self.base in ("string", "bytes", "array", "tuple")

    @property
    def head_words(self) -> int:
        """How many words it takes where it stands."""
        if self.dynamic:
            return 1
        if self.base == "array":
            return self.members[0].head_words * (self.length or 0)
        return sum(member.head_words for member in self.members) if self.base == "tuple" else 1

    def for_codec(self, value: object) -> object:
        """Turn what people write into what eth-abi takes.

        Raises:
            ValueError, TypeError: it does not fit.
        """
        if self.base in ("array", "tuple"):
            parts = list(value.values()) if isinstance(value, Mapping) else list(cast("Sequence[object]", value))
            if self.base == "tuple" and len(parts) != len(self.members):
                raise ValueError(f"{self} takes {len(self.members)} values, not {len(parts)}")
            kinds = self.members if self.base == "tuple" else self.members * len(parts)
            return tuple(kind.for_codec(part) for kind, part in zip(kinds, parts, strict=True))
        if self.base.startswith("bytes") and isinstance(value, str):
            return bytes.fromhex(value.removeprefix("0x"))
        if isinstance(value, Fraction) and value.denominator == 1:
            return int(value)
        return value

    def from_codec(self, value: object) -> AbiValue:
        if self.base in ("array", "tuple"):
            parts = cast("Sequence[object]", value)
            kinds = self.members if self.base == "tuple" else self.members * len(parts)
            return tuple(kind.from_codec(part) for kind, part in zip(kinds, parts, strict=True))
        if self.base == "address":
            return checksum(cast("str", value))
        return cast("AbiValue", value)


def check_extent(types: Sequence[AbiType], data: bytes) -> None:
    """Refuse data that spells out more entries than it has words.

    Honest encodings give each entry a word of its own; pointers that share one tail can name a billion entries in
    a kilobyte.

    Raises:
        ValueError: it does.
    """
    budget = len(data) // WORD + len(types) + 1
    for used, _ in enumerate(_entries(types, data, 0)):
        if used > budget:
            raise ValueError("it names more entries than it has words")


def _entries(types: Sequence[AbiType], data: bytes, base: int) -> Iterator[None]:
    """Yield once per entry that a decoder would visit."""
    at = base
    for kind in types:
        yield
        if kind.dynamic:
            yield from _tail(kind, data, base + _word(data, at))
        elif kind.base in ("array", "tuple"):
            yield from (None for _ in range(kind.head_words - 1))
        at += kind.head_words * WORD


def _tail(kind: AbiType, data: bytes, at: int) -> Iterator[None]:
    if kind.base in ("string", "bytes"):
        return
    if kind.base == "tuple":
        yield from _entries(kind.members, data, at)
        return
    count = kind.length if kind.length != -1 else _word(data, at)
    start = at + (WORD if kind.length == -1 else 0)
    member = kind.members[0]
    if member.dynamic:
        for place in range(count or 0):
            yield
            yield from _tail(member, data, start + _word(data, start + place * WORD))
    else:
        yield from (None for _ in range((count or 0) * member.head_words))


def _word(data: bytes, at: int) -> int:
    word = data[at : at + WORD]
    if len(word) < WORD:
        raise ValueError("it ends too early")
    return int.from_bytes(word, "big")
