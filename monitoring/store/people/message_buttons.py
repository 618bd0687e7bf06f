"""`message_buttons`: messages with buttons whose incident may still change, what each was sent as, and shows now."""

from __future__ import annotations

from dataclasses import dataclass

from monitoring.store.db.compatibility import has_table
from monitoring.store.db.database import Tx, fetch
from monitoring.store.tables.sent_messages import ChatPlace


@dataclass(frozen=True, slots=True)
class ButtonMessage:
    """One message of an alert. `body` is its text and entities as JSON, `shown` what was made of it last."""

    id: int
    alert_id: int
    chat_id: str
    message_id: int
    body: str
    shown: str


def put(tx: Tx, delivery_id: int, place: ChatPlace, message_id: int, body: str) -> None:
    """Write a message that was sent with buttons; once, however often it is reported."""
    tx.execute(
        "INSERT INTO message_buttons (delivery_id, bot, chat_id, message_id, body) VALUES (?, ?, ?, ?, ?) "
        "ON CONFLICT DO NOTHING",
        (delivery_id, place.bot, place.chat_id, message_id, body),
    )


def of_bot(tx: Tx, bot: str) -> list[ButtonMessage]:
    """Return the messages of a bot, the newest first."""
    if not has_table(tx, "message_buttons"):
        return []
    found = fetch(
        tx,
        "SELECT m.id, d.alert_id, m.chat_id, m.message_id, m.body, m.shown FROM message_buttons m "
        "JOIN deliveries d ON d.id = m.delivery_id WHERE m.bot = ? ORDER BY m.id DESC",
        (bot,),
    )
    return [ButtonMessage(*row) for row in found]


def set_shown(tx: Tx, row_id: int, shown: str) -> None:
    tx.execute("UPDATE message_buttons SET shown = ? WHERE id = ?", (shown, row_id))


def forget(tx: Tx, row_id: int) -> None:
    """Delete a message that is not changed any more."""
    tx.execute("DELETE FROM message_buttons WHERE id = ?", (row_id,))
