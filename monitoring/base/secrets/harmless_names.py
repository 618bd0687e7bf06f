"""Words that anybody may read: those in the files of this checkout. A value made of them alone is no secret.

Only `secret_values` asks, and only for values that look like words; so the files are read rarely.
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
from collections.abc import Iterator
from pathlib import Path

_CHECKOUT = Path(__file__).resolve().parents[3]
_FOLDERS = ("automation", "monitoring", "utils", "protocols", "deploy", "docs")
_READ = (".py", ".md", ".yaml", ".json", ".sql", ".sh", ".html", ".service", ".conf")
# A text in words: `bnb-smart-chain`, `sendMessage`, `testnet2`. Random letters come apart into shorter pieces.
_PART = re.compile(r"[A-Za-z]*\d{0,3}")
_PIECE = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_SHORTEST = 3
_HAS_FORMS = 5  # letters from which on a word stands for its plural, too


def is_public_word(text: str) -> bool:
    """Return whether a text is made of words that stand in this checkout."""
    parts = re.split(r"[-_. ]", text)
    if not all(map(_PART.fullmatch, parts)):
        return False
    pieces = [piece for part in parts for piece in _PIECE.findall(part)]
    long = [piece.lower() for piece in pieces if len(piece) >= _SHORTEST]
    return len(pieces) - len(long) <= 1 and bool(long) and all(map(_is_in_checkout, long))


@functools.cache
def _is_in_checkout(word: str) -> bool:
    if len(word) < _HAS_FORMS:
        form = re.compile(rb"(?<![a-z])" + word.encode() + rb"(?![a-z])")
    else:
        word = word.removesuffix("s")
        form = re.compile(rb"(?<![a-z])" + word.encode())
    return any(word.encode() in text and form.search(text) for text in _texts())


@functools.cache
def _texts() -> list[bytes]:
    """Return what the files hold, in lower case; one that cannot be read is no reason to fail here."""
    found = []
    for path in _files():
        with contextlib.suppress(OSError):
            found.append(path.read_bytes().lower())
    return found


def _files() -> Iterator[Path]:
    for folder in _FOLDERS:
        for directory, _, names in os.walk(_CHECKOUT / folder):
            yield from (Path(directory, name) for name in names if name.endswith(_READ))
