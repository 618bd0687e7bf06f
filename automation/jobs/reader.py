"""Reads a YAML file into values that know their place. config.py and the validate verb call it.

A file that cannot be read raises a ConfigError that says where and why; however deep or self-similar it is,
it never takes the interpreter along, and no tag in it is ever obeyed.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import yaml

from automation.jobs.nodes import Document, Mapping, Mistake, Scalar, Sequence, Steps, Value, config_error
from monitoring.base.yaml.text import START, Place, YamlError, explain, read_text

_LOADER = yaml.CSafeLoader  # ten times faster than the one in Python
_KINDS = {"str", "int", "float", "bool", "null", "timestamp", "merge", "value", "map", "seq"}
MAX_DEPTH = 32  # libyaml's C stack overflows at some ten thousand levels and takes the process along
MAX_VALUES = 50_000  # aliases can multiply a short file into billions


def read_document(path: Path, file: str | None = None) -> Document:
    """Read a YAML file, called `file` in messages; an empty one is an empty mapping.

    Raises:
        ConfigError: it cannot be opened, is not UTF-8, is no YAML, or is beyond the limits above.
    """
    file = file or str(path)
    try:
        return _build(file, read_text(path))
    except YamlError as error:
        mistake = Mistake(error.place, ("yaml",), str(error))
        raise config_error(file, [mistake]) from error.__cause__


def _build(file: str, text: str) -> Document:
    try:
        _refuse_depth(text)
        node = yaml.compose(text, Loader=_LOADER)
    except yaml.YAMLError as error:
        raise explain(error, text) from error
    if node is None:
        return Document(file, Mapping(START))
    builder = _Builder()
    root = builder.value(node, ())
    return Document(file, root, tuple(builder.mistakes))


def _refuse_depth(text: str) -> None:
    """Look at the events first: they come without recursion, so depth can be refused before it does harm."""
    depth = 0
    for event in yaml.parse(text, Loader=_LOADER):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MAX_DEPTH:
            raise YamlError(_place(event), f"nested more than {MAX_DEPTH} deep: write it flat")


def _place(marked: yaml.Node | yaml.Event) -> Place:
    mark = marked.start_mark
    return Place(mark.line + 1, mark.column + 1) if mark else START


class _Builder:
    """Turns PyYAML's nodes into marked values, within bounds, and collects mistakes of form."""

    def __init__(self) -> None:
        self.mistakes: list[Mistake] = []
        self._count = 0
        self._open: list[yaml.Node] = []

    def value(self, node: yaml.Node, path: Steps) -> Value:
        self._count += 1
        if self._count > MAX_VALUES:
            raise YamlError(_place(node), f"aliases multiply the file to over {MAX_VALUES} values: write them out")
        if node in self._open:
            raise YamlError(_place(node), "an alias in here refers to what holds it: write the value out")
        if len(self._open) > MAX_DEPTH:
            raise YamlError(_place(node), f"nested more than {MAX_DEPTH} deep through aliases: write it flat")
        self._refuse_tag(node, path)
        self._open.append(node)
        built = self._built(node, path)
        self._open.pop()
        return built

    def _built(self, node: yaml.Node, path: Steps) -> Value:
        place = _place(node)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            sequence = Sequence(place)
            sequence.extend(self.value(item, (*path, index)) for index, item in enumerate(node.value))
            return sequence
        return Scalar(node.value, node.tag.rpartition(":")[2], place)

    def _mapping(self, node: yaml.MappingNode, path: Steps) -> Mapping:
        mapping = Mapping(_place(node))
        merged: list[yaml.Node] = []
        for key_node, value_node in node.value:
            place = _place(key_node)
            if key_node.tag.endswith(":merge"):
                merged.append(value_node)
            elif not isinstance(key_node, yaml.ScalarNode):
                self._mistake(place, path, "a key must be one word: write name: value")
            elif key_node.value in mapping:
                first = mapping.key_places[key_node.value].line
                message = f"this key is here twice, first in line {first}: remove one of them"
                self._mistake(place, (*path, key_node.value), message)
            else:
                mapping[key_node.value] = self.value(value_node, (*path, key_node.value))
                mapping.key_places[key_node.value] = place
        for value_node in merged:
            self._merge(mapping, value_node, path)
        return mapping

    def _merge(self, mapping: Mapping, node: yaml.Node, path: Steps) -> None:
        """Add the keys that `<<: *other` brings; what the mapping itself says wins, then the first that says it."""
        for source in self._sources(node, path):
            for key, value in source.items():
                if key not in mapping:
                    mapping[key] = value
                    mapping.key_places[key] = source.key_places[key]

    def _sources(self, node: yaml.Node, path: Steps) -> Iterator[Mapping]:
        for source in node.value if isinstance(node, yaml.SequenceNode) else [node]:
            value = self.value(source, path)
            if isinstance(value, Mapping):
                yield value
            else:
                self._mistake(value.place, (*path, "<<"), "<< takes a mapping: write <<: *name of an anchored mapping")

    def _refuse_tag(self, node: yaml.Node, path: Steps) -> None:
        tag = node.tag.replace("tag:yaml.org,2002:", "!!")
        if tag.removeprefix("!!") not in _KINDS:
            self._mistake(_place(node), path, f"the tag {tag} has no meaning here: remove it")

    def _mistake(self, place: Place, path: Steps, message: str) -> None:
        self.mistakes.append(Mistake(place, path, message))
