"""Keeps a task's output within bounds and harmless for a log: the first megabyte as lines, then a count and the tail.

The executor feeds it raw bytes; it never holds more than one line and the tail in memory.
"""

from __future__ import annotations

import re

from monitoring.base.secrets.redact import Redactor, of_this_process
from monitoring.base.terminal import visible

FORWARDED_BYTES = 1_000_000  # the first megabyte, then a count and the tail
LINE_BYTES = 8192
TAIL_BYTES = 2048

# Escape sequences of a terminal: CSI (colours, cursor), OSC (titles, links), and the short ones.
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[ -/]*[0-~])")
_CONTINUATION = 0b1000_0000  # the second to fourth byte of a UTF-8 character: 10xxxxxx
_CHARACTER_BYTES = 4
_ESCAPE = b"\x1b"
_HELD_BYTES = 64  # of a line that goes on: more than a character or a colour takes


def readable(line: bytes) -> str:
    """Return one line as text a log can hold: terminal escapes dropped, other controls and bad bytes shown."""
    text = line.rstrip(b"\r").decode("utf-8", "backslashreplace")
    return text if text.isprintable() else visible(_ESCAPES.sub("", text))


class Output:
    """The output of one task over all its attempts; `bytes` and `lines` count what it wrote, shown or not.

    Secrets are taken out of whole lines, before a line is cut; of a line that does not end, as far as no secret can
    still be going on.
    """

    def __init__(self, redact: Redactor | None = None) -> None:
        self.bytes = 0
        self.lines = 0
        self._redact = redact or of_this_process()
        self._partial = b""
        self._newest = b"\n"
        # More than the tail: what a secret may reach back, twice, for the colours somebody puts into it.
        self._kept = TAIL_BYTES + _HELD_BYTES + 2 * self._redact.longest
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
        data = self._partial + data
        *ended, rest = data.split(b"\n")
        self._partial = self._overwrite(rest)
        clean = self._clean if _ESCAPE in data or self._redact.may_change(data) else readable
        lines = [self._overwrite(line) for line in ended]
        shown = [text for line in lines for text in self._show(clean(line), len(line), newlines=1)]
        return shown + self._show_beginning()

    def end_attempt(self) -> list[str]:
        """Return the last line when the task ended in the middle of it."""
        if self._newest.endswith(b"\n"):
            return []
        self.lines += 1
        self._remember(b"\n")
        line, self._partial = self._partial, b""
        shown = [] if self._full else self._show(self._clean(line), len(line))
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
        first, *others = self._newest.removesuffix(b"\n").split(b"\n")
        if not others:  # what is kept begins in the middle of this line, maybe in the middle of a secret
            text = readable(_from_character(first))
            start = self._redact.whole(text, max(len(text) - TAIL_BYTES, self._redact.longest))
            return _end_of(self._redact(text[start:]))
        lines = [self._clean(line) for line in others]
        taken, room = 0, TAIL_BYTES + 1
        for line in reversed(lines):
            room -= len(line.encode()) + 1
            if room < 0:
                break
            taken += 1
        return "\n".join(lines[-taken:]) if taken else _end_of(lines[-1])

    def _remember(self, data: bytes) -> None:
        newest = self._newest + data
        if b"\r" in newest:
            newest = b"\n".join(map(_last_state, newest.split(b"\n")))
        self._newest = newest[-self._kept :]

    def _overwrite(self, line: bytes) -> bytes:
        left = _last_state(line)
        self._overwritten_bytes += len(line) - len(left)
        return left

    def _clean(self, line: bytes) -> str:
        return self._redact(readable(line))

    def _show(self, text: str, size: int, newlines: int = 0) -> list[str]:
        """Return a line of `size` bytes in parts a log can hold, as far as there is room."""
        shown: list[str] = []
        before = self._shown_bytes
        for part in _cut(text):
            if self._full:  # what is left out is counted, however much longer the shown text is than the bytes were
                self._shown_bytes = min(self._shown_bytes, before + size - 1)
                return shown
            shown.append(part)
            self._shown_bytes += len(part.encode())
            self._full = self._shown_bytes >= FORWARDED_BYTES
        self._shown_bytes = before + size + newlines
        self._shown_lines += newlines
        return shown

    def _show_beginning(self) -> list[str]:
        """Return the beginning of a line that is long already; the rest waits, where a secret may be going on."""
        if self._full or len(self._partial) <= LINE_BYTES + _HELD_BYTES:
            return []
        at = _between_sequences(self._partial, len(self._partial) - _HELD_BYTES)
        text = readable(self._partial[:at])
        end = self._redact.whole(text, max(len(text) - self._redact.longest, 0))
        *parts, rest = _cut(self._redact(text[:end]))
        if parts:
            self._partial = (rest + text[end:]).encode() + self._partial[at:]
        return [line for part in parts for line in self._show(part, len(part.encode()))]


def _last_state(line: bytes) -> bytes:
    """Return what a terminal would show of a line that was written over and over, as a progress bar does."""
    written = line.rstrip(b"\r")
    return written.rpartition(b"\r")[2] + line[len(written) :]


def _cut(text: str) -> list[str]:
    """Split a line at `LINE_BYTES`, never inside a character."""
    if len(text) * _CHARACTER_BYTES <= LINE_BYTES:
        return [text]
    parts, line = [], text.encode()
    while len(line) > LINE_BYTES:
        end = LINE_BYTES
        while _continues(line[end]):
            end -= 1
        parts.append(line[:end].decode())
        line = line[end:]
    return [*parts, line.decode()]


def _between_sequences(data: bytes, at: int) -> int:
    """Return the last place up to `at` that is in no character and, as far as can be seen, in no escape sequence."""
    escape = data.rfind(_ESCAPE, at - _HELD_BYTES, at)
    at = escape if escape > 0 else at
    return next((end for end in range(at, at - _CHARACTER_BYTES, -1) if not _continues(data[end])), at)


def _end_of(line: str) -> str:
    return _from_character(line.encode()[-TAIL_BYTES:]).decode()


def _continues(byte: int) -> bool:
    return byte & 0b1100_0000 == _CONTINUATION


def _from_character(data: bytes) -> bytes:
    """Drop what is left of a character that was cut at the front."""
    start = 0
    while start < min(_CHARACTER_BYTES, len(data)) and _continues(data[start]):
        start += 1
    return data[start:]
