"""From a model's choice to text: each sentence is checked and written by us, or dropped with the reason. Pure.

What nobody may leave out is said by us where no sentence says it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from monitoring.alerts.message.facts import Fact, FactKind, FactSheet
from monitoring.explain.patterns import PatternBook

MOST_SENTENCES = 2
_SHOWN = 3  # facts of one sentence


class Choice(Protocol):
    """One sentence as a model chose it."""

    @property
    def pattern(self) -> str: ...
    @property
    def facts(self) -> list[str]: ...
    @property
    def word(self) -> str: ...


@dataclass(frozen=True, slots=True)
class ExplainedText:
    """What is sent: sentences that a model chose, then ours; without `chosen` nothing. `dropped` says what was not."""

    chosen: tuple[str, ...]
    added: tuple[str, ...]
    dropped: tuple[str, ...]
    used: int  # facts


def write(choices: Sequence[Choice], sheet: FactSheet, book: PatternBook) -> ExplainedText:
    """Write the sentences that hold; take the first two."""
    chosen: list[str] = []
    dropped: list[str] = []
    used: list[str] = []
    for place, choice in enumerate(choices, 1):
        problem = "there are two already" if len(chosen) == MOST_SENTENCES else problem_of(choice, sheet, book)
        is_said = not problem and set(choice.facts) <= set(used)
        if is_said and not book.sentences[choice.pattern].short:
            problem = "its facts were said before"
        if problem:
            dropped.append(f"sentence {place}: {problem}")
            continue
        chosen.append(_written(choice, sheet, book, is_short=is_said))
        used += choice.facts
    added = _added(sheet, set(used), book) if chosen else ()
    return ExplainedText(tuple(chosen), added, tuple(dropped), len(set(used)))


def problem_of(choice: Choice, sheet: FactSheet, book: PatternBook) -> str:
    """Return why a sentence may not be said, else nothing."""
    return next(_problems(choice, sheet, book), "")


def _problems(choice: Choice, sheet: FactSheet, book: PatternBook) -> Iterator[str]:
    pattern, known = book.sentences.get(choice.pattern), sheet.by_id()
    if pattern is None:
        yield "there is no such pattern"
        return
    if not 0 < len(choice.facts) <= _SHOWN or len(set(choice.facts)) != len(choice.facts):
        yield "a sentence has one to three facts, each once"
    if any(name not in known for name in choice.facts):
        yield "it names a fact that does not exist"
        return
    kinds = {known[name].kind for name in choice.facts}
    if not kinds <= pattern.takes:
        yield f"the pattern {pattern.id} does not take {', '.join(sorted(kinds - pattern.takes))}"
    if pattern.has_word is not bool(choice.word):
        yield f"the pattern {pattern.id} {'needs a word' if pattern.has_word else 'has no word'}"
    word = book.words.get(choice.word) if choice.word else None
    if choice.word and word is None:
        yield "there is no such word"
    if word is not None and word.needs and not kinds <= word.needs:
        yield f"the word {word.id} does not fit its facts"


def _written(choice: Choice, sheet: FactSheet, book: PatternBook, *, is_short: bool) -> str:
    known, pattern = sheet.by_id(), book.sentences[choice.pattern]
    word = book.words[choice.word].text if choice.word else ""
    return _filled(pattern.short if is_short else pattern.text, [known[name] for name in choice.facts], word)


def _added(sheet: FactSheet, used: set[str], book: PatternBook) -> tuple[str, ...]:
    """Say of each kind of fact what may not be left out and was."""
    said = [one for one in sheet.facts if one.id in used]
    left = [one for one in sheet.facts if one.must and one.id not in used and not _is_covered(one, said)]
    by_kind: dict[FactKind, list[Fact]] = {kind: [one for one in left if one.kind is kind] for kind in book.missing}
    return tuple(_filled(book.missing[kind], some) for kind, some in by_kind.items() if some)


def _is_covered(fact: Fact, said: Sequence[Fact]) -> bool:
    """Return whether a fact says the same as one that was said: a flag its call, an event its upgrade."""
    if fact.kind is FactKind.FLAG:
        return bool(fact.data.get("place")) and any(one.data.get("place") == fact.data["place"] for one in said)
    pair = (fact.data.get("proxy"), fact.data.get("new"))
    same = (one for one in said if one.kind is FactKind.UPGRADE)
    return fact.kind is FactKind.UPGRADE and any((one.data.get("proxy"), one.data.get("new")) == pair for one in same)


def _filled(text: str, facts: Sequence[Fact], word: str = "") -> str:
    """Fill a pattern; what facts say is put in last, so that no brace of theirs is a place."""
    more = f"; and {len(facts) - _SHOWN} more, see the alert" if len(facts) > _SHOWN else ""
    return text.replace("{word}", word).replace("{facts}", "; it ".join(_says(facts[:_SHOWN])) + more)


def _says(facts: Iterable[Fact]) -> list[str]:
    return [one.says for one in facts]
