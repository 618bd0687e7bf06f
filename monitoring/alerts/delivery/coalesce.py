"""What is sent for a delivery: its alert, or one message that stands for many.

LOW alerts are folded when a chat's minute is full, old ones when credentials appear. Called by `lease`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import accumulate

from monitoring.alerts.delivery.buttons import buttons_under
from monitoring.alerts.message.model import Alert, Severity, of_this_host
from monitoring.alerts.message.sanitize import shorten, utf16_units
from monitoring.alerts.message.text import Line, bold, line
from monitoring.alerts.recording.incident import incident_named
from monitoring.alerts.senders import Message
from monitoring.base.clock import to_text
from monitoring.base.public_address import incident_path
from monitoring.store.db.database import Tx
from monitoring.store.tables import alerts as stored_alerts
from monitoring.store.tables import outbox
from monitoring.store.tables.alerts import StoredAlert
from monitoring.store.tables.outbox import WaitingDelivery

_ROOM_UNITS = 3600  # of Telegram's 4096: the rest is for the head and the count of what is not named
_LONGEST_TITLE = 90  # ours
_OLD = timedelta(hours=24)


class Why(StrEnum):
    """Why alerts are folded."""

    PACE = "The chat takes only so many messages a minute"
    WAITED = "They waited for credentials"


@dataclass(frozen=True, slots=True)
class Folded:
    """What is shown of an alert among others."""

    alert_id: int
    severity: Severity
    protocol: str
    title: str
    created_at: datetime


def fold(alerts: Sequence[Folded], why: Why, now: datetime) -> Alert:
    """Return the message for `alerts`, at least one.

    It counts them all and names as many as one message holds, the worst first. It makes a sound unless all of them are
    LOW or older than a day.
    """
    worst = max(each.severity for each in alerts)
    counts = ", ".join(
        f"{count} {severity.name}"
        for severity in sorted(Severity, reverse=True)
        if (count := sum(each.severity is severity for each in alerts))
    )
    shown = _fitting(sorted(alerts, key=lambda each: (-each.severity, each.alert_id)))
    more = len(alerts) - len(shown)
    raised = [each.created_at for each in alerts]
    protocols = {each.protocol for each in alerts}
    return Alert(
        worst,
        f"{len(alerts)} alerts in one message ({counts})",
        line(f"{why.value}. From {_minute(min(raised))} to {_minute(max(raised))} UTC:"),
        *(_row(each) for each in shown),
        *([line(f"… and {more} more; `alerts` and the dashboard show all of them.")] if more else []),
        protocol=protocols.pop() if len(protocols) == 1 else "",
        silent=worst is Severity.LOW or max(raised) < now - _OLD,
    )


def _fitting(alerts: Sequence[Folded]) -> list[Folded]:
    """Return the first of them, as many as have room in one message."""
    used = list(accumulate(utf16_units(f"{_head(each)}{_tail(each)}") + 1 for each in alerts))
    return [each for each, units in zip(alerts, used, strict=True) if units <= _ROOM_UNITS]


def _row(alert: Folded) -> Line:
    return line(f"{alert.severity.emoji} {alert.severity.name} ", bold(alert.protocol), _tail(alert))


def _head(alert: Folded) -> str:
    return f"{alert.severity.emoji} {alert.severity.name} {alert.protocol}"


def _tail(alert: Folded) -> str:
    return f": {shorten(alert.title, _LONGEST_TITLE)} (#{alert.alert_id})"


def _minute(instant: datetime) -> str:
    return to_text(instant)[:16].replace("T", " ")


def message_of(
    tx: Tx, delivery: WaitingDelivery, why: Why, now: datetime, pages: str = "", *, with_buttons: bool = False
) -> tuple[Message, str]:
    """Return the message of a delivery, and the source of its alert; `pages` is the address of the dashboard.

    One that stands for many has no buttons: what it names was LOW, or waited for long.

    Raises:
        LookupError, ValueError: its row cannot be read.
    """
    stored = stored_alerts.get(tx, delivery.alert_id)
    if stored is None:  # the foreign key forbids it
        raise LookupError(f"delivery {delivery.id} has no alert {delivery.alert_id}")
    folded = outbox.folded_alert_ids(tx, delivery.id)
    alert = alert_of(stored)
    if folded:
        others = [found for alert_id in folded if (found := stored_alerts.get(tx, alert_id)) is not None]
        reason = Why.WAITED if delivery.status == "skipped_missing_credentials" else why
        alert = fold([_shown(each) for each in (stored, *others)], reason, now)
    link, link_text = _link(stored, pages, is_folded=bool(folded))
    buttons = buttons_under(tx, stored, alert.severity, now) if with_buttons and not folded else ()
    message = Message(
        stored.id, stored.created_at, alert, delivery.parts_sent,
        event_type=stored.kind, condition=stored.dedupe_key or "", level=alert.severity.name,
        link=link, link_text=link_text, buttons=buttons,
    )  # fmt: skip
    return message, stored.source


def _link(stored: StoredAlert, pages: str, *, is_folded: bool) -> tuple[str, str]:
    """Return where the message leads, and what the page is called; nothing without an address of the dashboard."""
    if not pages:
        return "", ""
    if is_folded:
        return f"{pages}/alerts", "All alerts"
    if about := incident_named(stored.metadata_json):
        return f"{pages}{incident_path(about)}", "Incident page"
    return f"{pages}/alerts/{stored.id}", "Alert page"


def alert_of(stored: StoredAlert) -> Alert:
    """Return the structured text of a row; one that has none, or a damaged one, is sent as its plain text."""
    if stored.body_json:
        try:
            return Alert.from_json(stored.body_json)
        except ValueError:
            pass
    first, _, rest = stored.message.partition("\n")
    # What the store itself writes repeats the title as the first line of its message.
    text = rest if first == (stored.title or first) else stored.message
    plain = Alert(
        _severity(stored),
        stored.title or first,
        *([text] if text else []),
        protocol=stored.protocol,
        channel=stored.channel,
        silent=stored.silent or None,
    )
    return of_this_host(plain)


def _severity(stored: StoredAlert) -> Severity:
    """Return MEDIUM where the old system wrote none or one of its own: it sounds and no machine acts on it."""
    return Severity.__members__.get((stored.severity or "").upper(), Severity.MEDIUM)


def _shown(stored: StoredAlert) -> Folded:
    return Folded(
        stored.id,
        _severity(stored),
        stored.protocol,
        stored.title or stored.message.split("\n", 1)[0],
        stored.created_at,
    )
