"""`stages`: did an entity move to a later stage? One message for all rows of a reading; vanishing is a stage too."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Unpack

from monitoring.alerts.message.model import Severity
from monitoring.base.errors import UsageError
from monitoring.chains.abi.values import Unknown
from monitoring.checks.expression.values import Absent, Json, Value, key_of, value_of_key
from monitoring.checks.rules.keywords import CommonKeywords, CommonOptions, facts_shown, identity_of
from monitoring.checks.rules.readings import REPORT_ALL, FirstRun, StagedRow, kept_rows, with_broken
from monitoring.checks.rules.verb import Asked, Verb
from monitoring.conditions.condition import Condition, State
from monitoring.conditions.outcome import NO_FACTS, Entry, Outcome, Reason, TransitionKind
from monitoring.conditions.policy import PendingPolicy, Policy
from monitoring.conditions.transition import Breach, Ok, apply_verdict, entries_changed
from monitoring.conditions.values import UnknownError

NOT_REPORTED = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class StagesPolicy(Policy):
    """`order`: the mildest stage first; from `alert_from` on (default: the first) reaching a stage is reported.

    A row that is missing from `gone_after` readings in a row has vanished; that is reported if its stage was.
    """

    order: tuple[str, ...]
    alert_from: str | None = None
    severities: Mapping[str, Severity] = field(default_factory=dict)
    first_run: FirstRun = REPORT_ALL
    gone_after: int = 1

    @property
    def first_reported(self) -> int:
        return self.order.index(self.alert_from) if self.alert_from else 0

    def severity_of(self, stage: int) -> Severity:
        return self.severities.get(self.order[stage], self.severity)


@dataclass(frozen=True, slots=True)
class _Row:
    """Where a row is, the last stage reported of it, and from how many readings it was missing."""

    stage: int
    reported: int = NOT_REPORTED
    missing: int = 0


def judge(
    before: Condition, reading: Sequence[StagedRow] | Unknown | Absent, now: datetime, policy: StagesPolicy
) -> Outcome:
    """Compare each row with the last stage reported of it.

    1. A row at a later stage than reported is reported; one that eases below `alert_from` is over.
    2. A row with an unknown stage keeps what is remembered of it and counts as unknown.
    3. A row that vanished is forgotten, and reported as gone if it had been reported.
    """
    if isinstance(reading, Unknown | Absent):
        return apply_verdict(before, reading, now, policy)
    kept = kept_rows(before, "rows")
    known = {key: _read(row) for key, row in (kept or {}).items()}
    reading = sorted(reading, key=repr)  # so that rows sharing an id mean the same in any order
    stages, broken = _stages(reading, policy)
    facts = {key_of(row.id): row.facts for row in reading}
    seeding = kept is None and not policy.first_run.everything
    rows, entries = _advance(known, stages, facts, policy, seeding=seeding)
    outcome = _judged(before, rows, entries, now, policy)
    if kept is None and not entries:
        outcome = replace(outcome, reason=Reason.SEEDED)
    memory: dict[str, Json] = {"rows": {key: [row.stage, row.reported, row.missing] for key, row in rows.items()}}
    return with_broken(outcome.remembering(memory), before, broken, now, policy)


def _read(row: list[Json]) -> _Row:
    stage, reported, missing = (int(str(number)) for number in row)
    return _Row(stage, reported, missing)


def _stages(reading: Sequence[StagedRow], policy: StagesPolicy) -> tuple[dict[str, int], list[Unknown]]:
    """Return the stage of each row; of rows that share an id the latest stage counts, whatever their order."""
    stages: dict[str, int] = {}
    broken: list[Unknown] = []
    for row in reading:
        if isinstance(row.stage, Unknown):
            broken.append(row.stage)
        elif row.stage not in policy.order:
            broken.append(Unknown(f"{row.stage!r} is none of the stages {', '.join(policy.order)}"))
        else:
            key = key_of(row.id)
            stages[key] = max(stages.get(key, 0), policy.order.index(row.stage))
    return stages, broken


def _advance(
    known: dict[str, _Row],
    stages: dict[str, int],
    facts: Mapping[str, Mapping[str, Value]],
    policy: StagesPolicy,
    *,
    seeding: bool,
) -> tuple[dict[str, _Row], tuple[Entry, ...]]:
    rows: dict[str, _Row] = {}
    entries: list[Entry] = []
    for key in sorted(known.keys() | stages.keys()):
        last, row, kind = known.get(key), known.get(key), None
        if key in stages:
            row, kind = _moved(last, stages[key], policy, seeding=seeding)
        elif last is not None and key not in facts:
            row, kind = _missed(last, policy)
        if kind is not None:
            now_at, reported = row or last, row if kind == "reached" else last
            severity = policy.severity_of(reported.reported) if reported else policy.severity
            shown = {**facts.get(key, NO_FACTS), "stage": policy.order[now_at.stage]} if now_at else NO_FACTS
            entries.append(Entry(kind, value_of_key(key), severity, shown))
        if row is not None:
            rows[key] = row
    return rows, tuple(entries)


def _moved(last: _Row | None, stage: int, policy: StagesPolicy, *, seeding: bool) -> tuple[_Row, str | None]:
    reported = last.reported if last else NOT_REPORTED
    if stage < policy.first_reported:
        return _Row(stage), "eased" if reported != NOT_REPORTED else None
    if stage <= reported:
        return _Row(stage, reported), None
    return _Row(stage, stage), None if seeding else "reached"


def _missed(last: _Row, policy: StagesPolicy) -> tuple[_Row | None, str | None]:
    if last.missing + 1 < policy.gone_after:
        return replace(last, missing=last.missing + 1), None
    return None, "gone" if last.reported != NOT_REPORTED else None


def _judged(
    before: Condition, rows: dict[str, _Row], entries: tuple[Entry, ...], now: datetime, policy: StagesPolicy
) -> Outcome:
    """Fire with the first row reported, end with the last; what comes and goes between is reported as it happens."""
    standing = [policy.severity_of(row.reported) for row in rows.values() if row.reported != NOT_REPORTED]
    reached = tuple(entry for entry in entries if entry.kind == "reached")
    was_firing = before.state is State.FIRING
    if standing and not reached and not was_firing:
        verdict: Breach | Ok = Ok()  # seeded rows are at an alarming stage that was never reported
    else:
        verdict = Breach((max(standing),)) if standing else Ok()
    outcome = apply_verdict(before, verdict, now, replace(policy, hold=PendingPolicy()))
    if not entries:
        return outcome
    if standing and was_firing:
        return entries_changed(outcome, entries, now, TransitionKind.WORSENED if reached else TransitionKind.EASED)
    if outcome.transition is not None:
        return replace(outcome, transition=replace(outcome.transition, entries=entries))
    return outcome


def python(
    rows: Iterable[Any] | Any,
    *,
    id: Callable[[Any], Any],
    stage: Callable[[Any], Any],
    order: Sequence[str],
    alert_from: str | None = None,
    severities: Mapping[str, Severity | str] | None = None,
    show: Callable[[Any], Mapping[str, Any]] | None = None,
    gone_after: int = 1,
    **common: Unpack[CommonKeywords],
) -> Asked:
    """Report rows that reach a later stage of `order`, from `alert_from` on, and those that vanish from there."""
    options = CommonOptions.of("stages", common, python)
    for name in (*(severities or {}), *([alert_from] if alert_from else [])):
        if name not in order:
            raise UsageError(f"m.stages(…): {name!r} is none of the stages {', '.join(order)}")
    policy = StagesPolicy(
        **options.policy("stages", understood=("remind",)),
        order=tuple(order),
        alert_from=alert_from,
        severities={name: Severity.parse(severity) for name, severity in (severities or {}).items()},
        gone_after=gone_after,
    )
    return Asked(_staged(rows, id, stage, show), policy, options)


def _staged(
    rows: Any,
    identify: Callable[[Any], Any],
    stage: Callable[[Any], Any],
    show: Callable[[Any], Mapping[str, Any]] | None,
) -> Any:
    if isinstance(rows, Unknown | Absent):
        return rows
    found = []
    for row in rows:
        identity = identity_of(row, identify)
        if isinstance(identity, Unknown):
            return identity  # without it it is not known which row vanished
        found.append(StagedRow(identity, _stage_of(row, stage), facts_shown(row, show)))
    return found


def _stage_of(row: Any, stage: Callable[[Any], Any]) -> str | Unknown:
    try:
        found = stage(row)
    except UnknownError as error:
        return error.unknown
    return found if isinstance(found, Unknown) else str(found)


VERB = Verb(name="stages", judge=judge, python=python)
