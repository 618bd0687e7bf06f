"""How commands write results to stdout: a table for people, JSON for programs."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from typing import TextIO

from automation.cli.layout import Row, table
from automation.cli.screen import exactly, screen_of

# json.dumps writes the other control characters as escapes; these would reach a terminal.
_CONTROLS = r"[\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]"


def write_json(value: object, stream: TextIO | None = None) -> None:
    """Write a value as indented JSON and a newline, for programs: nothing is folded, painted or renamed."""
    write_exactly(json_text(value, indent=2) + "\n", stream)


def json_text(value: object, indent: int | None = None) -> str:
    """Return a value as JSON in readable letters, without a character that a terminal obeys."""
    import json  # noqa: PLC0415 - a table does not pay for it

    text = json.dumps(value, indent=indent, ensure_ascii=False)
    return re.sub(_CONTROLS, lambda found: f"\\u{ord(found[0]):04x}", text)


def write_exactly(text: str, stream: TextIO | None = None) -> None:
    """Write what a program reads, on a terminal too."""
    exactly(stream or sys.stdout).write(text)


def write_table(headers: Row, rows: Iterable[Row], stream: TextIO | None = None) -> None:
    """Write rows under their headers; on a terminal folded to its width, elsewhere no cell is ever shortened."""
    screen = screen_of(stream or sys.stdout)
    first, *others = table([headers, *rows], screen.width)
    screen.write_heading(first)
    screen.write("".join(line + "\n" for line in others))


def aligned(rows: Iterable[Row], stream: TextIO | None = None) -> str:
    """Return rows as lines with aligned columns, as `write_table` shows them."""
    return "".join(line + "\n" for line in table(list(rows), screen_of(stream or sys.stdout).width))
