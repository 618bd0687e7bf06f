"""The shape of a JSON answer: its names and types, never a value; and what a reading leaves of it in the store.

A run stores the shape of the first answer that its reader could parse. Until then the source is unconfirmed.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TypeAlias

from monitoring.chains.abi.values import Json
from monitoring.chains.rpc.memory import ChainMemory
from monitoring.store.tables.chain_memory import SHAPE

Shape: TypeAlias = "str | list[Shape] | dict[str, Shape]"
_DEEPEST, _MOST_NAMES = 12, 100
_LONGEST_TEXT = 16_384
# A map may have data in place of names (addresses, markets, people): what does not look like a name is not kept.
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,39}")
ANY_NAME = "*"


def shape_of(body: Json, depth: int = 0) -> Shape:
    """Return the types in a JSON value by name; a list has one element, the shape that fits all of its elements."""
    if isinstance(body, dict):
        if depth == _DEEPEST:
            return "object"
        found: dict[str, Shape] = {}
        for name, value in body.items():
            kept = name if _NAME.fullmatch(name) and (name in found or len(found) < _MOST_NAMES) else ANY_NAME
            shape = shape_of(value, depth + 1)
            found[kept] = _merged(found[kept], shape) if kept in found else shape
        return found
    if isinstance(body, list):
        return "list" if depth == _DEEPEST else _of_elements(shape_of(one, depth + 1) for one in body)
    if body is None:
        return "null"
    return "bool" if isinstance(body, bool) else "text" if isinstance(body, str) else "number"


def differences(before: Shape, after: Shape) -> list[str]:
    """Return what changed from one shape to another, a line for each path: added, missing, or of another type."""
    old, new = dict(_flat(before, "")), dict(_flat(after, ""))
    lines = []
    for path in sorted(old.keys() | new.keys()):
        if path not in old:
            lines.append(f"+ {path}: {new[path]}")
        elif path not in new:
            lines.append(f"- {path}: {old[path]}")
        elif old[path] != new[path]:
            lines.append(f"~ {path}: {old[path]}, now {new[path]}")
    return lines


def remember_readings(
    memory: ChainMemory, monitor: str, readings: Mapping[str, tuple[object, Json | None]], *, asked: bool = False
) -> None:
    """Store for each source of a monitor the shape of the first answer that was parsed; without a body none was.

    With each goes all that says how the source is read. When that changes it is unconfirmed until it is parsed again.
    `readings` are all sources that the monitor declares; or, with `asked`, some documents that its code asks for.
    """
    before = _kept(memory.recall(SHAPE, monitor))
    kept = {name: one for name, one in before.items() if asked or (isinstance(one, dict) and one.get("asked"))}
    mark: dict[str, object] = {"asked": True} if asked else {}
    read = {source: _known(before.get(source), path, body) | mark for source, (path, body) in readings.items()}
    after = {**kept, **read}
    if after != before:
        memory.remember(SHAPE, monitor, json.dumps(after, separators=(",", ":")))


def _known(before: object, path: object, body: Json | None) -> dict[str, object]:
    of = hashlib.sha256(repr(path).encode()).hexdigest()[:16]
    if isinstance(before, dict) and before.get("of") == of and ("shape" in before or body is None):
        return before
    if body is None:
        return {"of": of}
    shape = shape_of(body)
    return {"of": of, "shape": shape if len(json.dumps(shape)) <= _LONGEST_TEXT else "too large"}


def _kept(text: str | None) -> dict[str, object]:
    try:
        found = json.loads(text) if text else {}
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _of_elements(shapes: Iterable[Shape]) -> list[Shape]:
    found: Shape | None = None
    for shape in shapes:
        found = shape if found is None else _merged(found, shape)
    return [] if found is None else [found]


def _merged(one: Shape, other: Shape) -> Shape:
    if isinstance(one, dict) and isinstance(other, dict):
        both = {name: _merged(one[name], other[name]) for name in one.keys() & other.keys()}
        return {name: both.get(name, shape) for name, shape in {**one, **other}.items()}
    if isinstance(one, list) and isinstance(other, list):
        return _of_elements([*one, *other])
    if one == other:
        return one
    return " or ".join(sorted({*_words(one).split(" or "), *_words(other).split(" or ")}))


def _words(shape: Shape) -> str:
    return shape if isinstance(shape, str) else "object" if isinstance(shape, dict) else "list"


def _flat(shape: Shape, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(shape, str) or not shape:
        yield path or "the answer", _words(shape)
    elif isinstance(shape, dict):
        for name, inner in shape.items():
            yield from _flat(inner, f"{path}.{name}" if path else name)
    else:
        yield from _flat(shape[0], f"{path}[]")
