"""A reading in words, for listings: what was seen, in the check's own unit."""

from __future__ import annotations

from fractions import Fraction
from typing import Any, TypeGuard

from monitoring.base.secrets.redact import redact
from monitoring.chains.abi.values import Unknown
from monitoring.checks.engine.plan import CheckInstance
from monitoring.checks.expression.value_text import words
from monitoring.checks.expression.values import NONE, Value
from monitoring.checks.rules.readings import LogBatch

_LONGEST = 200


def value_in_words(part: CheckInstance, reading: Any) -> str:  # noqa: ANN401 - each verb has its own reading
    """Return one short line; never raises, whatever a type's reading is."""
    if isinstance(reading, Unknown):
        return str(reading)
    if reading is NONE:
        return "does not apply"
    own = getattr(part, "in_words", None)
    text = str(own(reading)) if own is not None else _plain(reading)
    text = redact(text)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _plain(reading: Any) -> str:  # noqa: ANN401 - as above
    if isinstance(reading, LogBatch):
        return str(reading)
    if isinstance(reading, bool | int | Fraction | str | bytes) or _is_value_list(reading):
        return " ".join(words(reading).splitlines())
    return f"{len(reading)} rows" if hasattr(reading, "__len__") else type(reading).__name__


def _is_value_list(reading: object) -> TypeGuard[tuple[Value, ...]]:
    return isinstance(reading, tuple) and all(
        isinstance(one, bool | int | Fraction | str | bytes | tuple) for one in reading
    )


def bound_in_words(part: CheckInstance) -> str:
    """Return what the value is held against, nothing where a type has no such thing."""
    return str(getattr(part, "bound", ""))
