"""JSON for which every value has a form: integers of any size to the last digit, halves of characters replaced.

orjson refuses integers beyond 64 bits, and reads them as inexact floats; amounts on a chain have 256.
"""

from __future__ import annotations

import json
import re
from typing import Any

import orjson

_SURELY_64_BITS = 18  # digits
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


def _with_forms(value: Any) -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, str):
        return value.encode("utf-8", errors="replace").decode("utf-8")
    if isinstance(value, int) and not isinstance(value, bool) and not -(2**63) <= value < 2**64:
        return orjson.Fragment(str(value))
    if isinstance(value, (list, tuple)):
        return [_with_forms(item) for item in value]
    return (
        {_with_forms(str(name)): _with_forms(item) for name, item in value.items()}
        if isinstance(value, dict)
        else value
    )
