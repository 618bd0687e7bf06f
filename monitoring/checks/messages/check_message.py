"""What a check judged by a verb says: a first line with value and limit, then what the value was made of.

Called for checks of files and for what a function judges. The verb's own sentences are in its module in `rules`; here
the author's `text` comes first where there is one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction

from monitoring.alerts.message.text import Line, code, kv, line, table
from monitoring.checks.expression.value_text import span, words
from monitoring.checks.expression.values import Value
from monitoring.checks.messages.plain import HEADS, AlertText, rows_left_out
from monitoring.checks.rules.verb import verb
from monitoring.checks.rules.words import Subject, VerbWords, filled, inputs_in_words
from monitoring.conditions.outcome import Entry, Reason, Transition, TransitionKind

_ROWS = 20
_COMPARED = ("<", ">", "==", "!=", "require ")


def say(subject: Subject, transition: Transition) -> AlertText:
    """Put a transition into words."""
    if transition.kind is TransitionKind.RECOVERED:
        return AlertText(f"{subject.name}{_good(subject, transition)}")
    happened = _happened(subject, transition)
    title = _author_title(subject, transition) or f"{subject.name}{happened}"
    return AlertText(HEADS.get(transition.kind, "") + title, tuple(_blocks(subject, transition, happened)))


def _good(subject: Subject, transition: Transition) -> str:
    if transition.reason is Reason.DOES_NOT_APPLY:
        return " does not apply any more"
    return _words_of(subject).good(subject, transition.facts)


def _happened(subject: Subject, transition: Transition) -> str:
    if transition.entries:
        own = _words_of(subject).entries
        return own(subject, transition.entries)[0] if own else _of_entries(transition)
    return _words_of(subject).breached(subject, transition.facts) if transition.facts else ""


def _words_of(subject: Subject) -> VerbWords:
    return verb(subject.verb).words


def _author_title(subject: Subject, transition: Transition) -> str:
    """Fill the author's text; nothing where its `{value}` has none. Of a verb of rows it is how many are new."""
    count = {"value": words(len(transition.entries))} if transition.entries else {}
    shown = {name: _words_of(subject).value(subject, value) for name, value in transition.facts.items()}
    fields = {name: words(value) for name, value in subject.fields.items()}
    title = filled(subject.text, {**fields, **count, **shown})
    return "" if "{value}" in title else title


def _of_entries(transition: Transition) -> str:
    counts: dict[str, int] = {}
    for entry in transition.entries:
        counts[entry.kind] = counts.get(entry.kind, 0) + 1
    return ": " + ", ".join(f"{count} {kind}" for kind, count in counts.items())


def _blocks(subject: Subject, transition: Transition, happened: str) -> list[object]:
    blocks: list[object] = []
    own = _words_of(subject).entries if transition.entries else None
    if subject.text and happened and subject.verb != "flag" and not own:  # its text says all that a boolean can say
        blocks.append(_sentence(happened))
    inputs = inputs_in_words(subject, transition.facts)
    if inputs and inputs not in happened and subject.verb != "diverge":
        blocks.append(f"From: {inputs}")
    if own:
        blocks += own(subject, transition.entries)[1]
    elif transition.entries:
        blocks += [*_entries(subject, transition.entries[:_ROWS]), *rows_left_out(len(transition.entries) - _ROWS)]
    if transition.detail:
        blocks.append(transition.detail)
    return [*blocks, _formula_line(subject)] if subject.formula else blocks


def _entries(subject: Subject, entries: Sequence[Entry]) -> list[object]:
    """Return what was added and removed, one a line; with facts of each in columns."""
    named = [(entry, span(entry.id, "", subject.chain)) for entry in entries]
    if not any(entry.facts for entry in entries):
        return [kv(*((entry.kind.capitalize(), found) for entry, found in named))]
    return [table(("what", "which"), [(entry.kind, found, *_extra(entry.facts)) for entry, found in named])]


def _formula_line(subject: Subject) -> Line:
    is_required = subject.verb in ("limit", "flag") and any(mark in subject.formula for mark in _COMPARED)
    return line("Required: " if is_required else "Watched: ", code(subject.formula.removeprefix("require ")))


def _sentence(happened: str) -> str:
    text = happened.removeprefix(":").strip()
    return f"{text[:1].upper()}{text[1:]}."


def _extra(facts: Mapping[str, Value]) -> list[str]:
    return [f"{name}: {words(value)}" for name, value in facts.items()]


def bound_words(subject: Subject) -> str:
    """Return what a check compares its value with, in a few words; nothing where it has no such thing."""
    return _words_of(subject).bound(subject)


def reading_words(subject: Subject, reading: object) -> str:
    """Return a known reading of a check that formulas make."""
    if isinstance(reading, tuple) and subject.verb in ("diverge", "delta"):
        return " ~ ".join(_value(subject, one) for one in reading)
    return _value(subject, reading)


def _value(subject: Subject, reading: object) -> str:
    if isinstance(reading, bool | int | Fraction | str | bytes | tuple):
        return _words_of(subject).value(subject, reading)
    return str(reading)
