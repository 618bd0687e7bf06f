"""What a run or `explain` shows of each check, one line: its id, value, bound, state and reason; and their count."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from monitoring.base.plural import counted
from monitoring.base.terminal import visible
from monitoring.checks.engine.evaluation import EvaluatedCheck
from monitoring.checks.messages.listing_value import bound_in_words, value_in_words
from monitoring.conditions.condition import Condition, State
from monitoring.conditions.outcome import Outcome

_WIDEST = 48
_LONG_REASON = 24
_SCREEN = 80
_NO_DATA = "no data"
_INHIBITED = "inhibited"
# What happened once, by what its verb remembers.
_ONCE = {"mark": "fell, alerted; new baseline", "slots": "moved, alerted; new baseline"}


def lines_of(seen: Sequence[EvaluatedCheck], *, is_for_people: bool = False) -> list[str]:
    """Return one entry a check, in columns.

    For people a long reason why a value is unknown is a second line of it, once for checks that share it; a log has one
    line a check.
    """
    cells = [[visible(cell) for cell in _cells(one)] for one in seen]
    found = _with_reasons_below(cells) if is_for_people else [(row, "") for row in cells]
    rows = [row for row, _ in found]
    widths = [min(_WIDEST, max((len(row[column]) for row in rows), default=0)) for column in range(4)]
    lines = [
        "  ".join(f"{cell:<{width}}" for cell, width in zip(row, [*widths, 0], strict=True)).rstrip() for row in rows
    ]
    if is_for_people and any(len(line) > _SCREEN for line in lines):
        lines = ["  ".join(row) for row in rows]  # columns that a terminal breaks are harder to read than none
    return [line + below for line, (_, below) in zip(lines, found, strict=True)]


def brief_lines_of(seen: Sequence[EvaluatedCheck]) -> list[str]:
    """Return only what is not fine: one line a check that is not ok, and one a source that could not be read."""
    lines = lines_of([one for one in seen if one.outcome.condition.no_data is None and not _is_fine(one)])
    for source, count in _sources(seen).most_common():
        why = next(each.no_data.reason for each in _without_data(seen) if each.blamed == source and each.no_data)
        lines.append(f"{source}: {counted(count, 'check')} without data: {why.removeprefix(f'{source}: ')}")
    return lines


def summary_of(seen: Sequence[EvaluatedCheck]) -> str:
    """Return `147 checks: 11 ok, 0 firing, 136 no data (mainnet 118, base 18)`; a run adds up those of its tasks."""
    states = Counter(_state(one) for one in seen)
    shown = [
        f"{states[name]} {name}"
        for name in ("ok", "firing", "pending", _INHIBITED, "happened", _NO_DATA)
        if _is_shown(name, states)
    ]
    sources = ", ".join(f"{source} {count}" for source, count in _sources(seen).most_common())
    return f"{counted(len(seen), 'check')}: {', '.join(shown)}" + (f" ({sources})" if sources else "")


def _is_shown(name: str, states: Counter[str]) -> bool:
    return name in ("ok", "firing", _NO_DATA) or states[name] > 0


def _state(one: EvaluatedCheck) -> str:
    if one.outcome.condition.inhibited_by:
        return _INHIBITED
    return _NO_DATA if one.outcome.condition.no_data is not None else _state_and_reason(one.outcome)[0]


def _is_fine(one: EvaluatedCheck) -> bool:
    return _state(one) == State.OK.value and one.outcome.transition is None


def _without_data(seen: Sequence[EvaluatedCheck]) -> list[Condition]:
    return [one.outcome.condition for one in seen if one.outcome.condition.no_data is not None]


def _sources(seen: Sequence[EvaluatedCheck]) -> Counter[str]:
    return Counter(each.blamed for each in _without_data(seen))


def _cells(one: EvaluatedCheck) -> tuple[str, str, str, str, str]:
    name = f"{one.key.monitor}/{one.key.text}"
    value, bound = value_in_words(one.part, one.reading), bound_in_words(one.part) or "-"
    state, reason = _state_and_reason(one.outcome)
    if one.outcome.condition.no_data is not None:
        state = _NO_DATA if state == State.OK.value else f"{_NO_DATA}, was {state}"
    return name, value, bound, state, reason


def _with_reasons_below(rows: Sequence[Sequence[str]]) -> list[tuple[list[str], str]]:
    found: list[tuple[list[str], str]] = []
    last = ""
    for name, value, *others in rows:
        head, mark, why = value.partition(": ")
        if head != "unknown" or not mark or len(value) <= _LONG_REASON:
            found.append(([name, value, *others], ""))
            continue
        found.append(([name, head, *others], "\n    same reason as above" if why == last else f"\n    {why}"))
        last = why
    return found


def _state_and_reason(outcome: Outcome) -> tuple[str, str]:
    condition, transition = outcome.condition, outcome.transition
    if condition.inhibited_by:
        return _INHIBITED, f"inhibited by {condition.inhibited_by}"
    if transition is None:
        return condition.state.value, outcome.reason.value
    if condition.clear_since is None or condition.is_firing:
        return condition.state.value, f"{outcome.reason.value}, {transition.kind.value}"
    what = next((words for name, words in _ONCE.items() if name in condition.memory), "alerted")
    return "happened", what
