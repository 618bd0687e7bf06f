"""What may be written to any terminal: no character its encoding lacks, no control character of somebody else.

`write_whatever_comes` is called first by whatever has a command line; its escapes are those of JSON, so that JSON stays
JSON. `visible` is for text from outside: names, keys, answers of services, the output of tasks.
"""

from __future__ import annotations

import codecs
import contextlib
import io
import re
import sys

# C0 without tab, DEL, C1; line separators; the marks that reorder what a reader sees.
_CONTROLS = r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]"
_AS_ESCAPES = "json-escapes"


def write_whatever_comes() -> None:
    """Keep stdout and stderr from failing on a character that is not in their encoding."""
    codecs.register_error(_AS_ESCAPES, _escape)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # In a forked task the file under it is another one than it was made for, and cannot be asked where it is.
            with contextlib.suppress(OSError, ValueError):
                stream.reconfigure(errors=_AS_ESCAPES)


def visible(line: str) -> str:
    """Return a line with its control characters written out: an escape as backslash and `x1b`."""
    return line if line.isprintable() else re.sub(_CONTROLS, lambda match: ascii(match[0])[1:-1], line)


def _escape(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    data = error.object[error.start : error.end].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{data[at]:02x}{data[at + 1]:02x}" for at in range(0, len(data), 2)), error.end
