"""What was read of a list in an answer; how it is read is in `answer_rows.py`, which knows services."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from monitoring.checks.expression.values import Unknown, Value


@dataclass(frozen=True, slots=True)
class SourceRows:
    """What was read of a list, a mapping a row."""

    rows: tuple[Mapping[str, Value | Unknown], ...]
