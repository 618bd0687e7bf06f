"""The `tables` of a monitor file: what it says of texts, numbers or addresses, here or in a data file next to it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from monitoring.base.yaml.keys import Section, entry
from monitoring.base.yaml.marks import Mapping as MappingNode
from monitoring.base.yaml.marks import Scalar, Sequence
from monitoring.checks.config.rows import FROM, PATH, cell, data_at
from monitoring.checks.config.yaml_node import Spot
from monitoring.checks.expression.tree import LookupTable
from monitoring.checks.expression.values import Value
from monitoring.checks.rules.keys import Either, Everything, Listed

_MOST = 2000
TABLE_FILE = Section(
    "A table of a data file.",
    replace(FROM, example="from: tiers.yaml"),
    replace(PATH, sentence="Where in it the table is.", example="path: symbols"),
)
CONTAINS = entry(
    "contains",
    Listed(Everything()),
    "A text is in the table that contains one of these, whatever their case.",
    without="parts of texts",
    example="contains: [aave, maple]",
)
TABLE_OF_PARTS = Section("A table of parts of texts.", CONTAINS)
TABLES = entry(
    "tables",
    Listed(
        Either(
            "key: value, a list, or a data file",
            Listed(Everything(), named=True),
            Listed(Everything()),
            TABLE_FILE,
            TABLE_OF_PARTS,
        ),
        "name: table",
        named=True,
    ),
    "What is known of texts, numbers or addresses, by name: `tiers[symbol]`, `symbol in tiers`.",
    default="",
    example="tables: {tiers: {USDC: 1, USDe: 2}, known: [BTC, ETH]}",
)


def read_table(spot: Spot, name: str, folder: Path) -> tuple[LookupTable | None, list[str]]:
    """Read `{key: value}`, a list of keys, or `{from: FILE, path: a.b}`; return mistakes of the data file finished."""
    if isinstance(spot.node, MappingNode) and spot.get(FROM.name):
        at = data_at(spot, folder)
        if at is None:
            return None, []
        return _table(at, name), at.mistakes.lines()
    parts = spot.get(CONTAINS.name) if isinstance(spot.node, MappingNode) else None
    if parts and isinstance(parts.node, Sequence):
        spot.only((CONTAINS,))
        table = _table(parts, name)
        return LookupTable(name, {str(key).lower(): True for key in table.entries}, is_list=True, of_parts=True), []
    return _table(spot, name), []


def _table(spot: Spot, name: str) -> LookupTable:
    is_list = not isinstance(spot.node, MappingNode)
    pairs = [(one, one) for one in spot.items("a list, or keys with values,")] if is_list else _pairs(spot)
    found: dict[Value, Value] = {}
    for key, value in pairs:
        known, says = _read(key), _read(value)
        if known is not None and known in found:
            key.wrong(f"{known!s} is here twice")
        elif known is not None and says is not None:
            found[known] = says
    if len(found) > _MOST:
        spot.wrong(f"more than {_MOST} entries")
    return LookupTable(name, found, is_list)


def _pairs(spot: Spot) -> list[tuple[Spot, Spot]]:
    return [(Spot(key, value.path, value.mistakes), value) for key, value in spot.entries("keys and values")]


def _read(spot: Spot) -> Value | None:
    if isinstance(spot.node, Scalar) and spot.node.text:
        return cell(spot, spot.node)
    spot.wrong("a text, a number or an address is needed here")
    return None
