"""How fast a destination may be talked to. Pure: times come in as numbers.

The numbers are Telegram's (core.telegram.org/bots/faq, "My bot is hitting limits"): about one message a second to
a chat, 20 a minute to a group, 30 a second in all. Each is kept as a sliding window, since a bucket that refills
while it drains lets nearly twice as many through in the first minute.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from monitoring.alerts.message.model import Severity


@dataclass(frozen=True, slots=True)
class RateLimit:
    """At most `count` messages in any `window_s` seconds."""

    count: int
    window_s: float

    def remaining(self, sent: Sequence[float], now: float) -> int:
        """Return how many more may go now."""
        return self.count - sum(1 for at in sent if now - self.window_s < at)

    def wait_s(self, sent: Sequence[float], now: float) -> float:
        """Return how long until one more may go."""
        if self.count <= 0:
            return self.window_s
        inside = sorted(min(at, now) for at in sent if now - self.window_s < at)
        if len(inside) < self.count:
            return 0.0
        return inside[-self.count] + self.window_s - now


@dataclass(frozen=True, slots=True)
class RateLimits:
    """The pace of every kind of destination.

    `reserved` messages of a group's minute are kept for HIGH and CRITICAL. A private chat has no limit by the
    minute: there LOW ones are folded when more than `fold_above` wait.
    """

    chat: RateLimit = RateLimit(1, 1.0)
    group: RateLimit = RateLimit(20, 61.0)  # a second more than theirs: a slow message counts from when it arrived
    bot: RateLimit = RateLimit(25, 1.0)  # five under theirs: messages in flight overtake each other
    other: RateLimit = RateLimit(10, 1.0)
    reserved: int = 4
    fold_above: int = 15

    def of_chat(self, chat_id: str, rank: int) -> tuple[RateLimit, ...]:
        """Return what holds for a message of this severity to a chat; ids of groups and channels are negative."""
        if not is_group(chat_id):
            return (self.chat,)
        kept_back = self.reserved if rank < Severity.HIGH else 0
        return (self.chat, RateLimit(self.group.count - kept_back, self.group.window_s))

    def low_budget(self, chat_id: str, sent: Sequence[float], now: float) -> int:
        """Return how many LOW messages may still go one by one; if more wait, they are folded into one."""
        if not is_group(chat_id):
            return self.fold_above
        _, by_minute = self.of_chat(chat_id, Severity.LOW)
        return min(self.fold_above, max(0, by_minute.remaining(sent, now)))

    @property
    def longest_window_s(self) -> float:
        return max(self.chat.window_s, self.group.window_s, self.bot.window_s, self.other.window_s)


def is_group(chat_id: str) -> bool:
    """Return whether it is a group or channel, not a private chat."""
    return chat_id.startswith(("-", "@"))


def wait_s(limits: Sequence[RateLimit], sent: Sequence[float], now: float) -> float:
    """Return how long until every limit lets one more through."""
    return max((limit.wait_s(sent, now) for limit in limits), default=0.0)
