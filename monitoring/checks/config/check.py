"""The `checks` of a monitor file: which verb, which formulas, which policy; units and unreachable levels.

Called by `load.py`. A check is named by its id in every path.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from monitoring.alerts.message.model import Severity
from monitoring.base.suggest import did_you_mean
from monitoring.base.yaml.keys import Kind, Section, entry
from monitoring.base.yaml.marks import Scalar, Sequence
from monitoring.checks.config.names import read_expression
from monitoring.checks.config.yaml_node import Spot
from monitoring.checks.engine.formula_checks import Check
from monitoring.checks.expression.scope import Scope
from monitoring.checks.expression.tree import (
    ADDRESS,
    ANYTHING,
    BOOLEAN,
    NUMBER,
    Apply,
    Expression,
    Name,
    Tree,
    ValueType,
    children,
    rows_of,
)
from monitoring.checks.expression.tree import TEXT as TEXT_KIND
from monitoring.checks.rules.keys import AT_ONCE, FOR, MACHINE, OWN_ROUTE, SEVERITY, TEXT, UNLESS, own_route_of, text_of
from monitoring.checks.rules.steps import either, severities_of
from monitoring.checks.rules.verb import ParsedCheck, YamlForm, verb, yaml_forms
from monitoring.checks.rules.words import PLACEHOLDER
from monitoring.conditions.policy import Policy

P = TypeVar("P", bound=Policy)
ID = entry(
    "id",
    text_of("id", "an id"),
    "Unique in the file: state is kept by it. With rows it has a field of the row in it.",
    without="a name for the check, unique in the file",
    example="id: share-price",
)
ITS_SEVERITY = entry(
    "severity", SEVERITY, "How bad it is.", default="", without="required, but with levels", example="severity: high"
)
UNIT = entry("unit", text_of("unit", "a unit"), "Of the value: a short word, or %.", default="", example="unit: usd")
WORDS = entry(
    "text",
    TEXT,
    "The title of the alert in your own words; {value} and other facts are filled in.",
    default="",
    example='text: "the reserve is {value}"',
)
COMMON = (ID, ITS_SEVERITY, UNIT, WORDS, UNLESS, *OWN_ROUTE)
_NAMES = [key.name for key in COMMON]
_ID = re.compile(r"[a-z0-9](?:[a-z0-9_/-]|\{[^{}]*\})*")
_UNIT = re.compile(r"%|[A-Za-z$][A-Za-z0-9$./-]{0,15}")


def check_keys(form: YamlForm) -> Section:
    """Return the table of a check that asks with this key."""
    return Section(form.asks.sentence, *COMMON, form.asks, *form.keys)


class CheckList(Kind[None]):
    """The list of checks; the key that asks decides which others go with it."""

    word, shape = "list of checks", Sequence

    def schema(self) -> dict[str, object]:
        return {"type": "array", "items": {"oneOf": [check_keys(form).schema() for form in yaml_forms().values()]}}


@dataclass(frozen=True, slots=True)
class CheckBuilder:
    """A check being read."""

    spot: Spot
    scope: Scope

    def expression(self, key: str, *kinds: ValueType) -> Expression | None:
        """Read the expression under a key; it must be of one of these kinds and read something."""
        spot = self.spot.get(key)
        return self.formula(spot, *kinds) if spot else None

    def number(self, key: str) -> Expression | None:
        return self.expression(key, NUMBER)

    def boolean(self, key: str) -> Expression | None:
        return self.expression(key, BOOLEAN)

    def number_at(self, spot: Spot) -> Expression | None:
        return self.formula(spot, NUMBER)

    def any_list(self, key: str) -> Expression | None:
        """Read the expression under a key; it must be a list of anything."""
        expression, spot = self.expression(key), self.spot.get(key)
        if spot and expression and expression.kind.name != "a list" and expression.kind is not ANYTHING:
            spot.wrong(f"a list is needed here, this is {expression.kind}")
            return None
        return expression

    def formula(self, spot: Spot, *kinds: ValueType, may_be_constant: bool = False) -> Expression | None:
        expression = read_expression(spot, self.scope)
        if expression is None:
            return None
        if kinds and expression.kind not in (*kinds, ANYTHING):
            spot.wrong(f"{' or '.join(map(str, kinds))} is needed here, this is {expression.kind}")
            return None
        if expression.is_constant and not may_be_constant:
            spot.wrong("this reads nothing, so it can never change")
            return None
        return expression

    def field_of_row(self, spot: Spot | None) -> str:
        """Return the field of the row that a bound is, as in `max: f.heartbeat`; nothing where it is written out."""
        text = spot.node.text.strip() if spot and isinstance(spot.node, Scalar) else ""
        row, _, field = text.partition(".")
        if spot is None or row not in self.scope.rows:
            return ""
        numbers = [name for name, kind in self.scope.rows[row].items() if kind is NUMBER]
        if field not in numbers:
            spot.wrong(f"{row} has no number {field}{did_you_mean(field, numbers)}")
        return text

    def severity(self) -> Severity:
        """Read the check's severity, which it must have unless its levels say it."""
        spot = self.spot.need("severity", "low, medium, high or critical")
        return either(spot.severity() if spot else None, Severity.LOW)

    def in_levels(self, *keys: str) -> None:
        """Refuse keys that stand in each level of this check."""
        for key in keys:
            spot = self.spot.get(key)
            if spot:
                spot.wrong(f"{key} stands in the levels here")

    def policy(self, severity: Severity, *, lasting: bool = True) -> Policy:
        """Read what every verb understands; a check of something that does not last has no `for` and `remind`."""
        return self.spot.policy(severity) if lasting else Policy(severity=severity)

    def rows(self, trees: tuple[Tree, ...]) -> tuple[str, ...]:
        """Return the names of `for_each` by which these differ, the outermost first."""
        found = frozenset[str]().union(*(rows_of(tree, self.scope.row_names) for tree in trees))
        return tuple(name for name in self.scope.levels if name in found)


def read_check(spot: Spot, scope: Scope, verbs: Mapping[str, YamlForm]) -> Check | None:
    """Read one check."""
    named, text = spot.get(ID.name), spot.value(ID)
    spot = spot.below(f"checks.{text}") if text else spot
    if named and text and not _is_id(spot.get("id") or named, text, scope):
        text = None
    key = _verb_key(spot, verbs)
    if key is None:
        return None
    spot.only(check_keys(verbs[key]).keys)
    draft = CheckBuilder(spot, scope)
    judged = verbs[key].read(draft)
    at_once = _at_once(draft)
    unit, words = _unit(spot) or ("%" if judged and judged.percent else ""), _text(spot, scope, judged)
    if judged is None or text is None:
        return None
    return _finish(draft, text, replace(judged, at_once=at_once), unit, words)


def _is_id(spot: Spot, text: str, scope: Scope) -> bool:
    if not _ID.fullmatch(text):
        spot.wrong(f"{text!r} is not an id: small letters, digits, - _ / and row fields as in {{m.symbol}}")
        return False
    return _fields_exist(spot, text, scope, ())


def _fields_exist(spot: Spot, text: str, scope: Scope, words: tuple[str, ...]) -> bool:
    known = [*words, *_row_words(scope)]
    for match in PLACEHOLDER.finditer(text):
        if match.group(1).strip() not in known:
            hint = did_you_mean(match.group(1), known) or (
                f": known are {', '.join(known)}" if known else ": there are no rows"
            )
            spot.wrong(f"{match.group()} cannot be filled in{hint}", match.start())
            return False
    return True


def _row_words(scope: Scope) -> list[str]:
    """Return what of a row an id or a text may name: fields, and over a list elements and values of the row."""
    fields = [f"{row}.{name}" for row, names in scope.rows.items() for name in names]
    listed = {*scope.levels} - {*scope.written}
    values = [
        name for name, kind in scope.values.items()
        if kind in (NUMBER, TEXT_KIND, ADDRESS, ANYTHING) and listed & scope.row_names.get(name, frozenset())
    ]  # fmt: skip
    return [*fields, *values]


def _verb_key(spot: Spot, verbs: Mapping[str, object]) -> str | None:
    keys = [key for key, _ in spot.entries("the keys of a check") if key.text in verbs]
    if len(keys) == 1:
        return keys[0].text
    if not keys and spot.entries():
        unknown = [(key, did_you_mean(key.text, verbs)) for key, _ in spot.entries() if key.text not in _NAMES]
        key, hint = next(((key, hint) for key, hint in unknown if hint), (None, ""))
        if key is not None:
            spot.mistakes.add(key.at, f"{spot.path}.{key.text}", f"{key.text} is no kind of check{hint}")
        else:
            spot.wrong(f"it does not say what to check: one of {', '.join(verbs)}")
    elif keys:
        spot.mistakes.add(
            keys[1].at, spot.path, f"one check asks one thing: {keys[0].text} or {keys[1].text}, not both"
        )
    return None


def _at_once(draft: CheckBuilder) -> Tree | None:
    """Read when a check that waits does not."""
    spot, found = draft.spot.get(AT_ONCE.name), draft.boolean(AT_ONCE.name)
    if spot and not draft.spot.get(FOR.name):
        spot.wrong("at_once needs for: without it nothing waits")
    return found.tree if found else None


def _unit(spot: Spot) -> str:
    unit, text = spot.get(UNIT.name), spot.value(UNIT)
    if unit and text and not _UNIT.fullmatch(text):
        unit.wrong(f"{text!r} is not a unit: a short word as usd, ETH or %")
    return text or ""


def _text(spot: Spot, scope: Scope, judged: ParsedCheck | None) -> str:
    words, text = spot.get(WORDS.name), spot.value(WORDS)
    if words and text and judged:
        _fields_exist(words, text, scope, verb(judged.verb).facts)
    return text or ""


def _finish(draft: CheckBuilder, text: str, judged: ParsedCheck, unit: str, words: str) -> Check | None:
    trees = judged.trees if judged.at_once is None else (*judged.trees, judged.at_once)
    bound = getattr(judged.policy, "field", "")
    if bound:  # a bound that is a field makes the check one of the row
        trees = (*trees, Name(0, bound))
    used = names_of(trees)
    rows, labels = draft.rows(trees), _labels(text, words, judged)
    named_rows = _rows_named(PLACEHOLDER.findall(text), draft.scope)
    is_unsure = any(draft.scope.values.get(name) is ANYTHING for name in used)  # a value with a mistake, said there
    named = None if is_unsure else draft.spot.get("id")
    if named and not named_rows >= {*rows}:
        missing = next(one for one in rows if one not in named_rows)
        field = next((one for one in _row_words(draft.scope) if _rows_named([one], draft.scope) >= {missing}), "")
        named.wrong(f"the check runs once for each row, so its id must differ for each row: {text}/{{{field}}}")
        return None
    if named and not named_rows <= {*rows}:
        named.wrong("the check reads nothing of the row, so its id must not name one")
        return None
    machine = draft.spot.get(MACHINE.name)
    if machine and draft.spot.value(MACHINE) == "true" and max(severities_of(judged.policy)) < Severity.HIGH:
        machine.doubt("machines are called for HIGH and CRITICAL: this check is never so bad")
    return Check(
        text, name_of_id(text), judged.verb, judged.trees, judged.policy, judged.formula, unit, words, rows, labels,
        judged.difference, own_route_of(draft.spot), judged.at_once, judged.asks,
    )  # fmt: skip


def _rows_named(names: list[str], scope: Scope) -> frozenset[str]:
    """Return the rows by which the words of an id differ."""
    found = (scope.row_names.get(name.strip().partition(".")[0], frozenset()) for name in names)
    return frozenset[str]().union(*found)


def _labels(text: str, words: str, judged: ParsedCheck) -> tuple[str, ...]:
    """Return what of the row its id and text name; what its verb knows is none of it."""
    facts = verb(judged.verb).facts
    names = [name.strip() for name in (*PLACEHOLDER.findall(text), *PLACEHOLDER.findall(words))]
    return tuple(dict.fromkeys(name for name in names if name not in facts))


def cause_spots(spot: Spot) -> list[Spot]:
    """Return the places of the ids under `unless`."""
    found = spot.get(UNLESS.name)
    if found is None:
        return []
    return [*found.elements()] if isinstance(found.node, Sequence) else [found]


def name_of_id(text: str) -> str:
    """Return what is left of an id without its fields of the row; the state of a check is kept by it."""
    return re.sub(r"[/_-]*$", "", re.sub(r"[/_-]*\{[^{}]*\}", "", text)) or "each"


def names_of(trees: tuple[Tree, ...]) -> frozenset[str]:
    """Return every name that trees use."""
    stack, found = list(trees), set[str]()
    while stack:
        tree = stack.pop()
        if isinstance(tree, Name):
            found.add(tree.name)
        stack.extend(children(tree))
    return frozenset(found)


def negated(expression: Expression) -> Tree:
    """Return the tree that is true where the requirement is not met."""
    return Apply(0, "not", (expression.tree,))
