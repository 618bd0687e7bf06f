"""Runs the drills of a monitor, each in a rehearsal of its own, and says what each check did and did not.

Called by `python -m monitoring.checks test`, and by the tests of what ships.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from monitoring.checks.drill.broken_answers import reading_problems
from monitoring.checks.drill.broken_prices import price_problems
from monitoring.checks.drill.events import malformed_problems, parts_with_events
from monitoring.checks.drill.file import DrilledMonitor, DrillEntry
from monitoring.checks.drill.rehearsal import BETWEEN, Rehearsal, rehearsing
from monitoring.checks.drill.waiting import instants, waiting_problem
from monitoring.checks.engine.formula_checks import FormulaPart
from monitoring.checks.expression.evaluate import ViewRead
from monitoring.conditions.condition import Condition, ConditionKey
from monitoring.conditions.outcome import Reason, TransitionKind
from monitoring.conditions.policy import PendingPolicy

_NEAR = timedelta(minutes=1)


@dataclass(slots=True)
class CheckResult:
    """What came of the drills of one check: what it did as it must, and each thing that it did not."""

    check: str
    did: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    is_drilled: bool = True


def rehearse(scene: DrilledMonitor) -> list[CheckResult]:
    """Run every drill of a monitor and return one result a check, in the order of the file."""
    results = {part.key.check: CheckResult(part.key.check) for part in scene.parts}
    _when_all_is_well(scene, results)
    for drill in scene.drills:
        if drill.at is not None:
            _fires_from(scene, drill, results[drill.check], drill.at)
            continue
        _fires(scene, drill, results[drill.check])
        if drill.quiet:
            _stays_quiet(scene, drill, results[drill.check])
        _once_it_fires(scene, drill, results[drill.check])
        if drill.waits is not None:
            _waits(scene, drill, results[drill.check], drill.waits)
        if drill.baseline is not None:
            _forgets(scene, drill, results[drill.check], drill.baseline)
    _without_data(scene, results)
    _broken_answers(scene, results)
    if parts_with_events(scene):
        with rehearsing(scene) as world:
            for check, problems in malformed_problems(world).items():
                results[check].problems += problems
                results[check].did.append("no data from a malformed event")
    for result in results.values():
        result.did = list(dict.fromkeys(result.did))
        result.is_drilled = any(drill.check == result.check for drill in scene.drills)
    return list(results.values())


def _when_all_is_well(scene: DrilledMonitor, results: Mapping[str, CheckResult]) -> None:
    with rehearsing(scene) as world:
        for _ in range(2):
            outcomes = world.run()
            for key, one in outcomes.items():
                if one.reason is Reason.UNKNOWN:
                    results[key.check].problems.append(f"no data when all is well: {_missing(world, one.condition)}")
                elif one.transition:
                    results[key.check].problems.append(f"fires when all is well: {key.text} is {world.shown[key]}")
    for result in results.values():
        result.problems = list(dict.fromkeys(result.problems))


def _missing(world: Rehearsal, condition: Condition) -> str:
    names = {address: name for scene in world.scene.scenes for name, address in scene.names.items()}
    asked = sorted(
        _as_written(one, names) for one in world.asked if isinstance(one, ViewRead) and one not in world.answers
    )
    if asked:
        return f"`well` has no answer for {', '.join(asked)}"
    return condition.no_data.reason if condition.no_data else "an answer of `well` cannot be used"


def _as_written(call: ViewRead, names: Mapping[Any, str]) -> str:
    """Return a call as a drill writes it: `vault.convertToAssets(1e24)`."""
    texts = [names.get(one, str(one)) for one in call.arguments]
    short = [f"1e{len(text) - 1}" if re.fullmatch("10{6,}", text) else text for text in texts]
    return f"{names.get(call.target, call.target)}.{call.signature.partition('(')[0]}({', '.join(short)})"


def _fires(scene: DrilledMonitor, drill: DrillEntry, result: CheckResult) -> None:
    with rehearsing(scene) as world:
        world.run()
        sent = world.messages(drill.when, drill.waits)
        wanted = _wanted(world, drill)
        if not wanted:
            here = sorted({key.subject for key in world.conditions if key.check == drill.check})
            known = f", known are {', '.join(here)}" if any(here) else ""
            result.problems.append(f"line {drill.line}: no row is called {', '.join(drill.only)}{known}")
        for key in sorted(wanted, key=str):
            if sent.get(key) != (TransitionKind.FIRED, drill.fires):
                did = " ".join(sent[key]) if key in sent else "did not fire"
                value = world.shown[key]
                result.problems.append(f"line {drill.line}: {key.text} must fire {drill.fires}, {did}: it is {value}")
        for key in sorted(wanted, key=str):
            if drill.shows and drill.shows != world.values[key]:
                wrong = f"{key.text} must be shown as {drill.shows}, it is {world.values[key]}"
                result.problems.append(f"line {drill.line}: {wrong}")
        for name in sorted({key.check for key in sent.keys() - wanted} - {*drill.also}):
            result.problems.append(f"line {drill.line}: {name} fires along: add it to `also`, or change `when`")
    result.did.append(f"fires {drill.fires}")


def _fires_from(scene: DrilledMonitor, drill: DrillEntry, result: CheckResult, at: datetime) -> None:
    """Run just before an instant and at it: what is written as a date has no answers to change."""
    for now, fires in ((at - _NEAR, False), (at, True)):
        with rehearsing(scene) as world:
            world.now = now
            for key, one in world.run().items():
                did = one.transition.severity.name.lower() if one.transition and key.check == drill.check else "nothing"
                if key.check == drill.check and did != (drill.fires if fires else "nothing"):
                    result.problems.append(
                        f"line {drill.line}: {key.text} at {now} UTC: {did}, it is {world.shown[key]}"
                    )
    result.did += [f"fires {drill.fires}", "not too early"]


def _stays_quiet(scene: DrilledMonitor, drill: DrillEntry, result: CheckResult) -> None:
    with rehearsing(scene) as world:
        world.run()
        sent = world.messages(drill.quiet, drill.waits)
        result.problems += [
            f"line {drill.line}: {key.text} must stay quiet, {' '.join(what)}: it is {world.shown[key]}"
            for key, what in sent.items()
        ]
    result.did.append("stays quiet")


def _once_it_fires(scene: DrilledMonitor, drill: DrillEntry, result: CheckResult) -> None:
    """Change a breach: it gets worse, or is over, where the drill says so, and not before."""
    worse, over = TransitionKind.WORSENED, TransitionKind.RECOVERED
    for changes, kind, must, did in (
        (drill.worse, worse, True, "get worse"),
        (drill.steady, worse, False, "get worse"),
        (drill.over, over, True, "be over"),
        (drill.holds, over, False, "be over"),
    ):
        if not changes:
            continue
        with rehearsing(scene) as world:
            world.run()
            world.messages(drill.when, drill.waits)
            sent = world.messages(changes, drill.waits)
            for key in sorted(_wanted(world, drill), key=str):
                if (key in sent and sent[key][0] is kind) is not must:
                    wish = f"must {'' if must else 'not yet '}{did}"
                    result.problems.append(f"line {drill.line}: {key.text} {wish}: it is {world.shown[key]}")
        result.did.append({worse: "gets worse", over: "is over"}[kind] if must else "not too early")


def _waits(scene: DrilledMonitor, drill: DrillEntry, result: CheckResult, waits: PendingPolicy) -> None:
    """Let the breach last just shorter than the check waits, in which it is pending, and then as long."""
    with rehearsing(scene) as world:
        world.run()
        begun = world.now
        for since in instants(waits, BETWEEN):
            world.now, is_last = begun + since, since == instants(waits, BETWEEN)[-1]
            outcomes = world.run(drill.when)
            for key in sorted(_wanted(world, drill), key=str):
                if problem := waiting_problem(outcomes[key], is_last=is_last):
                    where = f"line {drill.line}: {key.text} {problem} {since} after the breach began"
                    result.problems.append(f"{where}: it is {world.shown[key]}")
    result.did.append("waits" if waits != PendingPolicy() else "fires at once")


def _forgets(scene: DrilledMonitor, drill: DrillEntry, result: CheckResult, baseline: timedelta) -> None:
    """Come with the change just before the value it is compared with is too old, and just after."""
    for later, fires in ((-_NEAR, True), (_NEAR, False)):
        with rehearsing(scene) as world:
            world.run()
            world.now += baseline + later - BETWEEN
            sent = world.messages(drill.when)
            for key in sorted(_wanted(world, drill), key=str):
                if (key in sent) is not fires:
                    must = "must fire" if fires else "must not fire"
                    result.problems.append(
                        f"line {drill.line}: {key.text} {must} {baseline + later} after its baseline"
                    )
    result.did.append("forgets its baseline")


def _wanted(world: Rehearsal, drill: DrillEntry) -> set[ConditionKey]:
    """Return the conditions of a check that a drill is about, of those that were judged."""
    return {
        key for key in world.conditions
        if key.check == drill.check and (not drill.only or key.subject in drill.only)
    }  # fmt: skip


def _without_data(scene: DrilledMonitor, results: Mapping[str, CheckResult]) -> None:
    """Take every input away: each check that applies has no data, and none says anything."""
    constant = {part.key for part in scene.parts if isinstance(part, FormulaPart) and part.reads_nothing}
    with rehearsing(scene) as world:
        applying = {key for key, one in world.run().items() if one.reason is not Reason.DOES_NOT_APPLY} - constant
        world.lost = set(world.asked)
        for key, one in world.run().items():
            if one.transition:
                results[key.check].problems.append(f"fires without data: {key.text}")
            elif key in applying and one.reason is not Reason.UNKNOWN:
                results[key.check].problems.append(f"is judged without data: {key.text} is {world.shown[key]}")
    for result in results.values():
        result.did.append("no data without its inputs")


def _broken_answers(scene: DrilledMonitor, results: Mapping[str, CheckResult]) -> None:
    for name in scene.monitor.sources:
        with rehearsing(scene) as world:
            for check, problems in reading_problems(world, name).items():
                results[check].problems += problems
                results[check].did.append("no data from a broken answer")
    if scene.monitor.reads_prices:
        with rehearsing(scene) as world:
            for check, problems in price_problems(world).items():
                results[check].problems += problems
                results[check].did.append("no data from a broken price")
