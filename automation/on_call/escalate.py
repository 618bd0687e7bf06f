"""Asks people about incidents on which nobody acts: one alert a person, stored and delivered like any other.

Called at the end of each run, and each minute by `listen`. What was asked is kept in the same transaction as the
alerts, so that nobody is asked twice for one step and no step is lost.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta

from automation.on_call.attempts import Attempts
from automation.on_call.message import IncidentReport, Question, question
from automation.on_call.model import CHANNEL, EscalationBySeverity, OnCall
from automation.on_call.rota import on_duty
from automation.on_call.steps import DueQuestion, next_ask
from monitoring.alerts.delivery.coalesce import alert_of
from monitoring.alerts.recording.acknowledge import end_in
from monitoring.alerts.recording.incident import incidents_named, with_incident, with_incidents
from monitoring.alerts.recording.store_alert import AlertKind, AlertOrigin, store_in
from monitoring.base.clock import to_text
from monitoring.conditions.condition import Condition, ConditionKey
from monitoring.conditions.severity import Severity
from monitoring.conditions.silence import FROM_CHAT, silence_of, subject_of
from monitoring.store.db.database import Database, Tx
from monitoring.store.people import acknowledgements, duty, escalations
from monitoring.store.people.acknowledgements import Acknowledgement
from monitoring.store.people.escalations import EscalationProgress
from monitoring.store.tables import alerts, conditions, silences


@dataclass(frozen=True, slots=True)
class _DueIncident:
    condition: Condition
    severity: Severity
    began: datetime
    ask: DueQuestion


def escalate(
    database: Database, team: OnCall, now: datetime, origin: AlertOrigin, attempts: Attempts | None = None
) -> int:
    """Store what is due; return how many alerts. A process that sends nothing asks nobody."""
    attempts = attempts or Attempts()
    with attempts.part("the note of who is on call"):
        _keep_duty(database, team, now)
    if origin.debug:
        return 0
    with attempts.part("what people who left had acknowledged"):
        _end_of_those_who_left(database, team, now)
    if team.escalation is None:
        return 0
    if not database.read(lambda tx: conditions.incidents(tx, now) or escalations.everything(tx)):
        return 0
    with database.write() as tx:
        return _escalate_in(tx, team, now, origin, attempts)


def _keep_duty(database: Database, team: OnCall, now: datetime) -> None:
    """Let the pages say who is on call: they read the database alone. Without a rota it holds for a day at a time."""
    found = on_duty(team, now)
    tomorrow = datetime.combine(now.date() + timedelta(days=2), time(), UTC)
    duty.keep(database, duty.OnCallNow(found.people, found.until or tomorrow), now)


def _end_of_those_who_left(database: Database, team: OnCall, now: datetime) -> None:
    """End what was acknowledged by a button of somebody whom the file names no more, or has disabled.

    That is what is done about an account that somebody else took over: nobody has those incidents.
    """

    def left(tx: Tx) -> list[Acknowledgement]:
        by_button = (each for each in acknowledgements.open_ones(tx) if each.note == FROM_CHAT)
        return [each for each in by_button if each.by not in team.available]

    if not database.read(left):
        return
    with database.write() as tx:
        for held in left(tx):
            condition = conditions.get(tx, held.key)
            if condition is not None and not held.why_over(condition, now):
                end_in(tx, condition, held, by="A change of on_call.yaml", now=now)


def _escalate_in(tx: Tx, team: OnCall, now: datetime, origin: AlertOrigin, attempts: Attempts) -> int:
    open_now = {row.key: row for row in conditions.incidents(tx, now)}
    asked = escalations.everything(tx)
    for key in asked.keys() - open_now.keys():
        escalations.forget(tx, key)
    due = list(_due(tx, team, list(open_now.values()), asked, now, attempts))
    together, stored = Attempts(), 0
    with together.part("what is due in this minute", tx):
        stored = _ask(tx, due, now, origin)
    if together.failed:
        stored = sum(_ask_alone(tx, each, now, origin, attempts) for each in due)
    return stored


def _ask_alone(tx: Tx, due: _DueIncident, now: datetime, origin: AlertOrigin, attempts: Attempts) -> int:
    """Ask about one incident: all whom it concerns or, to be tried again, nobody; rather without its last report."""
    at_first, stored = Attempts(), 0
    with at_first.part(_name(due.condition), tx):
        stored = _ask(tx, [due], now, origin)
    if at_first.failed:
        with attempts.part(_name(due.condition), tx):
            stored = _ask(tx, [due], now, origin, with_report=False)
    return stored


def _ask(tx: Tx, due: Sequence[_DueIncident], now: datetime, origin: AlertOrigin, *, with_report: bool = True) -> int:
    """Store who was asked about these incidents and what they are sent; return how many alerts."""
    for each in due:
        escalations.put(tx, each.condition.key, each.ask.asked, now)
    stored = 0
    for name, found in _by_person(due).items():
        questions = [Question(each.condition, each.severity, each.began, each.ask, why) for each, why in found]
        _store(tx, questions, f"{CHANNEL}{name}", now, origin, with_report=with_report)
        stored += 1
    for each in (one for one in due if one.ask.chat):
        _store(tx, [Question(each.condition, each.severity, each.began, each.ask)], "", now, origin, with_report=False)
        stored += 1
    return stored


def _due(
    tx: Tx,
    team: OnCall,
    rows: Sequence[Condition],
    asked: dict[ConditionKey, EscalationProgress],
    now: datetime,
    attempts: Attempts,
) -> Iterator[_DueIncident]:
    """Yield the incidents about which somebody has to be asked now, the worst first."""
    holding = silences.active(tx, now)
    # One tap on one account must not leave a CRITICAL with nobody: a mute from the chat quiets the chat alone.
    by_hosts = [each for each in holding if not each.is_from_chat]
    for row in sorted(rows, key=lambda each: -_severity(each)):
        counting = by_hosts if _severity(row) is Severity.CRITICAL else holding
        is_muted = silence_of(counting, subject_of(row)) is not None
        if row.done_by or row.inhibited_by or is_muted or team.escalation is None:
            continue
        found = None
        with attempts.part(_name(row), tx):
            found = _due_of(tx, team, team.escalation, row, asked.get(row.key), now)
        if found is not None:
            yield found


def _due_of(
    tx: Tx, team: OnCall, steps: EscalationBySeverity, row: Condition, before: EscalationProgress | None, now: datetime
) -> _DueIncident | None:
    severity = _severity(row)
    if acknowledgements.of(tx, row, now) is not None:
        if before is not None and not row.is_firing:
            escalations.forget(tx, row.key)
        return None
    start = _start(row, before, now)
    if start is None:
        return None
    ask = next_ask(team, steps, before, start.episode, severity, start.begun_at, now)
    if ask is not None:
        return _DueIncident(row, severity, start.begun_at, ask)
    if before is None and steps.of(severity) is not None:
        escalations.put(tx, row.key, start, now)
    return None


def _name(condition: Condition) -> str:
    return f"{condition.key.monitor}/{condition.key.text}"


def _severity(row: Condition) -> Severity:
    return row.severity if row.is_firing else row.worst


def _start(row: Condition, before: EscalationProgress | None, now: datetime) -> EscalationProgress | None:
    """Return where the minutes of an incident begin.

    What happened and happens again before anybody acts goes on: its minutes would never be over else. An instant of a
    clock that was ahead begins now.
    """
    began = row.fired_at if row.is_firing else row.clear_since
    if began is None:
        return None
    if before is not None and not row.is_firing:
        return replace(before, begun_at=min(before.begun_at, now))
    return EscalationProgress(to_text(began), _severity(row), min(began, now))


def _by_person(due: Sequence[_DueIncident]) -> dict[str, list[tuple[_DueIncident, str]]]:
    found: dict[str, list[tuple[_DueIncident, str]]] = {}
    for each in due:
        for name, why in each.ask.people.items():
            found.setdefault(name, []).append((each, why))
    return found


def _store(
    tx: Tx, questions: Sequence[Question], channel: str, now: datetime, origin: AlertOrigin, *, with_report: bool
) -> None:
    """Store one question. It is sent whatever is silenced: what is was left out before."""
    found = [one.condition for one in questions]
    alert = question(questions, channel, now, _report(tx, found[0]) if with_report else None)
    metadata = with_incident(None, found[0]) if len(found) == 1 else with_incidents(None, found)
    store_in(tx, alert, now=now, origin=origin, kind=AlertKind.ESCALATION, status="pending", metadata=metadata)


def _report(tx: Tx, condition: Condition) -> IncidentReport | None:
    """Return the last report of an incident; nothing for one that was about others, too."""
    stored = alerts.get(tx, condition.alert_id) if condition.alert_id else None
    if stored is None or len(incidents_named(stored.metadata_json)) != 1:
        return None
    return IncidentReport(alert_of(stored).blocks, stored.created_at)
