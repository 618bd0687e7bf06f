"""What a tap on a button does. Called by `dispatch` inside the transaction that writes the update as handled.

A handler changes the store through `tx` alone and sends nothing itself: what Telegram must hear (the answer to the
tap, edits of messages) is returned as calls, which are stored in the same transaction and sent after it, at least once.
It may be called again for the same tap if the process died before the commit, never after it. It decides who may tap:
`person` is the name of the account in on_call.yaml, empty for a stranger.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from automation.listen.answers import BotCall, Handled
from automation.listen.updates import Update
from automation.on_call.model import OnCall
from monitoring.base.settings import Settings
from monitoring.store.db.database import Tx


@dataclass(frozen=True, slots=True)
class TapContext:
    """What a handler may ask about apart from the store: the settings, the people, and which bot was tapped."""

    settings: Settings
    team: OnCall | None
    bot: str


def handle_tap(tap: Update, person: str, tx: Tx, now: datetime, context: TapContext) -> Handled:
    """Do what a button says and return what came of it."""
    del person, tx, now, context
    return Handled("no such button", (BotCall("answerCallbackQuery", {"callback_query_id": tap.query_id}),))
