"""Who is answered, and how often. Pure but for its memory of the last minute.

People are known by the number of their Telegram account alone: names and @names are chosen by their owner.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum

from automation.listen.updates import Update, UpdateKind
from automation.on_call.model import OnCall
from monitoring.base.settings import TEST_CHAT

_CHATS = "TELEGRAM_CHAT_ID_"
_MINUTE = timedelta(minutes=1)
# Telegram lets a bot write 20 messages a minute to a group: answers take at most a third of what alerts need.
MOST_COMMANDS_OF_CHAT = 6
MOST_COMMANDS_OF_ALL = 30
MOST_TAPS_OF_PERSON = 20
MOST_OF_STRANGERS = 10
_MOST_REMEMBERED = 1000


class Access(Enum):
    """What somebody may do with one update."""

    ALLOWED = "allowed"
    STRANGER = "not named in on_call.yaml"
    TOO_MANY = "too many within a minute"


@dataclass(frozen=True, slots=True)
class Circle:
    """Who may ask: the people of on_call.yaml by account, and the chats that alerts go to; in a test its chat."""

    people: Mapping[int, str]
    chats: frozenset[str]

    def person(self, account: int) -> str:
        """Return the name of an account in on_call.yaml; nothing for a stranger."""
        return self.people.get(account, "")

    def may_read(self, update: Update) -> bool:
        """Return whether read-only commands are answered: in chats that get alerts anyway, and to named people."""
        if update.is_private:
            return bool(self.person(update.account))
        return not self.chats.isdisjoint({update.chat_id, update.chat_name} - {""})


def circle_of(team: OnCall | None, environ: Mapping[str, str], moved: Mapping[str, str]) -> Circle:
    """Return who may ask; somebody disabled is a stranger. `moved` are groups that became supergroups."""
    test_chat = environ.get(TEST_CHAT, "").strip()
    named = {value.strip() for name, value in environ.items() if name.startswith(_CHATS) and value.strip()}
    chats = {test_chat} if test_chat else named
    while more := {moved[chat] for chat in chats if chat in moved} - chats:
        chats |= more
    return Circle(_people(team), frozenset(chats))


def _people(team: OnCall | None) -> dict[int, str]:
    if team is None:
        return {}
    found = team.people.items()
    return {person.telegram_id: name for name, person in found if person.telegram_id is not None and person.enabled}


@dataclass(slots=True)
class Pacing:
    """How much was answered in the last minute, by chat and by person: a flood must cost nobody an alert."""

    _times: dict[str, deque[datetime]] = field(default_factory=dict)

    def take(self, name: str, most: int, now: datetime) -> bool:
        """Count one more under a name; False if the last minute had as many already."""
        times = self._times.setdefault(name, deque())
        # An instant ahead is of a clock that was set back since.
        while times and not now - _MINUTE < times[0] <= now:
            times.popleft()
        if len(times) >= most:
            return False
        times.append(now)
        if len(self._times) > _MOST_REMEMBERED:
            self._times = {key: each for key, each in self._times.items() if each and each[-1] > now - _MINUTE}
        return True

    def access(self, update: Update, circle: Circle, now: datetime) -> Access:
        """Decide on one update. Strangers share one allowance, so that they take nothing from a person."""
        is_tap = update.kind is UpdateKind.TAP
        if not (circle.person(update.account) if is_tap else circle.may_read(update)):
            return Access.STRANGER if self.take("strangers", MOST_OF_STRANGERS, now) else Access.TOO_MANY
        if is_tap:
            is_allowed = self.take(f"tap {update.account}", MOST_TAPS_OF_PERSON, now)
        else:
            is_allowed = self.take(f"chat {update.chat_id}", MOST_COMMANDS_OF_CHAT, now) and self.take(
                "all", MOST_COMMANDS_OF_ALL, now
            )
        return Access.ALLOWED if is_allowed else Access.TOO_MANY
