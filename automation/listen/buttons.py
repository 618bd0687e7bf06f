"""What a tap on a button does. Called by `dispatch` inside the transaction that writes the update as handled.

A handler changes the store through `tx` alone and sends nothing itself: what Telegram must hear (the answer to the
tap, a reply with details) is returned as calls, which are stored in the same transaction and sent after it, at least
once. It may be called again for the same tap if the process died before the commit, never after it. It decides who may
tap: `person` is the name of the account in on_call.yaml, empty for a stranger. Messages are changed by `edits`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from automation.drills.step import answered
from automation.listen import acts
from automation.listen.acts import TapEffect
from automation.listen.answers import BotCall, Handled
from automation.listen.details import details
from automation.listen.updates import Update
from automation.on_call.model import OnCall
from monitoring.alerts.message.sanitize import shorten
from monitoring.alerts.recording.incident import incidents_named
from monitoring.alerts.senders import ButtonAction
from monitoring.alerts.senders.telegram import DEFAULT_TOKEN
from monitoring.alerts.senders.telegram.buttons import key_of, read_data
from monitoring.base.settings import Settings
from monitoring.conditions.condition import Condition
from monitoring.store.db.database import Tx
from monitoring.store.people import handled_updates
from monitoring.store.people.handled_updates import REFUSED
from monitoring.store.tables import alerts, conditions, rate_limits
from monitoring.store.tables.alerts import StoredAlert

# Ours: a group takes twenty messages a minute, and alerts must never wait for what somebody asks for.
MOST_DETAILS_OF_CHAT, _MINUTE = 4, timedelta(minutes=1)
_SHOWED = "showed details of"
_LONGEST_TOAST = 200  # core.telegram.org/bots/api, answerCallbackQuery
_STRANGER = "You are not named in on_call.yaml, so this button does nothing for you. Your account: {account}"
_NO_TEAM = "on_call.yaml is missing or has mistakes (`validate`), so nobody can act here. Use `ack` on the host."
_FORGED = "This button is not valid here, or no longer. Use a newer message, or /firing."
_UNKNOWN = "This alert is not known here any more. /firing lists what is open."
_OVER = "That incident is over. Nothing was changed."
_AGAIN = "That incident is over, and it fires again: use the newer message. Nothing was changed."


@dataclass(frozen=True, slots=True)
class TapContext:
    """What a handler may ask about apart from the store: the settings, the people, and which bot was tapped."""

    settings: Settings
    team: OnCall | None
    bot: str


@dataclass(frozen=True, slots=True)
class _Tapped:
    """What an authentic button is about: its alert, and the incident of it that is meant, if it is open."""

    action: ButtonAction
    stored: StoredAlert
    condition: Condition


def handle_tap(tap: Update, person: str, tx: Tx, now: datetime, context: TapContext) -> Handled:
    """Do what a button says and return what came of it."""
    if not person and context.team is None:
        return _refused(tap, "nobody is named: on_call.yaml cannot be read", _NO_TEAM)
    if not person:
        return _refused(tap, "not named in on_call.yaml", _STRANGER.format(account=tap.account))
    found = _tapped(tap, person, tx, now, context)
    if isinstance(found, Handled):
        return found
    if found.action is ButtonAction.DETAILS:
        return _details(tap, found, tx, now, context)
    act = acts.have_it if found.action is ButtonAction.HAVE_IT else acts.mute
    effect: TapEffect = act(tx, found.condition, person, now)
    words = effect.outcome if effect.is_done else f"nothing changed: {effect.outcome}"
    return Handled(words, (_answer(tap, effect.toast, loud=not effect.is_done),), wakes=effect.is_done)


def _details(tap: Update, found: _Tapped, tx: Tx, now: datetime, context: TapContext) -> Handled:
    if handled_updates.count_of_chat(tx, tap.chat_id, _SHOWED, now - _MINUTE) >= MOST_DETAILS_OF_CHAT:
        return _said(tap, "too many details within a minute", "Details were asked for too often here: wait a minute.")
    replies = details(tx, tap, found.stored, found.condition, now, context.settings.environ)
    name = f"{found.condition.key.monitor}/{found.condition.key.text}"
    return Handled(f"{_SHOWED} {name}", (_answer(tap, "Details follow."), *replies))


def _tapped(tap: Update, person: str, tx: Tx, now: datetime, context: TapContext) -> _Tapped | Handled:
    """Return what was tapped, or why that is nothing: forged, moved from another chat, forgotten, over."""
    key = key_of(context.settings.environ.get(DEFAULT_TOKEN, ""))
    button = read_data(key, tap.data, list(_names(tx, tap)))
    if button is None:
        return _refused(tap, "a button that is not ours in this chat", _FORGED)
    stored = alerts.get(tx, button.alert_id)
    if button.action is ButtonAction.REACHED and stored is not None and button.is_of(stored.created_at):
        words, toast = answered(tx, stored.id, person, now)
        return Handled(words, (_answer(tap, toast),), wakes=True)
    named = incidents_named(stored.metadata_json) if stored and button.is_of(stored.created_at) else []
    if stored is None or button.which >= len(named):
        return _said(tap, f"alert {button.alert_id} is not known any more", _UNKNOWN)
    meant = named[button.which]
    condition = meant.open_now(tx, now)
    if condition is None:
        current = conditions.get(tx, meant.key)
        is_newer = current is not None and current.is_incident(now)
        return _said(tap, f"the incident of alert {stored.id} is over", _AGAIN if is_newer else _OVER)
    return _Tapped(button.action, stored, condition)


def _names(tx: Tx, tap: Update) -> Iterator[str]:
    """Yield the names that the chat of a tap has or had: data is bound to the one under which it was sent."""
    before: dict[str, list[str]] = {}
    for old, new in rate_limits.moved_chats(tx).items():
        before.setdefault(new, []).append(old)
    known, left = set[str](), [tap.chat_id, *([tap.chat_name] if tap.chat_name else [])]
    while left:
        name = left.pop()
        if name and name not in known:
            known.add(name)
            left += before.get(name, [])
            yield name


def _refused(tap: Update, why: str, toast: str) -> Handled:
    return Handled(f"{REFUSED} {why}", (_answer(tap, toast, loud=True),))


def _said(tap: Update, outcome: str, toast: str) -> Handled:
    return Handled(f"nothing changed: {outcome}", (_answer(tap, toast, loud=True),))


def _answer(tap: Update, text: str, *, loud: bool = False) -> BotCall:
    """Return the words that only the person who tapped sees; `loud` ones have to be closed."""
    parameters: dict[str, object] = {"callback_query_id": tap.query_id, "text": shorten(text, _LONGEST_TOAST)}
    return BotCall("answerCallbackQuery", {**parameters, "show_alert": True} if loud else parameters)
