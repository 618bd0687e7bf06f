"""What a reading can be, and how it is kept exactly: a value, `Unknown`, or `NONE` (does not apply).

Used by the language, the verbs and the planner. Nothing here ever becomes a float.
"""

from __future__ import annotations

import json
from fractions import Fraction
from typing import TypeGuard

from monitoring.conditions.values import NONE, Absent, Json, Number, Reading, Unknown, Value, read_number, write_number

__all__ = [
    "NONE", "Absent", "Json", "Number", "Reading", "Unknown", "Value", "as_number", "describe", "from_json",
    "is_number", "key_of", "magnitude", "read_number", "to_json", "value_of_key", "write_number",
]  # fmt: skip


def is_number(value: object) -> TypeGuard[Number]:
    """Return whether this is an exact number; a boolean is none."""
    return isinstance(value, int | Fraction) and not isinstance(value, bool)


def magnitude(number: Number) -> Number:
    """Return the distance from zero."""
    return -number if number < 0 else number


def as_number(reading: Reading) -> Number | Unknown | Absent:
    """Return the reading where it is a number (or no value at all), else an `Unknown` that says what came."""
    if isinstance(reading, Unknown | Absent | Fraction) or (isinstance(reading, int) and not isinstance(reading, bool)):
        return reading
    return Unknown(f"a number was needed, not {describe(reading)}")


def describe(value: Value) -> str:
    """Name the kind of a value for a message."""
    kinds: list[tuple[type, str]] = [(bool, "true or false"), (str, "text"), (bytes, "bytes"), (tuple, "a list")]
    return next((name for kind, name in kinds if isinstance(value, kind)), "a number")


def to_json(value: Value) -> Json:
    """Return a form that JSON keeps exactly: numbers as text, text as `{"text": …}`, bytes as `{"hex": …}`."""
    if isinstance(value, bool):
        return value
    if isinstance(value, int | Fraction):
        return write_number(value)
    if isinstance(value, str):
        return {"text": value}
    if isinstance(value, bytes):
        return {"hex": value.hex()}
    return [to_json(item) for item in value]


def from_json(kept: Json) -> Value:
    """Undo `to_json`.

    Raises:
        ValueError: `to_json` never wrote this.
    """
    match kept:
        case bool():
            return kept
        case str():
            return read_number(kept)
        case list():
            return tuple(from_json(item) for item in kept)
        case {"text": str(text)}:
            return text
        case {"hex": str(digits)}:
            return bytes.fromhex(digits)
    raise ValueError(f"not a kept value: {kept!r}")


def key_of(value: Value) -> str:
    """Return a text that two values share only when they are equal: an identity no separator can break."""
    return json.dumps(to_json(value), separators=(",", ":"), ensure_ascii=True)


def value_of_key(key: str) -> Value:
    """Undo `key_of`.

    Raises:
        ValueError: the text is no such key.
    """
    return from_json(json.loads(key))
