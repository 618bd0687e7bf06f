"""The protocols that this checkout watches, for those who type their names. Files are searched, never loaded."""

from __future__ import annotations

import re
from pathlib import Path

OWN = frozenset({"automation", "sources"})  # digests and what is wrong with this host; sources without data
_IN_YAML = re.compile(r"""(?:^|[\s{,-])(?:monitor|protocol|channel):[ \t]+["']?([A-Za-z0-9][\w.-]*)""", re.MULTILINE)
_IN_PYTHON = re.compile(r"""@monitor\(\s*["']([^"']+)["']|\bprotocol\s*=\s*["']([^"']+)["']""")


def protocols_of(checkout: Path) -> set[str]:
    """Return the names that monitors of the checkout give their alerts, and those of their folders."""
    root = checkout / "protocols"
    found = set(OWN)
    for file in (*root.glob("*/*.yaml"), *root.glob("*/*.yml"), *root.glob("*/*.py")):
        if not file.parent.name.startswith("_"):
            found.add(file.parent.name)
        found |= _names_in(file)
    return found


def _names_in(file: Path) -> set[str]:
    try:
        text = file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return set()
    pattern = _IN_PYTHON if file.suffix == ".py" else _IN_YAML
    return {name for names in pattern.findall(text) for name in ([names] if isinstance(names, str) else names) if name}
