"""From where on a reading is bad: the limits, their defaults, and the options that change them."""

from __future__ import annotations

import argparse
import dataclasses
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from monitoring.errors import UsageError

_LIMIT = re.compile(r"(\d+(?:\.\d+)?)\s*(%|[KMGT]i?B|B)")
_DECIMAL, _BINARY = 1000, 1024
_SIZES = ("KiB", "MiB", "GiB", "TiB")


@dataclass(frozen=True, slots=True)
class Limit:
    """A bound on a part of a whole: a share of it, or bytes."""

    share: Fraction | None = None
    size_bytes: int | None = None

    def of(self, whole: int) -> Fraction:
        """Return the bound in the whole's own unit."""
        return whole * self.share if self.share is not None else Fraction(self.size_bytes or 0)

    def __str__(self) -> str:
        return f"{float(self.share * 100):g}%" if self.share is not None else size(self.size_bytes or 0)


def parse_limit(text: str) -> Limit:
    """Read `10%`, `2GiB` or `500MB`.

    Raises:
        UsageError: it is neither a share nor a size.
    """
    match = _LIMIT.fullmatch(text.strip())
    if match is None:
        raise UsageError(f"{text!r} is no limit: write a share or a size, as in 10% or 2GiB")
    number, unit = Fraction(match[1]), match[2]
    if unit == "%":
        return Limit(share=number / 100)
    base = _BINARY if "i" in unit else _DECIMAL
    return Limit(size_bytes=int(number * base ** "BKMGT".index(unit[0])))


@dataclass(frozen=True, slots=True)
class Limits:
    """From where on a reading is bad; a load is per core."""

    disk_free: Limit = Limit(share=Fraction(10, 100))
    disk_free_critical: Limit = Limit(share=Fraction(3, 100))
    inodes_free: Limit = Limit(share=Fraction(5, 100))
    memory_free: Limit = Limit(share=Fraction(5, 100))
    swap_free: Limit = Limit(share=Fraction(20, 100))
    load: float = 4.0
    database_bytes: int = 10 * _BINARY**3
    wal_bytes: int = 512 * _BINARY**2  # eight times what a checkpoint leaves of it


def parse_limits(arguments: Sequence[str] | None = None) -> Limits:
    """Read `--disk-free 10%`, `--wal 1GiB` and their like (the command line's unless given)."""
    parser = argparse.ArgumentParser(description="Watches the machine the checks run on.")
    for limit in dataclasses.fields(Limits):
        read, shown, metavar = _option(limit.default)
        parser.add_argument(
            f"--{limit.name.removesuffix('_bytes').replace('_', '-')}",
            dest=limit.name,
            type=read,
            default=limit.default,
            metavar=metavar,
            help=f"(default {shown.replace('%', '%%')})",
        )
    return Limits(**vars(parser.parse_args(arguments)))


def _option(default: object) -> tuple[Callable[[str], object], str, str]:
    if isinstance(default, Limit):
        return _limit, str(default), "SHARE|SIZE"
    if isinstance(default, int):
        return _size_bytes, size(default), "SIZE"
    return float, str(default), "NUMBER"


def _limit(text: str) -> Limit:
    try:
        return parse_limit(text)
    except UsageError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _size_bytes(text: str) -> int:
    limit = _limit(text)
    if limit.size_bytes is None:
        raise argparse.ArgumentTypeError(f"{text!r} is a share of nothing: write a size, as in 2GiB")
    return limit.size_bytes


def size(number: int) -> str:
    """Return bytes as a person says them: `812 B`, `3.4 GiB`."""
    if number < _BINARY:
        return f"{number} B"
    power = min((number.bit_length() - 1) // 10, len(_SIZES))
    return f"{number / _BINARY**power:.1f} {_SIZES[power - 1]}"
