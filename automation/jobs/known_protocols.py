"""The protocols that this checkout watches, for those who type their names. Files are searched, never loaded."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

OWN = frozenset({"automation", "sources"})  # digests and what is wrong with this host; sources without data
_VALUE = r"""[ \t]+["']?([A-Za-z0-9][\w.-]*)"""
_IN_YAML = re.compile(rf"(?:^|[\s{{,-])(?:monitor|protocol|channel):{_VALUE}", re.MULTILINE)
_PROTOCOL = re.compile(rf"(?:^|[\s{{,-])protocol:{_VALUE}", re.MULTILINE)
# Of a monitor without a protocol the name is the protocol.
_MONITOR, _OF_ALL = re.compile(rf"^monitor:{_VALUE}", re.MULTILINE), re.compile(r"^protocol:", re.MULTILINE)
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


def protocols_in(files: Iterable[Path]) -> set[str]:
    """Return the protocols that these files give their alerts; a channel is none."""
    found: set[str] = set()
    for file in files:
        text = _text(file)
        if file.suffix == ".py":
            found |= _in_python(text)
        else:
            found |= {*_PROTOCOL.findall(text), *([] if _OF_ALL.search(text) else _MONITOR.findall(text))}
    return found


def _names_in(file: Path) -> set[str]:
    return _in_python(_text(file)) if file.suffix == ".py" else set(_IN_YAML.findall(_text(file)))


def _in_python(text: str) -> set[str]:
    return {name for names in _IN_PYTHON.findall(text) for name in names if name}


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
