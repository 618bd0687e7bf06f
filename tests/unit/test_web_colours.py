"""Contrast, computed from the variables of the style sheet: every text on every ground it stands on, day and night."""

from __future__ import annotations

import re

import pytest

from tests.support.web import ROOT

CSS = (ROOT / "monitoring" / "web" / "static" / "app.css").read_text(encoding="utf-8")
DAY, NIGHT = (
    dict(re.findall(r"--([a-z-]+):\s*(#[0-9a-f]{3,6})", block))
    for block in re.findall(r":root \{(.*?)\}", CSS, re.DOTALL)
)
NIGHT = {**DAY, **NIGHT}
TEXT_ON_GROUND = [
    *((text, ground) for text in ("text", "muted", "link") for ground in ("bg", "card")),
    *((kind, f"{kind}-bg") for kind in ("ok", "bad", "warn", "info", "off")),
    *(("text", f"{kind}-bg") for kind in ("ok", "bad", "warn", "info", "off")),
    ("critical", "critical-bg"),
    *((step, f"{step}-bg") for step in ("low", "medium", "high")),
    *(("text", f"{step}-bg") for step in ("low", "medium", "high")),
    *(("muted", f"{kind}-bg") for kind in ("ok", "bad", "warn", "info", "low", "medium", "high")),
    ("card", "link"),  # a button
]
# WCAG 1.4.11: what is drawn and told apart by colour, against what lies beside it.
SHAPES_ON_GROUND = [
    *((f"bar-{kind}", "card") for kind in ("ok", "bad", "warn", "info", "off", "low", "medium", "high", "critical")),
    *(("focus", ground) for ground in ("bg", "card", "bad-bg", "ok-bg")),
]


def luminance(colour: str) -> float:
    digits = colour.removeprefix("#")
    digits = "".join(2 * digit for digit in digits) if len(digits) == 3 else digits
    linear = (int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4))
    red, green, blue = (value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in linear)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_the_measure_is_that_of_wcag() -> None:
    assert contrast("#000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#fff") == pytest.approx(4.48, abs=0.01), "the famous grey that just fails"


@pytest.mark.parametrize("colours", [DAY, NIGHT], ids=["day", "night"])
def test_every_text_can_be_read_on_its_ground(colours: dict[str, str]) -> None:
    low = {pair: contrast(*(colours[name] for name in pair)) for pair in TEXT_ON_GROUND}
    assert {pair: ratio for pair, ratio in low.items() if ratio < 4.5} == {}


@pytest.mark.parametrize("colours", [DAY, NIGHT], ids=["day", "night"])
def test_every_bar_and_the_focus_stand_out(colours: dict[str, str]) -> None:
    low = {pair: contrast(*(colours[name] for name in pair)) for pair in SHAPES_ON_GROUND}
    assert {pair: ratio for pair, ratio in low.items() if ratio < 3} == {}


@pytest.mark.parametrize("colours", [DAY, NIGHT], ids=["day", "night"])
def test_critical_is_the_loudest_of_the_ladder(colours: dict[str, str]) -> None:
    """Its sign is the only one that is filled: against the page it has the most contrast, and red no other step has."""
    loud = {step: contrast(colours[f"{step}-bg"], colours["card"]) for step in ("low", "medium", "high", "critical")}
    assert max(loud, key=lambda step: loud[step]) == "critical"
    assert loud["critical"] > 2 * max(loud[step] for step in ("low", "medium", "high"))


def test_no_colour_is_written_outside_the_variables() -> None:
    rules = re.sub(r":root \{.*?\}", "", CSS, flags=re.DOTALL)
    assert re.findall(r"#[0-9a-f]{3,8}\b|rgba?\(|hsla?\(", rules) == []
