"""`sent_messages` and `alert_threads`: which messages a chat accepted of which alert, and what each alert is about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from monitoring.base.clock import to_text
from monitoring.store.db.compatibility import has_table
from monitoring.store.db.database import Tx, fetch

_LARGE_CHAT = "-100"  # what ids of supergroups and channels begin with (core.telegram.org/api/bots/ids)
# The delivery that was sent, and those that its message is for as well.
_TOGETHER = "SELECT id FROM deliveries WHERE id = ?1 OR folded_into = ?1"


@dataclass(frozen=True, slots=True)
class ChatPlace:
    """Where messages can answer each other: a chat, or one topic of it, as one bot knows it."""

    bot: str
    chat_id: str
    topic: int | None = None

    def __str__(self) -> str:
        return f"chat {self.chat_id}" + (f", topic {self.topic}" if self.topic else "")


@dataclass(frozen=True, slots=True)
class SentMessage:
    """One message that a chat accepted, and of which part of the alert's text it is; `sent_at` is ISO 8601, UTC."""

    place: ChatPlace
    message_id: int
    part: int
    sent_at: str

    @property
    def link(self) -> str:
        """Return where Telegram shows it to members of the chat; nothing for private chats and small groups."""
        chat = self.place.chat_id
        if chat.startswith("@"):
            return f"https://t.me/{chat[1:]}/{self.message_id}"
        if not chat.startswith(_LARGE_CHAT):
            return ""
        topic = f"{self.place.topic}/" if self.place.topic else ""
        return f"https://t.me/c/{chat.removeprefix(_LARGE_CHAT)}/{topic}{self.message_id}"

    def as_json(self) -> dict[str, object]:
        """Return what the API shows of it."""
        return {
            "chat_id": self.place.chat_id,
            "topic": self.place.topic,
            "message_id": self.message_id,
            "part": self.part,
            "sent_at": self.sent_at,
            "link": self.link or None,
        }


def put_threads(tx: Tx, alert_id: int, threads: Sequence[str]) -> None:
    """Write what an alert is about, in the order in which it says so."""
    tx.executemany("INSERT INTO alert_threads (alert_id, thread) VALUES (?, ?)", [(alert_id, one) for one in threads])


def threads_of(tx: Tx, delivery_id: int) -> list[str]:
    """Return what the message of a delivery is about: of several alerts what all of them are about."""
    found = fetch(
        tx,
        "SELECT t.thread FROM deliveries d JOIN alert_threads t ON t.alert_id = d.alert_id "  # noqa: S608 - words of our own
        f"WHERE d.id IN ({_TOGETHER}) GROUP BY t.thread "
        f"HAVING count(*) = (SELECT count(*) FROM ({_TOGETHER})) ORDER BY min(t.id)",
        (delivery_id,),
    )
    return [row[0] for row in found]


def threads_of_alert(tx: Tx, alert_id: int) -> list[str]:
    """Return what an alert is about, the main thing first."""
    if not has_table(tx, "sent_messages"):
        return []
    return [row[0] for row in fetch(tx, "SELECT thread FROM alert_threads WHERE alert_id = ? ORDER BY id", (alert_id,))]


def put(tx: Tx, delivery_id: int, place: ChatPlace, message_id: int, part: int, now: datetime) -> None:
    """Write a message to its delivery and to those it is for as well; once, however often it is reported."""
    tx.execute(
        "INSERT INTO sent_messages (delivery_id, bot, chat_id, topic, message_id, part, sent_at) "  # noqa: S608 - likewise
        f"SELECT id, ?2, ?3, ?4, ?5, ?6, ?7 FROM deliveries WHERE id IN ({_TOGETHER}) ON CONFLICT DO NOTHING",
        (delivery_id, place.bot, place.chat_id, place.topic, message_id, part, to_text(now)),
    )


def first_of_thread(tx: Tx, thread: str, place: ChatPlace, but_delivery: int) -> int | None:
    """Return the first message about something that a place got, those of one delivery left out."""
    found = tx.execute(
        "SELECT min(m.message_id) FROM alert_threads t JOIN deliveries d ON d.alert_id = t.alert_id "
        "JOIN sent_messages m ON m.delivery_id = d.id "
        "WHERE t.thread = ? AND d.id <> ? AND m.bot = ? AND m.chat_id = ? AND m.topic IS ?",
        (thread, but_delivery, place.bot, place.chat_id, place.topic),
    ).fetchone()
    return found[0] if found else None


def first_of_delivery(tx: Tx, delivery_id: int, place: ChatPlace) -> int | None:
    """Return the message with which a delivery begins in a place."""
    found = tx.execute(
        "SELECT min(message_id) FROM sent_messages "
        "WHERE delivery_id = ? AND part = 1 AND bot = ? AND chat_id = ? AND topic IS ?",
        (delivery_id, place.bot, place.chat_id, place.topic),
    ).fetchone()
    return found[0] if found else None


def topic_of(tx: Tx, chat_id: str, message_id: int) -> int | None:
    """Return the topic in which a message of a chat arrived; none where it is in no topic, or not known."""
    found = tx.execute(
        "SELECT topic FROM sent_messages WHERE chat_id = ? AND message_id = ? ORDER BY id DESC LIMIT 1",
        (chat_id, message_id),
    ).fetchone()
    return found[0] if found else None


def of_alert(tx: Tx, alert_id: int) -> list[tuple[int, SentMessage]]:
    """Return every message of an alert with its delivery's id, in the order of sending.

    Readers meet the schema of the release before until the first run has migrated it: then there is none.
    """
    if not has_table(tx, "sent_messages"):
        return []
    found = fetch(
        tx,
        "SELECT m.delivery_id, m.bot, m.chat_id, m.topic, m.message_id, m.part, m.sent_at FROM deliveries d "
        "JOIN sent_messages m ON m.delivery_id = d.id WHERE d.alert_id = ? ORDER BY m.id",
        (alert_id,),
    )
    return [(row[0], SentMessage(ChatPlace(*row[1:4]), *row[4:])) for row in found]
