"""The language under fire: whatever is thrown at it, it answers soon, in bounds, and never leaves its whitelist."""

import ast
import re
import time
import tracemalloc
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from monitoring.base.errors import ConfigError
from monitoring.base.yaml.marks import Mistakes
from monitoring.base.yaml.reader import compose
from monitoring.base.yaml.text import YamlError
from monitoring.chains.abi.addresses import SignatureError
from monitoring.checks.config.load import load_monitor
from monitoring.checks.expression.evaluate import MAX_BITS, PENDING, ViewRead, evaluate, has_no_value
from monitoring.checks.expression.parse import MAX_LENGTH, LanguageError
from monitoring.checks.expression.scope import Scope
from monitoring.checks.expression.tree import (
    NUMBER,
    Apply,
    Expression,
    IfElse,
    Literal,
    Name,
    Operation,
    Pick,
    ViewExpression,
    children,
)
from monitoring.checks.expression.typecheck import check
from monitoring.checks.expression.views import parse_view, standard_views
from tests.support.evaluating import evaluate_checks

FIRE = settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
TREES = (Literal, Name, ViewExpression, Apply, Operation, IfElse, Pick)
KNOWN = {"vault", "x", "y"}
VIEWS = standard_views()
SCOPE = Scope(contracts=("vault",), values={"x": NUMBER, "y": NUMBER}, views=VIEWS)
SLOWEST_S = 2.0  # hundreds of times what it takes: a loaded machine is no hang
LARGEST_BYTES = 20_000_000

words = st.sampled_from(
    [
        "x", "y", "vault", ".", "totalSupply()", "balanceOf(", "(", ")", "[", "]", "{", "}", "0", "1e77", "15%", "%",
        "+", "-", "*", "**", "/", "//", "<", "==", "and", "or", "not", "if", "else", "lambda", ":", "for", "in", "none",
        "zero", "min(", "abs(", "keccak(", '"a"', "'", "__class__", "__import__", "import", "9" * 70, ",", "=", ":=",
        "await", "yield", "f'{x}'", "\n", " ", "is", "~", "@", "...", "0x", "1j", "True",
    ]
)  # fmt: skip
soups = st.lists(words, max_size=60).map(" ".join)
numeric = st.recursive(
    st.sampled_from(["x", "y", "1", "1e77", "15%", "vault.totalSupply()", "0.3"]),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from("+-*/"), inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
        st.tuples(inner, inner, inner).map(lambda t: f"({t[0]} if {t[1]} > {t[2]} else none)"),
        st.tuples(inner, inner).map(lambda t: f"max({t[0]}, {t[1]})"),
        inner.map(lambda t: f"vault.convertToAssets(abs({t}))"),
    ),
    max_leaves=25,
)
HOSTILE = [
    "9**9**9**9",
    "1e999999999",
    "(" * 900,
    "-" * 900 + "1",
    "not " * 240 + "x",
    "[" * 400 + "]" * 400,
    "x" + ".x" * 450,
    "x" + "()" * 450,
    "vault.convertToAssets(" * 29 + "1" + ")" * 29,
    "1+" * 499 + "1",
    "lambda:" * 140 + "1",
    "().__class__.__base__.__subclasses__()",
    "'" + "a" * 950,
    "f'{x!r:{y}}'",
    "*" * 30 + "x",
    "1 if " * 190,
    "\x00",
    "x\u2028y",
    "ﬁ",
    "0" * 999,
    "1_" * 400,
    "9" * 999,
]


def must_be_told(error: Exception, place: int, last: int) -> None:
    assert str(error)
    assert 0 <= place <= last


def attempt(text: str) -> Any:
    """Check a text; return the expression, or None where it was refused at a place inside the text."""
    begin = time.monotonic()
    try:
        return check(text, SCOPE)
    except LanguageError as error:
        must_be_told(error, error.offset, max(len(text), MAX_LENGTH))
        return None
    finally:
        assert time.monotonic() - begin < SLOWEST_S


def trees(expression: Expression) -> Any:
    stack = [expression.tree]
    while stack:
        yield (tree := stack.pop())
        stack.extend(children(tree))


def assert_closed(expression: Expression) -> None:
    """Nothing of Python is left: known nodes, known names, known views, small constants."""
    for tree in trees(expression):
        assert isinstance(tree, TREES)
        assert not isinstance(tree, ast.AST)
        if isinstance(tree, Name):
            assert tree.name in KNOWN
        if isinstance(tree, ViewExpression):
            assert tree.view in VIEWS[tree.view.name]
        if isinstance(tree, Literal) and isinstance(tree.value, int | Fraction):
            assert max(tree.value.numerator.bit_length(), tree.value.denominator.bit_length()) < 1024


class Echo:
    """A chain that answers every call with a large number of its own."""

    chain = 1

    def name(self, name: str) -> Any:
        return {"vault": "0x" + "11" * 20}.get(name, Fraction(2**256 - 1, 2**255 - 19))

    def call(self, call: ViewRead) -> Any:
        return 2**256 - 1


@FIRE
@given(st.one_of(st.text(max_size=80), soups, st.binary(max_size=60).map(lambda raw: raw.decode("latin-1"))))
@example("x.__class__")
def test_noise_never_gets_past_the_whitelist(text: str) -> None:
    expression = attempt(text)
    if expression is not None:
        assert_closed(expression)
        evaluate(expression.tree, Echo())


@FIRE
@given(numeric)
def test_what_is_accepted_is_evaluated_in_bounds(text: str) -> None:
    expression = attempt(text)
    if expression is None:
        return
    assert_closed(expression)
    begin = time.monotonic()
    found = evaluate(expression.tree, Echo())
    assert time.monotonic() - begin < SLOWEST_S
    assert found is not PENDING
    if not has_no_value(found):
        assert isinstance(found, int | Fraction)
        assert max(found.numerator.bit_length(), found.denominator.bit_length()) <= MAX_BITS


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_texts_are_answered_at_once_and_cost_nothing(text: str) -> None:
    tracemalloc.start()
    try:
        expression = attempt(text)
        assert expression is None or evaluate(expression.tree, Echo()) is not PENDING
        assert tracemalloc.get_traced_memory()[1] < LARGEST_BYTES
    finally:
        tracemalloc.stop()


@FIRE
@given(
    st.one_of(
        st.text(max_size=40), st.lists(st.sampled_from(["f", "(", ")", "uint", "256", ",", "[", "]", "9"])).map("".join)
    )
)
def test_noise_as_a_signature_is_read_or_refused(text: str) -> None:
    try:
        signature = parse_view(text)
    except SignatureError as error:
        must_be_told(error, error.offset, len(text))
    else:
        assert parse_view(str(signature)) == signature


@FIRE
@given(
    st.one_of(
        st.text(max_size=60), st.lists(st.sampled_from(list("a: -[]{}&*!|>'\"#\n,?%@")), max_size=40).map("".join)
    )
)
def test_noise_as_yaml_is_read_or_refused(text: str) -> None:
    try:
        compose(text, Mistakes("f"))
    except YamlError as error:
        must_be_told(error, error.place.line, text.count("\n") + 99)


GOOD = sorted((Path(__file__).parents[1] / "data" / "monitors" / "good").glob("*.yaml"))
SOUND = {path.name: path.read_text(encoding="utf-8") for path in GOOD}
splinters = st.sampled_from(
    ["", "x", "5", "15%", "3h", "[]", "{}", "none", "if", "- ", ": ", "}", "{m.x}", "'", "low", "max", "*a", "\n",
     "zero", "vault.", "0x", "-1", "1e77", "levels", "id", "é", "~", "null", "()", "for", "[0]"]
)  # fmt: skip


def must_have_places(error: ConfigError, folder: Path) -> None:
    assert error.mistakes
    assert all(re.match(rf"{folder}/\w+\.yaml:\d+:\d+ .", line, re.DOTALL) for line in error.mistakes)


@st.composite
def broken_files(draw: Any) -> str:
    """A sound monitor file with a few words, lines or characters replaced, moved or lost."""
    text = SOUND[draw(st.sampled_from(sorted(SOUND)))]
    for _ in range(draw(st.integers(1, 3))):
        words = re.findall(r"\w+|\s+|.", text)
        index = draw(st.integers(0, len(words) - 1))
        words[index] = draw(st.one_of(splinters, st.sampled_from(words)))
        text = "".join(words)
    return text


@FIRE
@given(broken_files())
def test_a_broken_monitor_file_loads_or_names_its_mistakes(tmp_path_factory: Any, text: str) -> None:
    folder = tmp_path_factory.getbasetemp() / "broken"
    folder.mkdir(exist_ok=True)
    (folder / "markets.yaml").write_text(SOUND["markets.yaml"])
    file = folder / "monitor.yaml"
    file.write_text(text, encoding="utf-8")
    try:
        monitor = load_monitor(file)
    except ConfigError as error:
        must_have_places(error, folder)
    else:
        evaluate_checks(monitor.parts(), Deaf(), {}, datetime.now(UTC))


class Deaf:
    """A chain that never answers."""

    def read(self, calls: Any) -> Any:
        return {}


@pytest.mark.parametrize(
    "text",
    ["[" * 5000, "{a: " * 5000, "- " * 5000 + "x", "a: &a [x]\nb: *a", "\n".join(["- 1"] * 60_000)],
    ids=["lists", "mappings", "dashes", "aliases", "entries"],
)
def test_a_yaml_bomb_is_refused(text: str) -> None:
    with pytest.raises(YamlError):
        compose(text, Mistakes("f"))
