"""The one place where a value becomes text for people: numbers, amounts, shares, spans of time, instants, distances.

Used by alerts, checks, pages and commands alike, so that a value looks the same wherever it is read. Numbers are
grouped, without float noise, and never rounder than they are: an amount below a bound must not be shown as the bound,
so digits are added until the two differ.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Context, Decimal, InvalidOperation
from fractions import Fraction

from monitoring.base.secrets.redact import excerpt

_MAX_BITS = 4096  # ours: products of a few uint256; beyond that a number is text
_MOST_PLACES = 8
_HUGE = 10**15  # from here on a power of ten says more than the digits
_TINY = Fraction(1, 10**12)
_ROUGH = Context(prec=50, Emax=10**9, Emin=-(10**9))
_UNLIMITED = {2**bits - 1: f"unlimited (2^{bits}-1)" for bits in (96, 128, 255, 256)}
_LONGEST_TEXT = 120
_YEAR_DAYS = 365
_SECONDS_ALONE = 120  # from here on seconds are no longer read as what they are


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


def format_value(value: object, unit: str = "", *, signed: bool = False) -> str:
    """Return any value in its unit (`%` and `usd` are written as such); a list is joined, a long text is cut."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | Fraction):
        return _format_amount(value, unit, signed=signed)
    if isinstance(value, bytes):
        return f"0x{value.hex()}"
    if isinstance(value, tuple | list):
        return ", ".join(format_value(one, unit) for one in value) or "(none)"
    return excerpt(show(value), _LONGEST_TEXT)


def _format_amount(value: int | Fraction, unit: str, *, signed: bool) -> str:
    number = Fraction(value)
    if unit == "%":
        return format_pct(number, signed=signed)
    if unit in ("usd", "$"):
        return format_usd(number, signed=signed)
    if unit == "s" and not signed and number >= _SECONDS_ALONE:
        return f"{format_number(number)} s ({format_seconds(number)})"
    if not unit and value in _UNLIMITED:
        return _UNLIMITED[int(value)]
    text = format_number(number, signed=signed)
    return f"{text} {unit}" if unit else text


def format_share(part: int | Fraction, whole: int | Fraction) -> str:
    """Return a part of a whole as a percentage without a sign, nothing of zero."""
    return format_pct(abs(Fraction(part) / Fraction(whole))) if whole else ""


def format_shortfall(value: int | Fraction, wanted: int | Fraction, unit: str = "") -> str:
    """Return how far a value is from what is wanted: `short by 1 cUSD (0.33%)`, `over by 5%`, `equal`.

    The distance is never negative: the word says on which side it lies.
    """
    distance = value - wanted
    if distance == 0:
        return "equal"
    share = "" if unit == "%" else format_share(distance, wanted)
    return (
        f"{'short' if distance < 0 else 'over'} by {format_value(abs(distance), unit)}{f' ({share})' if share else ''}"
    )


def format_duration(duration: timedelta) -> str:
    """Return a span as a person says it, two units at most: `3.1 s`, `2 h 40 min`, `3 d 4 h`, `2 years 48 d`."""
    seconds = duration.total_seconds()
    if seconds < 10:  # noqa: PLR2004 - below ten seconds a tenth is worth showing
        return f"{seconds:.1f}".removesuffix(".0") + " s"
    minutes, rest_s = divmod(round(seconds), 60)
    if minutes == 0:
        return f"{rest_s} s"
    hours, minutes = divmod(minutes, 60)
    if hours == 0:
        return f"{minutes} min {rest_s} s" if rest_s and minutes < 10 else f"{minutes} min"  # noqa: PLR2004
    days, hours = divmod(hours, 24)
    if days == 0:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    years, rest_d = divmod(days, _YEAR_DAYS)
    if years:
        return f"{years} year{'s' * (years > 1)}" + (f" {rest_d} d" if rest_d else "")
    return f"{days} d {hours} h" if hours else f"{days} d"


def format_seconds(seconds: float | Fraction) -> str:
    """Return a number of seconds as a span, without its sign; one that no calendar holds stays a number."""
    try:
        return format_duration(timedelta(seconds=abs(float(seconds))))
    except OverflowError:
        return f"{format_number(abs(Fraction(seconds)))} s"


def format_instant(at: datetime | float | Fraction) -> str:
    """Return `2023-11-14 22:13 UTC`, also of unix seconds; a number that is no instant stays the number it is."""
    try:
        moment = at if isinstance(at, datetime) else datetime.fromtimestamp(float(at), UTC)
        return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    except (OverflowError, ValueError, OSError):
        return format_value(at)


def format_clock(at: datetime, now: datetime) -> str:
    """Return an instant of today as `04:27 UTC`, any other with its date."""
    at = at.astimezone(UTC)
    return f"{at:%H:%M} UTC" if at.date() == now.astimezone(UTC).date() else format_instant(at)


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
