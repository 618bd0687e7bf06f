"""The message of a drill, and the alert about somebody whom drills do not reach."""

from __future__ import annotations

from datetime import datetime, timedelta

from automation.on_call.model import CHANNEL, OnCall
from monitoring.alerts.message.model import RUNNER, Alert, Severity
from monitoring.alerts.message.text import code, line
from monitoring.alerts.recording.store_alert import AlertKind, AlertOrigin, raise_in, resolve_in, store_in
from monitoring.base.formatting import format_duration
from monitoring.conditions.condition import ConditionKey
from monitoring.conditions.policy import Policy
from monitoring.store.db.database import Tx
from monitoring.store.people import people_drills
from monitoring.store.people.people_drills import PersonDrill
from monitoring.store.tables import conditions

ANSWER_WITHIN = timedelta(hours=24)
_REMINDED_EVERY = timedelta(days=7)
_PEOPLE = "people/"


def can_answer(team: OnCall, name: str, *, is_read: bool) -> bool:
    """Return whether somebody can tap the button: taps are known by the account, and only a reader hears of them."""
    return is_read and team.people[name].telegram_id is not None


def ask(tx: Tx, drill: PersonDrill, now: datetime, origin: AlertOrigin, within: timedelta | None) -> int:
    """Store the message of a drill, for one person alone; `within` is none where there is no button."""
    answer = f"Tap the button within {format_duration(within)}." if within else "There is nothing to do."
    alert = Alert(
        # It must sound as alerts do.
        Severity.MEDIUM,
        f"DRILL for {drill.person}: does this message reach you?",
        f"Nothing is wrong: this tests whether alerts reach you. {answer}",
        protocol=RUNNER,
        channel=f"{CHANNEL}{drill.person}",
        source="drill",
    )
    stored = store_in(tx, alert, now=now, origin=origin, kind=AlertKind.PEOPLE_DRILL, status="pending")
    people_drills.mark_asked(tx, drill.id, stored.alert_id, now, now + within if within else None)
    return stored.alert_id


def report_unreached(tx: Tx, name: str, what: str, now: datetime, origin: AlertOrigin) -> None:
    """Report that messages do not reach somebody: once, until one is answered."""
    alert = Alert(
        Severity.MEDIUM,
        f"{name} {what}",
        "If this person is asked about an incident, there may be no answer.",
        line(
            f"Ask {name} to check the private chat with the bot (not blocked, not muted), then: ",
            code(f"drill --people {name}"),
        ),
        protocol=RUNNER,
        source="ops_error",
        key=_key(name).check,
    )
    raise_in(tx, alert, now=now, origin=origin, policy=Policy(remind=_REMINDED_EVERY))


def report_reached(tx: Tx, name: str, note: str, now: datetime) -> None:
    """End what was reported of somebody, if anything was."""
    if conditions.is_open(tx, _key(name)):
        resolve_in(tx, _key(name), now=now, note=note)


def reported_people(tx: Tx, now: datetime) -> list[str]:
    """Return of whom it is reported now that messages do not reach them."""
    found = (each.key for each in conditions.incidents(tx, now) if each.key.monitor == RUNNER)
    return [key.check.removeprefix(_PEOPLE) for key in found if key.check.startswith(_PEOPLE)]


def _key(name: str) -> ConditionKey:
    return ConditionKey(RUNNER, f"{_PEOPLE}{name}")
