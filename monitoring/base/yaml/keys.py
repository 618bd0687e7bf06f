"""A mapping in a file as a frozen class: each field is declared once with its kind, default, sentence and example.

From that declaration come the reading, every mistake with its place and remedy, the JSON Schema for editors and the
reference page (`reference.py`). Adding a key is one line:

    @keys
    class Task:
        nice: int = key(whole_number(0, 19), "Lower its priority.", default=0, example="nice: 10")
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar, dataclass_transform, overload

from monitoring.base.suggest import nearest
from monitoring.base.yaml.marks import Mapping as MappingNode
from monitoring.base.yaml.marks import Node, Scalar, Sequence, YamlNode, below

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
D = TypeVar("D")
_REQUIRED: Any = object()
_METADATA = "key"


class Kind(ABC, Generic[T_co]):
    """What a value may be. `read` gets a node of the right shape; after a mistake it notes it and returns None."""

    word: str
    """What the reference page calls it."""
    shape: type[Node]
    example: str = ""
    """What to write, where a key does not say it better."""
    may_be_empty: bool = True

    def read(self, at: YamlNode) -> T_co | None:
        """Return what a node of the right shape means, or note its mistake and return None.

        A kind that is only listed has none: what its value means depends on other keys, so other code reads it.
        """
        raise TypeError(f"{self.word} ({at.path}) is only listed by its table")

    @abstractmethod
    def schema(self) -> dict[str, object]:
        """Return what editors accept."""


class One(Kind[T_co]):
    """A single value. `parse` returns what it means, or raises a ValueError that says what to write instead."""

    shape = Scalar

    def __init__(self, word: str, parse: Callable[[Scalar], T_co], schema: Mapping[str, object]) -> None:
        self.word, self.parse, self._schema = word, parse, schema

    def read(self, at: YamlNode) -> T_co | None:
        try:
            return self.parse(at.node) if isinstance(at.node, Scalar) else None
        except ValueError as error:
            at.wrong(str(error))
            return None

    def schema(self) -> dict[str, object]:
        return dict(self._schema)


class Many(Kind[tuple[T_co, ...]]):
    """A list of values of one kind."""

    shape = Sequence

    def __init__(self, item: Kind[T_co], *, may_be_empty: bool = True) -> None:
        self.word, self.item, self.may_be_empty = f"list of {item.word}", item, may_be_empty

    def read(self, at: YamlNode) -> tuple[T_co, ...] | None:
        found = [read_value(self.item, each) for each in at.elements()]
        return tuple(each for each in found if each is not None)

    def schema(self) -> dict[str, object]:
        bound = {} if self.may_be_empty else {"minItems": 1}
        return {"type": "array", "items": self.item.schema(), **bound}


class Named(Kind[Mapping[str, T_co]]):
    """A mapping from names of one kind to values of another, in the order written."""

    shape = MappingNode

    def __init__(self, name: One[str], value: Kind[T_co], *, may_be_empty: bool = True) -> None:
        self.word, self.name, self.value = f"{name.word}: {value.word}", name, value
        self.may_be_empty = may_be_empty

    def read(self, at: YamlNode) -> Mapping[str, T_co] | None:
        found: dict[str, T_co] = {}
        for key, child in at.children():
            try:
                name = self.name.parse(key)
            except ValueError as error:
                child.mistakes.add(key.at, child.path, str(error))
                name = key.text
            value = read_value(self.value, child)
            if value is not None:
                found[name] = value
        return found

    def schema(self) -> dict[str, object]:
        pattern = str(self.name.schema()["pattern"])
        bound = {} if self.may_be_empty else {"minProperties": 1}
        names = {"patternProperties": {pattern: self.value.schema()}, "additionalProperties": False}
        return {"type": "object", **names, **bound}


@dataclasses.dataclass(frozen=True, slots=True)
class Key(Generic[T_co]):
    """One row of a table: a key of a mapping. `field` is the attribute that holds its value."""

    name: str
    field: str
    kind: Kind[T_co]
    default: object
    sentence: str
    example: str
    without: str
    """What counts where it is left out, for the reference page; empty where the default says it. Of a required key of a
    `Section`: what is missing then."""

    @property
    def is_required(self) -> bool:
        return self.default is _REQUIRED

    @property
    def has_default(self) -> bool:
        """Whether a value counts where the key is left out, rather than nothing or what `without` says."""
        return not self.is_required and not self.without and self.default not in (None, "", (), {})

    def schema(self) -> dict[str, object]:
        default = {"default": self.default} if self.has_default else {}
        return {"description": self.sentence, **self.kind.schema(), **default}


@overload
def key(kind: Kind[T], sentence: str, *, example: str = ..., name: str = ...) -> T: ...


@overload
def key(
    kind: Kind[T], sentence: str, *, default: D, example: str = ..., name: str = ..., without: str = ...
) -> T | D: ...


def key(
    kind: Kind[Any], sentence: str, *, default: Any = _REQUIRED, example: str = "", name: str = "", without: str = ""
) -> Any:
    """Declare a field of a class under `@keys`: a key of the file, required unless it has a default.

    `name` is the key as it is written, where that is not the name of the field.
    """
    metadata = {_METADATA: Key(name, "", kind, default, sentence, example or kind.example, without)}
    if default is _REQUIRED:
        return dataclasses.field(metadata=metadata)
    if isinstance(default, dict):
        return dataclasses.field(default_factory=default.copy, metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(key, dataclasses.field))
def keys(cls: type[T]) -> type[T]:
    """Make a frozen class whose fields are keys of a mapping, as far as `key` declares them."""
    return dataclasses.dataclass(frozen=True, slots=True, kw_only=True)(cls)


def entry(
    name: str, kind: Kind[T], sentence: str, *, default: str | None = None, example: str = "", without: str = ""
) -> Key[T]:
    """Declare a key of a `Section`, required where `default` is not given; the default is a text as it is written.

    `default=""`: nothing counts where it is left out, or what `without` says.
    """
    counts = _REQUIRED if default is None else default
    return Key(name, name, kind, counts, sentence, example or kind.example, without)


class Keyed(Kind[T_co]):
    """The keys of a mapping, in the order in which they are declared."""

    shape = MappingNode
    word = "mapping"

    def __init__(self, keys: tuple[Key[Any], ...], sentence: str, more_schema: Mapping[str, object]) -> None:
        self.keys, self.sentence, self._more_schema = keys, sentence, more_schema  # what it requires across its keys

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(row.name for row in self.keys)

    def schema(self) -> dict[str, object]:
        required = [row.name for row in self.keys if row.is_required]
        return {
            "description": self.sentence,
            "type": "object",
            "properties": {row.name: row.schema() for row in self.keys},
            **({"required": required} if required else {}),
            "additionalProperties": False,
            **self._more_schema,
        }


class Section(Keyed[None]):
    """The keys of a mapping whose reader takes them one by one, because some depend on each other."""

    def __init__(self, sentence: str, *keys: Key[Any], more_schema: Mapping[str, object] | None = None) -> None:
        super().__init__(keys, sentence, more_schema or {})


class Table(Keyed[T_co]):
    """The keys of a mapping, and the class that it is read into."""

    def __init__(self, cls: type[T_co], example: str = "", more_schema: Mapping[str, object] | None = None) -> None:
        self.cls, self.example = cls, example
        fields = dataclasses.fields(cls)  # type: ignore[arg-type]
        rows = [(field.name, field.metadata[_METADATA]) for field in fields if _METADATA in field.metadata]
        keys = tuple(dataclasses.replace(row, name=row.name or field, field=field) for field, row in rows)
        super().__init__(keys, (cls.__doc__ or "").partition("\n")[0], more_schema or {})

    def read(self, at: YamlNode) -> T_co | None:
        """Return the class filled, None if a required key is missing or wrong; what is optional and wrong is noted."""
        given = {name.text: child for name, child in at.children()}
        misspelt = self._refuse_unknown(at)
        values: dict[str, object] = {}
        for row in self.keys:
            child = given.get(row.name)
            if child is not None:
                value = read_value(row.kind, child, row.example)
                values |= {} if value is None else {row.field: value}
            elif row.is_required and row.name not in misspelt:
                place = at.named_at or at.node.at
                at.mistakes.add(place, below(at.path, row.name), f"missing: write {row.example}")
        is_whole = all(row.field in values for row in self.keys if row.is_required)
        return self.cls(**values) if is_whole else None

    def _refuse_unknown(self, at: YamlNode) -> set[str]:
        """Note unknown keys; return the known ones they were meant to be: those are not missing as well."""
        known, meant = [row.name for row in self.keys], set[str]()
        for name, child in at.children():
            if name.text not in known:
                match = nearest(name.text, known)
                meant |= {match} if match else set()
                remedy = f"did you mean {match}?" if match else f"remove it, known are {', '.join(known)}"
                child.mistakes.add(name.at, child.path, f"unknown key: {remedy}")
        return meant


def read_value(kind: Kind[T], at: YamlNode, example: str = "") -> T | None:
    """Read a value of a kind; one of another shape is a mistake that shows what to write."""
    node, example = at.node, example or kind.example
    if isinstance(node, kind.shape):
        if kind.may_be_empty or not _is_empty(node):
            return kind.read(at)
        at.wrong(f"{node} without anything in it: write {example}")
    elif kind.shape is Scalar:
        at.wrong(f"{node} is not possible here: write one value")
    elif isinstance(node, Scalar) and node.is_null:
        at.wrong(f"there is no value: write {example}")
    else:
        at.wrong(f"{node} is not possible here: write {example}")
    return None


def _is_empty(node: Node) -> bool:
    return (isinstance(node, Sequence) and not node.items) or (isinstance(node, MappingNode) and not node.entries)
