"""Lets every command write to any terminal: what its encoding lacks is written as an escape, never an error.

Called first by whatever has a command line. The escapes are those of JSON, so that JSON stays JSON.
"""

from __future__ import annotations

import codecs
import contextlib
import io
import sys

_AS_ESCAPES = "json-escapes"


def write_whatever_comes() -> None:
    """Keep stdout and stderr from failing on a character that is not in their encoding."""
    codecs.register_error(_AS_ESCAPES, _escape)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # In a forked task the file under it is another one than it was made for, and cannot be asked where it is.
            with contextlib.suppress(OSError, ValueError):
                stream.reconfigure(errors=_AS_ESCAPES)


def _escape(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    data = error.object[error.start : error.end].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{data[at]:02x}{data[at + 1]:02x}" for at in range(0, len(data), 2)), error.end
