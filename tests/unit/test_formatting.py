"""Amounts as people read them: grouped, exact enough, never rounder than they are."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.alerts.message.model import Alert
from monitoring.alerts.message.render import render_plain
from monitoring.alerts.message.text import line, pct, usd
from monitoring.base.formatting import exact, format_number, format_pct, format_shortfall, format_usd, show
from tests.support.alert_texts import NOW


def plain(*blocks: object) -> str:
    return render_plain(Alert("low", "T", *blocks, protocol="aave"), now=NOW).partition("\n")[2]


@pytest.mark.parametrize(
    ("amount", "shown"),
    [
        (0, "$0"),
        (5, "$5"),
        (Decimal("25.5"), "$25.50"),
        (Decimal("999.504"), "$999.50"),
        (1_234_567, "$1,234,567"),
        (Decimal("3998120.49"), "$3,998,120"),
        (-1500, "-$1,500"),
        (Decimal("0.9987"), "$0.9987"),
        (Decimal("1.0012"), "$1.0012"),
        (Fraction(1, 3), "$0.3333"),
        (Decimal("0.00012345"), "$0.0001234"),
        (0.1 + 0.2, "$0.30"),
        (10**21, "$1.000e+21"),
        (Fraction(1, 10**15), "$1.000e-15"),
        ("12.50", "$12.50"),
    ],
)
def test_dollars_are_grouped_with_as_many_digits_as_matter(amount: object, shown: str) -> None:
    assert plain(line(usd(amount))) == shown


@pytest.mark.parametrize(
    ("ratio", "shown"),
    [
        (Fraction(1, 8), "12.5%"),
        (1, "100%"),
        (Decimal("0.8"), "80%"),
        (0.15, "15%"),
        (Fraction(1, 3), "33.33%"),
        (Decimal("-0.05"), "-5%"),
        (Decimal("0.0000123"), "0.0012%"),
        (25, "2,500%"),
    ],
)
def test_ratios_are_shown_in_percent(ratio: object, shown: str) -> None:
    assert plain(line(pct(ratio))) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [(Decimal("0.99999"), "$0.99999"), (Decimal("3999999.6"), "$3,999,999.60"), (Decimal("25.001"), "$25.001")],
)
def test_an_amount_below_a_round_bound_is_not_shown_as_the_bound(value: Decimal, shown: str) -> None:
    assert plain(line(usd(value))) == shown


def test_a_ratio_below_a_round_bound_is_not_shown_as_the_bound() -> None:
    assert [plain(line(pct(Decimal(text)))) for text in ("0.99999", "0.79999")] == ["99.999%", "79.999%"]


def test_a_change_can_carry_its_sign() -> None:
    changes = [usd(5, signed=True), usd(-5, signed=True), pct(0, signed=True), pct(Fraction(1, 10), signed=True)]

    assert [plain(line(change)) for change in changes] == ["+$5", "-$5", "0%", "+10%"]


@given(st.fractions(min_value=Fraction(1, 10**9), max_value=10**12))
def test_a_shown_amount_is_within_a_thousandth(value: Fraction) -> None:
    shown = (format_number(value), format_usd(value).removeprefix("$"))
    percent = Fraction(format_pct(value).removesuffix("%").replace(",", "")) / 100

    assert all(abs(Fraction(text.replace(",", "")) - value) <= value / 1000 for text in shown)
    assert abs(percent - value) <= value / 20


@pytest.mark.parametrize(
    "value", ["plenty", None, float("nan"), float("inf"), Decimal("sNaN"), Decimal("1e9999999"), object]
)
def test_what_is_no_number_is_shown_as_its_text(value: object) -> None:
    assert exact(value) is None
    assert plain(line(usd(value))) == str(value)


def test_an_integer_too_long_to_write_out_is_shown_by_its_size() -> None:
    assert show(10**5000) == "1.000e+5000"
    assert plain(line(usd(10**5000))) == "1.000e+5000"


@pytest.mark.parametrize(
    ("value", "wanted", "unit", "shown"),
    [
        (299, 300, "cUSD", "short by 1 cUSD (0.33%)"),
        (310, 300, "usd", "over by $10 (3.33%)"),
        (Fraction(94, 100), Fraction(99, 100), "%", "short by 5%"),
        (300, 300, "cUSD", "equal"),
        (5, 0, "", "over by 5"),
        (-3, -1, "", "short by 2 (200%)"),
    ],
)
def test_a_distance_is_never_negative_and_a_word_names_its_side(
    value: int | Fraction, wanted: int | Fraction, unit: str, shown: str
) -> None:
    assert format_shortfall(value, wanted, unit) == shown
