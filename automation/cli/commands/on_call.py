"""`on-call`: who is on call, and why; who is asked when nobody acts."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from datetime import datetime, timedelta

from automation.cli import zone
from automation.cli.console import write_json, write_table
from automation.cli.time_arguments import later
from automation.on_call import path_of
from automation.on_call.load import load_on_call
from automation.on_call.model import Escalation, OnCall, Person
from automation.on_call.rota import Duty, is_quiet, on_duty
from monitoring.base.clock import SystemClock, to_text
from monitoring.base.errors import StoreError, UsageError
from monitoring.base.formatting import format_duration
from monitoring.base.settings import Settings
from monitoring.conditions.severity import Severity
from monitoring.store.db.schema import open_readonly
from monitoring.store.people import people_drills
from monitoring.store.people.people_drills import PersonDrill

HELP = "show who is on call, why, and who is asked when nobody acts"
EXAMPLES = """\
python -m automation on-call                        # now, and the next four weeks
python -m automation on-call --at 2026-12-24T20:00Z # at another time; 12h is 12 hours from now
python -m automation on-call --severity high        # with quiet hours, which CRITICAL does not have
python -m automation on-call --json"""
_OUTCOMES = {
    people_drills.UNANSWERED: "NOT ANSWERED",
    people_drills.REFUSED: "NOT REACHED",
    people_drills.ACCEPTED: "accepted, no button",
}
_AHEAD = timedelta(weeks=4)
_MOST_TURNS = 12


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--at", metavar="TIME", help="at this time instead of now")
    parser.add_argument(
        "--severity", choices=["critical", "high", "medium"], default="critical",
        help="for an incident of this severity (default: critical)",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace, settings: Settings) -> int:
    now = SystemClock().now()
    at = later(args.at, now) if args.at else now
    path = path_of(args.config)
    team = load_on_call(path)
    if team is None:
        raise UsageError(f"there is no {path}, so nobody is on call: docs/on-call.md shows how to write it")
    severity, drills = Severity.parse(args.severity), _drills(settings)
    if args.json:
        write_json({**_object(team, at, severity), "drills": [_drill_object(each) for each in drills.values()]})
        return 0
    print(f"{_sentence(on_duty(team, at, severity))}\n")
    rows = [(*_person(team, name, at, settings), _last_drill(drills.get(name))) for name in team.people]
    write_table(("PERSON", "REACHED BY", "QUIET HOURS", "LAST DRILL"), rows)
    if team.escalation is not None:
        print()
        write_table(("SEVERITY", "WHEN NOBODY ACTS"), list(_escalations(team)))
    print()
    write_table((zone.heading("FROM"), "ON CALL", "WHY"), list(_turns(team, at, severity)))
    return 0


def _sentence(duty: Duty) -> str:
    who = " and ".join(duty.people)
    until = f", until {zone.named(duty.until)}" if duty.until else ""
    return f"on call: {who}{until} ({duty.why})"


def _turns(team: OnCall, at: datetime, severity: Severity) -> Iterator[tuple[str, str, str]]:
    """Yield who is on call from when on, up to four weeks ahead; quiet hours that change nothing are no turn."""
    moment, before, count = at, None, 0
    while count < _MOST_TURNS:
        duty = on_duty(team, moment, severity)
        if (duty.people, duty.why) != before:
            yield zone.at(moment), " and ".join(duty.people), duty.why
            before, count = (duty.people, duty.why), count + 1
        if duty.until is None or duty.until > at + _AHEAD:
            return
        moment = duty.until


def _person(team: OnCall, name: str, at: datetime, settings: Settings) -> tuple[str, str, str]:
    person = team.people[name]
    quiet = str(person.quiet_hours or "")
    if quiet and is_quiet(team, name, at):
        quiet += " (now)"
    return name, _reached_by(name, person, settings), quiet


def _drills(settings: Settings) -> dict[str, PersonDrill]:
    """Return the newest drill of each person; none where the database cannot be read."""
    if not settings.database.exists():
        return {}
    try:
        with open_readonly(settings.database) as database:
            return database.read(people_drills.last_of_each)
    except StoreError:
        return {}


def _last_drill(drill: PersonDrill | None) -> str:
    if drill is None or drill.asked_at is None:
        return "never"
    day, took = f"{drill.asked_at:%Y-%m-%d}", drill.took
    if took is not None:
        return f"{day}: answered after {format_duration(took)}"
    return f"{day}: {_OUTCOMES.get(drill.outcome, 'no answer yet')}"


def _drill_object(drill: PersonDrill) -> dict[str, object]:
    return {
        "person": drill.person,
        "asked_at": to_text(drill.asked_at) if drill.asked_at else None,
        "answered_after_s": drill.took.total_seconds() if drill.took is not None else None,
        "result": drill.outcome or "open",
    }


def _reached_by(name: str, person: Person, settings: Settings) -> str:
    if not person.enabled:
        return "(disabled)"
    found = ["Telegram"] if person.telegram_id is not None else []
    found += ["NOTIFY_URLS"] if settings.environ.get(person.variable(name), "").strip() else []
    return ", ".join(found) or "nothing: set telegram_id"


def _escalations(team: OnCall) -> Iterator[tuple[str, str]]:
    for severity in (Severity.CRITICAL, Severity.HIGH, Severity.MEDIUM):
        found = team.escalation.of(severity) if team.escalation else None
        yield severity.name, _steps(found) if found else "stays with its chat"


def _steps(escalation: Escalation) -> str:
    steps = [f"after {format_duration(timedelta(seconds=one.after_s))} {one.to}" for one in escalation.steps]
    return f"{', '.join(steps)}, then every {format_duration(timedelta(seconds=escalation.repeat_s))}"


def _object(team: OnCall, at: datetime, severity: Severity) -> dict[str, object]:
    duty = on_duty(team, at, severity)
    return {
        "at": to_text(at),
        "severity": severity.name,
        "on_call": list(duty.people),
        "why": duty.why,
        "until": to_text(duty.until) if duty.until else None,
        "instead_of": list(duty.instead_of),
        "zone": team.zone,
    }
