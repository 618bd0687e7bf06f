"""A table of keys as others read it: the JSON Schema for editors, and the tables of a reference page."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from monitoring.base.yaml.keys import Key, Keyed

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_HEAD = "| key | value | default | what it does | example |\n|---|---|---|---|---|\n"


def schema_text(table: Keyed[Any], title: str) -> str:
    """Return the JSON Schema of a file as it is committed."""
    return json.dumps({"$schema": _DIALECT, "title": title, **table.schema()}, indent=2) + "\n"


def with_tables(page: str, tables: Mapping[str, Keyed[Any]]) -> str:
    """Return a page with the rows of each table between `<!-- keys of NAME -->` and `<!-- end of keys -->`."""
    for name, table in tables.items():
        start = f"<!-- keys of {name} -->\n"
        rows = table_text(table)
        pattern = re.escape(start) + r".*?(?=<!-- end of keys -->)"
        page, count = re.subn(pattern, lambda _, text=start + rows: text, page, flags=re.DOTALL)  # type: ignore[misc]
        if count != 1:
            raise ValueError(f"the page needs one line {start.strip()} and one <!-- end of keys --> after it")
    return page


def table_text(table: Keyed[Any]) -> str:
    """Return one row for each key."""
    return _HEAD + "".join(map(_row, table.keys))


def _row(key: Key[Any]) -> str:
    example = f"`{key.example}`" if key.example else ""
    cells = (f"`{key.name}`", key.kind.word, _default(key), key.sentence, example)
    return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |\n"


def _default(key: Key[Any]) -> str:
    if key.is_required:
        return "required"
    if not key.has_default:
        return key.without or "none"
    return f"`{json.dumps(key.default).strip(chr(34))}`"
