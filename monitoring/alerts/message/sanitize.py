"""Makes foreign text safe to show and to store, without hiding what was in it; measures and cuts it for displays.

Called by the constructors of `monitoring.alerts.message.text` for every text that enters an alert. Idempotent.
"""

from __future__ import annotations

import itertools
import re
import unicodedata

MAX_TEXT = 50_000  # ours: one text of an alert; more is a dump, and five messages of 4096 show no more anyway
_ROOM_FOR_COUNT = 60

_LINE_ENDS = re.compile("\r\n|[\r\v\f\x85\u2028\u2029]")
# Characters that reorder, hide or end a line's text, or cannot be encoded: shown by their code point. Joiners
# (U+200C, U+200D), variation selectors and tags stay: scripts and emoji are made of them.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff]"
)
# What renders as nothing although it is no space: a text of these alone is blank (U+2800: braille blank).
_BLANK = re.compile(
    "[\\s\u034f\u115f\u1160\u17b4\u17b5\u200c\u200d\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0000-\U000e01ef]*"
)

_JOINER = "\u200d"
_REGIONAL = ("\U0001f1e6", "\U0001f1ff")
# Ranges that continue the character before them although their category says nothing about it.
_CONTINUES = (
    ("\u1160", "\u11ff"),  # Hangul vowels and finals
    ("\ud7b0", "\ud7fb"),
    ("\u200c", "\u200d"),
    ("\U0001f3fb", "\U0001f3ff"),  # skin tones
    ("\U000e0020", "\U000e007f"),  # tags, as in the flag of Scotland
)
_LONGEST_CLUSTER = 64  # a longer pile of marks is cut between code points


def clean(text: str) -> str:
    """Return `text` with one kind of line end and every invisible or unencodable character spelled out."""
    text = _INVISIBLE.sub(_spell_out, _LINE_ENDS.sub("\n", text))
    if len(text) <= MAX_TEXT:
        return text
    kept = grapheme_cut(text, MAX_TEXT - _ROOM_FOR_COUNT)
    return f"{text[:kept]} … ({len(text) - kept:,} more characters)"


def clean_line(text: str) -> str:
    """Clean a text that must stay on one line: titles, keys, cells."""
    return " ".join(clean(text).split())


def is_blank(text: str) -> bool:
    """Return whether a reader would see nothing."""
    return _BLANK.fullmatch(text) is not None


def shorten(text: str, most: int) -> str:
    """Return at most `most` characters, the last of them an ellipsis if something was cut."""
    return text if len(text) <= most else text[: grapheme_cut(text, most - 1)].rstrip() + "…"


def utf16_units(text: str) -> int:
    """Count as Telegram counts: UTF-16 code units, so an emoji is two."""
    return len(text) + sum(1 for char in text if char > "\uffff")


def display_width(text: str) -> int:
    """Count the columns of a fixed-width display."""
    return sum(_columns(char) for char in text)


def grapheme_cut(text: str, most: int) -> int:
    """Return the last index up to `most` that does not cut a character as readers see it."""
    if most >= len(text):
        return len(text)
    for index in range(most, max(0, most - _LONGEST_CLUSTER), -1):
        if not _continues(text, index):
            return index
    return most


def _spell_out(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code < 0x20:  # noqa: PLR2004 - Unicode has a picture for each of these
        return chr(0x2400 + code)
    return f"<U+{code:04X}>"


def _columns(char: str) -> int:
    if unicodedata.combining(char) or unicodedata.category(char) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def _continues(text: str, index: int) -> bool:
    char, before = text[index], text[index - 1]
    if before == _JOINER or unicodedata.category(char).startswith("M"):
        return True
    if any(first <= char <= last for first, last in _CONTINUES):
        return True
    return _is_regional(char) and _is_second_of_a_flag(text, index)


def _is_regional(char: str) -> bool:
    return _REGIONAL[0] <= char <= _REGIONAL[1]


def _is_second_of_a_flag(text: str, index: int) -> bool:
    run = itertools.takewhile(_is_regional, reversed(text[max(0, index - _LONGEST_CLUSTER) : index]))
    return sum(1 for _ in run) % 2 == 1
