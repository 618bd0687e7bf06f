"""What a check written as formulas says: a title with value and bound in its own unit, then how it came to be.

Called by `formula.FormulaPart` for every verb that judges formulas, and by Python monitors. The author's `text` comes
first where there is one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from monitoring.alerts.message.text import code, kv, line, table
from monitoring.base.formatting import format_instant, format_seconds, format_share, format_value
from monitoring.checks.expression.values import Number, Value, is_number, magnitude
from monitoring.checks.messages.plain import AlertText
from monitoring.checks.messages.value_spans import filled, span, words
from monitoring.checks.rules.age import AgePolicy
from monitoring.checks.rules.delta import DeltaPolicy
from monitoring.checks.rules.diverge import DivergePolicy
from monitoring.checks.rules.limit import LimitPolicy, Side
from monitoring.conditions.outcome import Kind, Transition
from monitoring.conditions.policy import Policy

_ROWS = 20
_HEADS = {Kind.RECOVERED: "Recovered: ", Kind.REMINDER: "Still: ", Kind.WORSENED: "Worse: ", Kind.EASED: "Eased: "}


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


Facts: TypeAlias = Mapping[str, Value]


def say(subject: Subject, transition: Transition) -> AlertText:
    """Put a transition into words."""
    title = _author_title(subject, transition) or _title(subject, transition)
    return AlertText(_HEADS.get(transition.kind, "") + title, tuple(_blocks(subject, transition)))


def _author_title(subject: Subject, transition: Transition) -> str:
    if not subject.text:
        return ""
    facts = {name: _fact(name, value, subject) for name, value in transition.facts.items()}
    fields = {name: words(value) for name, value in subject.fields.items()}
    return filled(subject.text, {**fields, **facts})


def _title(subject: Subject, transition: Transition) -> str:
    facts, name = transition.facts, subject.name
    if transition.kind is Kind.RECOVERED and (subject.difference or subject.verb == "flag"):
        return f"{name} holds" if subject.difference or _is_requirement(subject) else f"{name} is off"
    if transition.kind is Kind.RECOVERED:
        return f"{name} is {_fact('value', facts['value'], subject)}" if "value" in facts else name
    say_it = _TITLES.get(subject.verb)
    told = say_it(subject, facts) if say_it and facts else _of_entries(transition)
    return f"{name}{told}" if told else name


def _limit(subject: Subject, facts: Facts) -> str:
    policy = subject.policy
    side = policy.side if isinstance(policy, LimitPolicy) else Side.BELOW
    value, bound = facts["value"], facts["bound"]
    if subject.difference:
        return f" is missed by {words(magnitude(_number(value)), subject.unit)}"
    where = "at" if value == bound else side.value
    return f": {words(value, subject.unit)} is {where} {words(bound, subject.unit)}"


def _delta(subject: Subject, facts: Facts) -> str:
    change, before = _number(facts["change"]), _number(facts["before"])
    move = "rose" if change > 0 else "fell"
    by = format_share(change, before) or words(abs(change), subject.unit)
    return f" {move} by {by}: {words(before, subject.unit)} → {words(facts['value'], subject.unit)}"


def _fell(subject: Subject, facts: Facts) -> str:
    value, before = _number(facts["value"]), _number(facts["before"])
    return f" fell by {format_share(value - before, before)}, from {words(before, subject.unit)}"


def _changed(subject: Subject, facts: Facts) -> str:
    return f" changed: {words(facts['before'], subject.unit)} → {words(facts['value'], subject.unit)}"


def _flag(subject: Subject, facts: Facts) -> str:  # noqa: ARG001 - one shape for all
    return " is on" if not _is_requirement(subject) else " does not hold"


def _diverge(subject: Subject, facts: Facts) -> str:
    first, second = _number(facts["value"]), _number(facts["reference"])
    apart = format_share(first - second, second) or words(abs(first - second), subject.unit)
    return f": {words(first, subject.unit)} and {words(second, subject.unit)} are {apart} apart"


def _age(subject: Subject, facts: Facts) -> str:  # noqa: ARG001 - one shape for all
    return f" is {format_seconds(_number(facts['age']))} old"


def _deadline(subject: Subject, facts: Facts) -> str:  # noqa: ARG001 - one shape for all
    left = _number(facts["left"])
    return f": {format_seconds(left)} left" if left > 0 else f": its deadline passed {format_seconds(left)} ago"


_TITLES: Mapping[str, Callable[[Subject, Facts], str]] = {
    "limit": _limit,
    "delta": _delta,
    "never_falls": _fell,
    "changed": _changed,
    "flag": _flag,
    "diverge": _diverge,
    "age": _age,
    "deadline": _deadline,
}


def _of_entries(transition: Transition) -> str:
    counts: dict[str, int] = {}
    for entry in transition.entries:
        counts[entry.kind] = counts.get(entry.kind, 0) + 1
    return ": " + ", ".join(f"{count} {kind}" for kind, count in counts.items()) if counts else ""


def _is_requirement(subject: Subject) -> bool:
    """Tell whether a flag stands for a requirement: its formula is what should hold."""
    return subject.verb == "flag" and subject.formula.startswith("require ")


def _blocks(subject: Subject, transition: Transition) -> list[object]:
    blocks: list[object] = []
    shown = _shown(transition, "bound" if subject.difference else "")
    if shown:
        names = {**_NAMES, "value": "missed by"} if subject.difference else _NAMES
        blocks.append(kv({names.get(name, name): _block(name, value, subject) for name, value in shown}))
    if transition.entries:
        rows = [(entry.kind, span(entry.id, "", subject.chain), *_extra(entry.facts)) for entry in transition.entries]
        blocks.append(table(("what", "which"), rows[:_ROWS]))
        blocks += [line(f"and {len(rows) - _ROWS} more")] if len(rows) > _ROWS else []
    if transition.detail:
        blocks.append(line(transition.detail))
    if subject.formula and transition.kind is not Kind.RECOVERED:
        blocks.append(code(subject.formula))
    return blocks


_NAMES = {"bound": "allowed", "value": "now", "reference": "compared with", "left": "time left"}


def _shown(transition: Transition, hidden: str) -> list[tuple[str, Value]]:
    """Leave out what the title says better."""
    known = transition.facts.items()
    return [(name, value) for name, value in known if not isinstance(value, bool) and name != hidden]


def _extra(facts: Mapping[str, Value]) -> list[str]:
    return [f"{name}: {words(value)}" for name, value in facts.items()]


def _block(name: str, value: Value, subject: Subject) -> object:
    if name == "bound":
        return bound_words(subject)
    if name == "change" and is_number(value):
        return format_value(value, subject.unit, signed=True)
    return _fact(name, value, subject) if _is_time(name, subject) else span(value, subject.unit, subject.chain)


def _is_time(name: str, subject: Subject) -> bool:
    return name in ("age", "left") or (name == "value" and subject.verb in ("age", "deadline"))


def _fact(name: str, value: Value, subject: Subject) -> str:
    if name in ("age", "left") and is_number(value):
        return format_seconds(value)
    if name == "value" and subject.verb in ("age", "deadline") and is_number(value):
        return format_instant(value)
    return words(value, subject.unit) if name != "change" else format_value(value, subject.unit, signed=True)


def _number(value: Value) -> Number:
    return value if is_number(value) else 0


def bound_words(subject: Subject) -> str:
    """Return what a check holds its value against, in a few words; nothing where it has no such thing."""
    if subject.difference:
        return "holds"
    match subject.policy:
        case LimitPolicy(side=side, levels=levels, at_bound=at_bound):
            sign = {Side.BELOW: ">" if at_bound else "≥", Side.ABOVE: "<" if at_bound else "≤"}[side]
            return f"{sign} {', '.join(words(level.bound, subject.unit) for level in levels)}"
        case DeltaPolicy(levels=levels):
            return ", ".join(
                f"{level.move.value.removeprefix('max_')} ≤ "
                f"{words(level.step.size, '%' if level.step.relative else subject.unit)}"
                for level in levels
            )
        case DivergePolicy(levels=levels):
            return f"within {', '.join(words(level.bound, '%') for level in levels)}"
        case AgePolicy(levels=levels):
            return f"≤ {', '.join(format_seconds(int(level.max_age.total_seconds())) for level in levels)}"
    return {"never_falls": "never falls", "changed": "does not change", "flag": "off"}.get(subject.verb, "")


def reading_words(subject: Subject, reading: object) -> str:
    """Return a known reading of a check that formulas make."""
    if isinstance(reading, tuple) and subject.verb in ("diverge", "delta"):
        return " ~ ".join(_any(one, subject) for one in reading)
    return _any(reading, subject)


def _any(value: object, subject: Subject) -> str:
    if isinstance(value, bool | int | str | bytes | tuple) or is_number(value):
        return _fact("value", value, subject)
    return str(value)
