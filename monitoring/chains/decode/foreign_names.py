"""Names that others choose (tokens, ENS, explorers, descriptors): short, on one line, in quotes, never an address.

They are shown with their source next to an address and decide nothing.
"""

from __future__ import annotations

import unicodedata

MAX_NAME = 40
_QUOTES = str.maketrans(dict.fromkeys('“”„‟"«»', "'"))


def clean_name(text: str, most: int = MAX_NAME) -> str:
    """Return a stranger's name without what hides, reorders or breaks lines, and cut."""
    shown = "".join(char if char.isprintable() else " " for char in unicodedata.normalize("NFC", text[: most * 8]))
    one_line = " ".join(shown.translate(_QUOTES).split())
    return one_line if len(one_line) <= most else one_line[: most - 1] + "…"


def quoted(text: str, most: int = MAX_NAME) -> str:
    """Put a stranger's name in quotes, and say where letters in it may look like others."""
    name = clean_name(text, most)
    mark = "" if name.replace("…", "").isascii() else " (not only plain letters)"
    return f"“{name}”{mark}"
