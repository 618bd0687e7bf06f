"""How bad a condition or an alert is."""

from __future__ import annotations

from enum import IntEnum

from monitoring.base.errors import UsageError


class Severity(IntEnum):
    """How bad; the order is the order of urgency and the number is what the store sorts by."""

    LOW = 0
    MEDIUM = 1
    HIGH = 2
    CRITICAL = 3

    @classmethod
    def parse(cls, text: Severity | str) -> Severity:
        """Read a severity in any case.

        Raises:
            UsageError: it is none of the four.
        """
        if isinstance(text, Severity):
            return text
        try:
            return cls[text.strip().upper()]
        except KeyError:
            raise UsageError(f"{text!r} is not a severity: write LOW, MEDIUM, HIGH or CRITICAL") from None

    @property
    def emoji(self) -> str:
        return _EMOJI[self]


_EMOJI = {Severity.LOW: "ℹ️", Severity.MEDIUM: "⚠️", Severity.HIGH: "🚨", Severity.CRITICAL: "🔴"}  # noqa: RUF001 - the sign
