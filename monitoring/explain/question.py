"""What a model is asked: our prompt, our patterns, and the facts as data between two marks nobody can guess. Pure."""

from __future__ import annotations

import hashlib

import orjson

from monitoring.alerts.message.facts import FactSheet
from monitoring.explain.patterns import PatternBook


def question(sheet: FactSheet, book: PatternBook, mark: str) -> str:
    """Return the user's part of the prompt; of a fact its id, its kind and what it says, nothing else."""
    facts = "\n".join(orjson.dumps(_shown(sheet, place)).decode() for place in range(len(sheet.facts)))
    allowed = orjson.dumps(book.to_data()).decode()
    return f"Patterns and words:\n{allowed}\n\nFacts, as data between the marks:\n<<<{mark}\n{facts}\n{mark}>>>"


def content_of(sheet: FactSheet, book: PatternBook, prompt: int, model: str) -> str:
    """Return the hash by which answers are kept: equal facts, prompt, patterns and model need one answer."""
    facts = [_shown(sheet, place) for place in range(len(sheet.facts))]
    whole = orjson.dumps([prompt, model, book.to_data(), facts], option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(whole).hexdigest()


def _shown(sheet: FactSheet, place: int) -> dict[str, object]:
    one = sheet.facts[place]
    shown: dict[str, object] = {"id": one.id, "kind": one.kind.value, "says": one.says}
    return shown | ({"must": True} if one.must else {})
