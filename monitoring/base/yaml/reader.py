"""The one reader of YAML: a file becomes a tree of nodes, and every mistake of form is noted at once.

Without recursion, and bounded in depth and size, so that no file can exhaust the process; no tag is ever obeyed.
jobs.yaml continues a format in which people use anchors and merges (`aliases=True`); a monitor has none.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from monitoring.base.yaml.marks import START, Mapping, Mistakes, Node, Place, Scalar, Sequence, below
from monitoring.base.yaml.text import YamlError, explain, read_text

MAX_DEPTH = 32  # no hand writes more; what walks the tree may then recurse
MAX_NODES = 50_000  # aliases can multiply a short file into billions
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the C parser is ten times faster
_PREFIX = "tag:yaml.org,2002:"
_CORE_TAGS = {f"{_PREFIX}{name}" for name in ("str", "int", "float", "bool", "null", "timestamp", "map", "seq")}


def read_yaml(path: Path, mistakes: Mistakes, *, aliases: bool = False) -> Node | None:
    """Return the root of a file, an empty mapping if it is empty, or None if it cannot be read at all."""
    try:
        return compose(read_text(path), mistakes, aliases=aliases)
    except YamlError as error:
        mistakes.add(error.place, "yaml", str(error))
        return None


def compose(text: str, mistakes: Mistakes, *, aliases: bool = False) -> Node:
    """Return the root of a document.

    Raises:
        YamlError: it is not YAML, or is beyond the limits above.
    """
    builder = _Builder(text, mistakes, aliases=aliases)
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            builder.take(event)
    except yaml.YAMLError as error:
        raise explain(error, text) from None
    return builder.root or Mapping((), START)


@dataclass(slots=True)
class _Anchor:
    """What an alias stands for. `node` is None until the end of it has been read."""

    at: Place
    path: str
    mistakes_before: int
    node: Node | None = None
    size: int = 1
    height: int = 0
    mistakes_after: int = 0


@dataclass(slots=True)
class _Open:
    """A list or mapping whose end has not come yet; `size` and `height` are those of what it would be written out."""

    at: Place
    is_mapping: bool
    anchor: _Anchor | None
    nodes: list[Node] = field(default_factory=list)
    size: int = 1
    height: int = 1

    def step(self) -> str | int | None:
        """Return the step to the entry that is being read; None while that is a key."""
        if not self.is_mapping:
            return len(self.nodes)
        key = self.nodes[-1] if len(self.nodes) % 2 else None
        return key.text if isinstance(key, Scalar) else None


class _Builder:
    """Builds nodes from the events of the parser."""

    def __init__(self, text: str, mistakes: Mistakes, *, aliases: bool) -> None:
        self.root: Node | None = None
        self._text = text
        self._mistakes = mistakes
        self._aliases = aliases
        self._open: list[_Open] = []
        self._anchors: dict[str, _Anchor] = {}
        self._size = 0

    def take(self, event: yaml.Event) -> None:
        mark = event.start_mark
        place = Place(mark.line + 1, mark.column + 1) if mark else START
        if isinstance(event, yaml.AliasEvent):
            self._alias(event.anchor or "", place)
        elif isinstance(event, yaml.NodeEvent):
            self._start(event, place)
        elif isinstance(event, yaml.CollectionEndEvent):
            self._end()
        elif isinstance(event, yaml.DocumentStartEvent) and self.root is not None:
            raise YamlError(place, "a second document begins here: keep one, without the --- between")

    def _start(self, event: yaml.NodeEvent, place: Place) -> None:
        self._count(1, place, f"the file has more than {MAX_NODES} values: split it")
        self._check_tag(getattr(event, "tag", None), place)
        anchor = self._anchor(event.anchor, place) if event.anchor is not None else None
        if isinstance(event, yaml.ScalarEvent):
            self._add(self._scalar(event, place), 1, 0, anchor)
            return
        if len(self._open) >= MAX_DEPTH:
            raise YamlError(place, f"nested more than {MAX_DEPTH} deep: write it flat")
        self._open.append(_Open(place, isinstance(event, yaml.MappingStartEvent), anchor))

    def _scalar(self, event: yaml.ScalarEvent, place: Place) -> Scalar:
        quoted = bool(event.style) if event.tag is None else event.tag in ("!", f"{_PREFIX}str")
        start, end = event.start_mark, event.end_mark
        source = self._text[start.index : end.index] if start and end else event.value
        return Scalar(event.value, place, quoted, source)

    def _check_tag(self, tag: str | None, place: Place) -> None:
        if tag not in (None, "!") and not (self._aliases and tag in _CORE_TAGS):
            name = tag.replace(_PREFIX, "!!") if tag else ""
            self._mistakes.add(place, self._path(), f"the tag {name} has no meaning here: remove it")

    def _anchor(self, name: str, place: Place) -> _Anchor:
        if not self._aliases:
            raise YamlError(place, "anchors (&name) are not part of the format: write the value out")
        if name in self._anchors:
            raise YamlError(place, "this anchor is already defined above: write another name after the &")
        anchor = self._anchors[name] = _Anchor(place, self._path(), len(self._mistakes.found))
        return anchor

    def _alias(self, name: str, place: Place) -> None:
        anchor = self._anchors.get(name)
        if anchor is None and not self._aliases:
            raise YamlError(place, "aliases (*name) are not part of the format: write the value out")
        if anchor is None:
            raise YamlError(place, "this anchor is not defined above: write the value out, or &name where it is")
        if anchor.node is None:
            raise YamlError(anchor.at, "an alias in here refers to what holds it: write the value out")
        self._count(anchor.size, place, f"aliases multiply the file to over {MAX_NODES} values: write them out")
        if len(self._open) + anchor.height > MAX_DEPTH:
            raise YamlError(place, f"nested more than {MAX_DEPTH} deep through aliases: write it flat")
        # A profile that is read alone must know the mistakes of what it takes from another.
        for at, path, message in self._mistakes.found[anchor.mistakes_before : anchor.mistakes_after]:
            self._mistakes.add(at, self._path() + path.removeprefix(anchor.path), message)
        self._add(anchor.node, anchor.size, anchor.height)

    def _count(self, more: int, place: Place, message: str) -> None:
        self._size += more
        if self._size > MAX_NODES:
            raise YamlError(place, message)

    def _add(self, node: Node, size: int, height: int, anchor: _Anchor | None = None) -> None:
        if anchor is not None:
            anchor.node, anchor.size, anchor.height = node, size, height
            anchor.mistakes_after = len(self._mistakes.found)
        if not self._open:
            self.root = node
            return
        parent = self._open[-1]
        parent.nodes.append(node)
        parent.size += size
        parent.height = max(parent.height, height + 1)

    def _end(self) -> None:
        done = self._open.pop()
        node = self._mapping(done) if done.is_mapping else Sequence(tuple(done.nodes), done.at)
        self._add(node, done.size, done.height, done.anchor)

    def _mapping(self, done: _Open) -> Mapping:
        found: dict[str, tuple[Scalar, Node]] = {}
        merged: list[Node] = []
        path = self._path()
        for key, value in zip(done.nodes[::2], done.nodes[1::2], strict=True):
            if not isinstance(key, Scalar):
                self._mistakes.add(key.at, path, "a key must be one word: write name: value")
            elif self._aliases and key.text == "<<" and not key.quoted:
                merged.append(value)
            elif key.text in found:
                first = found[key.text][0].at.line
                message = f"this key is here twice, first in line {first}: remove one of them"
                self._mistakes.add(key.at, below(path, key.text), message)
            else:
                found[key.text] = (key, value)
        # What the mapping itself says wins, then the first that says it.
        for source in (one for value in merged for one in self._sources(value, path)):
            for key, value in source.entries:
                found.setdefault(key.text, (key, value))
        return Mapping(tuple(found.values()), done.at)

    def _sources(self, merged: Node, path: str) -> Iterator[Mapping]:
        for source in merged.items if isinstance(merged, Sequence) else (merged,):
            if isinstance(source, Mapping):
                yield source
            else:
                message = "<< takes a mapping: write <<: *name of an anchored mapping"
                self._mistakes.add(source.at, below(path, "<<"), message)

    def _path(self) -> str:
        path = ""
        for one in self._open:
            step = one.step()
            path = path if step is None else below(path, step)
        return path
