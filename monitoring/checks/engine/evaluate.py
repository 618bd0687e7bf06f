"""The one way to evaluate monitors: read what their checks want, judge each, and word what changed.

Called by runs, `explain`, drills, tests and the verbs of Python monitors. It stores and sends nothing: `runner` records
what it returns. A bug in a check loses only that check.
"""

from __future__ import annotations

import logging
import traceback
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from monitoring.alerts.recording.close_orphaned import SOURCES
from monitoring.chains.abi.values import Unknown
from monitoring.checks.engine.evaluation import EvaluatedCheck, Readings, judge_check
from monitoring.checks.engine.evidence import NO_EVIDENCE, Evidence
from monitoring.checks.engine.monitor import EvaluatedMonitor
from monitoring.checks.engine.plan import CheckInstance, ReadContext
from monitoring.checks.engine.point import EvaluationPoint
from monitoring.checks.engine.python_checks import GivenPart
from monitoring.checks.messages import alert
from monitoring.checks.messages.listing_value import value_in_words
from monitoring.checks.state import inhibition, paused
from monitoring.checks.state.load import NOTHING, LoadedState
from monitoring.checks.state.save import JudgedPart, Record
from monitoring.conditions.condition import CRASH, Condition, ConditionKey, State

if TYPE_CHECKING:
    from monitoring.chains.rpc.views import ChainView
    from monitoring.store.readings.reading import CheckReading

log = logging.getLogger("monitoring.checks")
_NOTHING_READ = alert.ReadingOrigin()


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What came of each check, the monitors' own first; `record` is what a run stores, `traces` the bugs it met."""

    monitors: Sequence[EvaluatedMonitor]
    at: EvaluationPoint
    parts: Sequence[CheckInstance]
    readings: Readings
    record: Record
    traces: Sequence[str] = ()

    @property
    def checks(self) -> Sequence[JudgedPart]:
        """Return the monitors' own checks, without the conditions of sources and providers."""
        return self.record.entries[: len(self.parts)]

    def kept(self) -> list[CheckReading]:
        """Return what is kept of each reading: its value, limits, state and what it was made of."""
        found: list[CheckReading] = []
        for entry in self.checks:
            try:
                found.append(self._kept(entry.seen))
            except Exception as error:  # noqa: BLE001 - the border of a check: what is kept of it stops nothing
                name = f"{entry.seen.key.monitor}/{entry.seen.key.text}"
                log.warning("what %s read is not kept: %s: %s", name, type(error).__name__, error)
        return found

    def _kept(self, seen: EvaluatedCheck) -> CheckReading:
        from monitoring.checks.state.kept_reading import kept_reading  # noqa: PLC0415 - who looks alone keeps nothing

        block = self.record.judged_blocks.get(seen.key.chain)
        reading = kept_reading(seen, _evidence(seen, self.readings.context), block, self.at.redact)
        _ = reading.columns  # made now: others wait for the transaction that writes them
        return reading

    def again(self, remembered: LoadedState) -> Evaluation:
        """Judge the same readings against what is remembered now."""
        return _judged(self.monitors, self.at, self.parts, self.readings, remembered)


def evaluate(
    monitors: Sequence[EvaluatedMonitor], at: EvaluationPoint, remembered: LoadedState = NOTHING
) -> Evaluation:
    """Read, judge and word every check of the monitors at one point.

    Raises:
        UsageError: two checks share a key, so that one condition would overwrite the other.
    """
    parts = [part for monitor in monitors for part in monitor.parts()]
    asking = [part for part in parts if not isinstance(part, GivenPart)]
    readings = Readings({part.key: part.reading for part in parts if isinstance(part, GivenPart)})
    if asking:
        from monitoring.checks.engine.read import read  # noqa: PLC0415 - a reading in hand needs no chain and no formula

        found = read(monitors, asking, at, remembered.starting)
        readings = replace(found, by_key={**readings.by_key, **found.by_key})
        parts = [row for part in parts for row in found.rows.get(part.key, (part,))]
    return _judged(monitors, at, parts, readings, remembered)


def _judged(
    monitors: Sequence[EvaluatedMonitor],
    at: EvaluationPoint,
    parts: Sequence[CheckInstance],
    readings: Readings,
    remembered: LoadedState,
) -> Evaluation:
    """Judge every reading and put what changed into words. May ask the world for names."""
    now, conditions = at.clock.now(), remembered.conditions
    declared = {monitor.name for monitor in monitors if monitor.declared}
    entries: list[JudgedPart] = []
    judged = [judge_check(part, readings, conditions, now, remembered.first.get(part.key)) for part in parts]
    for seen in paused.apply(inhibition.apply(judged, remembered), remembered):
        part = seen.part
        origin = _origin(seen, at, readings) if seen.outcome.transition else _NOTHING_READ
        entries.append(_entry(seen, conditions, at, now, origin, declared=part.key.monitor in declared))
    traces = {one.seen.key: _trace(error) for one in entries if (error := _bug(one)) is not None}
    of_answerers = {kind: _trace(error) for kind, error in readings.lost.items()}
    if traces or of_answerers or _concerns_sources(entries, at, remembered):
        entries = _with_sources(monitors, at, entries, traces, of_answerers, remembered)
    blocks = {chain: view.block.number for chain, view in _views(at).items()}
    gone, listed = _gone(declared, parts, at, remembered), readings.rows
    left = [row for row in gone if row.key.subject and replace(row.key, subject="") in listed]
    gone = [row for row in gone if row not in left]
    record = Record(entries, remembered, at.memory.new, blocks, gone, _held(at), left)
    return Evaluation(monitors, at, parts, readings, record, (*traces.values(), *of_answerers.values()))


def _entry(
    seen: EvaluatedCheck,
    conditions: Mapping[ConditionKey, Condition],
    at: EvaluationPoint,
    now: datetime,
    origin: alert.ReadingOrigin = _NOTHING_READ,
    *,
    declared: bool = False,
) -> JudgedPart:
    composed = None
    if seen.outcome.transition is not None:
        composed = alert.compose_alert(
            seen, conditions.get(seen.key) or Condition(seen.key), at, origin, now, at.redact
        )
    return JudgedPart(seen, composed, at.redact(value_in_words(seen.part, seen.reading)), declared)


def _concerns_sources(entries: Sequence[JudgedPart], at: EvaluationPoint, remembered: LoadedState) -> bool:
    """Return whether anything is or was wrong with what is read, or may have become so by reading."""
    if at.has_read or any(one.seen.outcome.condition.no_data is not None for one in entries):
        return True
    before = [row for key, row in remembered.conditions.items() if key.monitor == SOURCES or key.check == CRASH]
    return any(row.state is not State.OK for row in before)


def _with_sources(
    monitors: Sequence[EvaluatedMonitor],
    at: EvaluationPoint,
    entries: Sequence[JudgedPart],
    traces: Mapping[ConditionKey, str],
    of_answerers: Mapping[str, str],
    remembered: LoadedState,
) -> list[JudgedPart]:
    """Judge what keeps checks from seeing too: sources without data, failing providers, bugs."""
    from monitoring.checks.engine import source_health  # noqa: PLC0415 - it knows chains, which may not be loaded

    now, conditions, seen = at.clock.now(), remembered.conditions, [entry.seen for entry in entries]
    family = source_health.families(seen, remembered)
    blamed = [replace(one, blamed=family.get(one.seen.outcome.condition.blamed, "")) for one in entries]
    routes = {monitor.name: monitor.route for monitor in monitors}
    ending = [monitor.name for monitor in monitors if monitor.declared]  # a function's frame sees to its own crashes
    parts: list[CheckInstance] = [
        *source_health.blind_sources(seen, remembered, family),
        *source_health.crashed(routes, ending, traces, of_answerers, remembered),
    ]
    if at.has_read:
        parts += source_health.failing_providers(at.chains, remembered, at.troubled)
        parts += source_health.lost_blocks(at.chains)
        parts += source_health.incomplete_logs(at.chains, remembered)
    readings = Readings({part.key: part.read(ReadContext({}, {})) for part in parts})
    for part in parts:
        judged = judge_check(part, readings, conditions, now)
        blamed.append(_entry(judged, conditions, at, now))
    return blamed


def _origin(seen: EvaluatedCheck, at: EvaluationPoint, readings: Readings) -> alert.ReadingOrigin:
    """Say where a reading came from, and what it was made of where its check can say so."""
    evidence = _evidence(seen, readings.context)
    view = _views(at).get(seen.key.chain)
    if view is None:
        return alert.ReadingOrigin(evidence=evidence)
    hosts = view.pool.hosts
    metadata = {"block": view.block.number, "chain_id": view.network.id, "providers": list(hosts)}
    return alert.ReadingOrigin(f"{view.network.name} block {view.block.number:,}", metadata, evidence)


def _evidence(seen: EvaluatedCheck, context: ReadContext) -> Evidence:
    own = getattr(seen.part, "evidence", None)
    found: Evidence = NO_EVIDENCE if own is None or seen.crash is not None else own(context)
    return found


def _views(at: EvaluationPoint) -> dict[int, ChainView]:
    """Return every chain that was read, at its block."""
    views = at.chains.views if at.has_read else {}
    return {chain: view for chain, view in views.items() if not isinstance(view, Unknown)}


def _held(at: EvaluationPoint) -> dict[str, Counter[str]]:
    """Count by chain the ranges of logs by how far they are complete, and under each host the logs that it left out."""
    found: dict[str, Counter[str]] = {}
    for pool in at.chains.pools if at.has_read else ():
        for one in pool.held:
            found.setdefault(pool.network.name, Counter()).update({one.completeness.value: 1, **one.left_out})
    return found


def _gone(
    declared: set[str], parts: Sequence[CheckInstance], at: EvaluationPoint, remembered: LoadedState
) -> list[Condition]:
    """Return the conditions whose check left its file, and those of providers that a chain no longer has."""
    keys, rows = {part.key for part in parts}, remembered.conditions.items()
    gone = [row for key, row in rows if key.monitor in declared and row.declared and key not in keys]
    if at.has_read:
        from monitoring.checks.engine import source_health  # noqa: PLC0415 - as above

        gone += source_health.removed_providers(at.chains, remembered)
    return gone


def _bug(entry: JudgedPart) -> Exception | None:
    return entry.seen.crash or (entry.composed.crash if entry.composed else None)


def _trace(error: Exception) -> str:
    return "".join(traceback.format_exception(error)[-4:])
