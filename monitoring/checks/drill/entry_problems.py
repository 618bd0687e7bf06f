"""What is wrong with an entry of a drill, and what to write in its place: `file.py` puts it at its line.

Nothing here reads a chain or a service.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from monitoring.chains.abi.addresses import SignatureError, is_address
from monitoring.chains.abi.function import encode, parse_function
from monitoring.checks.drill.answers import SOME_TIME
from monitoring.checks.drill.events import events_of
from monitoring.checks.engine.formula_checks import FormulaPart
from monitoring.checks.engine.monitor import NumberSource
from monitoring.checks.expression.evaluate import ViewRead
from monitoring.checks.rows.eval_scope import Rows
from monitoring.checks.rows.listed_check import ListedCheck

if TYPE_CHECKING:
    from monitoring.checks.drill.file import DrilledMonitor, DrillNames

_QUOTED_IN_FLOW = set('[]{},:"')
_NO_DATA = "; leave it out: every drill also takes each input away and checks that there is no data"


def instead_of(drilled: DrilledMonitor, text: str) -> str:
    """Return what to write in place of an entry that is no call of its monitor, or nothing where nothing is near."""
    words = re.findall(r"\w+", text)
    source = drilled.monitor.sources.get(words[0]) if words else None
    if source is not None:
        return f"{source.name} is a source: change its recorded answer by a path, as in {source.name}: {_path(source)}"
    for name, contract, event in events_of(drilled):
        if event.name in words or text == contract:
            values = ", ".join(one.name or str(one.kind) for one in event.fields)
            return f"an event is written as {name}: [{values}]"
    for name in _lists(drilled):
        if name in words:
            return f"{name} is a row of a list that is read: write its address or its number in place of {name}"
    return ""


def _path(source: NumberSource) -> str:
    path = source.number or f"{source.path}[0].{next(iter(source.numbers.values()), 'field')}"
    return f'{{"{path}": 1}}' if _QUOTED_IN_FLOW & {*path} else f"{{{path}: 1}}"


def _lists(drilled: DrilledMonitor) -> Iterator[str]:
    for part in drilled.parts:
        formula = part.part if isinstance(part, ListedCheck) else part
        if isinstance(formula, FormulaPart):
            yield from (one.name for one in formula.scene.plan.levels if not isinstance(one, Rows))


def answer_problem(drilled: DrilledMonitor, text: str, answer: Any) -> str:  # noqa: ANN401 - as it is in the file
    """Return why a view cannot answer so, or nothing."""
    for scene in drilled.scenes:
        for call in drilled.calls(text, scene):
            problem = _misfit(drilled, call, answer, scene) if isinstance(call, ViewRead) else ""
            if problem:
                return problem
    return ""


def _misfit(drilled: DrilledMonitor, call: ViewRead, answer: Any, scene: DrillNames) -> str:  # noqa: ANN401 - as above
    outputs = parse_function(call.signature).outputs
    try:
        value = as_abi(drilled.value(answer, scene, SOME_TIME))
    except KeyError:  # a name of another chain
        return ""
    count, is_tuple = len(outputs), isinstance(value, tuple)
    types = f"({', '.join(map(str, outputs))})"
    short = answer if isinstance(answer, str) else f"[{', '.join(map(str, answer))}]" if is_tuple else str(answer)
    hint = _NO_DATA if answer == "unknown" else ""
    if count > 1 and (not is_tuple or len(value) != count):
        return f"it answers a list of {count} values {types}: {short} does not fit{hint}"
    try:
        encode(outputs, value if count > 1 else [value], call.signature)
    except SignatureError:
        return f"it answers {types}: {short} does not fit{hint}"
    return ""


def as_abi(value: Any) -> Any:  # noqa: ANN401 - a value of the language as the ABI has it
    """Return whole numbers as integers, addresses in lower case, tuples of such."""
    if isinstance(value, list | tuple):
        return tuple(as_abi(one) for one in value)
    if isinstance(value, Fraction) and value.denominator == 1:
        return int(value)
    return value.lower() if isinstance(value, str) and is_address(value) else value
