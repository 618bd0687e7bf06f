"""Answers of one chain at past blocks, kept on disk: what a final block says never changes.

One file a block, one line an answer; a line that a killed process left half written is cut off by the next reader.
Losing a file costs requests, never a result.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from stat import S_ISREG
from typing import Any

import orjson

MOST_BYTES = 512 * 1024 * 1024  # of all chains together; the files used least recently go first
_IN_HAND = 4  # blocks whose answers are in memory: logs reach back over the last ones


def key_of(method: str, params: object) -> str:
    """Return the name of a question in its block's file."""
    return blake2b(orjson.dumps([method, params]), digest_size=16).hexdigest()


class KeptAnswers:
    """The folder of one chain."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._blocks: OrderedDict[int, dict[str, Any]] = OrderedDict()

    def at(self, block: int) -> dict[str, Any]:
        """Return what is known of a block by key: `{"r": result}`, or `{"e": data}` of what reverted."""
        if block not in self._blocks:
            self._blocks[block] = dict(_lines(self._path(block)))
            while len(self._blocks) > _IN_HAND:
                self._blocks.popitem(last=False)
        self._blocks.move_to_end(block)
        return self._blocks[block]

    def has(self, block: int) -> bool:
        """Return whether anything of a block is kept on disk."""
        return self._path(block).exists()

    def put(self, block: int, found: Mapping[str, Any], *, is_final: bool) -> None:
        """Remember answers; on disk only those that no reorganisation can change."""
        self.at(block).update(found)
        if is_final and found:
            self._append(self._path(block), found)

    def headers(self) -> dict[int, tuple[int, str]]:
        """Return time and hash of each block that a search has looked at."""
        found = dict[int, tuple[int, str]]()
        for number, header in _lines(self._folder / "headers"):
            with suppress(ValueError, TypeError):  # what nobody here wrote is asked again
                at, hash_ = header
                found[int(number)] = int(at), str(hash_)
        return found

    def put_headers(self, found: Mapping[int, tuple[int, str]]) -> None:
        if found:
            self._append(self._folder / "headers", {str(number): header for number, header in found.items()})

    def _path(self, block: int) -> Path:
        return self._folder / str(block)

    def _append(self, path: Path, found: Mapping[str, Any]) -> None:
        text = b"".join(key.encode() + b" " + orjson.dumps(value) + b"\n" for key, value in found.items())
        # On a full disk, or in a folder of somebody else, it is in memory alone.
        with suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True)
            with path.open("ab", buffering=0) as file:
                before = os.fstat(file.fileno()).st_size
                if file.write(text) != len(text):
                    file.truncate(before)  # another line after half a one would be a third


def _lines(path: Path) -> list[tuple[str, Any]]:
    try:
        text = path.read_bytes()
    except OSError:
        return []
    whole = text.rfind(b"\n") + 1
    with suppress(OSError):  # it is another user's
        if whole < len(text):
            os.truncate(path, whole)
        os.utime(path)  # it is in use: others go before it
    found = []
    for line in text[:whole].splitlines():
        key, _, value = line.partition(b" ")
        try:
            found.append((key.decode(), orjson.loads(value)))
        except ValueError:  # a line that a full disk cut: it is asked again
            continue
    return found


def _kept_files(root: Path) -> Iterator[tuple[float, int, Path]]:
    for path in root.glob("*/*"):
        with suppress(OSError):  # another backtest has removed it
            found = path.stat()
            if S_ISREG(found.st_mode):
                yield found.st_mtime, found.st_size, path


def trim(root: Path, most_bytes: int = MOST_BYTES) -> None:
    """Remove the files used least recently until a tenth of the room is free again, if there is too much."""
    files = sorted(_kept_files(root))
    size = sum(one[1] for one in files)
    if size <= most_bytes:
        return
    for _, bytes_, path in files:
        if size <= most_bytes * 9 // 10:
            return
        with suppress(OSError):
            path.unlink(missing_ok=True)
        size -= bytes_
