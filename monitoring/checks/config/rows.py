"""The rows `for_each` runs over: a list in the monitor file, or part of a data file next to it."""

from __future__ import annotations

from pathlib import Path

from monitoring.base.yaml.keys import Section, entry
from monitoring.base.yaml.marks import Mapping as MappingNode
from monitoring.base.yaml.marks import Mistakes, Node, Scalar, Sequence
from monitoring.base.yaml.reader import read_yaml
from monitoring.chains.abi.addresses import address_problem, is_address
from monitoring.checks.config.names import IDENTIFIER
from monitoring.checks.config.yaml_node import Spot
from monitoring.checks.engine.monitor import Rows
from monitoring.checks.expression.parse import LanguageError, read_literal
from monitoring.checks.expression.tree import ADDRESS, BOOLEAN, NUMBER, TEXT, ValueType
from monitoring.checks.expression.values import Value
from monitoring.checks.rules.keys import (
    CHANNEL,
    MACHINE,
    PROTOCOL,
    RUNBOOK,
    Either,
    Everything,
    Listed,
    severity_row,
    text_of,
)
from monitoring.checks.rules.steps import ratio
from monitoring.checks.rules.verb import verbs
from monitoring.checks.rules.words import PLACEHOLDER
from monitoring.conditions.severity import Severity

MAX_ROWS = 500
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
ROWS_OF = Listed(Either("rows", _ROWS, FROM_FILE), "name: rows, or a data file", named=True)


def read_rows(spot: Spot, name: str, folder: Path) -> tuple[Rows | None, dict[str, ValueType], list[str]]:
    """Read the rows of `for_each`: a list, or `{from: FILE, path: a.0.b}` of a file next to the monitor.

    Returns the rows, the kinds of the fields that every row has alike, and finished mistakes of the data file.
    """
    if not isinstance(spot.node, MappingNode):
        rows = _rows_of(spot)
        return Rows(name, tuple(rows)), _kinds(rows), []
    spot.only(FROM_FILE.keys)
    source, path, text = spot.get(FROM.name), spot.get(PATH.name), spot.value(FROM)
    root = open_data(source, text, folder) if source and text else None
    node = _at_path(root, path, source) if source and root else None
    if node is None or text is None:
        return None, {}, []
    data = Mistakes(str(folder / text))
    rows = _rows_of(Spot(node, (path.text() or "") if path else "", data))
    return Rows(name, tuple(rows)), _kinds(rows), data.lines()


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
            found = _cell(value, value.node)
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


def _cell(spot: Spot, scalar: Scalar) -> Value | None:
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
    kinds = [{key: _kind(value) for key, value in row.items()} for row in rows]
    return {key: kind for key, kind in kinds[0].items() if all(row.get(key) == kind for row in kinds)}


def _kind(value: Value) -> ValueType:
    if isinstance(value, bool):
        return BOOLEAN
    if isinstance(value, str):
        return ADDRESS if is_address(value) else TEXT
    return NUMBER
