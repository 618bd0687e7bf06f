"""The rows `for_each` runs over: a list in the monitor file, part of a data file next to it, or a list that is read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from monitoring.base.yaml.keys import Section, entry
from monitoring.base.yaml.marks import Mapping as MappingNode
from monitoring.base.yaml.marks import Mistakes, Node, Scalar, Sequence
from monitoring.base.yaml.reader import read_yaml
from monitoring.chains.abi.addresses import address_problem, is_address
from monitoring.checks.config.names import IDENTIFIER, Declared, read_expression
from monitoring.checks.config.yaml_node import Spot
from monitoring.checks.engine.monitor import NumberSource
from monitoring.checks.expression.parse import LanguageError, read_literal
from monitoring.checks.expression.scope import Scope
from monitoring.checks.expression.tree import ANYTHING, NUMBER, TEXT, Expression, ValueType, kind_of_value
from monitoring.checks.expression.values import Value
from monitoring.checks.rows.eval_scope import AnsweredRows, Level, ListedRows, Rows
from monitoring.checks.rules.keys import (
    CHANNEL,
    FORMULA,
    MACHINE,
    PROTOCOL,
    RUNBOOK,
    Either,
    Everything,
    Listed,
    severity_row,
    text_of,
)
from monitoring.checks.rules.keys import Value as ValueKind
from monitoring.checks.rules.steps import ratio
from monitoring.checks.rules.verb import verbs
from monitoring.checks.rules.words import PLACEHOLDER
from monitoring.conditions.severity import Severity

MAX_ROWS = 500
MOST_ROWS = 100
_MOST_EVER = 1000
_COUNTED = re.compile(r"\s*0\s*\.\.")


def _whole(spot: Spot) -> int | None:
    number = spot.number()
    if number is None:
        return None
    if number.denominator != 1 or not 1 <= number <= _MOST_EVER:
        spot.wrong(f"a whole number from 1 to {_MOST_EVER}")
        return None
    return int(number)


WHOLE: ValueKind[int] = ValueKind(
    "whole number", _whole, {"type": ["string", "integer"], "pattern": "^[0-9]+$", "maximum": _MOST_EVER}
)
SEVERITY_OF_ROW = severity_row(Severity.HIGH)
IN_FILE = text_of("file", "a file name")
FROM = entry(
    "from",
    IN_FILE,
    "A data file next to this one.",
    without="the data file next to this one",
    example="from: markets.yaml",
)
PATH = entry(
    "path",
    text_of("path", "a path"),
    "Where in it the rows are.",
    default="",
    without="the whole file",
    example="path: markets.0",
)
FROM_FILE = Section("Rows of a data file.", FROM, PATH)
_ROWS = Listed(Listed(Everything(), "row", named=True))
OF = entry(
    "of",
    FORMULA,
    "The list that is read, `0..count` for the numbers below a count.",
    without="the list that is read",
    example="of: vault.get_default_queue()",
)
MOST = entry(
    "most",
    WHOLE,
    "With more rows than this none of them is known.",
    default=str(MOST_ROWS),
    example="most: 200",
)
READ = Section("Rows of a list that is read.", OF, MOST)
ROWS_OF = Listed(
    Either("rows", _ROWS, FROM_FILE, FORMULA, READ), "name: rows, a data file, or a list that is read", named=True
)


@dataclass(slots=True)
class ForEach:
    """What `for_each` of a file says: its names, the outermost first, and the kinds of what a row has."""

    levels: list[Level] = field(default_factory=list)
    kinds: dict[str, dict[str, ValueType]] = field(default_factory=dict)
    elements: dict[str, ValueType] = field(default_factory=dict)
    row_names: dict[str, frozenset[str]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def seen_by(self, scope: Scope) -> Scope:
        """Return a scope in which the rows have their names."""
        return replace(
            scope,
            values={**scope.values, **self.elements},
            rows={**scope.rows, **self.kinds},
            row_names={**scope.row_names, **self.row_names},
            levels=tuple(one.name for one in self.levels),
            written=tuple(one.name for one in self.levels if isinstance(one, Rows)),
        )


def read_for_each(
    section: Spot, declared: Declared, scope: Scope, folder: Path, sources: Mapping[str, NumberSource]
) -> ForEach:
    """Read the names of `for_each`: written rows first, of one name at most, then lists that are read."""
    found = ForEach()
    entries = section.entries("a name and its rows, as in for_each: {m: {from: markets.yaml}},")
    if {key.text for key, _ in entries} & {"from", "path", "of", "most"}:
        section.wrong("the rows need a name: write for_each: {m: {from: markets.yaml}}")
        return found
    for key, spot in entries:
        name = declared.take(key, spot, "for_each")
        if _is_read(spot):
            if name:
                _take_list(found, name, spot, scope, sources)
        elif found.levels:
            spot.wrong("for_each has one name of written rows, and it is the first: write another monitor for others")
        else:
            rows, kinds, problems = read_rows(spot, key.text, folder)
            found.problems += problems
            if name:
                found.levels.append(rows or Rows(name, ()))
                found.kinds[name], found.row_names[name] = kinds, frozenset({name})
    return found


def _is_read(spot: Spot) -> bool:
    return isinstance(spot.node, Scalar) or (isinstance(spot.node, MappingNode) and spot.get(FROM.name) is None)


def _take_list(found: ForEach, name: str, spot: Spot, scope: Scope, sources: Mapping[str, NumberSource]) -> None:
    """Read `vault.get_default_queue()` or `0..comet.numAssets()`, with `most` where a list may be long."""
    of, most = spot, MOST_ROWS
    if isinstance(spot.node, MappingNode):
        spot.only(READ.keys)
        most = int(spot.value(MOST) or MOST_ROWS)
        where = spot.need(OF.name, OF.without)
        if where is None:
            return
        of = where
    source = sources.get(of.node.text.strip()) if isinstance(of.node, Scalar) else None
    if source is not None and source.rows:
        found.levels.append(AnsweredRows(name, source.name, most))
        found.kinds[name] = {**dict.fromkeys(source.texts, TEXT), **dict.fromkeys(source.numbers, NUMBER)}
        found.row_names[name] = frozenset({name})
        return
    expression, counts = _list_of(of, found.seen_by(scope))
    if expression is None:
        return
    kind = NUMBER if counts else expression.kind.parts[0] if expression.kind.parts else ANYTHING
    found.levels.append(ListedRows(name, expression, most, counts))
    found.elements[name] = kind
    found.row_names[name] = expression.rows | {name}


def _list_of(spot: Spot, scope: Scope) -> tuple[Expression | None, bool]:
    text = spot.text("a list, as in vault.get_default_queue(), or 0..count,")
    counted = _COUNTED.match(text) if text else None
    if text and counted and isinstance(spot.node, Scalar):
        spot = Spot(spot.node._replace(text=" " * counted.end() + text[counted.end() :]), spot.path, spot.mistakes)
    expression = read_expression(spot, scope) if text else None
    if expression is None:
        return None, False
    wanted = "a number" if counted else "a list"
    if expression.kind.name != wanted and expression.kind is not ANYTHING:
        spot.wrong(f"{wanted} is needed here, this is {expression.kind}")
        return None, False
    if expression.is_constant:
        spot.wrong("this reads nothing: write the rows themselves")
        return None, False
    return replace(expression, text=expression.text.strip()), counted is not None


def read_rows(spot: Spot, name: str, folder: Path) -> tuple[Rows | None, dict[str, ValueType], list[str]]:
    """Read the rows of `for_each`: a list, or `{from: FILE, path: a.0.b}` of a file next to the monitor.

    Returns the rows, the kinds of the fields that every row has alike, and finished mistakes of the data file.
    """
    if not isinstance(spot.node, MappingNode):
        rows = _rows_of(spot)
        return Rows(name, tuple(rows)), _kinds(rows), []
    at = data_at(spot, folder)
    if at is None:
        return None, {}, []
    rows = _rows_of(at)
    return Rows(name, tuple(rows)), _kinds(rows), at.mistakes.lines()


def data_at(spot: Spot, folder: Path) -> Spot | None:
    """Open `{from: FILE, path: a.0.b}`; the place returned notes mistakes of the data file, by its name."""
    spot.only(FROM_FILE.keys)
    source, path, text = spot.get(FROM.name), spot.get(PATH.name), spot.value(FROM)
    root = open_data(source, text, folder) if source and text else None
    node = _at_path(root, path, source) if source and root else None
    if node is None or text is None:
        return None
    return Spot(node, (path.text() or "") if path else "", Mistakes(str(folder / text)))


def open_data(source: Spot, name: str, folder: Path) -> Node | None:
    """Open a data file that lies next to a monitor; what keeps it from being read is a mistake where it is named."""
    if Path(name).name != name:
        source.wrong("the data file must be next to the monitor: a name without a folder")
        return None
    mistakes = Mistakes(name)
    root = read_yaml(folder / name, mistakes)
    for line in mistakes.lines():
        source.wrong(line)
    return root


def _at_path(root: Node, path: Spot | None, source: Spot) -> Node | None:
    node: Node | None = root
    for step in (path.text("a path") or "").split(".") if path else ():
        if isinstance(node, MappingNode):
            node = node.get(step)
        elif isinstance(node, Sequence) and step.isdecimal() and int(step[:9]) < len(node.items):
            node = node.items[int(step)]
        else:
            node = None
        if node is None:
            (path or source).wrong(f"there is no {step!r} at this path of the data file")
            return None
    return node


def _rows_of(spot: Spot) -> list[dict[str, Value]]:
    rows = [_row_of(item) for item in spot.items("a list of rows")]
    if not rows and isinstance(spot.node, Sequence):
        spot.wrong("there are no rows, so nothing would be watched")
    if len(rows) > MAX_ROWS:
        spot.wrong(f"more than {MAX_ROWS} rows")
    return rows[:MAX_ROWS]


def _row_of(spot: Spot) -> dict[str, Value]:
    row: dict[str, Value] = {}
    for key, value in spot.entries("the fields of a row"):
        if isinstance(value.node, Scalar) and IDENTIFIER.fullmatch(key.text):
            found = cell(value, value.node)
            if found is not None:
                row[key.text] = found
    for known in (RUNBOOK, PROTOCOL, CHANNEL, MACHINE, SEVERITY_OF_ROW):
        said = spot.get(known.name)
        if said:
            known.kind.read(said)
    _see_text(spot.get("text"), row)
    return row


def _see_text(spot: Spot | None, row: dict[str, Value]) -> None:
    """See that the placeholders of a row's own text are fields of rows, or something that a check knows."""
    text = row.get("text")
    if spot is None or not isinstance(text, str):
        return
    facts = {name for one in verbs().values() for name in one.facts}
    for match in PLACEHOLDER.finditer(text):
        name = match.group(1).strip()
        if "." not in name and name not in facts:
            spot.wrong(
                f"{match.group()} cannot be filled in: known are {', '.join(sorted(facts))} and fields of the row"
            )
            return


def cell(spot: Spot, scalar: Scalar) -> Value | None:
    """Return what a cell holds; quoted it is a text, and an address is one either way."""
    text = scalar.text
    if is_address(text):
        problem = address_problem(text)
        if problem:
            spot.wrong(problem)
        return text.lower()
    if scalar.quoted or not text:
        return text or None
    if text in ("true", "false"):
        return text == "true"
    try:
        value = read_literal(text.removesuffix("%"))
    except LanguageError:
        return text
    return ratio(value, 100) if text.endswith("%") else value


def _kinds(rows: list[dict[str, Value]]) -> dict[str, ValueType]:
    """Return the fields that every row has, of one kind."""
    if not rows:
        return {}
    kinds = [{key: kind_of_value(value) for key, value in row.items()} for row in rows]
    return {key: kind for key, kind in kinds[0].items() if all(row.get(key) == kind for row in kinds)}
