"""Function signatures as cast writes them, `balanceOf(address)(uint256)`: what goes in and what comes out.

Called by the language, which needs arity and kinds; the encoding itself belongs to the code that reads a chain.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from pathlib import Path

VIEWS = Path(__file__).parent / "views.txt"
MAX_LENGTH = 300
MAX_NESTING = 4
_NAME = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*")
_ELEMENTARY = re.compile(r"(u?int)(\d*)|bytes(\d*)|address|bool|string")
_ARRAY = re.compile(r"\[(\d*)\]")
_WORD_BYTES, _BYTE_BITS, _WORD_BITS = 32, 8, 256


class SignatureError(ValueError):
    """The text is no signature; `offset` is where it stops being one."""

    def __init__(self, offset: int, message: str) -> None:
        self.offset = offset
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class AbiType:
    """One ABI type: `name` as the ABI writes it, `parts` of a tuple, or the one part of an array."""

    name: str
    parts: tuple[AbiType, ...] = ()
    array: bool = False


@dataclass(frozen=True, slots=True)
class Signature:
    """A view function. `text` is canonical: no spaces, `uint` written out."""

    name: str
    inputs: tuple[AbiType, ...]
    outputs: tuple[AbiType, ...]

    @property
    def text(self) -> str:
        return f"{self.name}({_join(self.inputs)})({_join(self.outputs)})"


def parse_signature(text: str) -> Signature:
    """Read one signature.

    Raises:
        SignatureError: with the offset of the mistake.
    """
    if len(text) > MAX_LENGTH:
        raise SignatureError(0, f"a signature of more than {MAX_LENGTH} characters")
    return _Parser(text).signature()


@functools.cache
def standard_views() -> dict[str, tuple[Signature, ...]]:
    """Return the library of views by name."""
    found: dict[str, tuple[Signature, ...]] = {}
    for line in VIEWS.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            signature = parse_signature(line)
            found[signature.name] = (*found.get(signature.name, ()), signature)
    return found


def _join(types: tuple[AbiType, ...]) -> str:
    return ",".join(one.name for one in types)


class _Parser:
    def __init__(self, text: str) -> None:
        self._text, self._at = text, 0

    def signature(self) -> Signature:
        name = _NAME.match(self._text)
        if name is None:
            raise SignatureError(0, "a function's name was expected, as in balanceOf(address)(uint256)")
        self._at = name.end()
        inputs = self._types(0)
        outputs = self._types(0) if self._at < len(self._text) else ()
        if self._at < len(self._text):
            raise SignatureError(self._at, "nothing may follow the signature")
        if not outputs:
            raise SignatureError(self._at - 1, "it does not say what comes back: write it as in totalSupply()(uint256)")
        return Signature(name.group(), inputs, outputs)

    def _types(self, depth: int) -> tuple[AbiType, ...]:
        self._expect("(")
        if depth > MAX_NESTING:
            raise SignatureError(self._at, f"tuples nested deeper than {MAX_NESTING}")
        types: list[AbiType] = []
        while self._peek() != ")" or types:
            types.append(self._type(depth))
            if self._peek() != ",":
                break
            self._at += 1
        self._expect(")")
        return tuple(types)

    def _type(self, depth: int) -> AbiType:
        if self._peek() == "(":
            parts = self._types(depth + 1)
            found = AbiType(f"({_join(parts)})", parts)
        else:
            found = self._elementary()
        while array := _ARRAY.match(self._text, self._at):
            self._at = array.end()
            found = AbiType(f"{found.name}[{array.group(1)}]", (found,), array=True)
        return found

    def _elementary(self) -> AbiType:
        match = _ELEMENTARY.match(self._text, self._at)
        word = _NAME.match(self._text, self._at)
        written = word.group() if word else ""
        if match is None or match.group() != written or not _is_sized(match):
            raise SignatureError(self._at, f"{written or self._peek() or 'nothing'!r} is not an ABI type")
        self._at = match.end()
        return AbiType(f"{written}256" if written in ("int", "uint") else written)

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _expect(self, char: str) -> None:
        if self._peek() != char:
            raise SignatureError(self._at, f"{char!r} was expected here, as in balanceOf(address)(uint256)")
        self._at += 1


def _is_sized(match: re.Match[str]) -> bool:
    integer, bits, size = match.groups()
    if integer and bits:
        return 0 < int(bits) <= _WORD_BITS and int(bits) % _BYTE_BITS == 0 and not bits.startswith("0")
    return not size or (0 < int(size) <= _WORD_BYTES and not size.startswith("0"))
