"""The one parser of signatures and declarations: `balanceOf(address)(uint256)`, `Paused(address account)`.

Monitor files, formulas, scripts, reads of events and our own tables come here, so that a text means the same and is
refused with the same words everywhere. It bounds what it accepts: a type of a few
characters may name more entries than there is memory.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from monitoring.chains.abi.addresses import SignatureError
from monitoring.chains.abi.types import WORD, AbiType

EXAMPLE = "balanceOf(address)(uint256)"
MAX_NESTING = 8  # tuples and arrays in one another; real contracts stay below five
_MAX_FIXED = 1024  # entries of a fixed array
_NAME = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*")
_ELEMENTARY = re.compile(r"(u?int)([1-9][0-9]{0,2})?|bytes([1-9][0-9]?)?|address|bool|string|function")
_ARRAY = re.compile(r"\[([0-9]{0,18})\]")
_SPACE = re.compile(r"\s*")
_WORD_BITS, _BYTE_BITS = 256, 8


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a declaration; one without a name is called by its place."""

    kind: AbiType
    name: str
    indexed: bool = False


@dataclass(frozen=True, slots=True)
class ParsedSignature:
    """What a text declares; `outputs` is None where nothing is written of them."""

    name: str
    inputs: tuple[Parameter, ...]
    outputs: tuple[Parameter, ...] | None

    @property
    def kinds(self) -> tuple[AbiType, ...]:
        return tuple(one.kind for one in self.inputs)


def parse_declaration(text: str, *, named: bool) -> ParsedSignature:
    """Read `name(inputs)` or `name(inputs)(outputs)`; the parameters may have names where it is `named`.

    Raises:
        SignatureError: with the offset of the mistake and what to write instead.
    """
    parser = _Parser(text, named=named)
    try:
        return parser.declaration()
    except _Mistake as mistake:
        raise SignatureError(str(mistake), parser.at, text) from None


class _Mistake(Exception):  # noqa: N818 - private to the parser, which adds text and place
    pass


class _Parser:
    def __init__(self, text: str, *, named: bool) -> None:
        self._text, self._named, self.at = text, named, 0

    def declaration(self) -> ParsedSignature:
        name = self._word()
        if not name:
            raise _Mistake(f"a function's name was expected, as in {EXAMPLE}")
        self.at = len(name)
        if self.at == len(self._text):
            raise _Mistake(f"write it as in {EXAMPLE}")
        inputs = self._parameters()
        outputs = self._parameters() if self.at < len(self._text) else None
        if self.at < len(self._text):
            raise _Mistake("nothing may follow the signature")
        return ParsedSignature(name, inputs, outputs)

    def _parameters(self) -> tuple[Parameter, ...]:
        found: list[Parameter] = []
        self._expect("(")
        self._skip_space()
        while self._peek() != ")" or found:
            found.append(self._parameter(len(found)))
            if self._peek() != ",":
                break
            self.at += 1
        self._expect(")")
        return tuple(found)

    def _parameter(self, place: int) -> Parameter:
        self._skip_space()
        start = self.at
        kind = self._type(0)
        written = self._text[start : self.at]
        self._skip_space()
        word = self._word()
        if word and not self._named:
            raise _Mistake(f"'{written} {word}' has a name in it: write only the type, {written}")
        indexed = word == "indexed"
        self._pass(word)
        name = self._word() if indexed else word
        if indexed:
            self._pass(name)
        return Parameter(kind, name or str(place), indexed)

    def _type(self, depth: int) -> AbiType:
        found = AbiType("tuple", self._members(depth + 1)) if self._peek() == "(" else self._elementary()
        deepest = depth + found.nesting
        while array := _ARRAY.match(self._text, self.at):
            length = int(array[1]) if array[1] else -1
            if length == 0 or length > _MAX_FIXED:
                raise _Mistake(f"an array of {length} entries is not accepted")
            deepest += 1
            self._check_nesting(deepest)
            found = AbiType("array", (found,), length)
            self.at = array.end()
        return found

    def _members(self, depth: int) -> tuple[AbiType, ...]:
        self._check_nesting(depth)
        self.at += 1
        self._skip_space()
        if self._peek() == ")":
            raise _Mistake("an empty tuple is not a type")
        members = []
        while True:
            self._skip_space()
            members.append(self._type(depth))
            self._skip_space()
            if self._peek() != ",":
                break
            self.at += 1
        self._expect(")")
        return tuple(members)

    def _check_nesting(self, depth: int) -> None:
        if depth > MAX_NESTING:
            raise _Mistake(f"types are nested too deeply, {MAX_NESTING} is the most")

    def _elementary(self) -> AbiType:
        written = self._word()
        match = _ELEMENTARY.fullmatch(written)
        if match is None or not _has_a_size(match):
            if not written and self._peek() in ("", ",", ")"):
                raise _Mistake("a type is missing" if self._peek() else "the parentheses do not match")
            raise _Mistake(f"{written or self._peek()!r} is not an ABI type")
        self.at += len(written)
        whole = {"int": "int256", "uint": "uint256", "function": "bytes24"}
        return AbiType(whole.get(written, written))

    def _word(self) -> str:
        match = _NAME.match(self._text, self.at)
        return match[0] if match else ""

    def _pass(self, word: str) -> None:
        self.at += len(word)
        self._skip_space()

    def _skip_space(self) -> None:
        match = _SPACE.match(self._text, self.at)
        self.at = match.end() if match else self.at

    def _peek(self) -> str:
        return self._text[self.at : self.at + 1]

    def _expect(self, char: str) -> None:
        if self._peek() != char:
            closing = char == ")" and not self._peek()
            raise _Mistake(
                "the parentheses do not match" if closing else f"{char!r} was expected here, as in {EXAMPLE}"
            )
        self.at += 1


def _has_a_size(match: re.Match[str]) -> bool:
    _, bits, size = match.groups()
    if bits:
        return int(bits) <= _WORD_BITS and int(bits) % _BYTE_BITS == 0
    return not size or int(size) <= WORD
