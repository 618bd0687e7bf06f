"""Instants as people type them at a command line."""

from __future__ import annotations

import re
from datetime import datetime

from monitoring.base.clock import from_text, parse_duration, shortened
from monitoring.base.errors import UsageError

_NUMBER = re.compile(r"[0-9]+[smhd]?")  # a duration, though one that is too long


def instant(text: str, now: datetime) -> datetime:
    """Read a duration ago (`24h`) or an instant (`2026-12-01T08:00Z`, UTC unless it has an offset).

    Raises:
        UsageError: it is neither, or too long.
    """
    try:
        return now - parse_duration(text)
    except UsageError:
        if _NUMBER.fullmatch(text.strip()):
            raise
        return _written(text)


def later(text: str, now: datetime) -> datetime:
    """Read a duration from now or an instant.

    Raises:
        UsageError: it is neither, or too long.
    """
    try:
        return now + parse_duration(text)
    except UsageError:
        if _NUMBER.fullmatch(text.strip()):
            raise
        return _written(text)


def _written(text: str) -> datetime:
    try:
        return from_text(text)
    except ValueError:
        raise UsageError(
            f"{shortened(text)} is not a time: write a duration such as 24h, or 2026-12-01T08:00Z"
        ) from None
