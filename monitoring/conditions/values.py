"""What a reading can be: an exact value, `Unknown`, or `NONE` (does not apply). Nothing here ever becomes a float."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from fractions import Fraction
from typing import Final, TypeAlias

Number: TypeAlias = int | Fraction
Value: TypeAlias = "bool | int | Fraction | str | bytes | tuple[Value, ...]"
Json: TypeAlias = "bool | int | str | list[Json] | dict[str, Json] | None"

# Beyond this a decimal text is slow to make, and Python refuses it at 4,300 digits: such integers are kept as hex.
_DECIMAL_BITS = 4096


@dataclass(frozen=True, slots=True)
class Unknown:
    """What takes the place of a value that could not be had: never good, never bad and never zero.

    `reason` is one line for a person, free of secrets; `source` names what is to blame (a chain, a host). `is_whole`:
    nothing of that source can be read, which is reported sooner.
    It has no truth value, so that `if reading` cannot count it as good by accident.
    """

    reason: str
    source: str = ""
    is_whole: bool = field(default=False, kw_only=True)

    def __bool__(self) -> bool:
        raise TypeError(f"an unknown value is neither true nor false ({self.reason})")

    def __str__(self) -> str:
        return f"unknown: {self.reason}"


class UnknownError(TypeError):
    """Something was decided upon a value that is unknown. Uncaught, it ends the function without calling it a crash."""

    def __init__(self, unknown: Unknown) -> None:
        self.unknown = unknown
        super().__init__(f"an unknown value is neither true nor false, nor larger nor smaller ({unknown.reason})")


class Absent(Enum):
    """The type of `NONE`: the author says that the question does not apply now, and the condition clears."""

    NONE = "none"


NONE: Final = Absent.NONE
Reading: TypeAlias = "Value | Unknown | Absent"


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
