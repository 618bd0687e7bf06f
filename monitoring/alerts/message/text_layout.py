"""Turns blocks into pieces of text with a look, the step all renderings share.

Called by the renderers. A piece carries what each medium needs; which of it is used is the medium's choice.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import assert_never

from monitoring.alerts.message.sanitize import clean_line, display_width
from monitoring.alerts.message.text import Amount, Bold, Code, Link, Reference, Since, Span, Spans, TableBlock, Text
from monitoring.base.clock import from_text
from monitoring.base.formatting import format_duration, format_instant, format_pct, format_usd

_NUMBER = re.compile(r"[-+]?\$?[\d,.]+%?")
_INSTANT = re.compile(r"(?<![\d-])\d{4}-\d{2}-\d{2} \d{2}:\d{2}(?::\d{2})? UTC\b")  # as `format_instant` writes it


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of text with one look. `spelled` is what stands for it where nothing can be linked.

    `at` is the instant that the text names, for readers who can be shown it in their own time zone.
    """

    text: str
    bold: bool = False
    code: bool = False
    href: str = ""
    spelled: str = ""
    full: str = ""  # what a short form stands for
    at: datetime | None = None

    @property
    def written_out(self) -> str:
        return self.spelled or self.text


Pieces = tuple[Piece, ...]


def lay_out(parts: Spans, now: datetime) -> Pieces:
    """Return the pieces of a run of spans; `now` is what ages are counted from."""
    return tuple(piece for span in parts for piece in _pieces(span, now))


def _pieces(span: Span, now: datetime) -> Pieces:  # noqa: PLR0911 - one a kind
    match span:
        case Text(text):
            return dated(text)
        case Bold(parts):
            return tuple(replace(piece, bold=True) for part in parts for piece in _pieces(part, now))
        case Code(text):
            return (Piece(text, code=True),)
        case Link(text, url):
            return (Piece(text, href=url, spelled=text if text == url else f"{text} ({url})"),)
        case Reference():
            return _reference(span)
        case Amount(kind, value, signed):
            return (Piece((format_usd if kind == "usd" else format_pct)(value, signed=signed)),)
        case Since(at):
            return (Piece(format_instant(at), at=at), Piece(f" ({_distance(at, now)})"))
    assert_never(span)


def dated(text: str) -> Pieces:
    """Return the pieces of a literal text: an instant in it, as every text here writes one, is its own piece."""
    pieces, end = [], 0
    for found in _INSTANT.finditer(text):
        try:
            at = from_text(f"{found[0].removesuffix(' UTC').replace(' ', 'T')}+00:00")
        except ValueError:  # the 31st of some months
            continue
        pieces += [Piece(text[end : found.start()]), Piece(found[0], at=at)]
        end = found.end()
    return tuple(piece for piece in (*pieces, Piece(text[end:])) if piece.text) or (Piece(text),)


def _reference(span: Reference) -> Pieces:
    """Show it short where a label or a link identifies it, else whole: half an address cannot be looked up."""
    shown = span.short if span.label or span.url else span.value
    spelled = span.short if span.label else span.value
    piece = Piece(shown, code=not span.url, href=span.url, spelled=spelled, full=span.value)
    return (Piece(f"{span.label} ("), piece, Piece(")")) if span.label else (piece,)


def _distance(at: datetime, now: datetime) -> str:
    """Return `2 h 40 min before this alert`, which stays true however late it is read."""
    span = now - at
    is_past = span.total_seconds() >= 0
    return f"{format_duration(span if is_past else -span)} {'before' if is_past else 'after'} this alert"


def written_out(pieces: Iterable[Piece]) -> str:
    return "".join(piece.written_out for piece in pieces)


def has_links(table: TableBlock, now: datetime) -> bool:
    return any(piece.href for row in (table.header, *table.rows) for cell in row for piece in lay_out(cell, now))


def align(table: TableBlock, now: datetime) -> str:
    """Return a table as lines of fixed width: numbers to the right, everything else to the left."""
    body = [[_cell(cell, now) for cell in row] for row in table.rows]
    head = [_cell(cell, now) for cell in table.header]
    lines = [head, *body] if head else body
    columns = list(zip(*lines, strict=True)) if lines else []
    widths = [max(map(display_width, column)) for column in columns]
    right = [all(not cell or _NUMBER.fullmatch(cell) for cell in column) for column in zip(*body, strict=True)]
    right += [False] * (len(widths) - len(right))
    return "\n".join(_row(cells, widths, right) for cells in lines)


def _cell(cell: Spans, now: datetime) -> str:
    return clean_line(written_out(lay_out(cell, now)))


def _row(cells: list[str], widths: list[int], right: list[bool]) -> str:
    padded = []
    for cell, width, to_the_right in zip(cells, widths, right, strict=True):
        space = " " * (width - display_width(cell))
        padded.append(space + cell if to_the_right else cell + space)
    return "  ".join(padded).rstrip()
