"""Which variables belong to what sends: declared by each sender in its own file, and read from there.

Read as text, not imported: this room lies below the senders, the web process must hold none, and a token stays
protected even where its sender cannot be imported. `VARIABLES` and `PUBLIC` of a sender are tuples of literal names,
in which `*` stands for any text. What is not `PUBLIC` is a secret: a forgotten line hides too much, not too little.
"""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterable
from pathlib import Path

SENDERS = Path(__file__).resolve().parents[2] / "alerts" / "senders"
# Not of a sender, and no monitor needs them either: the outside watch of the runner, and a model's key.
_OF_THE_RUNNER = ("HEARTBEAT*", "HEALTHCHECK*", "LLM_*")
_CONSTANT = re.compile(r"^(VARIABLES|PUBLIC)\b[^=\n]*= (\(.*?\))$", re.MULTILINE | re.DOTALL)


def is_of_a_sender(name: str) -> bool:
    """Return whether a variable belongs to a sender and is not public as a whole kind."""
    return bool(_pattern(_senders_own()).fullmatch(name.upper()))


def is_kept_from_tasks(name: str) -> bool:
    """Return whether a monitor must not see a variable: the runner sends, and pings, in its place."""
    return is_of_a_sender(name) or bool(_pattern(_OF_THE_RUNNER).fullmatch(name.upper()))


def is_declared_public(name: str) -> bool:
    """Return whether a sender says that anybody may read the value."""
    return bool(_pattern(_declared()["PUBLIC"]).fullmatch(name.upper()))


def is_declared_secret(name: str) -> bool:
    return is_kept_from_tasks(name) and not is_declared_public(name)


def reserved_prefixes() -> tuple[str, ...]:
    """Return how the names begin that nobody may set for a monitor: it would not see them."""
    return tuple(name.removesuffix("*") for name in (*_senders_own(), "LLM_*"))


@functools.cache
def _senders_own() -> tuple[str, ...]:
    declared = _declared()
    return tuple(name for name in declared["VARIABLES"] if name not in declared["PUBLIC"])


@functools.cache
def _declared() -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {"VARIABLES": [], "PUBLIC": []}
    for path in sorted((*SENDERS.glob("*.py"), *SENDERS.glob("*/__init__.py"))):
        for name, value in declared_in(path.read_text()):
            found[name] += value
    return {name: tuple(values) for name, values in found.items()}


def declared_in(source: str) -> list[tuple[str, tuple[str, ...]]]:
    """Return what the text of a sender declares.

    Raises:
        ValueError: a declaration is not a tuple of literals.
    """
    return [(name, ast.literal_eval(value)) for name, value in _CONSTANT.findall(source)]


@functools.cache
def _pattern(names: Iterable[str]) -> re.Pattern[str]:
    return re.compile("|".join(re.escape(name).replace(r"\*", ".*") for name in names) or "(?!)")
