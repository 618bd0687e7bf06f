"""Writes monitor.schema.json, with which editors complete and check monitor files, and the tables of their page.

`python -m monitoring.checks.json_schema` after a change of a key; a test holds both equal to what is generated here.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from monitoring.base.settings import CHECKOUT
from monitoring.base.yaml.keys import Keyed, Kind, Section
from monitoring.base.yaml.reference import schema_text, table_text
from monitoring.checks.builtin import TYPES
from monitoring.checks.config.check import COMMON
from monitoring.checks.config.load import SECTIONS
from monitoring.checks.engine.plugin import Registry
from monitoring.checks.rules.keys import Either, Listed
from monitoring.checks.rules.verb import yaml_forms

SCHEMA_FILE = Path(__file__).parent / "monitor.schema.json"
PAGE = CHECKOUT / "docs" / "monitor-yaml.md"
_MARK = "<!-- generated from here on -->\n"


def monitor_table(types: Registry) -> Section:
    """Return the table of a whole monitor file that may use these types."""
    asked = [{"required": [name]} for name in ("checks", *types)]
    rules = {"anyOf": asked, "not": {"required": ["chain", "chains"]}}
    keys = (*SECTIONS, *(kind.key for kind in types.values()))
    return Section("A monitor: what it reads, and what must hold.", *keys, more_schema=rules)


def tables(types: Registry) -> dict[str, Keyed[Any]]:
    """Return every table by where its keys are written, as in `erc4626.exit`; one for each key of a check that asks."""
    root = monitor_table(types)
    found: dict[str, Keyed[Any]] = {"The file": root, "checks": Section("What every check may say.", *COMMON)}
    for name, form in yaml_forms().items():
        asks = Section(form.asks.sentence, form.asks, *form.keys)
        found[f"checks: {name}"] = asks
        found |= {f"checks: {name}: {where}": table for where, table in _inside(asks)}
    return found | dict(_inside(root))


def _inside(kind: Kind[Any], path: str = "") -> Iterator[tuple[str, Keyed[Any]]]:
    if isinstance(kind, Keyed):
        if path:
            yield path, kind
        for key in kind.keys:
            yield from _inside(key.kind, f"{path}.{key.name}".lstrip("."))
    elif isinstance(kind, Listed):
        yield from _inside(kind.item, path)
    elif isinstance(kind, Either):
        for one in kind.kinds:
            yield from _inside(one, path)


def generated() -> dict[Path, str]:
    """Return what the two files have to say."""
    by_hand, mark, _ = PAGE.read_text(encoding="utf-8").partition(_MARK)
    parts = [f"\n## {name}\n\n{table.sentence}\n\n{table_text(table)}" for name, table in tables(TYPES).items()]
    return {
        SCHEMA_FILE: schema_text(monitor_table(TYPES), "monitor.yaml"),
        PAGE: by_hand + mark + "".join(parts),
    }


if __name__ == "__main__":
    for file, text in generated().items():
        file.write_text(text, encoding="utf-8")
