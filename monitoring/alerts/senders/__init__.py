"""What all senders share: the message, the destination and the protocol; one module a kind of destination.

A new sender is one file here, and nothing elsewhere: its variables, its `DESTINATION` (how a channel's route is found,
its words and its limits) and how it sends. `registry` finds it. A sender says what happened: it returns `Sent`, or
raises `SendError` or one of its subclasses, whose texts never hold a secret; the delivery loop owns retries, pace and
what is written down. Tests: tests/contract/test_senders.py runs one suite over all of them;
tests/contract/test_sender_secrets.py, tests/unit/test_declared_variables.py.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any, ClassVar, Literal, Protocol, Self, TypeAlias, TypeVar
from urllib.parse import urlsplit

from monitoring.alerts.message.model import Alert, Severity
from monitoring.alerts.message.text import line, link
from monitoring.alerts.senders.limits import RateLimit, RateLimits

# Of one attempt, from the resolution of the name to the last byte; far below the lease of a delivery.
TIMEOUT_S = 15.0
MAX_ANSWER_BYTES = 1_000_000
# What comes back is short, and compressed it could be anything but.
HEADERS = {"Content-Type": "application/json", "User-Agent": "monitoring", "Accept-Encoding": "identity"}


class ButtonAction(Enum):
    """What a tap on a button does."""

    HAVE_IT = "I have it"
    MUTE = "Mute 1 h"
    DETAILS = "Details"
    REACHED = "This reached me"


@dataclass(frozen=True, slots=True)
class Button:
    """A button under the message of an alert; `which` of the incidents that the alert is about, from 0.

    `stored_at` is when the alert was stored: its id alone is another alert's in a database that is new.
    """

    action: ButtonAction
    label: str
    alert_id: int
    stored_at: datetime
    which: int = 0


Buttons: TypeAlias = tuple[tuple[Button, ...], ...]
"""Rows of buttons."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """A message that a destination accepted: its id there (0: it said none), its part from 1 on, and its topic.

    `body` is the text of one with buttons as it was sent, for those who change it later.
    """

    message_id: int
    part: int
    topic: int | None = None
    body: str = ""


OnPart: TypeAlias = Callable[[int, Sequence[Accepted]], None]
"""Called with (parts sent so far, the messages of this part) as soon as the destination has accepted a part."""


@dataclass(frozen=True, slots=True)
class Message:
    """One alert on its way to one destination.

    `parts_sent` is what earlier attempts got through: sending goes on behind it. `condition` and `level` say which
    condition speaks and how bad it is now; `link` leads to the page that `link_text` names. Each may be empty.
    `utc_only`: the destination refused lately to show instants in the reader's own time zone. `reply_to` is the id of
    the message there that this one answers, 0 where there is none. `buttons` stand under its last part, where the
    destination has such.
    """

    id: int
    created_at: datetime
    alert: Alert
    parts_sent: int = 0
    event_type: str = "alert"
    condition: str = ""
    level: str = ""
    link: str = ""
    link_text: str = ""
    utc_only: bool = False
    reply_to: int = 0
    buttons: Buttons = ()

    @property
    def shown(self) -> Alert:
        """Return the alert as people get it: with a link to its page at the end, where the pages have an address."""
        return self.alert.with_blocks(line(link(self.link_text, self.link))) if self.link else self.alert


@dataclass(frozen=True, slots=True)
class Sent:
    """The destination accepted all of it. `notes` say what had to be given up: a topic, the formatting, a block.

    `messages` are those of this attempt. `utc_only`: it shows no instants in the reader's own time zone.
    """

    messages: tuple[Accepted, ...] = ()
    notes: tuple[str, ...] = ()
    utc_only: bool = False

    @property
    def message_ids(self) -> tuple[int, ...]:
        """Return one id a part."""
        return tuple({each.part: each.message_id for each in self.messages}.values())


def ignore_part(parts_sent: int, messages: Sequence[Accepted]) -> None:
    """Take no notice of progress."""


_Where_contra = TypeVar("_Where_contra", contravariant=True)


class Sender(Protocol[_Where_contra]):
    """Delivers to one kind of destination; used by one thread at a time."""

    def send(self, message: Message, destination: _Where_contra, on_part: OnPart = ignore_part) -> Sent:
        """Deliver what is left of a message.

        Raises:
            SendError: it was not accepted.
            RefusedError: the destination itself said no.
            CredentialsError: it waits until the environment changes.
            ChatMigratedError: it has to go to another chat.
        """
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...


@dataclass(frozen=True, slots=True)
class Peer:
    """The names under which the store knows a destination; none holds a secret.

    `key` is its own. `shared_key` is of what it has in common with others, and `shares` says what that is: a token,
    or the host that answers for it. `mark` changes with the settings it is reached by, so that a refusal met with
    other ones does not count.
    """

    kind: str
    key: str
    shared_key: str | None = None
    mark: str = ""
    shares: Literal["", "token", "host"] = ""

    @property
    def server(self) -> str:
        """Return what answers for it, as it is reached by these settings."""
        return f"{self.shared_key or self.key} {self.mark}"


class RouteReason(Enum):
    """Why a channel's alerts go where they go; the value is what an operator reads."""

    DEBUG = "LOG_LEVEL=DEBUG: alerts are recorded and nothing is sent"
    TEST_CHAT = "TELEGRAM_TEST_CHAT_ID is set: every alert goes to the test chat and nowhere else"
    TOPIC = "the channel has a topic of its own"
    CHANNEL_CHAT = "the channel has a chat of its own"
    DEFAULT_CHAT = "the channel has no chat or topic of its own: the default chat"
    NO_TELEGRAM = "no Telegram variable is set and another destination takes every alert"
    MISSING_CREDENTIALS = "credentials are missing: the alert waits and goes out once they exist"


class RouteSettings:
    """The environment as routes are found in it: blank is unset; `notes` remark on what is malformed."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.environ = environ
        self._notes: dict[str, None] = {}

    @property
    def notes(self) -> tuple[str, ...]:
        return tuple(self._notes)

    def text(self, name: str) -> str:
        return self.environ.get(name, "").strip()

    def note(self, note: str) -> None:
        """Remark on a setting, once."""
        self._notes[note] = None


class Destination(ABC):
    """Where one kind of sender can send, named without secrets: chat ids and names of variables, never their values.

    Subclasses are frozen dataclasses; delivery rows keep their text. `missing` are the variables it waits for. Of the
    kind: the least severity it takes; `for_machines`: called by a rule of its own and never folded; `reaches_people`:
    it counts as a way to people; `of_every_alert`: rows name it by its kind, the others take a placeholder's place;
    `opens_with`: modules that only `open` imports.
    """

    __slots__ = ()
    kind: ClassVar[str]
    least: ClassVar[Severity] = Severity.LOW
    for_machines: ClassVar[bool] = False
    reaches_people: ClassVar[bool] = True
    of_every_alert: ClassVar[bool] = False
    opens_with: ClassVar[tuple[str, ...]] = ()
    missing: tuple[str, ...]

    @classmethod
    @abstractmethod
    def find(cls, channel: str, settings: RouteSettings, *, operational: bool) -> Sequence[Self]:
        """Return the destinations of a channel, as variables spell it; `operational`: of errors and crashes."""

    @abstractmethod
    def __str__(self) -> str:
        """Return the text that delivery rows keep: the kind, then its fields."""

    @abstractmethod
    def describe(self) -> str:
        """Return the words an operator reads."""

    @abstractmethod
    def open(self, environ: Mapping[str, str]) -> Sender[Any]:
        """Make a sender; whatever is heavy is imported here."""

    def peer(self, _settings: RouteSettings) -> Peer:
        return Peer(self.kind, str(self))

    def limits(self, limits: RateLimits, _rank: int) -> tuple[RateLimit, ...]:
        """Return the pace for a message of one severity."""
        return (limits.other,)

    def low_budget(self, _limits: RateLimits, _sent: Sequence[float], _now: float) -> int | None:
        """Return how many LOW messages may go one by one before they are folded into one; None: they never are."""
        return None

    def parts(self, _message: Message) -> int:
        """Return in how many parts a message goes."""
        return 1


def fingerprint(url: str) -> str:
    """Distinguish addresses without showing them."""
    return hashlib.sha256(url.encode("utf-8", "surrogatepass")).hexdigest()[:8]


def host_key(url: str) -> str | None:
    """Name a host without saying it: in the addresses of some services a token stands in its place."""
    try:
        host = urlsplit(url).netloc.rpartition("@")[2]
    except ValueError:
        return None
    return f"host:{fingerprint(host.lower())}" if host else None
