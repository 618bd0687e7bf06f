"""One update: who sent it, whether they may, and its effect, written in one transaction with its id.

What is no command and no tap leaves no row: members of a group would fill the database.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from automation.listen.access import Access, Circle, Pacing, circle_of
from automation.listen.answers import Handled, as_text, message_to
from automation.listen.buttons import TapContext, handle_tap
from automation.listen.commands import NAMES, answer
from automation.listen.updates import Update, UpdateKind
from automation.on_call.model import OnCall
from monitoring.base.errors import MonitoringError, StoreError
from monitoring.base.settings import Settings
from monitoring.store.db.database import OF_THE_FILE, Tx
from monitoring.store.db.handle import SteadyStore
from monitoring.store.people import handled_updates
from monitoring.store.people.handled_updates import HandledUpdate
from monitoring.store.tables import rate_limits

log = logging.getLogger("automation.listen")

# Of strangers that many updates a day are written; the rest is confirmed and forgotten.
MOST_STRANGERS = 100
_DAY = timedelta(days=1)
_REFUSED = f"{handled_updates.REFUSED} neither a named person nor a chat that gets alerts"
_LONGEST_SAID = 40


@dataclass(slots=True)
class Dispatcher:
    """Handles the updates of one bot. `team` reads on_call.yaml as it is now."""

    settings: Settings
    store: SteadyStore
    team: Callable[[], OnCall | None]
    bot: str
    username: str = ""
    pacing: Pacing = field(default_factory=Pacing)
    handle_tap: Callable[[Update, str, Tx, datetime, TapContext], Handled] = handle_tap

    def handle(self, update: Update, now: datetime) -> Handled | None:
        """Handle one update once; None if it was handled before or asks for nothing.

        Raises:
            StoreError: nothing is written, and the update must not be confirmed.
        """
        if not self._is_for_us(update):
            return None
        team = self.team()
        moved = self.store.read(lambda database: database.read(rate_limits.moved_chats))
        circle = circle_of(team, self.settings.environ, moved)
        if update.kind is UpdateKind.MOVED:
            self._moved(update, circle, now)
            return None
        person = circle.person(update.account)
        access = self.pacing.access(update, circle, now)
        if access is Access.TOO_MANY:
            log.warning("a %s of account %d is not handled: %s", update.kind, update.account, access.value)
            return None
        if update.kind is UpdateKind.TAP:
            context = TapContext(self.settings, team, self.bot)
            return self._write(
                update, person, now, access, lambda tx: self.handle_tap(update, person, tx, now, context)
            )
        if access is Access.STRANGER:
            return self._write(update, person, now, access, lambda tx: self._refusal(tx, update, team, now))
        text = self._text(update, team, now)
        call = message_to(update.chat_id, text, topic=update.topic, reply_to=update.message_id)
        return self._write(update, person, now, access, lambda _tx: Handled("answered", (call,)))

    def _is_for_us(self, update: Update) -> bool:
        if update.kind is UpdateKind.OTHER or (update.addressee and update.addressee != self.username.lower()):
            return False
        return update.kind is not UpdateKind.COMMAND or update.command in NAMES

    def _moved(self, update: Update, circle: Circle, now: datetime) -> None:
        """Remember where a group of ours went, before the next alert finds out: its buttons and commands go on."""
        if update.chat_id in circle.chats:
            self.store.write(lambda tx: rate_limits.remember_move(tx, update.chat_id, update.data, now))
            log.info("chat %s became the supergroup %s", update.chat_id, update.data)

    def _text(self, update: Update, team: OnCall | None, now: datetime) -> str:
        """Return the answer to a command; one that cannot be given says why, and is an answer too."""
        try:
            return self.store.read(lambda database: answer(update.command, database, team, now))
        except MonitoringError as error:
            return f"This cannot be answered now: {error}"

    def _refusal(self, tx: Tx, update: Update, team: OnCall | None, now: datetime) -> Handled:
        """Refuse a stranger: with a word in their private chat once a day, which names the number of their account."""
        if not update.is_private or handled_updates.was_answered(tx, update.account, _REFUSED, now - _DAY):
            return Handled(_REFUSED)
        text = (
            f"This bot answers the people of on_call.yaml. Your account {update.account} is not in it.\n"
            "If it should be, send this number to somebody who maintains the file."
        )
        if team is None:
            text = (
                "Nobody is known here now: automation/on_call.yaml is missing, or has mistakes that `validate` lists.\n"
                f"Your account: {update.account}"
            )
        return Handled(_REFUSED, (message_to(update.chat_id, text),))

    def _write(
        self, update: Update, person: str, now: datetime, access: Access, act: Callable[[Tx], Handled]
    ) -> Handled | None:
        """Do what an update asks and write it as handled, in one transaction; None if it was handled before."""

        def write(tx: Tx) -> Handled | None:
            if handled_updates.is_handled(tx, self.bot, update.update_id, now):
                return None
            if access is Access.STRANGER and handled_updates.count_refused(tx, now - _DAY) >= MOST_STRANGERS:
                return None
            handled = _act(tx, act)
            handled_updates.put(tx, self._row(update, person, handled, now))
            return handled

        return self.store.write(write)

    def _row(self, update: Update, person: str, handled: Handled, now: datetime) -> HandledUpdate:
        calls = as_text(handled.calls)
        return HandledUpdate(
            self.bot, update.update_id, now, update.kind.value, handled.outcome, update.account, person, update.chat_id,
            (f"/{update.command}" if update.command else update.data)[:_LONGEST_SAID],
            calls, now + handled.within if calls else None,
        )  # fmt: skip


def _act(tx: Tx, act: Callable[[Tx], Handled]) -> Handled:
    """Do it in a savepoint: one with a bug leaves its row and nothing else, and stops no other update.

    What is wrong with the file is no bug of an update: it is tried again when the file can be written.
    """
    handled = Handled("")
    try:
        with tx:
            handled = act(tx)
    except (StoreError, *OF_THE_FILE):
        raise
    except Exception as error:  # noqa: BLE001 - the border of one update: it must outlive what nobody foresaw
        # Only the kind: the text of an unforeseen error may hold what a stranger wrote.
        log.error("an update could not be handled: %s", type(error).__name__)  # noqa: TRY400 - likewise
        return Handled(f"failed: {type(error).__name__}")
    return handled
