"""From where on a reading of the host is bad: the limits, their defaults, and the words that change them."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from monitoring.base.errors import UsageError
from monitoring.base.yaml.keys import Key, entry
from monitoring.checks.rules.keys import pattern

if TYPE_CHECKING:
    from monitoring.checks.config.yaml_node import Spot

_LIMIT = re.compile(r"(\d+(?:\.\d+)?)\s*(%|[KMGT]i?B|B)")
_DECIMAL, _BINARY = 1000, 1024
_SIZES = ("KiB", "MiB", "GiB", "TiB")


@dataclass(frozen=True, slots=True)
class HostLimit:
    """A bound on a part of a whole: a share of it, or bytes."""

    share: Fraction | None = None
    size_bytes: int | None = None

    def of(self, whole: int) -> Fraction:
        """Return the bound in the whole's own unit."""
        return whole * self.share if self.share is not None else Fraction(self.size_bytes or 0)

    def __str__(self) -> str:
        return f"{float(self.share * 100):g}%" if self.share is not None else size(self.size_bytes or 0)


def parse_limit(text: str) -> HostLimit:
    """Read `10%`, `2GiB` or `500MB`.

    Raises:
        UsageError: it is neither a share nor a size.
    """
    match = _LIMIT.fullmatch(text.strip())
    if match is None:
        raise UsageError(f"{text!r} is no limit: write a share or a size, as in 10% or 2GiB")
    number, unit = Fraction(match[1]), match[2]
    if unit == "%":
        return HostLimit(share=number / 100)
    base = _BINARY if "i" in unit else _DECIMAL
    return HostLimit(size_bytes=int(number * base ** "BKMGT".index(unit[0])))


@dataclass(frozen=True, slots=True)
class HostLimits:
    """From where on a reading is bad; a load is per core."""

    disk_free: HostLimit = HostLimit(share=Fraction(10, 100))
    disk_free_critical: HostLimit = HostLimit(share=Fraction(3, 100))
    inodes_free: HostLimit = HostLimit(share=Fraction(5, 100))
    memory_free: HostLimit = HostLimit(share=Fraction(5, 100))
    swap_free: HostLimit = HostLimit(share=Fraction(20, 100))
    load: float = 4.0
    database_bytes: int = 10 * _BINARY**3
    wal_bytes: int = 512 * _BINARY**2  # eight times what a checkpoint leaves of it


# What each limit is; its key in a monitor file is its name with dashes.
_SENTENCES = {
    "disk_free": "Space that must be free on a disk.",
    "disk_free_critical": "Space below which it is critical.",
    "inodes_free": "Inodes that must be free on a disk.",
    "memory_free": "Memory that must be available.",
    "swap_free": "Swap that must be free, where there is some.",
    "load": "Processes per core that may wait, over 15 minutes.",
    "database_bytes": "How large the database may be.",
    "wal_bytes": "How large its write-ahead log may be.",
}


def keys() -> dict[str, Key[Any]]:
    """Return the key of each limit in a monitor file, by the field it sets."""
    return {field: _key(field, sentence) for field, sentence in _SENTENCES.items()}


def _key(field: str, sentence: str) -> Key[Any]:
    usual = getattr(HostLimits(), field)
    name = field.removesuffix("_bytes").replace("_", "-")
    if isinstance(usual, float):
        word, written, shape = "number", f"{usual:g}", r"[0-9.]+"
    elif isinstance(usual, int):
        word, written, shape = "size", size(usual), _LIMIT.pattern
    else:
        word, written, shape = "share or size", str(usual), _LIMIT.pattern
    kind = pattern(word, shape, functools.partial(_read, field))
    return entry(name, kind, sentence, default=written, example=f"{name}: {written}")


def _read(field: str, at: Spot) -> object:
    text = at.text("a share or a size")
    try:
        return parse_one(field, text) if text else None
    except UsageError as error:
        at.wrong(str(error))
        return None


def parse_one(field: str, text: str) -> Any:  # noqa: ANN401 - of the field's own type
    """Read the value of one limit, as in `10%`, `2GiB` or, for the load, `2.5`.

    Raises:
        UsageError: it is no such value.
    """
    default = getattr(HostLimits(), field)
    if isinstance(default, float):
        try:
            return float(text)
        except ValueError:
            raise UsageError(f"{text!r} is no number: write one, as in {default:g}") from None
    limit = parse_limit(text)
    if isinstance(default, HostLimit):
        return limit
    if limit.size_bytes is None:
        raise UsageError(f"{text} is a share of nothing: write a size, as in 2GiB")
    return limit.size_bytes


def size(number: int) -> str:
    """Return bytes as a person says them: `812 B`, `3.4 GiB`."""
    if number < _BINARY:
        return f"{number} B"
    power = min((number.bit_length() - 1) // 10, len(_SIZES))
    return f"{number / _BINARY**power:.1f} {_SIZES[power - 1]}"
