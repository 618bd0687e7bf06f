"""What every verb says the same way: the check that speaks, and the three sentences a verb has for it.

Each verb's sentences are in its own module, next to its judge. The author's `text` and the rest of an alert are put
around them by `checks.messages`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from monitoring.checks.expression.value_text import words
from monitoring.checks.expression.values import Number, Value, is_number
from monitoring.conditions.outcome import Entry
from monitoring.conditions.policy import Policy

Facts: TypeAlias = Mapping[str, Value]
INPUTS = "inputs"  # the fact that holds what the value was made of: pairs of a text and a value
PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True, slots=True)
class Subject:
    """The check that speaks. `name` has its row filled in; `fields` are what its own text may name of the row.

    `difference`: a requirement between two readings, of which the first less the second is judged.
    """

    name: str
    verb: str
    policy: Policy
    unit: str = ""
    formula: str = ""
    text: str = ""
    chain: int = 0
    fields: Mapping[str, Value] = field(default_factory=dict)
    difference: bool = False


@dataclass(frozen=True, slots=True)
class VerbWords:
    """The sentences of a verb, as they follow the check's name.

    `breached` says what happened with value and limit (`: 5 is below 100`), `good` what is true now that it is over
    (` is ok again: 120`), `bound` what is allowed, for listings; `value` is a reading in a listing. `entries` says what
    is new in the title (`: 2 events`), and a block for each; without one they stand in a table.
    """

    breached: Callable[[Subject, Facts], str]
    good: Callable[[Subject, Facts], str]
    bound: Callable[[Subject], str] = lambda _: ""
    value: Callable[[Subject, Value], str] = lambda subject, value: words(value, subject.unit)
    entries: Callable[[Subject, Sequence[Entry]], tuple[str, Sequence[object]]] | None = None


ROW_WORDS = VerbWords(lambda _, __: "", lambda _, __: " has no open rows any more")  # of verbs that report their rows


def number_of(facts: Facts, name: str) -> Number:
    """Return a fact that is a number; the judge saw to that."""
    found = facts.get(name, 0)
    return found if is_number(found) else 0


def shown(subject: Subject, facts: Facts, name: str = "value") -> str:
    """Return a fact in the check's unit."""
    return words(facts[name], subject.unit) if name in facts else "no value"


def inputs_in_words(subject: Subject, facts: Facts, *, unit: str = "") -> str:
    """Return `held 299 cUSD, owed 300 cUSD`; `unit` where the parts have one (those of a difference have its own)."""
    unit = unit or (subject.unit if subject.difference else "")
    found = facts.get(INPUTS, ())
    pairs = [pair for pair in found if isinstance(pair, tuple)] if isinstance(found, tuple) else []
    return ", ".join(f"{words(name)} {words(value, unit)}" for name, value in pairs)


def filled(text: str, names: Mapping[str, str]) -> str:
    """Fill the placeholders of an author's text; one that is not known now stays as it is."""
    return PLACEHOLDER.sub(lambda found: names.get(found.group(1).strip(), found.group()), text)
