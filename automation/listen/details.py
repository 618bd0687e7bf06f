"""The button *Details*: what is known of an incident now, as a reply to the message that was tapped; read only."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from automation.listen.answers import BotCall
from automation.listen.updates import Update
from monitoring.alerts.delivery.coalesce import alert_of
from monitoring.alerts.message.lines import mute_command, reminder_words
from monitoring.alerts.message.model import Alert
from monitoring.alerts.message.text import code, kv, line, link
from monitoring.alerts.senders.telegram.text import MessagePart, render_telegram
from monitoring.base.formatting import format_duration, format_instant
from monitoring.base.public_address import incident_path, public_url
from monitoring.conditions.condition import Condition
from monitoring.conditions.silence import silence_of, subject_of
from monitoring.store.db.database import Tx
from monitoring.store.people import acknowledgements, escalations
from monitoring.store.readings.against_limit import last_measured
from monitoring.store.tables import alerts, sent_messages, silences
from monitoring.store.tables.alerts import StoredAlert


def details(
    tx: Tx, tap: Update, stored: StoredAlert, condition: Condition, now: datetime, environ: Mapping[str, str]
) -> list[BotCall]:
    """Return the messages of the answer; they make no sound."""
    newest = alerts.get(tx, condition.alert_id) if condition.alert_id else None
    shown = _alert(tx, newest or stored, condition, now, public_url(environ))
    topic = tap.topic or sent_messages.topic_of(tx, tap.chat_id, tap.message_id)
    # Ages in the last report are counted from when it was sent, as its own words say.
    parts = render_telegram(shown, now=(newest or stored).created_at).parts
    return [_message(tap, part.in_utc(), topic) for part in parts]


def _alert(tx: Tx, newest: StoredAlert, condition: Condition, now: datetime, pages: str) -> Alert:
    reported = alert_of(newest)
    about = subject_of(condition)
    key = f"{condition.key.monitor}/{condition.key.text}"
    return Alert(
        about.severity,
        f"Details: {condition.title or condition.key.text}",
        kv(_rows(tx, condition, now)),
        line(f"As reported at {format_instant(newest.created_at)}:"),
        *reported.blocks,
        *([] if _has_mute(reported) else [line("Mute: ", code(mute_command(reported.protocol, condition.key.text)))]),
        line("Acknowledge: ", code(f"ack {key}")),
        *([line(link("Incident page", pages + incident_path(condition.key.named)))] if pages else []),
        protocol=condition.protocol or condition.key.monitor,
        monitor=reported.monitor,
    )


def _rows(tx: Tx, condition: Condition, now: datetime) -> dict[str, object]:
    rows: dict[str, object] = {}
    measured = last_measured(tx, condition)
    if value := (measured.words if measured else "") or condition.value:
        rows["Value now"] = value
    if condition.judged_at:
        rows["Read"] = _at(condition.judged_at, now)
    began = condition.fired_at if condition.is_firing else condition.clear_since
    if began:
        rows["Since"] = _at(began, now)
    held = acknowledgements.of(tx, condition, now)
    if held is None:
        rows["Who has it"] = "nobody"
    else:
        rows["Who has it"] = f"{held.by}, from {format_instant(held.at)} until {format_instant(held.ends_at)} at most"
    if silence := silence_of(silences.active(tx, now), subject_of(condition)):
        rows["Silenced"] = f"by {silence.created_by} until {format_instant(silence.ends_at)}: {silence.reason}"
    asked = escalations.everything(tx).get(condition.key)
    if asked is not None and asked.people:
        rows["Asked"] = ", ".join(asked.people)
    words = reminder_words(condition.remind_every, condition.next_reminder_at, now)
    if words and held is None:
        rows["Reminders"] = words.removeprefix("reminder ")
    return rows


def _at(at: datetime, now: datetime) -> str:
    age = max(now - at, timedelta(0))
    return f"{format_instant(at)} ({format_duration(age)} before this answer)"


def _has_mute(reported: Alert) -> bool:
    return "Mute: " in reported.to_json()


def _message(tap: Update, part: MessagePart, topic: int | None) -> BotCall:
    parameters: dict[str, object] = {
        "chat_id": int(tap.chat_id), "text": part.text, "link_preview_options": {"is_disabled": True},
        "disable_notification": True,
        "reply_parameters": {"message_id": tap.message_id, "allow_sending_without_reply": True},
    }  # fmt: skip
    if part.entities:
        parameters["entities"] = [entity.payload() for entity in part.entities]
    if topic is not None:
        parameters["message_thread_id"] = topic
    return BotCall("sendMessage", parameters)
