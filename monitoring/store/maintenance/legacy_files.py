"""The text cache files of the system this replaces: one `key:value` a line, the first colon splits.

Used by `utils.cache` under `CACHE_BACKEND=file` and by the migration. A key or value that the old grammar cannot
hold (a colon in a key, a line break) is written with `%3A`, `%0A`, `%0D`, `%25`, so that a rollback loses nothing.
"""

from __future__ import annotations

import codecs
import logging
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from monitoring.base.errors import StoreError
from monitoring.store.db.write_lock import FairLock

log = logging.getLogger("monitoring.store")

_ESCAPED = {"%3A": ":", "%0A": "\n", "%0D": "\r", "%25": "%"}
_UNESCAPE = re.compile("%3A|%0A|%0D|%25")
_LOCK_TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class CacheFile:
    """The content of one file: its entries, and the numbers and texts of lines that are no `key:value` in UTF-8."""

    entries: Mapping[str, str]
    invalid: list[tuple[int, str]]


def read(path: Path) -> CacheFile:
    """Read a cache file; one that does not exist is empty, a line that cannot be read costs only itself.

    Raises:
        StoreError: it cannot be read.
    """
    try:
        return parse(path.read_bytes())
    except FileNotFoundError:
        return CacheFile({}, [])
    except OSError as error:
        raise StoreError(f"{path}: cannot be read: {error.strerror}") from error


def parse(content: bytes) -> CacheFile:
    """Split the lines of a cache file; a later line of the same key wins."""
    entries: dict[str, str] = {}
    invalid: list[tuple[int, str]] = []
    for number, written in enumerate(content.removeprefix(codecs.BOM_UTF8).split(b"\n"), start=1):
        try:
            line = written.decode()
        except UnicodeDecodeError:
            invalid.append((number, written.decode(errors="backslashreplace")))
            continue
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
        content = read(path)
        entries = dict(content.entries)
        yield entries
        if content.invalid:
            _keep_a_copy(path)
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


def _keep_a_copy(path: Path) -> None:
    """Keep the lines that cannot be read: the file that is written next has them no more."""
    aside = path.with_name(f"{path.name}.damaged-{datetime.now(UTC):%Y%m%dT%H%M%SZ}")
    with suppress(OSError):
        shutil.copyfile(path, aside)
    log.warning("%s has lines that cannot be read: it is kept as %s", path, aside.name)


def _unescape(text: str) -> str:
    return _UNESCAPE.sub(lambda match: _ESCAPED[match[0]], text)


def _escape_value(value: str) -> str:
    """Escape what would be read back otherwise; an ordinary `%` stays as the old system wrote it."""
    value = _UNESCAPE.sub(lambda match: "%25" + match[0][1:], value)
    return value.replace("\n", "%0A").replace("\r", "%0D")


def _escape_key(key: str) -> str:
    return _escape_value(key).replace(":", "%3A")
