"""Keeps a task's output within bounds and harmless for a log: the first megabyte as lines, then a count and the tail.

The executor feeds it raw bytes; it never holds more than one line and the tail in memory.
"""

from __future__ import annotations

import re

FORWARDED_BYTES = 1_000_000  # the first megabyte, then a count and the tail
LINE_BYTES = 8192
TAIL_BYTES = 2048

# Escape sequences of a terminal: CSI (colours, cursor), OSC (titles, links), and the short ones.
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[ -/]*[0-~])")
# C0 without tab, DEL, C1; line separators; the marks that reorder what a reader sees.
_CONTROLS = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_CONTINUATION = 0b1000_0000  # the second to fourth byte of a UTF-8 character: 10xxxxxx
_CHARACTER_BYTES = 4


def readable(line: bytes) -> str:
    """Return one line as text a log can hold: terminal escapes dropped, other controls and bad bytes shown."""
    text = line.rstrip(b"\r").decode("utf-8", "backslashreplace")
    if text.isprintable():
        return text
    return _CONTROLS.sub(lambda match: ascii(match[0])[1:-1], _ESCAPES.sub("", text))


class Output:
    """The output of one task over all its attempts; `bytes` and `lines` count what it wrote, shown or not."""

    def __init__(self) -> None:
        self.bytes = 0
        self.lines = 0
        self._partial = b""
        self._newest = b"\n"
        self._shown_bytes = 0
        self._shown_lines = 0
        self._overwritten_bytes = 0
        self._full = False

    def feed(self, data: bytes) -> list[str]:
        """Take what the task wrote; return the lines to forward now."""
        self.bytes += len(data)
        self.lines += data.count(b"\n")
        self._remember(data)
        if self._full:
            return []
        *ended, rest = (self._partial + data).split(b"\n")
        *parts, self._partial = _cut(self._overwrite(rest))
        shown = [text for line in ended for text in self._show(self._overwrite(line), newlines=1)]
        return shown + [text for part in parts for text in self._show(part)]

    def end_attempt(self) -> list[str]:
        """Return the last line when the task ended in the middle of it."""
        if self._newest.endswith(b"\n"):
            return []
        self.lines += 1
        self._remember(b"\n")
        line, self._partial = self._partial, b""
        shown = self._show(line)
        self._shown_lines += not self._full
        return shown

    def summary(self) -> list[str]:
        """Return, when anything was left out, one line that counts it, and the tail."""
        hidden_bytes = self.bytes - self._shown_bytes - self._overwritten_bytes
        if not hidden_bytes:
            return []
        hidden_lines = self.lines - self._shown_lines
        count = f"[{hidden_bytes:,} bytes in {hidden_lines:,} lines left out; the last lines:]"
        return [count, *self.tail().split("\n")]

    def tail(self) -> str:
        """Return the last lines, whole ones within `TAIL_BYTES`; of a longer line its end."""
        newest = self._newest.removesuffix(b"\n")
        before, end = newest[:-TAIL_BYTES], newest[-TAIL_BYTES:]
        if before and not before.endswith(b"\n"):
            _, newline, whole = end.partition(b"\n")
            end = whole if newline else _from_character(end)
        return "\n".join(readable(line) for line in end.removeprefix(b"\n").split(b"\n"))

    def _remember(self, data: bytes) -> None:
        kept = TAIL_BYTES + 2  # a newline behind the tail, and the byte before it
        newest = self._newest + data if len(data) < kept else data
        if b"\r" in newest:
            newest = b"\n".join(map(_last_state, newest.split(b"\n")))
        self._newest = newest[-kept:]

    def _overwrite(self, line: bytes) -> bytes:
        left = _last_state(line)
        self._overwritten_bytes += len(line) - len(left)
        return left

    def _show(self, line: bytes, newlines: int = 0) -> list[str]:
        """Return a line in parts a log can hold, as far as there is room."""
        shown: list[str] = []
        for part in _cut(line):
            if self._full:
                return shown
            shown.append(readable(part))
            self._shown_bytes += len(part)
            self._full = self._shown_bytes >= FORWARDED_BYTES
        self._shown_bytes += newlines
        self._shown_lines += newlines
        return shown


def _last_state(line: bytes) -> bytes:
    """Return what a terminal would show of a line that was written over and over, as a progress bar does."""
    written = line.rstrip(b"\r")
    return written.rpartition(b"\r")[2] + line[len(written) :]


def _cut(line: bytes) -> list[bytes]:
    """Split a line at `LINE_BYTES`, never inside a character."""
    parts = []
    while len(line) > LINE_BYTES:
        end = LINE_BYTES
        while end > LINE_BYTES - _CHARACTER_BYTES and _continues(line[end]):
            end -= 1
        parts.append(line[:end])
        line = line[end:]
    return [*parts, line]


def _continues(byte: int) -> bool:
    return byte & 0b1100_0000 == _CONTINUATION


def _from_character(data: bytes) -> bytes:
    """Drop what is left of a character that was cut at the front."""
    start = 0
    while start < min(_CHARACTER_BYTES, len(data)) and _continues(data[start]):
        start += 1
    return data[start:]
