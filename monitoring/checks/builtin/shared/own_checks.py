"""Our own formulas before and after calls that nobody has made: which checks of this checkout they would change.

Looked at are monitor files in whose folder a contract is named that the calls touch; no file is read further than for
its text where none is. Bounded by files, checks and the budget of simulations; what was left out is said.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from monitoring.base.errors import ConfigError, UsageError
from monitoring.base.plural import counted
from monitoring.chains.abi.values import Unknown
from monitoring.chains.rpc.supposed import Supposed
from monitoring.checks.config.load import load_monitor
from monitoring.checks.engine.evaluate import Evaluation, evaluate
from monitoring.checks.engine.formula_checks import FormulaPart, Urgent
from monitoring.checks.engine.monitor import Monitor, MonitorWrapper
from monitoring.checks.engine.plan import CheckInstance, PriceQuery
from monitoring.checks.engine.point import EvaluationPoint
from monitoring.checks.rows.listed_check import ListedCheck
from monitoring.checks.rules.verb import verb
from monitoring.conditions.condition import Condition
from monitoring.conditions.severity import Severity

MAX_FILES = 6
MAX_CHECKS = 150
_MAX_BYTES = 2_000_000  # of one file; no monitor is that long
_MONITOR = re.compile(rb"^monitor\s*:", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Effect:
    """A check whose value changes: its name, its values and bound in words, and how bad it is before and after.

    None is a check that does not fire.
    """

    name: str
    before: str
    after: str
    bound: str
    was: Severity | None
    becomes: Severity | None

    @property
    def rank(self) -> tuple[int, int]:
        """Return how much it matters: what begins to fire or gets worse first, then what is bad anyway."""
        was, becomes = self.was or 0, self.becomes or 0
        return (-(becomes - was) if becomes > was else 0, -becomes)


@dataclass(frozen=True, slots=True)
class OwnChecks:
    """What became of the checks that were evaluated twice: `effects`, `same` without one, `lost` without data.

    `problem` is why none was, or why some were left out.
    """

    effects: tuple[Effect, ...] = ()
    same: int = 0
    lost: int = 0
    problem: str = ""


@dataclass(frozen=True, slots=True)
class _Formulas(MonitorWrapper):
    """The formulas of a monitor on one chain, to be evaluated without what else it watches."""

    declared: ClassVar[bool] = False
    monitor: Monitor
    chosen: tuple[CheckInstance, ...]

    def parts(self) -> tuple[CheckInstance, ...]:
        return self.chosen


def own_checks(
    folder: Path, touched: Sequence[str], chain: int, states: tuple[Supposed, Supposed], at: EvaluationPoint
) -> OwnChecks:
    """Evaluate the checks that name a touched contract in the state before and in the state after.

    What a service or a market says is read once, so that only the chain differs. `at` is the spare point.
    """
    files = list(_files(folder, touched))
    loaded = [_formulas(file, chain) for file in files[:MAX_FILES]]
    monitors = [one for one in loaded if one is not None and one.chosen]
    left_out = len(files) - MAX_FILES if len(files) > MAX_FILES else 0
    left_out += sum(one is None for one in loaded)
    problem = f"{counted(left_out, 'monitor')} not looked at" if left_out else ""
    if not monitors:
        return OwnChecks(problem=problem)
    try:
        before = evaluate(monitors, replace(at, overrides={chain: states[0]}))
        after = evaluate(monitors, replace(at, overrides={chain: states[1]}, known=_known(before)))
    except UsageError as error:
        return OwnChecks(problem=str(error))
    return replace(_compared(before, after, at), problem=problem)


def _files(folder: Path, touched: Sequence[str]) -> Iterator[Path]:
    """Yield the monitor files in whose folder a touched contract is named; a file next to it may hold its rows."""
    if not touched:
        return
    wanted = re.compile("|".join(re.escape(one.lower().removeprefix("0x")) for one in touched).encode())
    for own in sorted(one for one in folder.iterdir() if one.is_dir()):
        texts = {file: _text(file) for file in sorted(own.glob("*.yaml"))}
        if any(wanted.search(text.lower()) for text in texts.values()):
            yield from (file for file, text in texts.items() if _MONITOR.search(text))


def _text(file: Path) -> bytes:
    try:
        return file.read_bytes() if file.stat().st_size <= _MAX_BYTES else b""
    except OSError:
        return b""


def _formulas(file: Path, chain: int) -> _Formulas | None:
    """Return what of a file can be evaluated, or None where it has mistakes."""
    from monitoring.checks.builtin import TYPES  # noqa: PLC0415 - this is part of one of them

    try:
        monitor = load_monitor(file, TYPES)
    except ConfigError:
        return None
    chosen = tuple(one for one in monitor.parts() if one.key.chain == chain and _is_formula(one))
    return _Formulas(monitor, chosen[:MAX_CHECKS])


def _is_formula(one: CheckInstance) -> bool:
    """Return whether a check has only views, prices and sources: logs are not looked at here."""
    part = one.part if isinstance(one, ListedCheck) else one
    return isinstance(part, FormulaPart) and part.check.asks is None


def _known(before: Evaluation) -> dict[Any, Any]:
    context = before.readings.context
    prices = {query: answer for query, answer in context.answers.items() if isinstance(query, PriceQuery)}
    return {**context.sources, **prices}


def _compared(before: Evaluation, after: Evaluation, at: EvaluationPoint) -> OwnChecks:
    effects, same, lost = [], 0, 0
    for part in after.parts:
        old, new = (one.readings.by_key.get(part.key) for one in (before, after))
        if not isinstance(part, FormulaPart) or part.key not in before.readings.by_key:
            continue
        if isinstance(old, Unknown) or isinstance(new, Unknown) or part.key in after.readings.crashes:
            lost += 1
        elif old == new:
            same += 1
        else:
            effects.append(_effect(part, old, new, at))
    return OwnChecks(tuple(sorted(effects, key=lambda one: one.rank)), same, lost)


def _effect(part: FormulaPart, old: Any, new: Any, at: EvaluationPoint) -> Effect:  # noqa: ANN401 - by the verb
    """Judge both readings as if the check waited for nothing; what compares with earlier ones starts from the first."""
    rule, policy, now = verb(part.check.verb), part.check.policy.without_waiting(), at.clock.now()
    plain = [one.reading if isinstance(one, Urgent) else one for one in (old, new)]
    first = rule.judge(Condition(part.key), plain[0], now, policy).condition
    then = rule.judge(first, plain[1], now, policy).condition
    was, becomes = (one.severity if one.is_firing else None for one in (first, then))
    name = " ".join(dict.fromkeys([part.key.monitor, *part.about.partition(": ")[0].split()]))
    return Effect(name, part.in_words(old), part.in_words(new), part.bound, was, becomes)
