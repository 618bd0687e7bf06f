"""An alert as Telegram messages: `text` and `entities`, never `parse_mode`, so that nothing can fail to parse.

Called by the Telegram sender. Pure: the same alert gives the same parts, so that a retry can go on at the part that
failed. Limits are the Bot API's (core.telegram.org/bots/api, sendMessage and MessageEntity).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import assert_never

from monitoring.alerts.message.model import Alert
from monitoring.alerts.message.sanitize import clean_line, grapheme_cut, is_blank, shorten, utf16_units
from monitoring.alerts.message.text import Block, Code, KeyValues, Line, Quote, Spans, TableBlock
from monitoring.alerts.message.text_layout import Piece, Pieces, align, dated, has_links, lay_out

MAX_UNITS = 4096  # sendMessage: 1-4096 characters after entities parsing, counted in UTF-16 units
MAX_ENTITIES = 100  # a message keeps no more
MAX_PARTS = 5  # ours: twenty messages a minute is all a group takes
_LONGEST_TITLE = 160  # ours: a head that leaves room for the rest; a longer title becomes a block
_LONGEST_LABEL = 64
_NUMBER_ROOM = " (9/9)"
# Kept first when there are too many: losing a link loses an address, losing bold loses nothing.
_WORTH = ("text_link", "pre", "blockquote", "code", "bold", "date_time")
_DATE_TIME = "date_time"
_SHORT_TIME, _LONG_TIME = "dt", "dT"  # the day and the time of day, as the reader's language writes them
_WITH_SECONDS = re.compile(r":\d\d:\d\d")


@dataclass(frozen=True, slots=True)
class Entity:
    """A MessageEntity; offset and length in UTF-16 units."""

    type: str
    offset: int
    length: int
    url: str = ""
    unix_time: int | None = None
    date_time_format: str = ""

    def payload(self) -> dict[str, object]:
        payload: dict[str, object] = {"type": self.type, "offset": self.offset, "length": self.length}
        if self.unix_time is not None:
            return {**payload, "unix_time": self.unix_time, "date_time_format": self.date_time_format}
        return {**payload, "url": self.url} if self.url else payload


@dataclass(frozen=True, slots=True)
class MessagePart:
    """One message."""

    text: str
    entities: tuple[Entity, ...] = ()

    def in_utc(self) -> MessagePart:
        """Return it with instants as its text has them, for a server that cannot show them in the reader's zone."""
        return replace(self, entities=tuple(each for each in self.entities if each.type != _DATE_TIME))


@dataclass(frozen=True, slots=True)
class Rendered:
    """All messages of an alert; `left_out` blocks did not fit and are counted in the last one."""

    parts: tuple[MessagePart, ...]
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class _Mark:
    """An entity before its place in a message is known: indexes of characters."""

    type: str
    start: int
    end: int
    url: str = ""
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class _Styled:
    text: str
    marks: tuple[_Mark, ...] = ()

    def cut(self, start: int, end: int) -> _Styled:
        inside = (
            replace(mark, start=max(mark.start, start) - start, end=min(mark.end, end) - start)
            for mark in self.marks
            if mark.type != _DATE_TIME or (mark.start >= start and mark.end <= end)  # half of one names no instant
        )
        return _Styled(self.text[start:end], tuple(mark for mark in inside if mark.start < mark.end))


@dataclass(frozen=True, slots=True)
class _Chunk:
    """A block, or one of the pieces of a block too large for one message."""

    block: int
    styled: _Styled

    @property
    def units(self) -> int:
        return utf16_units(self.styled.text) + 1  # and the line end before it


def render_telegram(alert: Alert, *, now: datetime, label: str = "") -> Rendered:
    """Return the messages of an alert, `label` (the test chat's `[protocol] `) before each, in place of the same name.

    1. Whole blocks move to the next message when one is full; the messages are numbered.
    2. A block larger than a message is cut at line ends, else between characters as readers see them.
    3. After five messages whole pieces are left out, and the last message says of how many blocks.
    """
    shown = f"[{shorten(clean_line(label), _LONGEST_LABEL)}] " if label else ""
    head = _join([_Styled(f"{shown}{alert.lead_after(label)}"), _bold(shorten(alert.title, _LONGEST_TITLE))])
    room = MAX_UNITS - utf16_units(head.text + _NUMBER_ROOM)
    blocks = [_styled(block, now) for block in alert.blocks]
    if len(alert.title) > _LONGEST_TITLE:
        blocks.insert(0, _bold(alert.title))
    pages = _pack((chunk for number, block in enumerate(blocks) for chunk in _chunks(number, block, room)), room)
    pages, left_out = _capped(pages, room)
    parts = tuple(_part(head, page, _numbering(index, len(pages))) for index, page in enumerate(pages, 1))
    return Rendered(parts, left_out)


# -- blocks to styled text --------------------------------------------------------------------------------------------


def _styled(block: Block, now: datetime) -> _Styled:
    match block:
        case Line(parts):
            return _from_pieces(lay_out(parts, now))
        case Quote(parts):
            return _framed("blockquote", _without_links(lay_out(parts, now)))
        case KeyValues(rows):
            return _join_lines(_join([_bold(key), _Styled(": "), _cell(value, now)]) for key, value in rows)
        case TableBlock():
            return _linked_table(block, now) if has_links(block, now) else _pre(align(block, now))
        case Code(text):
            return _pre(text)
    assert_never(block)


def _linked_table(table: TableBlock, now: datetime) -> _Styled:
    """Write rows as lines: inside `pre`, where columns would align, Telegram allows no links."""
    head = [_join_with(" · ", [_bold(_cell(cell, now).text) for cell in table.header])] if table.header else []
    return _join_lines([*head, *(_join_with(" · ", [_cell(cell, now) for cell in row]) for row in table.rows)])


def _cell(parts: Spans, now: datetime) -> _Styled:
    return _from_pieces(lay_out(parts, now))


def _pre(text: str) -> _Styled:
    return _framed("pre", _Styled(text))


def _bold(text: str) -> _Styled:
    return _framed("bold", _from_pieces(dated(text)))


def _without_links(pieces: Pieces) -> _Styled:
    """Keep only bold: nothing else may stand inside a blockquote."""
    return _from_pieces(tuple(Piece(piece.written_out, bold=piece.bold) for piece in pieces))


def _framed(kind: str, styled: _Styled) -> _Styled:
    return replace(styled, marks=(_Mark(kind, 0, len(styled.text)), *styled.marks))


def _from_pieces(pieces: Pieces) -> _Styled:
    return _join([_Styled(piece.text, _marks(piece)) for piece in pieces])


def _marks(piece: Piece) -> tuple[_Mark, ...]:
    """Choose what to say of a piece: code may share its characters with nothing, a link only with bold."""
    whole = (0, len(piece.text))
    if piece.code and not piece.href:
        return (_Mark("code", *whole),)
    bold = (_Mark("bold", *whole),) if piece.bold else ()
    if piece.href:
        return (*bold, _Mark("text_link", *whole, piece.href))
    return (*bold, _Mark(_DATE_TIME, *whole, at=piece.at)) if piece.at else bold


def _join(parts: Iterable[_Styled]) -> _Styled:
    texts: list[str] = []
    marks: list[_Mark] = []
    at = 0
    for part in parts:
        marks += [replace(mark, start=mark.start + at, end=mark.end + at) for mark in part.marks]
        texts.append(part.text)
        at += len(part.text)
    return _Styled("".join(texts), tuple(marks))


def _join_with(separator: str, parts: list[_Styled]) -> _Styled:
    return _join([piece for part in parts for piece in (_Styled(separator), part)][1:])


def _join_lines(parts: Iterable[_Styled]) -> _Styled:
    return _join_with("\n", list(parts))


# -- styled text to messages ------------------------------------------------------------------------------------------


def _chunks(number: int, block: _Styled, room: int) -> Iterable[_Chunk]:
    whole = _Chunk(number, block)
    if whole.units <= room:
        return [whole]
    pieces, start = [], 0
    while start < len(block.text):
        end = start + _cut_at(block.text[start : start + room], room - 1)
        pieces.append(_Chunk(number, block.cut(start, end)))
        start = end + 1 if block.text[end : end + 1] == "\n" else end
    return [piece for piece in pieces if not is_blank(piece.styled.text)]


def _cut_at(text: str, room: int) -> int:
    """Return how many characters to take: up to the last line end within the room, else as many as fit."""
    most = len(text)
    while utf16_units(text[:most]) > room:
        most -= max(1, (utf16_units(text[:most]) - room) // 2)
    if most == len(text):
        return most
    line_end = text.rfind("\n", 1, most + 1)
    return line_end if line_end > 0 else grapheme_cut(text, most)


def _pack(chunks: Iterable[_Chunk], room: int) -> list[list[_Chunk]]:
    pages: list[list[_Chunk]] = [[]]
    used = 0
    for chunk in chunks:
        if used + chunk.units > room and pages[-1]:
            pages.append([])
            used = 0
        pages[-1].append(chunk)
        used += chunk.units
    return pages


def _capped(pages: list[list[_Chunk]], room: int) -> tuple[list[list[_Chunk]], int]:
    """Keep five messages; make room in the last for the sentence that says what is missing."""
    if len(pages) <= MAX_PARTS:
        return pages, 0
    kept, last = pages[: MAX_PARTS - 1], list(pages[MAX_PARTS - 1])
    dropped = {chunk.block for page in pages[MAX_PARTS:] for chunk in page}
    while last and sum(chunk.units for chunk in last) + _notice(len(dropped) + 1).units > room:
        dropped.add(last.pop().block)
    return [*kept, [*last, _notice(len(dropped))]], len(dropped)


def _notice(left_out: int) -> _Chunk:
    blocks = "1 block is" if left_out == 1 else f"{left_out:,} blocks are"
    return _Chunk(-1, _Styled(f"… {blocks} cut or left out here; the dashboard shows the whole alert."))


def _numbering(index: int, count: int) -> str:
    return f" ({index}/{count})" if count > 1 else ""


def _part(head: _Styled, page: list[_Chunk], numbering: str) -> MessagePart:
    whole = _join_lines([_join([head, _Styled(numbering)]), *(chunk.styled for chunk in page)])
    return _finished(whole.cut(0, len(whole.text.rstrip())))


def _finished(styled: _Styled) -> MessagePart:
    """Place the marks in UTF-16 units, without the white space at their ends, the most useful hundred of them."""
    marks = [mark for mark in (_trimmed(styled.text, mark) for mark in styled.marks) if mark.start < mark.end]
    marks = sorted(marks, key=lambda mark: _WORTH.index(mark.type))[:MAX_ENTITIES]
    units_at = _units_before(styled.text)
    entities = (
        _entity(mark, styled.text, units_at)
        for mark in sorted(marks, key=lambda mark: (mark.start, -mark.end, _WORTH.index(mark.type)))
    )
    return MessagePart(styled.text, tuple(entities))


def _entity(mark: _Mark, text: str, units_at: Sequence[int]) -> Entity:
    place = units_at[mark.start], units_at[mark.end] - units_at[mark.start]
    if mark.at is None:
        return Entity(mark.type, *place, mark.url)
    form = _LONG_TIME if _WITH_SECONDS.search(text[mark.start : mark.end]) else _SHORT_TIME
    return Entity(mark.type, *place, unix_time=int(mark.at.timestamp()), date_time_format=form)


def _trimmed(text: str, mark: _Mark) -> _Mark:
    inside = text[mark.start : mark.end]
    start = mark.start + (0 if mark.type == "pre" else len(inside) - len(inside.lstrip()))
    return replace(mark, start=start, end=mark.end - (len(inside) - len(inside.rstrip())))


def _units_before(text: str) -> list[int]:
    units, before = 0, [0]
    for char in text:
        units += 2 if char > "\uffff" else 1
        before.append(units)
    return before
