"""What all senders share: the message, the answer and the protocol; one module a kind of destination.

Called by the delivery loop, which owns retries, pacing and what is written down. A sender says what happened: it
returns `Sent`, or raises `SendError` or one of its subclasses, whose texts never hold a secret.
Tests: tests/contract/test_senders.py runs one suite over all of them; tests/contract/test_sender_secrets.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeAlias, TypeVar

from monitoring.alerts.message.model import Alert

# Of one attempt, from the resolution of the name to the last byte; far below the lease of a delivery.
TIMEOUT_S = 15.0
MAX_ANSWER_BYTES = 1_000_000
# What comes back is short, and compressed it could be anything but.
HEADERS = {"Content-Type": "application/json", "User-Agent": "monitoring", "Accept-Encoding": "identity"}

OnPart: TypeAlias = Callable[[int, int], None]
"""Called with (parts sent so far, message id) as soon as the far side has accepted a part."""


@dataclass(frozen=True, slots=True)
class Message:
    """One alert on its way to one destination.

    `parts_sent` is what earlier attempts got through: sending goes on behind it. `condition` and `level` say which
    condition speaks and how bad it is now, `link` leads to the alert's page; each may be empty.
    """

    id: int
    created_at: datetime
    alert: Alert
    parts_sent: int = 0
    event_type: str = "alert"
    condition: str = ""
    level: str = ""
    link: str = ""


@dataclass(frozen=True, slots=True)
class Sent:
    """The far side accepted all of it. `notes` say what had to be given up: a topic, the formatting, a block."""

    message_ids: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()


def ignore_part(parts_sent: int, message_id: int) -> None:
    """Take no notice of progress."""


_Where_contra = TypeVar("_Where_contra", contravariant=True)


class Sender(Protocol[_Where_contra]):
    """Delivers to one kind of destination; used by one thread at a time."""

    def send(self, message: Message, destination: _Where_contra, on_part: OnPart = ignore_part) -> Sent:
        """Deliver what is left of a message.

        Raises:
            SendError: it was not accepted.
            RefusedError: the far side itself said no.
            CredentialsError: it waits until the environment changes.
            ChatMigratedError: it has to go to another chat.
        """
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...
