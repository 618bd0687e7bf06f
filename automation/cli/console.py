"""How verbs write results to stdout: a table on a terminal, aligned lines elsewhere, JSON for programs."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TextIO

Row = Sequence[str]


def write_json(value: object, stream: TextIO | None = None) -> None:
    """Write a value as indented JSON and a newline."""
    (stream or sys.stdout).write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def write_table(headers: Row, rows: Iterable[Row], stream: TextIO | None = None) -> None:
    """Write rows under their headers; no cell is ever shortened."""
    stream = stream or sys.stdout
    if wants_table(stream):
        _write_rich(headers, rows, stream)
    else:
        stream.write(aligned([headers, *rows]))


def wants_table(stream: TextIO, environ: Mapping[str, str] = os.environ) -> bool:
    """Return whether this is a person's terminal that can show a table and wants one (no-color.org)."""
    return stream.isatty() and environ.get("TERM") != "dumb" and not environ.get("NO_COLOR")


def aligned(rows: Sequence[Row]) -> str:
    """Return rows as lines with aligned columns, two spaces apart."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "".join(line.rstrip() + "\n" for line in lines)


def _write_rich(headers: Row, rows: Iterable[Row], stream: TextIO) -> None:
    # Imported here: only a person's terminal pays for it.
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    for header in headers:
        table.add_column(header, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))  # never markup: `[red]` in a name is a name
    Console(file=stream, highlight=False).print(table)
