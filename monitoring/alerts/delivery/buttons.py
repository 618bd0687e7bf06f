"""Which buttons stand under a message, and what of it is kept so that it can be changed later.

Called inside the write transaction of a delivery loop. Who has what, and what a tap does, is decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from monitoring.alerts.message.model import Severity
from monitoring.alerts.message.sanitize import shorten
from monitoring.alerts.recording.incident import incidents_named
from monitoring.alerts.recording.store_alert import AlertKind
from monitoring.alerts.senders import Button, ButtonAction, Buttons, Destination, Peer
from monitoring.alerts.senders.telegram import TelegramChat
from monitoring.conditions.condition import Condition
from monitoring.store.db.database import Tx
from monitoring.store.tables.alerts import StoredAlert

MOST_INCIDENTS = 5  # ours: rows of buttons that fit on the screen of a phone with their message
_LONGEST_LABEL = 44  # ours: what such a row shows
_KINDS = frozenset({AlertKind.ALERT, AlertKind.WORSENED, AlertKind.REMINDER, AlertKind.ESCALATION})
_OF_INCIDENT = (ButtonAction.HAVE_IT, ButtonAction.MUTE, ButtonAction.DETAILS)


def buttons_under(tx: Tx, stored: StoredAlert, severity: Severity, now: datetime) -> Buttons:
    """Return the buttons of an alert: those of its incident, or one for each of several; none where nothing is open.

    The drill of a person has one that says that it arrived.
    """
    if stored.kind == AlertKind.PEOPLE_DRILL:
        action = ButtonAction.REACHED
        return ((Button(action, action.value, stored.id, stored.created_at),),)
    if stored.kind not in _KINDS or severity < Severity.MEDIUM:
        return ()
    found = [named.open_now(tx, now) for named in incidents_named(stored.metadata_json)[:MOST_INCIDENTS]]
    return buttons_for(stored, found) if any(found) else ()


def buttons_for(
    stored: StoredAlert,
    found: Sequence[Condition | None],
    *,
    had: frozenset[int] = frozenset(),
    silenced: frozenset[int] = frozenset(),
) -> Buttons:
    """Return the rows for the incidents of an alert; `had` and `silenced`: by their place, which need no such button.

    Of several incidents nobody can say by one tap which of them is meant, so each has a button with its name, and what
    else can be done is done where the incident itself was reported.
    """
    if len(found) == 1:
        needless = {ButtonAction.HAVE_IT: had, ButtonAction.MUTE: silenced}
        actions = [action for action in _OF_INCIDENT if 0 not in needless.get(action, ())]
        return (tuple(Button(action, action.value, stored.id, stored.created_at) for action in actions),)
    return tuple(
        (Button(ButtonAction.HAVE_IT, _label(row), stored.id, stored.created_at, place),)
        for place, row in enumerate(found)
        if row is not None and place not in had
    )


def can_have_buttons(destination: Destination, peer: Peer, bot_read: Callable[[], str]) -> bool:
    """Return whether taps there are read on this host: by its bot, and not in the chat of a test."""
    if not isinstance(destination, TelegramChat) or destination.labelled:
        return False
    number = bot_read()
    return bool(number) and peer.shared_key == f"bot:{number}"


def _label(row: Condition) -> str:
    return shorten(f"{ButtonAction.HAVE_IT.value}: {row.title or row.key.text}", _LONGEST_LABEL)
