"""A reading in words, for listings: what was seen, in the check's own unit."""

from __future__ import annotations

from typing import Any

from monitoring.base.plural import counted
from monitoring.base.secrets.redact import redact
from monitoring.chains.abi.values import Unknown
from monitoring.checks.engine.plan import CheckInstance
from monitoring.checks.expression.values import NONE
from monitoring.checks.messages.plain import in_words
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
        return f"blocks {reading.from_block} to {reading.to_block}, {counted(len(reading.events), 'event')}"
    try:
        return " ".join(in_words(reading).splitlines())  # a kind of its own comes back as it is, and has no lines
    except Exception:  # noqa: BLE001 - a type's own kind of reading: its number of rows is all that is known of it
        return f"{len(reading)} rows" if hasattr(reading, "__len__") else type(reading).__name__


def bound_in_words(part: CheckInstance) -> str:
    """Return what the value is held against, nothing where a type has no such thing."""
    return str(getattr(part, "bound", ""))
