"""Which message of a chat a delivery answers, and what is kept of those that the chat accepted.

Called inside the write transaction of a delivery loop. A thread never holds a message back: one whose first message is
still waiting goes without a reply, and the one that arrives first is what later ones answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from monitoring.alerts.delivery.pace import Job
from monitoring.alerts.recording.incident import is_episode
from monitoring.alerts.senders import Accepted, Destination, Peer
from monitoring.alerts.senders.telegram import TelegramChat
from monitoring.store.db.database import Tx
from monitoring.store.people import message_buttons as buttons
from monitoring.store.tables import sent_messages
from monitoring.store.tables.outbox import WaitingDelivery
from monitoring.store.tables.sent_messages import ChatPlace


def answered_by(tx: Tx, delivery: WaitingDelivery, destination: Destination, peer: Peer) -> int:
    """Return the id of the message that the next part of a delivery answers, 0 for none.

    1. A part after the first answers the first part.
    2. The first answers the first message, in this chat and topic, about the first of its threads that is known there.
    3. What names a thing of its own answers messages about that alone: an incident of a list is about many things.
    """
    place = _place(destination, peer)
    if place is None:
        return 0
    if delivery.parts_sent:
        return sent_messages.first_of_delivery(tx, delivery.id, place) or 0
    named = sent_messages.threads_of(tx, delivery.id)
    own = [thread for thread in named if not is_episode(thread)]
    known = (sent_messages.first_of_thread(tx, thread, place, delivery.id) for thread in own or named)
    return next(filter(None, known), 0)


def keep(tx: Tx, job: Job, messages: Sequence[Accepted], now: datetime) -> None:
    """Write the messages that a chat accepted to the delivery, and to those that it is for as well."""
    for each in messages:
        place = _place(job.destination, job.peer, each.topic)
        if place is not None and each.message_id:
            sent_messages.put(tx, job.delivery.id, place, each.message_id, each.part, now)
            if each.body:
                buttons.put(tx, job.delivery.id, place, each.message_id, each.body)


def _place(destination: Destination, peer: Peer, *topic: int | None) -> ChatPlace | None:
    """Return the place of a chat: the topic that messages are for, or the one in which a message arrived."""
    if not isinstance(destination, TelegramChat):
        return None
    return ChatPlace(peer.shared_key or "", destination.chat_id, *(topic or (destination.thread_id,)))
