"""Our own table of functions: names and parameters by selector, and what a reader should know of each call.

The first rung of the decoder's ladder; read once from `data/selectors.yaml`.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal, cast

from monitoring.chains.abi.addresses import SignatureError, keccak256
from monitoring.chains.abi.function import Event, Function, parse_event
from monitoring.chains.abi.signatures import parse_declaration
from monitoring.chains.networks import read_data

Place = int | Literal["self", "native"]


@dataclass(frozen=True, slots=True)
class Inner:
    """Where a call carries calls; None where it does not say."""

    to: Place | None = None
    value: int | None = None
    data: int | None = None
    operation: int | None = None
    signature: int | None = None
    rows: int | None = None
    packed: int | None = None
    script: int | None = None


@dataclass(frozen=True, slots=True)
class Declaration:
    """A function with the names of its parameters."""

    function: Function
    names: tuple[str, ...]
    flag: str = ""
    severity: str = ""
    inner: Inner | None = None
    upgrade: Mapping[str, Place] = field(default_factory=lambda: MappingProxyType({}))
    amount: Mapping[str, Place] = field(default_factory=lambda: MappingProxyType({}))
    opaque: frozenset[int] = frozenset()  # bytes that are never a call


def declare(text: str) -> Declaration:
    """Read `approve(address spender,uint256 amount)`; parameters without a name are called by their place.

    Raises:
        SignatureError: it is not a declaration.
    """
    found = parse_declaration(text, named=True)
    if found.outputs is not None:
        raise SignatureError("only a function's inputs are declared here", text=text)
    return Declaration(Function(found.name, found.kinds, ()), tuple(one.name for one in found.inputs))


@functools.cache
def table() -> Mapping[bytes, Declaration]:
    """Return every known function by its selector."""
    rows = cast("list[dict[str, object]]", read_data("selectors.yaml")["functions"])
    found: dict[bytes, Declaration] = {}
    for row in rows:
        plain = declare(cast("str", row["call"]))
        inner = cast("dict[str, int] | None", row.get("inner"))
        found[plain.function.selector] = Declaration(
            plain.function,
            plain.names,
            flag=cast("str", row.get("flag", "")),
            severity=cast("str", row.get("severity", "")),
            inner=Inner(**inner) if inner else None,
            upgrade=cast("dict[str, Place]", row.get("upgrade", {})),
            amount=cast("dict[str, Place]", row.get("amount", {})),
            opaque=frozenset(cast("list[int]", row.get("opaque", []))),
        )
    return MappingProxyType(found)


@functools.cache
def roles() -> Mapping[bytes, str]:
    """Return the names of well-known roles by their hashes."""
    names = cast("list[str]", read_data("selectors.yaml")["roles"])
    return {keccak256(name): name for name in names} | {b"\0" * 32: "DEFAULT_ADMIN_ROLE"}


@functools.cache
def events(kind: str) -> Mapping[str, Event]:
    """Return the events of a kind of contract by name (`data/events.yaml`).

    Raises:
        KeyError: no such kind.
    """
    kinds = cast("dict[str, list[str]]", read_data("events.yaml")["events"])
    return {event.name: event for event in map(parse_event, kinds[kind])}


@functools.cache
def _known_events() -> Mapping[str, frozenset[Event]]:
    """Return every event of our table by its topic; two that index other arguments share one."""
    kinds = cast("dict[str, list[str]]", read_data("events.yaml")["events"])
    found: dict[str, frozenset[Event]] = {}
    for event in (parse_event(text) for texts in kinds.values() for text in texts):
        found[event.topic] = found.get(event.topic, frozenset()) | {event}
    return found


def declared_event(text: str) -> Event:
    """Read an event as authors write it: whole, or only its types (`Transfer(address,address,uint256)`) if it is known.

    Raises:
        SignatureError: it is no declaration, or which of its arguments are indexed is not known.
    """
    event = parse_event(text)
    if not event.fields or any(field.indexed or field.name != str(place) for place, field in enumerate(event.fields)):
        return event
    known = sorted(_known_events().get(event.topic, ()), key=repr)
    if len(known) == 1:
        return known[0]
    example = f"{event.name}({event.fields[0].kind} indexed id{', …' * (len(event.fields) > 1)})"
    raise SignatureError(f"write which arguments are indexed, and their names, as in {example}", text=text)
