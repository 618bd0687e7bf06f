"""Reads a systemd `EnvironmentFile` as systemd does, and says which lines it does not take.

Pure but for `read_env_file`. A line that cannot be used is left out, never an error: the unit runs on without it, and
so must every other reader of the file. No mistake quotes a value, which may be a secret.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_LINE_ENDS = "\n\r"
_BLANK = " \t\n\r"
_ESCAPED_IN_QUOTES = '"\\`$'
_BYTE_ORDER_MARK = "\ufeff"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# What a value must not hold for systemd: control characters but tab and newline.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_COMMENT_BEHIND = re.compile(r"""[ \t]*(?:"[^"\n]*"|'[^'\n]*'|[^\s"'#]*)[ \t]+#""")
_LOOKS_LIKE_A_VARIABLE = re.compile(r"^[ \t]*(?:export[ \t]+)?([A-Z][A-Z0-9_]{2,})=[^=\s]", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class EnvFile:
    """What a file sets, and of each line that is not taken as it was meant its number, what is wrong and what to do."""

    values: dict[str, str]
    mistakes: tuple[tuple[int, str], ...]


def read_env_file(path: Path) -> EnvFile:
    """Read a file.

    Raises:
        OSError: it cannot be read.
    """
    return parse_env_file(path.read_bytes())


def parse_env_file(data: bytes) -> EnvFile:
    """Parse by the rules of systemd's `EnvironmentFile=` (systemd.exec(5)).

    `#` and `;` open comment lines, quotes join and may go on over lines, a backslash escapes (inside double quotes only
    what a shell would escape), a backslash before a line's end continues the line. What is no variable is left out.
    """
    values: dict[str, str] = {}
    mistakes: list[tuple[int, str]] = []
    for entry in _LineReader(data.decode("utf-8", "surrogateescape")).entries():
        is_taken, words = _judge(entry)
        if is_taken:
            values[entry.name] = entry.value or ""
        if words:
            mistakes.append((entry.line, words))
    return EnvFile(values, tuple(mistakes))


def assignments(text: str) -> Iterator[tuple[str, int, int]]:
    """Yield the name of each variable a file sets, and where its text begins and ends (without the line's end)."""
    for entry in _LineReader(text).entries():
        if _judge(entry)[0]:
            yield entry.name, entry.start, entry.start + len(entry.text.rstrip(_LINE_ENDS))


@dataclass(frozen=True, slots=True)
class _Assignment:
    """One entry: the line it begins in, what stands before `=`, its value (None without `=`); `text` is all of it."""

    line: int
    name: str
    value: str | None
    text: str
    is_open: bool = False
    """A quote in it is never closed."""
    start: int = 0
    """Where `text` begins in the file."""


def _judge(entry: _Assignment) -> tuple[bool, str]:
    """Return whether an entry sets its variable, and what is wrong with it, if anything."""
    if entry.value is None or not _NAME.fullmatch(entry.name):
        return False, _about_name(entry)
    if not _is_utf8(entry.value):
        return False, f"{entry.name} is not set: its value is not UTF-8: save the file as UTF-8"
    if _CONTROL.search(entry.value):
        return False, f"{entry.name} is not set: a control character is in its value"
    return True, _about_value(entry)


def _is_utf8(value: str) -> bool:
    """Return whether a value was UTF-8 in the file; of a byte that was not, half a surrogate pair is left."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _about_name(entry: _Assignment) -> str:
    if entry.name.startswith(_BYTE_ORDER_MARK):
        return "the file begins with a byte order mark, so this line is not read: save it as UTF-8 without one"
    if entry.value is None:
        known = re.match(rf"({_NAME.pattern})\s*:", entry.name)
        return f"this line sets nothing: write {known[1] if known else 'NAME'}=value"
    exported = re.fullmatch(rf"export\s+({_NAME.pattern})", entry.name)
    if exported:
        return f"{exported[1]} is not set: write {exported[1]}=value, without `export`"
    return "this line sets nothing: the text before = is not the name of a variable"


def _about_value(entry: _Assignment) -> str:
    """Say when a comment is taken for a part of the value, or a quote that was left open has taken what follows."""
    if _COMMENT_BEHIND.match(entry.text.partition("=")[2]):
        return f"{entry.name}: its value goes on behind the #: put the comment on a line of its own, or quote the value"
    lost = _LOOKS_LIKE_A_VARIABLE.findall(entry.text.partition("\n")[2])
    if lost:
        return f"{entry.name} goes on over the lines that follow, so {', '.join(lost)} not set: close its quote"
    return f"{entry.name}: its quote is not closed" if entry.is_open else ""


class _LineReader:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._is_open = False

    def entries(self) -> Iterator[_Assignment]:
        while self._at < len(self._text):
            start = self._at
            char = self._take()
            if char in _BLANK:
                continue
            if char in "#;":
                self._rest_of_line()
                continue
            line = self._text.count("\n", 0, start) + 1
            name, has_value = self._name(char)
            self._is_open = False
            value = self._value() if has_value else None
            yield _Assignment(line, name, value, self._text[start : self._at], self._is_open, start)

    def _take(self) -> str:
        """Return the next character, nothing at the end."""
        char = self._text[self._at : self._at + 1]
        self._at += 1
        return char

    def _rest_of_line(self) -> str:
        start = self._at
        while self._take() not in _LINE_ENDS:  # nothing, at the end, is in everything
            pass
        return self._text[start : self._at - 1]

    def _name(self, first: str) -> tuple[str, bool]:
        """Return what stands before `=`, whether there is one; a line begins with a character of the name, even `=`."""
        name = first
        while (char := self._take()) not in _LINE_ENDS:
            if char == "=":
                return name.strip(_BLANK), True
            name += char
        return name.strip(_BLANK), False

    def _value(self) -> str:
        value = ""
        while (char := self._take()) not in _LINE_ENDS:
            if char == "'":
                value += self._single_quoted()
            elif char == '"':
                value += self._double_quoted()
            elif char not in _BLANK:
                self._at -= 1
                return value + self._unquoted()
        return value

    def _unquoted(self) -> str:
        value, kept = "", 0
        while (char := self._take()) not in _LINE_ENDS:
            if char == "\\":
                escaped = self._take()
                value += "" if escaped in _LINE_ENDS else escaped
                kept = len(value)
            else:
                value += char
                kept = kept if char in _BLANK else len(value)
        return value[:kept]

    def _single_quoted(self) -> str:
        start = self._at
        end = self._text.find("'", start)
        self._is_open = end < 0
        self._at = len(self._text) if end < 0 else end + 1
        return self._text[start : len(self._text) if end < 0 else end]

    def _double_quoted(self) -> str:
        value = ""
        while (char := self._take()) != '"':
            if not char:
                self._is_open = True
                break
            if char == "\\":
                escaped = self._take()
                char = escaped if escaped in _ESCAPED_IN_QUOTES else "" if escaped == "\n" else "\\" + escaped
            value += char
        return value
