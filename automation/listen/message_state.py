"""What a message with buttons shows: what was sent, and who has its incident, who silenced it, or that it is over.

Pure. The text that was sent is kept to the letter. It is compared by `mark` with what the message shows already.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from automation.on_call.silencing import STILL_SENT
from monitoring.alerts.delivery.buttons import buttons_for
from monitoring.alerts.message.sanitize import clean_line, shorten, utf16_units
from monitoring.alerts.message.text_layout import dated
from monitoring.alerts.senders import Button, ButtonAction, Buttons
from monitoring.alerts.senders.telegram.text import MAX_ENTITIES, MAX_UNITS
from monitoring.base.formatting import format_instant
from monitoring.conditions.condition import Condition
from monitoring.conditions.severity import Severity
from monitoring.conditions.silence import Silence
from monitoring.store.people.acknowledgements import Acknowledgement
from monitoring.store.tables.alerts import StoredAlert

_LONGEST_TITLE, _LONGEST_LABEL = 60, 60  # ours: a line, and a row of buttons, of a phone
_DATE_TIME, _SHORT_TIME = "date_time", "dt"
_GAP = "\n\n"


@dataclass(frozen=True, slots=True)
class IncidentNow:
    """One incident of a message: its condition where it is open, else the row that is left of it, if one is."""

    condition: Condition | None
    row: Condition | None = None
    held: Acknowledgement | None = None
    silence: Silence | None = None

    @property
    def title(self) -> str:
        found = self.condition or self.row
        return shorten(clean_line(found.title or found.key.text), _LONGEST_TITLE) if found else "It"


@dataclass(frozen=True, slots=True)
class MessageState:
    """What is added to a message, and its buttons. `is_final`: nothing changes after it."""

    lines: tuple[str, ...] = ()
    buttons: Buttons = ()
    is_final: bool = False

    @property
    def mark(self) -> str:
        """Return what distinguishes it from others of the same message; nothing for the message as it was sent."""
        return "\n".join(self.lines) + (" ." if self.is_final else "")


REPLACED = MessageState(is_final=True)
"""The state of a message that newer ones about the same incident follow: without buttons."""


def state_of(stored: StoredAlert, found: Sequence[IncidentNow]) -> MessageState:
    """Return what the message of an alert shows; `found` are its incidents, in its order."""
    single = len(found) == 1
    lines = tuple(line for each in found for line in _lines(each, "it" if single else each.title))
    if all(each.condition is None for each in found):
        return MessageState(lines, is_final=True)
    had = frozenset(place for place, each in enumerate(found) if each.held)
    silenced = frozenset(place for place, each in enumerate(found) if each.silence)
    return MessageState(lines, buttons_for(stored, [each.condition for each in found], had=had, silenced=silenced))


def _lines(each: IncidentNow, name: str) -> list[str]:
    if each.condition is None:
        return [_over(each.row, "" if name == "it" else f"{name}: ")]
    lines = []
    if held := each.held:
        until = f"until {format_instant(held.ends_at)} at most"
        lines.append(f"✋ {clean_line(held.by)} has {name} since {format_instant(held.at)}, {until}.")
    if silence := each.silence:
        what = "Silenced" if name == "it" else f"{name}: silenced"
        until = f"until {format_instant(silence.ends_at)}. {_still_sent(silence)}"
        lines.append(f"🔕 {what} by {clean_line(silence.created_by)} {until}")
    return lines


def _still_sent(silence: Silence) -> str:
    if silence.is_from_chat:
        return STILL_SENT
    if silence.severity is None or silence.severity is Severity.CRITICAL:
        return "The recovery is still sent."
    return f"Anything worse than {silence.severity.name}, and the recovery are still sent."


def _over(row: Condition | None, name: str) -> str:
    if row is not None and row.is_firing and row.fired_at:
        return f"✅ {name}Over. It fires again since {format_instant(row.fired_at)}: see the newer message."
    if row is not None and row.clear_since is None and not row.done_by and row.since:
        return f"✅ {name}Over since {format_instant(row.since)}."
    return f"✅ {name}{'Done' if row is not None and row.done_by else 'Over'}."


def changed_message(body: str, state: MessageState) -> tuple[dict[str, object], Buttons]:
    """Return text and entities of the message in a state, with its buttons; `body` is what was sent, as JSON.

    Where the text has no room left, the buttons say who has it: nothing of what was sent is cut.
    """
    sent = json.loads(body)
    text, entities = str(sent["text"]), list(sent["entities"])
    added = "\n".join(state.lines)
    if not added:
        return _message(text, entities), state.buttons
    if utf16_units(text + _GAP + added) > MAX_UNITS:
        return _message(text, entities), (*_labels(state), *state.buttons)
    whole = text + _GAP
    # A server that took instants in the reader's own time zone takes them again.
    shows_local = any(entity["type"] == _DATE_TIME for entity in entities)
    for piece in dated(added):
        if piece.at is not None and shows_local and len(entities) < MAX_ENTITIES:
            entities.append(
                {
                    "type": _DATE_TIME, "offset": utf16_units(whole), "length": utf16_units(piece.text),
                    "unix_time": int(piece.at.timestamp()), "date_time_format": _SHORT_TIME,
                }
            )  # fmt: skip
        whole += piece.text
    return _message(whole, entities), state.buttons


def _labels(state: MessageState) -> Buttons:
    """Return rows that say what has no room; a tap on one shows the details."""
    like = next((button for row in state.buttons for button in row), None)
    if like is None:
        return ()
    return tuple(
        (Button(ButtonAction.DETAILS, shorten(line, _LONGEST_LABEL), like.alert_id, like.stored_at, like.which),)
        for line in state.lines
    )


def _message(text: str, entities: list[object]) -> dict[str, object]:
    return {"text": text, **({"entities": entities} if entities else {})}
