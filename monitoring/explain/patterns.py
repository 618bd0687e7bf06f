"""Our sentence patterns, words and prompt, read from `data/`; nothing else can be said."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import yaml

from monitoring.alerts.message.facts import FactKind

_DATA = Path(__file__).parent / "data"


@dataclass(frozen=True, slots=True)
class SentencePattern:
    """A sentence with a place for facts of some kinds, and for one of our words if it `has_word`.

    `short` is said where its facts were said before; without one it is not said then.
    """

    id: str
    text: str
    takes: frozenset[FactKind]
    has_word: bool = False
    short: str = ""


@dataclass(frozen=True, slots=True)
class VocabularyWord:
    """A word of ours; it may be said only where each fact next to it is of a kind it `needs` (empty: of any)."""

    id: str
    text: str
    needs: frozenset[FactKind]


@dataclass(frozen=True, slots=True)
class PatternBook:
    """All of it. `missing` has what we say ourselves of a kind of fact that may not be left out."""

    sentences: Mapping[str, SentencePattern]
    words: Mapping[str, VocabularyWord]
    missing: Mapping[FactKind, str]

    def to_data(self) -> dict[str, Any]:
        """Return what a model has to know of it."""
        sentences = {
            one.id: {"text": one.text, "takes": sorted(one.takes)} | ({"words": True} if one.has_word else {})
            for one in self.sentences.values()
        }
        words = {
            one.id: {"text": one.text} | ({"needs": sorted(one.needs)} if one.needs else {})
            for one in self.words.values()
        }
        return {"patterns": sentences, "words": words}


@functools.cache
def pattern_book() -> PatternBook:
    data = _read("patterns.yaml")
    sentences = {
        name: SentencePattern(name, row["text"], _kinds(row["takes"]), row.get("words") is True, row.get("short", ""))
        for name, row in data["sentences"].items()
    }
    words = {name: VocabularyWord(name, row["text"], _kinds(row["needs"])) for name, row in data["words"].items()}
    return PatternBook(sentences, words, {FactKind(kind): text for kind, text in data["missing"].items()})


@functools.cache
def prompt() -> tuple[int, str]:
    """Return the version of the prompt and its text."""
    data = _read("prompt.yaml")
    return int(data["version"]), str(data["system"])


def _kinds(names: list[str]) -> frozenset[FactKind]:
    return frozenset(map(FactKind, names))


def _read(name: str) -> dict[str, Any]:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    found = yaml.load((_DATA / name).read_text(encoding="utf-8"), Loader=loader)  # noqa: S506 - a safe loader
    return {str(key): value for key, value in cast("dict[object, Any]", found).items()}
