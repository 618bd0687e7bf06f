"""Fits text for people into the columns of a terminal: lines wrapped at words, tables folded, ids shortened.

Pure; nothing here knows of a stream. `screen` applies it to what a command writes, `console` to tables.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import zip_longest

Row = Sequence[str]
_GAP = "  "
_LEAST_TEXT = 24  # columns in which a sentence can still be read; with fewer it is put below its row
_INDENT = "    "
_GOES_ON = " \\"  # at the end of a line: the shell reads the next one too
_ID = r"\S*://\S*|\b(0x[0-9a-fA-F]{4})[0-9a-fA-F]{8,}([0-9a-fA-F]{4})\b"
_ROW = r"\S {2,}\S.*\S {2,}\S"  # three columns: a line of a table, not a sentence
_ARGUMENT = r"""(?:'[^']*'|"[^"]*"|\S)+"""
_LABEL = r" *(?:[A-Za-z0-9][\w .()-]{0,18}? {2,}|[\w-]+ \| )?"
_JOINTS = r"(?<=[/_.,:;=&?+-])"  # where a path, a key or an address may be broken


def shorten_ids(text: str) -> str:
    """Return a text with addresses and hashes as `0xd823…29ab`, except in links; `--key` and `--done` take these."""
    return re.sub(_ID, lambda found: f"{found[1]}…{found[2]}" if found[1] else found[0], text)


def columns(text: str) -> int:
    """Return how many columns a terminal needs for a text."""
    if text.isascii():
        return len(text)
    import unicodedata  # noqa: PLC0415 - a megabyte that most texts do not need

    wide = sum(unicodedata.east_asian_width(char) in "WF" for char in text)
    return len(text) + wide - sum(unicodedata.combining(char) > 0 for char in text)


def fold(line: str, width: int, command: str) -> list[str]:
    """Return a line as lines of at most `width` columns, broken between words, the later ones indented.

    What begins with `command` is something to type: it is kept whole where it fits, and ends in a backslash where it
    must be broken, though never inside quotes. Ids are shortened in rows of a table alone: what a sentence names may be
    copied, or compared with something that looks like it. A link is kept whole even if it is wider.
    """
    if columns(line) <= width:
        return [line]
    if " --" not in line and re.search(_ROW, line) and columns(line := shorten_ids(line)) <= width:
        return [line]
    label = re.match(_LABEL, line)
    indent = min(label.end() if label else 0, width // 3)
    found = _words(line, command)
    return _filled(found, width, " " * (indent or 2), command)


def table(rows: Sequence[Row], width: int | None = None) -> list[str]:
    """Return rows, the first of them headings, as lines with aligned columns; no line is wider than a given width.

    Where they do not fit, the widest column is wrapped; where too little is left for it, the widest ones are put below
    their row, each with its heading, until the others fit.
    """
    widths = _natural(rows)
    if width is None or _total(widths) <= width:
        return _lines(rows, widths)
    rows = [[shorten_ids(cell) for cell in row] for row in rows]
    widths = _natural(rows)
    widest = widths.index(max(widths))
    room = width - (_total(widths) - widths[widest])
    if room >= min(_LEAST_TEXT, widths[widest]):
        return _lines(rows, [*widths[:widest], min(room, widths[widest]), *widths[widest + 1 :]])
    return _with_some_below(rows, widths, width)


def _with_some_below(rows: Sequence[Row], widths: Sequence[int], width: int) -> list[str]:
    kept = list(range(len(widths)))
    while len(kept) > 1 and _total([widths[column] for column in kept]) > width:
        kept.remove(max(kept[1:], key=lambda column: widths[column]))
    below = [column for column in range(len(widths)) if column not in kept]
    narrow = [min(widths[column], width) for column in kept]
    lines = []
    for number, row in enumerate(rows):
        lines += _lines([[row[column] for column in kept]], narrow)
        for column in (each for each in below if number and row[each]):
            label = f"{_INDENT}{rows[0][column].lower()}: "
            first, *others = wrapped(row[column], width - len(label))
            lines += [f"{label}{first}".rstrip(), *(f"{_INDENT}{_INDENT}{each}" for each in others)]
    return lines


def wrapped(text: str, width: int) -> list[str]:
    """Return a text in lines of at most `width` columns; a word is broken only if it is longer, and a link never."""
    return _filled(text.split(), width, "", "")


def _natural(rows: Sequence[Row]) -> list[int]:
    return [max(map(columns, column)) for column in zip(*rows, strict=True)]


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + len(_GAP) * (len(widths) - 1)


def _lines(rows: Sequence[Row], widths: Sequence[int]) -> list[str]:
    lines = []
    for row in rows:
        cells = [wrapped(cell, width) for cell, width in zip(row, widths, strict=True)]
        for parts in zip_longest(*cells, fillvalue=""):
            padded = (part + " " * (width - columns(part)) for part, width in zip(parts, widths, strict=True))
            lines.append(_GAP.join(padded).rstrip())
    return lines


def _words(line: str, command: str) -> list[str]:
    """Split at spaces, but keep what is in backticks, and a command to its end, together."""
    whole = rf"`[^`]*`\S*|{re.escape(command)}(?: [^;`]*[^;`\s])?\S*" if command else r"`[^`]*`\S*"
    return re.findall(rf"^ +|{whole}|\S+(?: {{2,}}(?=\S))?", line)


def _filled(words: Sequence[str], width: int, indent: str, command: str) -> list[str]:
    lines: list[str] = []
    line = ""
    for word in words:
        for joint, part in _parts(word, width - len(indent), command):
            glue = " " if joint and line.strip() and not line.endswith(" ") else ""
            room = width - len(_GOES_ON) if joint == _GOES_ON else width
            if not line.strip() or columns(f"{line}{glue}{part}".rstrip()) <= room:
                line = f"{line}{glue}{part}"
            else:
                lines.append(line.rstrip() + (_GOES_ON if joint == _GOES_ON else ""))
                line = indent + part
    return [*lines, line.rstrip()]


def _parts(word: str, width: int, command: str) -> Iterator[tuple[str, str]]:
    """Yield the pieces of a word that are not broken, each with what joins it to the one before."""
    if columns(word.rstrip()) <= width or ("://" in word and " " not in word.strip()):
        yield " ", word
    elif " " in word.strip():
        inside = _GOES_ON if command and word.startswith(command) else " "
        for number, one in enumerate(re.findall(_ARGUMENT, word)):
            yield inside if number else " ", one
    else:
        pieces = [piece for part in re.split(_JOINTS, word) for piece in _cut(part, width)]
        yield from ((" " if number == 0 else "", piece) for number, piece in enumerate(pieces))


def _cut(text: str, width: int) -> Iterator[str]:
    step = max(1, width if text.isascii() else width // 2)
    yield from (text[at : at + step] for at in range(0, len(text), step))
