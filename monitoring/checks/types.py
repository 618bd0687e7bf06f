"""Built-in types: a section of a monitor file that is only data, read and planned by one plug-in.

A type is registered by name; `loading.py` hands it its section. Every type has this one shape.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from monitoring.checks.plan import Part
from monitoring.checks.spot import Spot

C = TypeVar("C")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a type may know of the monitor its section stands in."""

    monitor: str
    channel: str
    chains: tuple[int, ...]
    folder: Path


@dataclass(frozen=True, slots=True)
class CheckType(Generic[C]):
    """A built-in type. `name` is the key of its section.

    `schema` reads the section and notes mistakes at their places (None when it cannot go on); `plan` turns what it
    read into parts. Neither touches a network.
    """

    name: str
    schema: Callable[[Spot, Surroundings], C | None]
    plan: Callable[[C, Surroundings], Sequence[Part]]


Registry = Mapping[str, CheckType[object]]
NO_TYPES: Registry = {}


def registry(*types: CheckType[object]) -> Registry:
    """Collect types by name.

    Raises:
        ValueError: two share a name.
    """
    found = {one.name: one for one in types}
    if len(found) < len(types):
        raise ValueError("two built-in types share a name")
    return found
