"""Values of checks for people: addresses in their checksum form and linked, everything else by `base.formatting`."""

from __future__ import annotations

from monitoring.alerts.message.text import addr, code, pct, usd
from monitoring.base.formatting import format_value
from monitoring.chains.abi.addresses import checksum, is_address
from monitoring.chains.networks import networks
from monitoring.checks.expression.values import Value, is_number


def words(value: Value, unit: str = "") -> str:
    """Return a value as plain text; addresses with their checksum."""
    if isinstance(value, str) and is_address(value):
        return checksum(value)
    if isinstance(value, tuple):
        return ", ".join(words(one, unit) for one in value) or "(none)"
    return format_value(value, unit)


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
