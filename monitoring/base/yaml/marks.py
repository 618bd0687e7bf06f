"""YAML as a tree of nodes that know their place, and the mistakes found in one: `file:line:column path: message`.

Used for monitors and their data files. A plain scalar stays the text that was written; aliases, tags and
several documents are refused, and depth and size are bounded, so that no file can exhaust the reader.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

import yaml

from monitoring.base.errors import ConfigError
from monitoring.base.yaml.text import START, Place, YamlError, explain

MAX_DEPTH = 40
MAX_NODES = 50_000
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the C parser is ten times faster


@dataclass(frozen=True, slots=True)
class Scalar:
    """A text as written; `quoted` tells `"1"` from `1`. `source` is the raw text in the file."""

    text: str
    at: Place
    quoted: bool = False
    source: str = ""

    def place_of(self, offset: int) -> Place:
        """Return where in the file a character of `text` stands, across quotes, escapes and folded lines."""
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


@dataclass(frozen=True, slots=True)
class Sequence:
    """A list."""

    items: tuple[Node, ...]
    at: Place


@dataclass(frozen=True, slots=True)
class Mapping:
    """Keys and values in the order written."""

    entries: tuple[tuple[Scalar, Node], ...]
    at: Place

    def get(self, key: str) -> Node | None:
        return next((value for name, value in self.entries if name.text == key), None)


Node: TypeAlias = Scalar | Sequence | Mapping


@dataclass(slots=True)
class Mistakes:
    """Collects the mistakes of one file, and of the data files it names (`beside`)."""

    file: str
    found: list[tuple[Place, str, str]] = field(default_factory=list)
    beside: list[Mistakes] = field(default_factory=list)

    def add(self, place: Place, path: str, message: str) -> None:
        self.found.append((place, path, message))

    def lines(self) -> list[str]:
        """Return one finished line for each mistake, in the order of the file; those of data files come after."""
        own = [
            f"{self.file}:{place} {path}: {message}" if path else f"{self.file}:{place} {message}"
            for place, path, message in sorted(dict.fromkeys(self.found))
        ]
        return own + [line for one in self.beside for line in one.lines()]

    def raise_any(self) -> None:
        """Raise a `ConfigError` with every mistake, if there is one."""
        if lines := self.lines():
            raise ConfigError(lines)


def compose(text: str) -> Node:
    """Read one document.

    Raises:
        YamlError: it is not YAML, or uses what we refuse.
    """
    builder = _Builder(text)
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            builder.take(event)
    except yaml.YAMLError as error:
        raise explain(error, text) from None
    if builder.root is None:
        raise YamlError(START, "the file is empty")
    return builder.root


def walk(node: Node, path: str = "") -> Iterator[tuple[str, Node]]:
    """Yield every node below (and with) this one and its dotted path."""
    yield path, node
    if isinstance(node, Mapping):
        for key, value in node.entries:
            yield from walk(value, f"{path}.{key.text}" if path else key.text)
    elif isinstance(node, Sequence):
        for index, item in enumerate(node.items):
            yield from walk(item, f"{path}[{index}]")


class _Open:
    """A list or mapping whose end has not come yet."""

    def __init__(self, at: Place, *, mapping: bool) -> None:
        self.at, self.mapping = at, mapping
        self.nodes: list[Node] = []

    def close(self) -> Node:
        if not self.mapping:
            return Sequence(tuple(self.nodes), self.at)
        entries: list[tuple[Scalar, Node]] = []
        firsts: dict[str, Place] = {}
        for key, value in zip(self.nodes[::2], self.nodes[1::2], strict=True):
            if not isinstance(key, Scalar):
                raise YamlError(key.at, "a key must be a plain text")
            if key.text in firsts:
                raise YamlError(key.at, f"{key.text!r} stands here twice, first in line {firsts[key.text].line}")
            firsts[key.text] = key.at
            entries.append((key, value))
        return Mapping(tuple(entries), self.at)


class _Builder:
    """Builds nodes from parser events without recursion, so that nesting cannot exhaust the stack."""

    def __init__(self, text: str) -> None:
        self.root: Node | None = None
        self._text = text
        self._open: list[_Open] = []
        self._nodes = 0

    def take(self, event: yaml.Event) -> None:
        mark = event.start_mark
        place = Place(mark.line + 1, mark.column + 1) if mark else START
        if isinstance(event, yaml.AliasEvent):
            raise YamlError(place, "aliases (*name) are not part of the format: write the value out")
        if isinstance(event, yaml.DocumentStartEvent) and self.root is not None:
            raise YamlError(place, "a second document starts here: one file is one document")
        if isinstance(event, yaml.NodeEvent):
            self._start(event, place)
        elif isinstance(event, yaml.CollectionEndEvent):
            self._add(self._open.pop().close())

    def _start(self, event: yaml.NodeEvent, place: Place) -> None:
        self._nodes += 1
        tag = getattr(event, "tag", None)
        if self._nodes > MAX_NODES:
            raise YamlError(place, f"the file has more than {MAX_NODES} entries")
        if event.anchor is not None:
            raise YamlError(place, "anchors (&name) are not part of the format: write the value out")
        if tag not in (None, "!"):
            raise YamlError(place, "tags (!name) are not part of the format")
        if isinstance(event, yaml.ScalarEvent):
            self._add(self._scalar(event, place))
            return
        if len(self._open) >= MAX_DEPTH:
            raise YamlError(place, f"nested deeper than {MAX_DEPTH}")
        self._open.append(_Open(place, mapping=isinstance(event, yaml.MappingStartEvent)))

    def _scalar(self, event: yaml.ScalarEvent, place: Place) -> Scalar:
        quoted = event.style in ("'", '"')
        start, end = event.start_mark, event.end_mark
        source = self._text[start.index : end.index] if start and end else event.value
        return Scalar(event.value, place, quoted, source)

    def _add(self, node: Node) -> None:
        if self._open:
            self._open[-1].nodes.append(node)
        else:
            self.root = node
