"""Renders exact amounts for people: grouped, without float noise, and never rounder than they are.

Called by `text`. An amount below a bound must not be shown as the bound: digits are added until
the shown number is told apart from the round one.
"""

from __future__ import annotations

from decimal import Context, Decimal, InvalidOperation
from fractions import Fraction

_MAX_BITS = 4096  # ours: products of a few uint256; beyond that a number is text
_MOST_PLACES = 8
_HUGE = 10**15  # from here on a power of ten says more than the digits
_TINY = Fraction(1, 10**12)
_ROUGH = Context(prec=50, Emax=10**9, Emin=-(10**9))


def exact(value: object) -> Fraction | None:
    """Return a number as a fraction; none if it is no finite number or absurdly large.

    A float is taken at its shortest decimal form: 0.1 is a tenth.
    """
    if isinstance(value, float):
        value = repr(value)
    if isinstance(value, str):
        try:
            value = Decimal(value.strip())
        except InvalidOperation:
            return None
    if isinstance(value, Decimal):
        if not value.is_finite() or abs(value.adjusted()) + len(value.as_tuple().digits) > _MAX_BITS // 4:
            return None
        value = Fraction(value)
    if not isinstance(value, int | Fraction):
        return None
    number = Fraction(value)
    sane = max(number.numerator.bit_length(), number.denominator.bit_length()) <= _MAX_BITS
    return number if sane else None


def format_number(value: Fraction, *, signed: bool = False) -> str:
    """Return `1,234,567`, `25.5`, `0.9987`, `1.235e+21`."""
    return _with_sign(value, _digits(abs(value)), "", signed)


def format_usd(value: Fraction, *, signed: bool = False) -> str:
    """Return whole dollars from a thousand, cents from ten, more digits below: `$3,998,120`, `$999.50`, `$0.9987`."""
    digits = _digits(abs(value))
    whole, point, places = digits.partition(".")
    if point and "e" not in digits and len(places) < 2:  # noqa: PLR2004 - cents
        digits = f"{whole}.{places:0<2}"
    return _with_sign(value, digits, "$", signed)


def format_pct(ratio: Fraction, *, signed: bool = False) -> str:
    """Return a ratio as a percentage: 1/8 is `12.5%`; just below 1 is `99.9999%`, not `100%`."""
    percent = abs(ratio) * 100
    return f"{_with_sign(ratio, _digits_of_percent(percent), '', signed)}%"


def show(value: object) -> str:
    """Return `str(value)` also of an integer that Python refuses to write out (over 4300 digits)."""
    try:
        return str(value)
    except ValueError:
        return f"{_ROUGH.create_decimal(value):.3e}" if isinstance(value, int) else repr(type(value))


def _digits(value: Fraction) -> str:
    if not _is_plain(value):
        return _power(value)
    if value >= 1000:  # noqa: PLR2004 - see format_usd
        return _plain(*_round(value, 0))
    return _plain(*_round(value, 2 if value >= 10 else max(4, _places_of_small(value, 4))))  # noqa: PLR2004 - likewise


def _digits_of_percent(percent: Fraction) -> str:
    if not _is_plain(percent):
        return _power(percent)
    return _plain(*_round(percent, max(2, _places_of_small(percent, 2))))


def _is_plain(value: Fraction) -> bool:
    return value == 0 or _TINY <= value < _HUGE


def _places_of_small(value: Fraction, significant: int) -> int:
    """Return how many decimals show `significant` digits of a value below one."""
    places = 0
    while 0 < value < 1:
        value *= 10
        places += 1
    return places + significant - 1 if places else 0


def _round(value: Fraction, places: int) -> tuple[Fraction, int]:
    """Round, with more places while the result looks rounder than the value by two digits."""
    shown = round(value, places)
    while shown != value and places < _MOST_PLACES and shown % Fraction(10) ** (2 - places) == 0:
        places += 2
        shown = round(value, places)
    return Fraction(shown), places


def _plain(shown: Fraction, places: int) -> str:
    whole, rest = divmod(shown, 1)
    decimals = f"{int(rest * 10**places):0{places}d}".rstrip("0") if rest else ""
    return f"{int(whole):,}.{decimals}" if decimals else f"{int(whole):,}"


def _power(value: Fraction) -> str:
    return f"{_ROUGH.divide(Decimal(value.numerator), Decimal(value.denominator)):.3e}"


def _with_sign(value: Fraction, digits: str, unit: str, signed: bool) -> str:
    sign = "-" if value < 0 else "+" if signed and value > 0 else ""
    return f"{sign}{unit}{digits}"
