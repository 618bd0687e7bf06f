"""stdout and stderr as people read them. Every text of a command passes here.

Everywhere: control characters are shown instead of obeyed, and commands are named as this program was called. On a
terminal also: lines wrapped at words, colour (not with NO_COLOR, no-color.org), and one live line at the bottom.
What programs read (JSON, the crontab) is written to `exactly(stream)`.
"""

from __future__ import annotations

import os
import re
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TextIO, cast

from automation.cli.layout import columns, fold
from monitoring.base.invocation import CALLED_AS, WRITTEN, called_as
from monitoring.base.terminal import visible

DEFAULT_WIDTH = 80
_ALONE = r"(?:^|(?<=  )|(?<=\d )|(?<=: ))(?<!(?<!\d)0 )"  # a word of a result, not of a sentence
_COLOURS = (
    ("1;31", r"\b(?:CRITICAL|FAIL|NOT VERIFIED|NOT REACHED|NOT RUNNING)\b|^error:"),
    ("31", rf"{_ALONE}(?:failed|firing|aborted|timeout(?! \d))\b"),
    ("33", rf"\b(?:HIGH|MEDIUM|WARNING)\b|{_ALONE}(?:warn|no data|missed(?! by)|skipped)\b"),
    ("32", rf"\bVERIFIED\b|{_ALONE}ok\b"),
)
_PAINTED = "|".join(f"({pattern})" for _, pattern in _COLOURS)  # compiled where there is colour
_BOLD, _PLAIN = "1", "\x1b[0m"
_CLEAR_LINE = "\r\x1b[K"


class Screen:
    """Stands in for one of the two streams."""

    def __init__(self, stream: TextIO, environ: Mapping[str, str]) -> None:
        self.exact = stream
        self.is_terminal = stream.isatty() and environ.get("TERM") != "dumb"
        self.has_colour = self.is_terminal and not environ.get("NO_COLOR")
        # A pipe gets a path to this Python only where the caller's own short command says so.
        self._command = called_as(environ=environ) if self.is_terminal or environ.get(CALLED_AS) else WRITTEN
        self._columns = environ.get("COLUMNS", "")
        self._bottom = ""
        self._lock = threading.RLock()

    @property
    def width(self) -> int | None:
        """Columns of the terminal; None where lines are not folded."""
        if not self.is_terminal:
            return None
        if self._columns.isdecimal() and int(self._columns):
            return int(self._columns)
        try:
            return os.get_terminal_size(self.exact.fileno()).columns or DEFAULT_WIDTH
        except (OSError, ValueError):
            return DEFAULT_WIDTH

    def write(self, text: str) -> int:
        self._put("\n".join(line for part in text.split("\n") for line in self._lines(part)))
        return len(text)

    def fits(self, line: str) -> bool:
        """Return whether a line is shown as it is, in one line."""
        return len(self._lines(line)) == 1

    def write_heading(self, line: str) -> None:
        """Write one finished line, bold where there is colour."""
        self._put(f"{self._styled(visible(line), _BOLD)}\n")

    def show_at_bottom(self, line: str) -> None:
        """Replace the live line, cut to the terminal; an empty one takes it away. Without a terminal there is none."""
        if self.is_terminal:
            with self._lock:
                self._bottom = _cut(visible(line), (self.width or DEFAULT_WIDTH) - 1)
                self.exact.write(_CLEAR_LINE + self._bottom)
                self.exact.flush()

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the stream has: flush, fileno, encoding
        return getattr(self.exact, name)

    def _put(self, shown: str) -> None:
        with self._lock:
            if not self._bottom:
                self.exact.write(shown)
                return
            self.exact.write(f"{_CLEAR_LINE}{shown}" + (self._bottom if shown.endswith("\n") else ""))
            self.exact.flush()

    def _lines(self, line: str) -> list[str]:
        line = visible(line)
        if self._command != WRITTEN:
            line = line.replace(WRITTEN, self._command)
        width = self.width
        lines = [line] if width is None else fold(line, width, self._command)
        return [self._painted(each) for each in lines] if self.has_colour else lines

    def _painted(self, line: str) -> str:
        return re.sub(_PAINTED, lambda found: self._styled(found[0], _COLOURS[(found.lastindex or 1) - 1][0]), line)

    def _styled(self, text: str, style: str) -> str:
        return f"\x1b[{style}m{text}{_PLAIN}" if self.has_colour and text else text


def exactly(stream: TextIO) -> TextIO:
    """Return the stream that changes nothing of what is written."""
    return stream.exact if isinstance(stream, Screen) else stream


def screen_of(stream: TextIO) -> Screen:
    return stream if isinstance(stream, Screen) else Screen(stream, os.environ)


@contextmanager
def for_people(environ: Mapping[str, str] = os.environ) -> Iterator[None]:
    """Let stdout and stderr be read by people while a command runs."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (cast("TextIO", Screen(exactly(stream), environ)) for stream in before)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


def _cut(line: str, width: int) -> str:
    while columns(line) > width:
        line = line[: width - 1] + "…" if len(line) > width else f"{line[:-2]}…"
    return line
