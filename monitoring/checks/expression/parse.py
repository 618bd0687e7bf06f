"""An expression's text to a whitelisted Python tree: the first gate, where everything but the language is refused.

Called by `typecheck.py`. Nothing is ever compiled or executed; length, depth, size and constants are bounded here.
"""

from __future__ import annotations

import ast
import re
import warnings
from dataclasses import dataclass
from fractions import Fraction

from monitoring.checks.expression.values import Number

MAX_LENGTH = 1000
MAX_NODES = 300
MAX_DEPTH = 30
MAX_DIGITS = 78  # 2**256, the largest number a chain answers with, has 78
MAX_EXPONENT = 77
_TOKEN = re.compile(r'"[^"]*"|\'[^\']*\'|(?<![\w.])\d[\d_]*(?:\.[\d_]+)?(?:[eE][+-]?\d+)?%|.', re.DOTALL)
_NUMBER = re.compile(r"(\d+(?:_\d+)*)(?:\.(\d+(?:_\d+)*))?(?:[eE]([+-]?\d+))?")
_NO_POWERS = "powers are not part of the language: write 1e18 for 10**18"
# What other languages write, looked for in a text that cannot be read.
_OTHER_LANGUAGES = (
    (re.compile(r"&&"), "&& is not part of the language: write and"),
    (re.compile(r"\|\|"), "|| is not part of the language: write or"),
    (re.compile(r">\s+=(?!=)|(?<![<>=!])=>"), "this compares nothing: write >="),
    (re.compile(r"<\s+=(?!=)|(?<![<>=!])=<"), "this compares nothing: write <="),
    (re.compile(r"!\s+=(?!=)"), "this compares nothing: write !="),
    (re.compile(r"!(?!=)"), "! is not part of the language: write not"),
    (re.compile(r"(?<![<>=!])=(?!=)"), "= compares nothing: write =="),
    (re.compile(r"[$]"), "a number has no sign of a currency: write 1000, and the currency as unit"),
    (re.compile(r"\b\d[\d_.]*[kKmMbB](?!\w)"), "a number is written out: 1_000_000, or 1e6"),
)
_FOREIGN = {
    ast.Lambda: "a lambda is",
    ast.ListComp: "loops are",
    ast.SetComp: "loops are",
    ast.DictComp: "loops are",
    ast.GeneratorExp: "loops are",
    ast.Mod: "a modulo is",
    ast.FloorDiv: "a division that rounds is",
    ast.MatMult: "@ is",
    ast.LShift: "shifts are",
    ast.RShift: "shifts are",
    ast.BitOr: "bit operations are",
    ast.BitXor: "bit operations are",
    ast.BitAnd: "bit operations are",
    ast.Invert: "bit operations are",
    ast.UAdd: "a leading + is",
    ast.Is: "`is` is",
    ast.IsNot: "`is` is",
    ast.List: "lists are",
    ast.Tuple: "tuples are",
    ast.Set: "sets are",
    ast.Dict: "mappings are",
    ast.JoinedStr: "f-strings are",
    ast.NamedExpr: "assignments are",
    ast.Starred: "* before an argument is",
    ast.Slice: "slices are",
    ast.Await: "await is",
    ast.Yield: "yield is",
    ast.YieldFrom: "yield is",
}
_ALLOWED = (
    ast.Expression, ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.IfExp, ast.Call, ast.Attribute,
    ast.Subscript, ast.Name, ast.Constant, ast.Load, ast.Add, ast.Sub, ast.Mult, ast.Div, ast.USub, ast.Not,
    ast.Gt, ast.GtE, ast.Lt, ast.LtE, ast.Eq, ast.NotEq, ast.And, ast.Or, ast.In, ast.NotIn, ast.keyword,
)  # fmt: skip


class LanguageError(ValueError):
    """The text is no expression of the language; `offset` is where it leaves it."""

    def __init__(self, offset: int, message: str) -> None:
        self.offset = offset
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Syntax:
    """A whitelisted tree. Columns of its nodes are offsets in `text`, plus one."""

    text: str
    body: ast.expr
    percents: frozenset[int]

    def number(self, node: ast.Constant) -> tuple[Number, bool]:
        """Return the exact number written at a constant, and whether a `%` follows it."""
        start, end = node.col_offset - 1, (node.end_col_offset or 0) - 1
        value = read_literal(self.text[start:end], start)
        return (Fraction(value) / 100, True) if end in self.percents else (value, False)


def offset_of(node: ast.AST) -> int:
    """Return where a node begins in the text."""
    return max(0, int(getattr(node, "col_offset", 1)) - 1)


def attribute_offset(node: ast.Attribute) -> int:
    """Return where the name after a dot begins."""
    return int(node.end_col_offset or 0) - 1 - len(node.attr)


def parse(text: str) -> Syntax:
    """Read an expression.

    Raises:
        LanguageError: it is none, or uses what the language does not have.
    """
    _check_characters(text)
    source, percents = _without_percents(text.replace("\n", " "))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            body = ast.parse(f"({source})", mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        column = getattr(error, "offset", None) or 2
        raise _unreadable(text, min(max(0, column - 2), len(text))) from None
    _check_nodes(body, source)
    return Syntax(text, body, percents)


def _unreadable(text: str, offset: int) -> LanguageError:
    """Return what another language would have said, at its place; else where the text cannot be read."""
    for pattern, words in _OTHER_LANGUAGES:
        found = pattern.search(text)
        if found:
            return LanguageError(found.start(), words)
    return LanguageError(offset, "this is not an expression: it cannot be read here")


def names_in(syntax: Syntax) -> dict[str, int]:
    """Return every bare name an expression uses (no function), with the offset of its first use."""
    called = {node.func for node in ast.walk(syntax.body) if isinstance(node, ast.Call)}
    nodes = sorted(
        (node for node in ast.walk(syntax.body) if isinstance(node, ast.Name) and node not in called), key=offset_of
    )
    return {node.id: offset_of(node) for node in reversed(nodes)}


def read_literal(text: str, offset: int = 0) -> Number:
    """Read `4_000_000`, `0.5`, `1e18` exactly.

    Raises:
        LanguageError: it is no such number, or larger than any a chain can answer with.
    """
    match = _NUMBER.fullmatch(text)
    if match is None:
        hint = ": an address is named under contracts, or quoted" if text[:2].lower() == "0x" else ""
        raise LanguageError(offset, f"{text} is not a number of the language{hint}")
    whole, part, exponent = (group or "" for group in match.groups())
    if len(whole) + len(part) > MAX_DIGITS or len(exponent) > 3 or abs(int(exponent or 0)) > MAX_EXPONENT:  # noqa: PLR2004 - a sign and two digits
        raise LanguageError(offset, f"a constant may have {MAX_DIGITS} digits and an exponent of {MAX_EXPONENT}")
    value = Fraction(text.replace("_", ""))
    return value.numerator if value.denominator == 1 else value


def _check_characters(text: str) -> None:
    if not text.strip():
        raise LanguageError(0, "the expression is empty")
    if len(text) > MAX_LENGTH:
        raise LanguageError(
            MAX_LENGTH, f"the expression is longer than {MAX_LENGTH} characters: name parts of it under values"
        )
    for offset, char in enumerate(text):
        if not (char.isascii() and (char.isprintable() or char == "\n")) or char in "\\#;`":
            raise LanguageError(offset, f"the character {char!a} is not part of the language")
    _check_brackets(text)


def _check_brackets(text: str) -> None:
    """See that brackets and quotes close, so that nothing can leave the parentheses put around the text."""
    opened, quoted = list[int](), -1
    for offset, char in enumerate(text):
        if quoted >= 0 or char in "\"'":
            closes = quoted >= 0 and char == text[quoted]
            quoted = -1 if closes else (offset if quoted < 0 else quoted)
        elif char in "([{":
            opened.append(offset)
        elif char in ")]}":
            if not opened:
                raise LanguageError(offset, f"{char} closes nothing")
            opened.pop()
        if len(opened) > MAX_DEPTH:
            raise LanguageError(offset, f"nested deeper than {MAX_DEPTH}: name parts of it under values")
    if opened or quoted >= 0:
        place = quoted if quoted >= 0 else opened[-1]
        raise LanguageError(place, f"{text[place]} is never closed")


def _without_percents(text: str) -> tuple[str, frozenset[int]]:
    """Blank the `%` after each number, so that columns stay, and return the offsets where they stood."""
    parts, percents, offset = [], set(), 0
    for match in _TOKEN.finditer(text):
        token = match.group()
        if token.endswith("%") and len(token) > 1 and token[0].isdigit():
            percents.add(offset + len(token) - 1)
            token = token[:-1] + " "
            rest = text[match.end() :].lstrip()[:1]
            if rest and (rest.isalnum() or rest in "(_.\"'"):
                raise LanguageError(
                    match.end() - 1, "a modulo is not part of the language: % after a number is percent"
                )
        parts.append(token)
        offset = match.end()
    return "".join(parts), frozenset(percents)


def _check_nodes(body: ast.expr, text: str) -> None:
    """Refuse foreign nodes and oversized trees, without recursion."""
    stack: list[tuple[ast.AST, int, int]] = [(body, 1, offset_of(body))]
    count = 0
    found: list[tuple[int, str]] = []
    while stack:
        node, depth, offset = stack.pop()
        count += 1
        if count > MAX_NODES or depth > MAX_DEPTH:
            raise LanguageError(offset, "the expression is too large: name parts of it under values")
        if not isinstance(node, _ALLOWED):
            what = _FOREIGN.get(type(node), f"{type(node).__name__} is")
            is_power = isinstance(node, ast.Pow)
            found.append((offset, _NO_POWERS if is_power else f"{what} not part of the language"))
            continue
        counted = isinstance(node, ast.expr)
        for child in ast.iter_child_nodes(node):
            place = offset_of(child) if hasattr(child, "col_offset") else _operator_offset(node, offset, text)
            stack.append((child, depth + counted, place))
    if found:
        raise LanguageError(*min(found))


def _operator_offset(node: ast.AST, offset: int, text: str) -> int:
    """Point at the operator of a binary operation, which has no position of its own."""
    left = getattr(node, "left", None)
    if not isinstance(left, ast.expr) or not left.end_col_offset:
        return offset
    place = left.end_col_offset - 1
    while place < len(text) - 1 and text[place] in " )":
        place += 1
    return place
