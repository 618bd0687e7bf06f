"""What a reading can be, and how it is kept exactly: a value, `Unknown`, or `NONE` (does not apply).

Used by the language, the verbs and the planner. Nothing here ever becomes a float.
"""

from __future__ import annotations

import json
from enum import Enum
from fractions import Fraction
from typing import Final, TypeAlias, TypeGuard

from monitoring.chains.abi.values import Unknown

Number: TypeAlias = int | Fraction
Value: TypeAlias = "bool | int | Fraction | str | bytes | tuple[Value, ...]"
Json: TypeAlias = "bool | int | str | list[Json] | dict[str, Json] | None"

# Beyond this a decimal text is slow to make, and Python refuses it at 4,300 digits: such integers are kept as hex.
_DECIMAL_BITS = 4096


class Absent(Enum):
    """The type of `NONE`: the author says that the question does not apply now, and the condition clears."""

    NONE = "none"


NONE: Final = Absent.NONE
Reading: TypeAlias = "Value | Unknown | Absent"


def is_number(value: object) -> TypeGuard[Number]:
    """Tell whether this is an exact number; a boolean is none."""
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


def write_number(number: Number) -> str:
    """Return `n` or `n/d`, exact whatever the size."""
    if isinstance(number, int):
        return str(number) if number.bit_length() <= _DECIMAL_BITS else hex(number)
    if number.denominator == 1:
        return write_number(number.numerator)
    return f"{write_number(number.numerator)}/{write_number(number.denominator)}"


def read_number(text: str) -> Number:
    """Read what `write_number` wrote.

    Raises:
        ValueError: the text is nothing that `write_number` writes.
    """
    over, slash, under = text.partition("/")
    return Fraction(int(over, 0), int(under, 0)) if slash else int(over, 0)


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
