"""What is due of the drills of people: asks whose time has come, and judges who did not answer.

Called at the end of each run and each minute by `listen`. Nothing is said of somebody who could not answer: without a
button, or while nobody reads the chat.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import Enum

from automation.drills.ask import ANSWER_WITHIN, ask, can_answer, report_reached, report_unreached, reported_people
from automation.on_call.attempts import Attempts
from automation.on_call.escalate import escalate
from automation.on_call.model import CHANNEL, OnCall
from automation.on_call.rota import is_quiet
from monitoring.alerts.channels import variable_part
from monitoring.alerts.recording.store_alert import AlertOrigin
from monitoring.base.formatting import format_duration
from monitoring.base.locks.chat_reader import bot_read_now
from monitoring.base.plural import counted
from monitoring.base.settings import Settings
from monitoring.store.db.database import Database, Tx
from monitoring.store.people import people_drills
from monitoring.store.people.people_drills import ACCEPTED, ANSWERED, DROPPED, REFUSED, UNANSWERED, PersonDrill

log = logging.getLogger("automation.drills")

_ACCEPTED_WITHIN = timedelta(hours=1)  # ours: longer than most outages of a network, shorter than anybody should wait
_ANSWERED_WITHIN = timedelta(days=30)  # ours: what people find in their chat after a holiday counts
_GIVEN_UP_AFTER = timedelta(days=7)  # ours: nobody can say any more whether it was answered, so long nobody read
_QUIET_FOR = timedelta(days=1)  # ours: then it is asked whenever a run comes by, or it would never be


class DrillVerdict(Enum):
    """What is to be done about a drill that was asked: nothing yet, or what its end is."""

    WAIT = ""
    NOT_ACCEPTED = "not accepted yet"
    REFUSED = REFUSED
    UNANSWERED = UNANSWERED
    ACCEPTED = ACCEPTED


def look_after(database: Database, team: OnCall, settings: Settings, now: datetime, origin: AlertOrigin) -> int:
    """Ask people about incidents on which nobody acts, and about drills; return how many incidents were asked about."""
    attempts, asked = Attempts(), 0
    with attempts.part("asking about incidents"):
        asked = escalate(database, team, now, origin, attempts)
    if asked:
        log.warning("incidents on which nobody acts: %s", counted(asked, "question"))
    with attempts.part("drills of people"):
        step(database, team, settings, now, origin, attempts)
    attempts.report(database, now, origin)
    return asked


def step(
    database: Database, team: OnCall, settings: Settings, now: datetime, origin: AlertOrigin,
    attempts: Attempts | None = None,
) -> None:  # fmt: skip
    """Ask and judge what is due."""
    attempts = attempts or Attempts()
    found, reported = database.read(lambda tx: (people_drills.open_ones(tx), reported_people(tx, now)))
    gone = [name for name in reported if name not in team.available]
    if not (gone or any(each.due_at <= now for each in found)) or origin.debug:
        return
    is_read = bool(bot_read_now(settings.locks, now))
    with database.write() as tx:
        for name in gone:
            report_reached(tx, name, f"{name} is not asked any more", now)
        for each in people_drills.open_ones(tx):
            if each.due_at <= now:
                with attempts.part(f"the drill of {each.person}", tx):
                    _step(tx, each, team, settings, now, origin, is_read=is_read)


def _step(
    tx: Tx, drill: PersonDrill, team: OnCall, settings: Settings, now: datetime, origin: AlertOrigin, *, is_read: bool
) -> None:
    person = team.people.get(drill.person)
    if person is None or not person.enabled:
        people_drills.end(tx, drill.id, DROPPED, now)
    elif drill.asked_at is None or drill.alert_id is None:
        if not has_destination(team, drill.person, settings.environ):
            people_drills.end(tx, drill.id, REFUSED, now)
            report_unreached(tx, drill.person, "cannot be reached: on_call.yaml names no account", now, origin)
            return
        if is_quiet(team, drill.person, now) and now - drill.due_at < _QUIET_FOR:
            return  # the host was off at the time that was planned
        within = ANSWER_WITHIN if can_answer(team, drill.person, is_read=is_read) else None
        ask(tx, drill, now, origin, within)
    else:
        _judge(tx, drill, now, origin, is_read=is_read, has_account=person.telegram_id is not None)


def _judge(tx: Tx, drill: PersonDrill, now: datetime, origin: AlertOrigin, *, is_read: bool, has_account: bool) -> None:
    alert_id = drill.alert_id or 0
    took = people_drills.accepted(tx, alert_id)
    verdict = judge(drill, took, now, had_button=people_drills.had_button(tx, alert_id), is_read=is_read)
    missing = ", ".join(name for name, each in took.items() if each is None)
    if verdict in (DrillVerdict.NOT_ACCEPTED, DrillVerdict.REFUSED):
        report_unreached(tx, drill.person, f"is not reached: a drill was not accepted ({missing})", now, origin)
    # Who got two and answered one has shown that messages arrive.
    if verdict is DrillVerdict.UNANSWERED and not people_drills.has_answered(tx, drill.person, drill.asked_at or now):
        waited = format_duration(now - (drill.asked_at or now))
        report_unreached(tx, drill.person, f"did not answer a drill for {waited}", now, origin)
    if verdict is DrillVerdict.ACCEPTED and not has_account:
        report_reached(tx, drill.person, f"a drill of {drill.person} was accepted", now)
    if verdict not in (DrillVerdict.WAIT, DrillVerdict.NOT_ACCEPTED):
        people_drills.end(tx, drill.id, verdict.value, now)


def judge(
    drill: PersonDrill, took: Mapping[str, timedelta | None], now: datetime, *, had_button: bool, is_read: bool
) -> DrillVerdict:
    """Decide on a drill that was asked and not answered yet.

    Args:
        drill: the drill.
        took: each destination, and after how long it accepted the message, if it did.
        now: the wall clock.
        had_button: the message was sent with its button.
        is_read: somebody reads the chat now, so an answer would be here.
    """
    waited = now - (drill.asked_at or now)
    is_accepted = bool(took) and None not in took.values()
    if waited < ANSWER_WITHIN if drill.answer_by is None else now < drill.answer_by:
        return DrillVerdict.WAIT if is_accepted or waited < _ACCEPTED_WITHIN else DrillVerdict.NOT_ACCEPTED
    if not is_accepted:
        return DrillVerdict.REFUSED
    if drill.answer_by is None or not had_button:
        return DrillVerdict.ACCEPTED
    if is_read:
        return DrillVerdict.UNANSWERED
    return DrillVerdict.WAIT if waited < _GIVEN_UP_AFTER else DrillVerdict.ACCEPTED


def has_destination(team: OnCall, name: str, environ: Mapping[str, str]) -> bool:
    """Return whether a message for somebody goes to them, not to the default chat for want of a place of their own."""
    person = team.people[name]
    variables = (f"TELEGRAM_CHAT_ID_{variable_part(CHANNEL + name)}", person.variable(name))
    return person.telegram_id is not None or any(environ.get(each, "").strip() for each in variables)


def answered(tx: Tx, alert_id: int, person: str, now: datetime) -> tuple[str, str]:
    """Write a tap on the button of a drill; return what came of it, in words for the row and for who tapped."""
    drill = people_drills.of_alert(tx, alert_id)
    if drill is None:
        return f"the drill of alert {alert_id} is not known", "This drill is not known here any more."
    if drill.person != person:
        return f"{person} tapped the drill of {drill.person}", f"This drill is for {drill.person}."
    if drill.asked_at is None or now - drill.asked_at > _ANSWERED_WITHIN:
        return f"{person} tapped a drill of long ago", "This drill is over: nothing was changed."
    if not people_drills.mark_answered(tx, drill.id, now):
        return f"{person} had answered the drill", "You have answered this already. Thank you."
    took = format_duration(now - (drill.asked_at or now))
    report_reached(tx, person, f"{person} answered a drill, after {took}", now)
    return f"{person} {ANSWERED} a drill after {took}", f"Thank you. You answered after {took}."
