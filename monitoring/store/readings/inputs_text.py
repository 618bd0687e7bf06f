"""What a value was made of, as a column holds it: JSON, `[name, number]` or `[name, words, 1]` each, bounded."""

from __future__ import annotations

import json
from typing import TypeAlias

from monitoring.store.readings.exact_text import Numeric, from_column, to_column

NamedValues: TypeAlias = "tuple[tuple[str, Numeric | str], ...]"
_MOST = 24
_LONGEST = 120


def inputs_as_text(inputs: NamedValues) -> str | None:
    """Return the JSON, nothing of nothing; a number longer than any that people read is kept as its first digits."""
    if not inputs:
        return None
    pairs = [[name[:_LONGEST], *_kept(value)] for name, value in inputs[:_MOST]]
    return json.dumps(pairs, ensure_ascii=False, separators=(",", ":"))


def inputs_from_text(text: str | None) -> NamedValues:
    """Read what `inputs_as_text` wrote; of anything else nothing."""
    if not text:
        return ()
    try:
        return tuple((str(row[0]), _value(row[1], is_words=len(row) > 2)) for row in json.loads(text))  # noqa: PLR2004 - as written
    except (ValueError, TypeError, LookupError):
        return ()


def _kept(value: Numeric | str) -> tuple[str] | tuple[str, int]:
    if isinstance(value, str):
        return value[:_LONGEST], 1
    text = str(to_column(value))
    return (text,) if len(text) <= _LONGEST else (f"{text[: _LONGEST - 1]}…", 1)


def _value(kept: str, *, is_words: bool) -> Numeric | str:
    found = None if is_words else from_column(kept)
    return str(kept) if found is None else found
