"""The text cache files of the system this replaces: one `key:value` a line, the first colon splits.

Used by `utils.cache` under `CACHE_BACKEND=file` and by the migration. A key or value that the old grammar cannot
hold (a colon in a key, a line break) is written with `%3A`, `%0A`, `%0D`, `%25`, so that a rollback loses nothing.
"""

from __future__ import annotations

import logging
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from monitoring.errors import StoreError
from monitoring.store.fair_lock import FairLock

log = logging.getLogger("monitoring.store")

_ESCAPED = {"%3A": ":", "%0A": "\n", "%0D": "\r", "%25": "%"}
_UNESCAPE = re.compile("%3A|%0A|%0D|%25")
_LOCK_TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class CacheFile:
    """The content of one file: its entries, and the numbers and texts of lines that are no `key:value`."""

    entries: Mapping[str, str]
    invalid: list[tuple[int, str]]


def read(path: Path) -> CacheFile:
    """Read a cache file; one that does not exist is empty, one that is not text is set aside and empty.

    Raises:
        StoreError: it cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return CacheFile({}, [])
    except UnicodeDecodeError:
        return _set_aside(path)
    except OSError as error:
        raise StoreError(f"{path}: cannot be read: {error.strerror}") from error
    return parse(text)


def parse(text: str) -> CacheFile:
    """Split the lines of a cache file; a later line of the same key wins."""
    entries: dict[str, str] = {}
    invalid: list[tuple[int, str]] = []
    for number, line in enumerate(text.split("\n"), start=1):
        key, colon, value = line.rstrip("\r").partition(":")
        if colon and key.strip() and "\0" not in line:
            entries[_unescape(key.strip())] = _unescape(value.strip())
        elif line.strip():
            invalid.append((number, line))
    return CacheFile(entries, invalid)


@contextmanager
def change(path: Path) -> Iterator[dict[str, str]]:
    """Hand out the entries for changing; they replace the file at once when the block ends well.

    Raises:
        StoreError: the file cannot be read or written.
    """
    with FairLock(path.parent / "locks" / f"file.{path.name}.lock").hold(_LOCK_TIMEOUT_S):
        entries = dict(read(path).entries)
        yield entries
        write(path, entries)


def write(path: Path, entries: Mapping[str, str]) -> None:
    """Replace the file atomically.

    Raises:
        StoreError: the disk refuses it; the file is then as before.
    """
    text = "".join(f"{_escape_key(key)}:{_escape_value(value)}\n" for key, value in entries.items())
    try:
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, prefix=path.name, delete=False) as new:
            try:
                new.write(text)
                new.flush()
                os.fsync(new.fileno())
                os.fchmod(new.fileno(), 0o660)
                Path(new.name).replace(path)
            except BaseException:
                with suppress(OSError):
                    Path(new.name).unlink()
                raise
    except OSError as error:
        raise StoreError(f"{path}: cannot be written: {error.strerror}") from error


def _set_aside(path: Path) -> CacheFile:
    aside = path.with_name(f"{path.name}.damaged-{datetime.now(UTC):%Y%m%dT%H%M%SZ}")
    with suppress(OSError):
        path.rename(aside)
    log.warning("%s is not a text file: set aside as %s, its values are seeded anew", path, aside.name)
    return CacheFile({}, [])


def _unescape(text: str) -> str:
    return _UNESCAPE.sub(lambda match: _ESCAPED[match[0]], text)


def _escape_value(value: str) -> str:
    """Escape what would be read back otherwise; an ordinary `%` stays as the old system wrote it."""
    value = _UNESCAPE.sub(lambda match: "%25" + match[0][1:], value)
    return value.replace("\n", "%0A").replace("\r", "%0D")


def _escape_key(key: str) -> str:
    return _escape_value(key).replace(":", "%3A")
