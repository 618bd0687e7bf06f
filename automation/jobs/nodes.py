"""Values that know their line and column, and mistakes that point at them.

yaml_reader.py builds these from a file, config.py validates them; nothing here knows YAML or jobs.yaml.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from monitoring.base.errors import ConfigError
from monitoring.base.yaml.text import Place

Step = str | int
Steps = tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Mistake:
    """What is wrong at one place, and what to write instead."""

    place: Place
    path: Steps
    message: str

    def render(self, file: str) -> str:
        return f"{file}:{self.place} {dotted(self.path)}: {self.message}"


def dotted(path: Steps) -> str:
    """Write a path as `profiles.hourly.tasks[2].script`; what is not printable is escaped."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step if step.isprintable() else ascii(step)}"
    return text.removeprefix(".")


def config_error(file: str, mistakes: list[Mistake]) -> ConfigError:
    """Return the error that lists these mistakes by place."""
    ordered = sorted(mistakes, key=lambda mistake: (mistake.place, dotted(mistake.path), mistake.message))
    return ConfigError([mistake.render(file) for mistake in ordered])


class Scalar(str):
    """The characters of a value as they are written, and the kind YAML would take them for (`bool`, `null`…)."""

    place: Place
    kind: str

    __slots__ = ("kind", "place")

    def __new__(cls, text: str, kind: str, place: Place) -> Self:
        scalar = super().__new__(cls, text)
        scalar.kind, scalar.place = kind, place
        return scalar


class Sequence(list["Value"]):
    """A list that knows where it begins."""

    def __init__(self, place: Place) -> None:
        super().__init__()
        self.place = place


class Mapping(dict[str, "Value"]):
    """A mapping that knows where it begins and where each of its keys stands."""

    def __init__(self, place: Place) -> None:
        super().__init__()
        self.place = place
        self.key_places: dict[str, Place] = {}


Value = Scalar | Sequence | Mapping


@dataclass(frozen=True, slots=True)
class Document:
    """One YAML file: its values, and the mistakes of form that did not stop the reading."""

    file: str
    root: Value
    mistakes: tuple[Mistake, ...] = ()

    def place(self, path: Steps) -> Place:
        """Return where the value at a path stands, or of what is missing, where its parent is named."""
        value: Value = self.root
        named_at = value.place
        for step in path:
            if isinstance(value, Mapping) and isinstance(step, str) and step in value:
                named_at, value = value.key_places[step], value[step]
            elif isinstance(value, Sequence) and isinstance(step, int) and step < len(value):
                value = value[step]
                named_at = value.place
            else:
                return named_at
        return value.place

    def key_place(self, path: Steps) -> Place:
        """Return where the last key of a path stands."""
        parent = self.at(path[:-1])
        return parent.key_places[str(path[-1])] if isinstance(parent, Mapping) else self.place(path)

    def at(self, path: Steps) -> Value | None:
        """Return the value at a path, None where there is none."""
        value: Value | None = self.root
        for step in path:
            if isinstance(value, Mapping) and isinstance(step, str):
                value = value.get(step)
            elif isinstance(value, Sequence) and isinstance(step, int) and step < len(value):
                value = value[step]
            else:
                return None
        return value
