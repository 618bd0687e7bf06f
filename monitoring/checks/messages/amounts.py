"""Values of checks for people: in the check's own unit, exact where short, as text or as spans of an alert.

Called for titles, listings and blocks. Nothing here decides anything.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from fractions import Fraction

from monitoring.alerts.message.amounts import format_number, format_pct, format_usd
from monitoring.alerts.message.text import addr, code, pct, usd
from monitoring.base.clock import format_duration
from monitoring.base.secrets.redact import excerpt
from monitoring.chains.abi.addresses import checksum, is_address
from monitoring.chains.networks import networks
from monitoring.checks.expression.values import Number, Value, is_number

PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_UNLIMITED = {2**bits - 1: f"unlimited (2^{bits}-1)" for bits in (96, 128, 255, 256)}
_SHOWN_TEXT = 120


def words(value: Value, unit: str = "", *, signed: bool = False) -> str:
    """Return a value as plain text."""
    if is_number(value):
        return _number(value, unit, signed=signed)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, bytes):
        return f"0x{value.hex()}" if value else "0x"
    if isinstance(value, tuple):
        return ", ".join(words(one, unit) for one in value) or "(none)"
    if isinstance(value, str) and is_address(value):
        return checksum(value)
    return excerpt(str(value), _SHOWN_TEXT)


def _number(value: Number, unit: str, *, signed: bool = False) -> str:
    number = Fraction(value)
    if unit == "%":
        return format_pct(number, signed=signed)
    if unit in ("usd", "$"):
        return format_usd(number, signed=signed)
    if not unit and value in _UNLIMITED:
        return _UNLIMITED[int(value)]
    text = format_number(number, signed=signed)
    return f"{text} {unit}" if unit else text


def span(value: Value, unit: str = "", chain: int = 0) -> object:
    """Return a value as an alert shows it: dollars, percent and addresses as what they are."""
    if is_number(value) and unit == "%":
        return pct(value)
    if is_number(value) and unit in ("usd", "$"):
        return usd(value)
    if isinstance(value, str) and is_address(value):
        return addr(checksum(value), chain=networks().get(chain))
    if isinstance(value, bytes):
        return code(words(value))
    return words(value, unit)


def ratio_words(change: Number, base: Number) -> str:
    """Return a change relative to its base, nothing from zero."""
    return format_pct(Fraction(change) / Fraction(base), signed=True) if base else ""


def seconds_words(seconds: Number) -> str:
    """Return a span of seconds as a person says it; a negative one is ago."""
    return format_duration(timedelta(seconds=abs(float(seconds))))


def instant_words(unix: Number) -> str:
    """Return unix seconds as an instant, or as the number they are when they are none."""
    try:
        return datetime.fromtimestamp(float(unix), UTC).strftime("%Y-%m-%d %H:%M UTC")
    except (OverflowError, ValueError, OSError):
        return words(unix)


def filled(text: str, names: Mapping[str, str]) -> str:
    """Fill the placeholders of an author's text; one nobody knows now stays as it is."""
    return PLACEHOLDER.sub(lambda found: names.get(found.group(1).strip(), found.group()), text)
