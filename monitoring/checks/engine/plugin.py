"""Built-in types: a section of a monitor file that is only data, read and planned by one plug-in.

A type is found by its `TYPE`; `config/load.py` hands it its section. Every type has this one shape.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from monitoring.base.yaml.keys import Key
from monitoring.checks.config.yaml_node import Spot
from monitoring.checks.engine.plan import Answerer, CheckInstance
from monitoring.checks.messages.plain import AlertRoute

C = TypeVar("C")


@dataclass(frozen=True, slots=True)
class PluginContext:
    """What a type may know of the monitor its section stands in."""

    monitor: str
    route: AlertRoute
    chains: tuple[int, ...]
    folder: Path


@dataclass(frozen=True, slots=True)
class CheckType(Generic[C]):
    """A built-in type. `key` is that of its section, and its kind the table of what may be written there.

    `schema` reads the section and notes mistakes at their places (None when it cannot go on); `plan` turns what it
    read into parts. Neither touches a network. `answers` has one answerer for each class of question its parts ask.
    """

    key: Key[Any]
    schema: Callable[[Spot, PluginContext], C | None]
    plan: Callable[[C, PluginContext], Sequence[CheckInstance]]
    answers: Mapping[type, Answerer] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.key.name


Registry = Mapping[str, CheckType[Any]]
NO_TYPES: Registry = {}


def registry(*types: CheckType[Any]) -> Registry:
    """Collect types by name.

    Raises:
        ValueError: two share a name, or answer one class of question in two ways.
    """
    found = {one.name: one for one in types}
    if len(found) < len(types):
        raise ValueError("two built-in types share a name")
    answerers: dict[type, tuple[str, Answerer]] = {}
    for one in types:
        for kind, answerer in one.answers.items():
            other, known = answerers.setdefault(kind, (one.name, answerer))
            if known is not answerer:
                raise ValueError(f"{other} and {one.name} answer a {kind.__name__} in two ways: share one answerer")
    return found
