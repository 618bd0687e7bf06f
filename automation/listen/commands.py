"""The commands of the chat. They only read; what acts is a button, or a command of the host.

An answer is one message, read on a phone: at most `_MOST` lines of a kind, none of them long, names of others cut.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime

from automation.on_call.model import OnCall
from automation.on_call.rota import on_duty
from monitoring.alerts.message.sanitize import clean_line, shorten
from monitoring.base.formatting import format_clock, format_duration
from monitoring.base.plural import counted
from monitoring.conditions.condition import Condition
from monitoring.conditions.severity import Severity
from monitoring.conditions.silence import silence_of, subject_of
from monitoring.ledger.reach import reach_problems
from monitoring.store.db.database import Database
from monitoring.store.people import acknowledgements, pauses
from monitoring.store.tables import conditions, deliveries, runs, schedules, silences

_MOST = 10  # incidents or profiles of one answer: a page of a phone
_LONGEST = 100  # characters of a title
HELP = """\
/firing  what is firing now, and who has it
/status  runs, deliveries, silences and pauses
/oncall  who is on call
These only read. To act: the buttons under an alert, or `monitoring` on the host."""


def answer(command: str, database: Database, team: OnCall | None, now: datetime) -> str:
    """Return the answer to a command of `NAMES`.

    Raises:
        StoreError: the database cannot be read.
    """
    return "\n".join(_ANSWERS[command](database, team, now)).strip()


def _firing(database: Database, _team: OnCall | None, now: datetime) -> Iterator[str]:
    with database.snapshot() as tx:
        found = sorted(conditions.incidents(tx, now), key=lambda each: -_severity(each))
        holding = silences.active(tx, now)
        held = {each.key: one for each in found[:_MOST] if (one := acknowledgements.of(tx, each, now))}
    if not found:
        yield f"Nothing is firing ({now:%H:%M} UTC)."
        return
    yield f"{counted(len(found), 'incident')} open ({now:%H:%M} UTC)"
    for each in found[:_MOST]:
        has = held.get(each.key)
        state = f"{has.by} has it until {format_clock(has.ends_at, now)}" if has else "not acknowledged"
        if silence := silence_of(holding, subject_of(each)):
            state += f", silenced until {format_clock(silence.ends_at, now)}"
        yield ""
        severity, protocol = _severity(each), _named(each.protocol or each.key.monitor)
        yield f"{severity.emoji} {severity.name} {protocol}{_age(each, now)}"
        yield _named(each.title or each.about or each.key.text)
        yield state
    yield from _more(len(found))


def _status(database: Database, _team: OnCall | None, now: datetime) -> Iterator[str]:
    problems = reach_problems(database, now)
    with database.snapshot() as tx:
        found = conditions.incidents(tx, now)
        waiting = deliveries.count_waiting_alerts(tx)
        silent, paused, blind = silences.active(tx, now), pauses.active(tx, now), conditions.without_data(tx)
    critical = sum(_severity(each) is Severity.CRITICAL for each in found)
    yield f"{counted(len(found), 'incident')} open, {critical} CRITICAL ({now:%H:%M} UTC)"
    yield from (f"NOT REACHED: {_named(problem.text)}" for problem in problems[:_MOST])
    yield f"{counted(waiting, 'alert')} not delivered yet" if waiting else "All alerts are delivered."
    if blind:
        yield f"{counted(len(blind), 'check')} without data"
    yield from (
        f"Silenced: {_named(each.what)} until {format_clock(each.ends_at, now)}, by {_named(each.created_by)}"
        for each in silent[:_MOST]
    )
    yield from (
        f"Paused: {_named(each.what)} until {format_clock(each.ends_at, now)}, by {_named(each.created_by)}"
        for each in paused[:_MOST]
    )
    yield ""
    profiles = schedules.in_force(database)
    yield from (_last_run(database, each.schedule.profile, now) for each in profiles[:_MOST])
    yield from _more(len(profiles))


def _last_run(database: Database, profile: str, now: datetime) -> str:
    newest = runs.last_started(database, profile)
    if newest is None:
        return f"{profile}: never ran"
    ago = format_duration(max(now - newest.started_at, now - now))
    return f"{profile}: running for {ago}" if newest.status == "running" else f"{profile}: {newest.status}, {ago} ago"


def _oncall(_database: Database, team: OnCall | None, now: datetime) -> Iterator[str]:
    if team is None:
        yield "Nobody is on call: automation/on_call.yaml is missing, or has mistakes that `validate` lists."
        return
    duty = on_duty(team, now)
    yield f"On call: {' and '.join(duty.people)}"
    yield f"Why: {duty.why}"
    if duty.until:
        following = on_duty(team, duty.until)
        yield f"Until {duty.until.astimezone(UTC):%a %Y-%m-%d %H:%M} UTC, then {' and '.join(following.people)}"


def _help(_database: Database, _team: OnCall | None, _now: datetime) -> Iterator[str]:
    yield HELP


def _severity(each: Condition) -> Severity:
    return each.severity if each.is_firing else each.worst


def _age(each: Condition, now: datetime) -> str:
    began = each.fired_at if each.is_firing else each.clear_since
    if began is None:
        return ""
    return f", {'for ' if each.is_firing else 'once, '}{format_duration(max(now - began, now - now))}"


def _named(text: str) -> str:
    return shorten(clean_line(text), _LONGEST)


def _more(count: int) -> Sequence[str]:
    return [f"\nand {count - _MOST} more"] if count > _MOST else []


_ANSWERS: dict[str, Callable[[Database, OnCall | None, datetime], Iterator[str]]] = {
    "firing": _firing,
    "status": _status,
    "oncall": _oncall,
    "help": _help,
    "start": _help,
}
NAMES = frozenset(_ANSWERS)
