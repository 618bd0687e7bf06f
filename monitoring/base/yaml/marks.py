"""YAML as a tree of nodes that know their place, and the mistakes found in one: `file:line:column path: message`.

`reader.py` builds the tree, `keys.py` reads values from it. A plain scalar stays the text that was written.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple, Self, TypeAlias

from monitoring.base.errors import ConfigError

_NULLS = ("", "~", "null", "Null", "NULL")


class Place(NamedTuple):
    """Line and column, both counted from 1 as editors count."""

    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.line}:{self.column}"


START = Place(1, 1)


class Scalar(NamedTuple):
    """A text as written; `quoted` distinguishes `"1"` from `1`. `source` is the raw text in the file."""

    text: str
    at: Place
    quoted: bool = False
    source: str = ""

    @property
    def is_null(self) -> bool:
        return not self.quoted and self.text in _NULLS

    def place_of(self, offset: int) -> Place:
        """Return where in the file a character of `text` is, across quotes, escapes and folded lines."""
        position = 0
        for index, char in enumerate(self.text):
            if char.isspace():
                if index >= offset:
                    break
                continue
            found = self.source.find(char, position)
            position = found if found >= 0 else position
            if index >= offset:
                break
            position += 1
        else:
            position = max(position, len(self.source.rstrip("\"' \n")))
        before = self.source[:position]
        line_breaks = before.count("\n")
        column = position - before.rfind("\n") if line_breaks else self.at.column + position
        return Place(self.at.line + line_breaks, column)

    def __str__(self) -> str:
        return f"the text {self.text!r}"


class Sequence(NamedTuple):
    """A list."""

    items: tuple[Node, ...]
    at: Place

    def __str__(self) -> str:
        return "a list"


class Mapping(NamedTuple):
    """Keys and values in the order written."""

    entries: tuple[tuple[Scalar, Node], ...]
    at: Place

    def get(self, key: str) -> Node | None:
        return next((value for name, value in self.entries if name.text == key), None)

    def __str__(self) -> str:
        return "a mapping"


class Grafted(NamedTuple):
    """A node of another file, or of another place: it keeps its own path, and its mistakes go to its own file."""

    origin: YamlNode

    @property
    def at(self) -> Place:
        return self.origin.node.at


Node: TypeAlias = Scalar | Sequence | Mapping | Grafted


def below(path: str, step: str | int) -> str:
    """Return the path of an entry (`profiles.hourly.tasks[2]`); what cannot be printed is escaped."""
    if isinstance(step, int):
        return f"{path}[{step}]"
    name = step if step.isprintable() else ascii(step)
    return f"{path}.{name}" if path else name


@dataclass(slots=True)
class Mistakes:
    """Collects the mistakes of one file, and of the files read with it (`included`)."""

    file: str
    found: list[tuple[Place, str, str]] = field(default_factory=list)
    included: list[Mistakes] = field(default_factory=list)
    doubts: list[tuple[Place, str, str]] = field(default_factory=list)

    def add(self, place: Place, path: str, message: str) -> None:
        self.found.append((place, path, message))

    def lines(self) -> list[str]:
        """Return one finished line for each mistake, in the order of the file; those of included files come after."""
        return self._lines(self.found) + [line for one in self.included for line in one.lines()]

    def warnings(self) -> list[str]:
        """Return one finished line for each doubt: the file is valid, but may not mean what its author thinks."""
        return self._lines([(place, path, f"warning: {message}") for place, path, message in self.doubts])

    def _lines(self, found: list[tuple[Place, str, str]]) -> list[str]:
        return [
            f"{self.file}:{place} {path}: {message}" if path else f"{self.file}:{place} {message}"
            for place, path, message in sorted(dict.fromkeys(found))
        ]

    def raise_any(self) -> None:
        """Raise a `ConfigError` with every mistake, if there is one."""
        if lines := self.lines():
            raise ConfigError(lines)


@dataclass(frozen=True, slots=True)
class YamlNode:
    """A node, its path, and where its mistakes go. `named_at` is the place of its key, where something is missing."""

    node: Node
    path: str
    mistakes: Mistakes
    named_at: Place | None = None

    def wrong(self, message: str, offset: int | None = None) -> None:
        """Note a mistake here, or at a character of this scalar."""
        node = self.node
        place = node.place_of(offset) if isinstance(node, Scalar) and offset is not None else node.at
        self.mistakes.add(place, self.path, message)

    def doubt(self, message: str) -> None:
        """Note here what may be a mistake; the file is valid all the same."""
        self.mistakes.doubts.append((self.node.at, self.path, message))

    def children(self) -> list[tuple[Scalar, Self]]:
        """Return the entries of a mapping; of anything else, none."""
        entries = self.node.entries if isinstance(self.node, Mapping) else ()
        return [(key, self._child(value, key.text, key.at)) for key, value in entries]

    def elements(self) -> list[Self]:
        """Return the items of a list; of anything else, none."""
        items = self.node.items if isinstance(self.node, Sequence) else ()
        return [self._child(item, index, item.at) for index, item in enumerate(items)]

    def get(self, key: str) -> Self | None:
        entries = self.node.entries if isinstance(self.node, Mapping) else ()
        return next((self._child(value, key, name.at) for name, value in entries if name.text == key), None)

    def _child(self, node: Node, step: str | int, named_at: Place) -> Self:
        if isinstance(node, Grafted):
            origin = node.origin
            return type(self)(origin.node, origin.path, origin.mistakes, origin.named_at)
        return type(self)(node, below(self.path, step), self.mistakes, named_at)
