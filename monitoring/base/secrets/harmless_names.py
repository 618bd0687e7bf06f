"""Words that anybody may read: those in the files of this checkout. A value made of them alone is no secret.

Only `secret_values` asks, and only for values that look like words; so the files are read rarely, and only until the
word is found.
"""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Iterator
from pathlib import Path

_CHECKOUT = Path(__file__).resolve().parents[3]
# The pages come first: few files, with most of the words.
_FOLDERS = ("docs", "automation", "monitoring", "utils", "protocols", "deploy")
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


def _texts() -> Iterator[bytes]:
    """Yield what the files hold, in lower case."""
    for folder in _FOLDERS:
        yield from map(_text, _files(folder))


@functools.cache
def _text(path: str) -> bytes:
    """Return what a file holds; one that cannot be read is no reason to fail here."""
    try:
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - a Path costs as much as the reading, a thousand times
            return file.read().lower()
    except OSError:
        return b""


@functools.cache
def _files(folder: str) -> list[str]:
    walked = os.walk(_CHECKOUT / folder)
    return [os.path.join(directory, name) for directory, _, names in walked for name in names if name.endswith(_READ)]  # noqa: PTH118 - likewise
