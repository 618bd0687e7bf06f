"""A formula written out again for a message: as its author would write it, and with which of its inputs."""

from __future__ import annotations

import pytest

from monitoring.checks.expression.scope import Scope
from monitoring.checks.expression.spell import inputs_of, spell
from monitoring.checks.expression.tree import BOOLEAN, NUMBER, TEXT, Tree
from monitoring.checks.expression.typecheck import check
from monitoring.checks.expression.views import standard_views

NAMES = {"x": NUMBER, "y": NUMBER, "z": NUMBER, "yes": BOOLEAN, "name": TEXT, "held": NUMBER}
SCOPE = Scope(contracts=("vault",), values=NAMES, rows={}, views=standard_views())


def tree_of(text: str) -> Tree:
    return check(text, SCOPE).tree


@pytest.mark.parametrize(
    "text",
    [
        "x - (y - z)",
        "(x + y) * z",
        "x / (y * z)",
        "x + y * z",
        "x if yes else y",
        "(x - y) / x <= 99%",
        "vault.totalSupply() / 1e18",
        "max(x, abs(y)) >= 1",
        'name == "OK"',
        "yes and x > 1",
        "(yes or x > 1) and y < 2",
        "x if yes else none",
    ],
)
def test_a_formula_is_written_as_its_author_wrote_it(text: str) -> None:
    assert spell(tree_of(text)) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("x / 1000000000000000000", "x / 1e18"),
        ("x >= 2000000000", "x >= 2,000,000,000"),
        ("x >= 8_000_000", "x >= 8,000,000"),
        ("x>=y", "x >= y"),
    ],
)
def test_a_scale_is_a_power_of_ten_and_a_limit_is_grouped(text: str, shown: str) -> None:
    assert spell(tree_of(text)) == shown


@pytest.mark.parametrize(
    ("text", "inputs"),
    [
        ("x / y", ["x", "y"]),
        ("held", ["vault.totalAssets() / 1e18", "y"]),
        ("held * 100", ["vault.totalAssets() / 1e18", "y"]),
        ("x / 1e18", []),
        ("5", []),
    ],
)
def test_the_inputs_are_the_parts_that_vary(text: str, inputs: list[str]) -> None:
    values = {"held": tree_of("vault.totalAssets() / 1e18 + y")}

    assert [spell(part) for part in inputs_of(tree_of(text), values)] == inputs
