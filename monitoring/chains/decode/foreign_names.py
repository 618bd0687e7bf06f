"""Names that others choose (tokens, ENS, explorers, descriptors): short, on one line, in quotes, never an address.

They are shown with their source next to an address and decide nothing.
"""

from __future__ import annotations

import re
import unicodedata

MAX_NAME = 40
_LIKE_ADDRESS = re.compile(r"0x[0-9a-f]{4,}", re.IGNORECASE)
_QUOTES = str.maketrans(dict.fromkeys('“”„‟"«»', "'"))


def clean_name(text: str, most: int = MAX_NAME) -> str:
    """Return a stranger's name without what hides, reorders or breaks lines, and cut."""
    shown = "".join(char if char.isprintable() else " " for char in unicodedata.normalize("NFC", text[: most * 8]))
    one_line = " ".join(shown.translate(_QUOTES).split())
    return one_line if len(one_line) <= most else one_line[: most - 1] + "…"


def quoted(text: str, most: int = MAX_NAME) -> str:
    """Put a stranger's name in quotes, and say where letters in it may look like others.

    Digits of an address are left out: anybody can name their own contract by the address of another.
    """
    name = clean_name(text, most)
    mark = "" if name.replace("…", "").isascii() else " (not only plain letters)"
    if _LIKE_ADDRESS.search(name):
        name, mark = _LIKE_ADDRESS.sub("0x…", name), f" (a name that looks like an address){mark}"
    return f"“{name}”{mark}"
