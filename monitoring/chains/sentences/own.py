"""Descriptors of a team's own: `automation/descriptors.d/*.json`, each mistake with its file and place.

A file that cannot be used is left out with a line in the log; alerts go out with our own words. `validate` reports it.
"""

from __future__ import annotations

import functools
import json
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path

from monitoring.base.settings import CHECKOUT
from monitoring.chains.sentences.catalogue import Place
from monitoring.chains.sentences.erc7730 import DescriptorError, merged, read_descriptor
from monitoring.chains.sentences.pattern import Pattern

OWN = CHECKOUT / "automation" / "descriptors.d"
MAX_BYTES = 1_000_000  # of a file; the largest published one has some 100 kB
MAX_FILES = 300


@functools.cache
def own_patterns() -> Mapping[Place, Pattern]:
    """Return the sound patterns of a team's own descriptors by chain, contract and selector."""
    found, mistakes = read_folder(OWN)
    for line in mistakes:
        logging.getLogger("monitoring.chains").warning("left out: %s", line)
    return found


def descriptor_mistakes() -> list[str]:
    """Return each mistake in descriptors.d as `file:line:column path: message`."""
    return read_folder(OWN)[1]


def read_folder(folder: Path) -> tuple[dict[Place, Pattern], list[str]]:
    """Return the sound patterns and the mistakes of a folder; no folder has none of both."""
    found: dict[Place, Pattern] = {}
    mistakes: list[str] = []
    paths = sorted(folder.glob("*.json")) if folder.is_dir() else []
    for path in paths[:MAX_FILES]:
        mistakes += _read(path, found)
    if len(paths) > MAX_FILES:
        mistakes.append(f"{_shown(folder)}:1:1 only the first {MAX_FILES} descriptors are read")
    return found, mistakes


def _read(path: Path, found: dict[Place, Pattern]) -> Iterator[str]:
    """Put what a file describes into `found`, and yield its mistakes."""
    text = ""
    try:
        text = _text(path)
        document = json.loads(text)
        described = read_descriptor(_with_included(document, path), path.name)
    except json.JSONDecodeError as error:
        yield f"{_shown(path)}:{error.lineno}:{error.colno} is not JSON: {error.msg}"
        return
    except (OSError, UnicodeDecodeError, RecursionError) as error:
        yield f"{_shown(path)}:1:1 cannot be read: {error}"
        return
    except DescriptorError as error:
        yield _line(path, text, error)
        return
    for mistake in described.mistakes:
        yield _line(path, text, mistake)
    for pattern in described.patterns:
        selector = pattern.signature.declaration.function.selector
        for chain, address in described.contracts:
            twin = found.setdefault((chain, address, selector), pattern)
            if twin is not pattern:
                name = pattern.signature.declaration.function.name
                yield f"{_shown(path)}:1:1 {name} of {address} is described in {twin.source} already"


def _with_included(document: object, path: Path) -> object:
    """Put a file of the same folder that a descriptor includes under it; nothing is fetched from elsewhere."""
    name = document.get("includes") if isinstance(document, dict) else None
    if name is None:
        return document
    other = path.parent / Path(str(name)).name
    if str(name).startswith(("http:", "https:")) or not other.is_file():
        raise DescriptorError("includes", f"put {Path(str(name)).name} into the same folder: nothing is fetched")
    return merged(json.loads(_text(other)), document)


def _text(path: Path) -> str:
    if path.stat().st_size > MAX_BYTES:
        raise OSError(f"larger than {MAX_BYTES:,} bytes")
    return path.read_text(encoding="utf-8")


def _line(path: Path, text: str, mistake: DescriptorError) -> str:
    """Name the line of the function, or of the key, that a mistake is about."""
    key = mistake.path.partition("[")[2].partition("]")[0] or mistake.path.rpartition(".")[2]
    at = text.find(f'"{key}"')
    line = text.count("\n", 0, at) + 1 if at >= 0 else 1
    column = at - text.rfind("\n", 0, at) if at >= 0 else 1
    return f"{_shown(path)}:{line}:{column} {mistake}"


def _shown(path: Path) -> Path:
    return path.relative_to(CHECKOUT) if path.is_relative_to(CHECKOUT) else path
