"""JSON for which every value has a form: integers of any size to the last digit, halves of characters replaced.

orjson refuses integers beyond 64 bits, and reads them as inexact floats; amounts on a chain have 256.
"""

from __future__ import annotations

import json
import re
from typing import Any

import orjson

_SURELY_64_BITS = 18  # digits
_MOST_BITS = 14_000  # Python refuses to write more than 4,300 digits
_DEEPEST, _CUT = 200, "nested too deep"  # orjson refuses 255 levels; what contains itself has no end
_LONG_NUMBER = re.compile(rf"\d{{{_SURELY_64_BITS + 1}}}")


def to_json(value: object, option: int | None = None) -> bytes:
    """Return a value as JSON; what JSON has no form for is its text. `option` is of orjson."""
    try:
        return orjson.dumps(value, option=option)
    except TypeError:
        return orjson.dumps(_with_forms(value), default=str, option=option)


def from_json(text: str) -> Any:  # noqa: ANN401 - JSON
    """Return the value of a text, with exact integers.

    Raises:
        ValueError: it is no JSON, or nested too deep.
    """
    found = orjson.loads(text)  # first, for it refuses what is nested so deep that json would exhaust the C stack
    return json.loads(text) if _LONG_NUMBER.search(text) else found


def _with_forms(value: Any, within: tuple[int, ...] = ()) -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, str):
        return value.encode("utf-8", errors="replace").decode("utf-8")
    if isinstance(value, int) and not isinstance(value, bool) and not -(2**63) <= value < 2**64:
        return orjson.Fragment(str(value)) if value.bit_length() <= _MOST_BITS else f"{value:#x}"
    if not isinstance(value, (list, tuple, dict)):
        return value
    if id(value) in within or len(within) == _DEEPEST:
        return _CUT
    within = (*within, id(value))
    if isinstance(value, dict):
        return {_with_forms(str(name)): _with_forms(item, within) for name, item in value.items()}
    return [_with_forms(item, within) for item in value]
