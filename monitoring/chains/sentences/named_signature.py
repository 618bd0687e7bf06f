"""Declarations whose structs have named members, as ERC-7730 writes them: `f((address asset,uint256 cap) market)`.

Used where a pattern or a descriptor names a value by its path. Pure.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from monitoring.chains.abi.addresses import SignatureError
from monitoring.chains.abi.selectors import Declaration, declare
from monitoring.chains.abi.values import AbiValue

_TOKEN = re.compile(r"\s*([A-Za-z_$][\w$]*|\[[0-9]*\]|[(),])")
_INDEX = re.compile(r"\[(-?[0-9]{1,4})\]")
_SLICE = re.compile(r"\[(-?[0-9]{0,4}):(-?[0-9]{0,4})\]")
MAX_TEXT = 2000  # ours: the longest real declaration has some 600 characters

Step = int | slice


@dataclass(frozen=True, slots=True)
class NamedType:
    """A parameter or member: its type as the ABI writes it, its name, its members."""

    kind: str
    name: str
    members: tuple[NamedType, ...] = ()

    @property
    def is_list(self) -> bool:
        return self.kind.endswith("]")


@dataclass(frozen=True, slots=True)
class NamedSignature:
    """A function with the names of everything in it."""

    declaration: Declaration
    inputs: tuple[NamedType, ...]

    def resolve(self, path: str) -> tuple[tuple[Step, ...], str]:
        """Return where `market.asset`, `path.[0:20]` or `legs.[-1].to` is, and the type there.

        Raises:
            SignatureError: nothing is there.
        """
        steps: list[Step] = []
        at = NamedType("", "", self.inputs)
        for word in path.split("."):
            at, step = _into(at, word, path)
            steps.append(step)
        return tuple(steps), at.kind


def value_at(values: tuple[AbiValue, ...], path: tuple[Step, ...]) -> AbiValue | None:
    """Return the value at a path; None where a list is too short for it."""
    found: AbiValue = values
    for step in path:
        if not isinstance(found, tuple | bytes):
            return None
        try:
            found = found[step]
        except IndexError:
            return None
    return found


def parse_named(text: str) -> NamedSignature:
    """Read a declaration.

    Raises:
        SignatureError: it is none.
    """
    name, bracket, rest = text.strip().partition("(")
    if not bracket or len(text) > MAX_TEXT:
        raise SignatureError("write it as in transfer(address to,uint256 amount)", text=text[:80])
    tokens = _tokens(rest, text)
    inputs = _members(tokens, text, 0)
    if tokens:
        raise SignatureError("nothing may follow the closing parenthesis", text=text)
    plain = ",".join(f"{one.kind} {one.name}".strip() for one in inputs)
    return NamedSignature(declare(f"{name.strip()}({plain})"), inputs)


def _into(at: NamedType, word: str, path: str) -> tuple[NamedType, Step]:
    if index := _INDEX.fullmatch(word):
        if at.is_list:
            return NamedType(at.kind.rpartition("[")[0], at.name, at.members), int(index[1])
    elif part := _SLICE.fullmatch(word):
        if at.kind == "bytes":
            return at, slice(*(int(one) if one else None for one in part.groups()))
    elif not at.is_list:
        for place, member in enumerate(at.members):
            if word in (member.name, str(place)):
                return member, place
    raise SignatureError(f"there is no {word} at {path}")


def _tokens(rest: str, text: str) -> list[str]:
    found, at = list[str](), 0
    while at < len(rest.rstrip()):
        match = _TOKEN.match(rest, at)
        if match is None:
            raise SignatureError(f"{rest[at]!r} does not belong here", text=text)
        found.append(match[1])
        at = match.end()
    return found[::-1]


def _members(tokens: list[str], text: str, depth: int) -> tuple[NamedType, ...]:
    """Read members up to the closing parenthesis; the tokens come from the end of the list."""
    found: list[NamedType] = []
    while tokens and depth < 8:  # noqa: PLR2004 - as deep as the one parser of signatures goes
        word = tokens.pop()
        if word == ")":
            return tuple(found)
        if word != ",":
            found.append(_member(word, tokens, text, depth))
    raise SignatureError("the parentheses do not match", text=text)


def _member(kind: str, tokens: list[str], text: str, depth: int) -> NamedType:
    members: tuple[NamedType, ...] = ()
    if kind == "tuple" and tokens and tokens[-1] == "(":
        kind = tokens.pop()
    if kind == "(":
        members = _members(tokens, text, depth + 1)
        kind = f"({','.join(one.kind for one in members)})"
    kind += "256" if kind in ("uint", "int") else ""
    while tokens and tokens[-1].startswith("["):
        kind += tokens.pop()
    name = ""
    while tokens and tokens[-1] not in (",", ")"):
        name = tokens.pop()  # `address payable to`, `bytes calldata data`: the last word is the name
    return NamedType(kind, name, members)
