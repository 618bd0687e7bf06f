"""A condition: all that is known of one thing that can fire, as the rules leave it and as the store keeps it.

It is immutable: `transition` makes the next one. The rules look at `state` and at the last group of fields; the others
are what people are shown.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from monitoring.conditions.severity import Severity

if TYPE_CHECKING:  # a listing of conditions starts without the exact numbers
    from monitoring.conditions.values import Json, Number

# How long what happened once stays an incident, unless somebody says that it is done. Ours.
ONCE_LASTS = timedelta(days=1)
CRASH = "(crash)"  # the check under which bugs of a monitor are reported; no author would choose it
_LONGEST_CHAIN = 20


class State(StrEnum):
    """Where a condition is. Pending: it is bad, but not yet for long enough."""

    OK = "ok"
    PENDING = "pending"
    FIRING = "firing"


class Owner(StrEnum):
    """Which rule opened a condition, and so may end it. Unknown where the release before wrote the row."""

    UNKNOWN = ""
    RAISED = "m.alert"
    JUDGED = "check"


@dataclass(frozen=True, slots=True, order=True)
class ConditionKey:
    """What a condition is about; state is kept under exactly this. `chain` is 0 where there is none.

    `m.alert(key=…)` uses monitor and check alone, whatever the key looks like.
    """

    monitor: str
    check: str
    chain: int = 0
    subject: str = ""

    @classmethod
    def of_texts(cls, monitor: str, check: str, chain: str = "", subject: str = "") -> ConditionKey:
        """Return the key that a row, a file or an address names."""
        return cls(monitor, check, int(chain) if chain.isdecimal() and len(chain) < _LONGEST_CHAIN else 0, subject)

    @property
    def named(self) -> dict[str, str]:
        """Return its parts by name, as `of_texts` takes them."""
        return {"monitor": self.monitor, "check": self.check, "chain": str(self.chain or ""), "subject": self.subject}

    @property
    def text(self) -> str:
        """Return what a person writes for it, as in `utilisation/USDC`."""
        return "/".join(part for part in (self.check, str(self.chain or ""), self.subject) if part)

    def __str__(self) -> str:
        return f"{self.monitor}: {self.text}"


def distinct_texts(keys: Iterable[ConditionKey]) -> dict[ConditionKey, str]:
    """Return what people read for each key; where two of a monitor read the same, with chain and subject."""
    found = list(keys)
    seen = Counter((key.monitor, key.text) for key in found)
    return {key: key.text if seen[key.monitor, key.text] == 1 else _spelled_out(key) for key in found}


def _spelled_out(key: ConditionKey) -> str:
    parts = [f"chain {key.chain}" if key.chain else "no chain", *([f"subject {key.subject}"] if key.subject else [])]
    return f"{key.text} ({', '.join(parts)})"


@dataclass(frozen=True, slots=True)
class NoData:
    """Since when, and for how many readings, nothing is known of a value; and whether that was reported.

    `source` is what is to blame for the last one (nothing: the check itself), `reason` what it said. `reported_as` is
    the name under which people hear of the source.
    """

    since: datetime
    runs: int = 1
    reported: bool = False
    source: str = ""
    reason: str = ""
    reported_as: str = ""


@dataclass(frozen=True, slots=True)
class Held:
    """How long a level has been breached without a good reading between."""

    runs: int
    since: datetime


@dataclass(frozen=True, slots=True)
class Condition:
    """All that is remembered between two runs; the comments of the table say more about each column.

    `severity` is that of the last look and `worst` the worst one reported; what happened once is `ok` at once,
    and an incident from `clear_since` on for a day, or until `done_by` said that it is done.

    `rank` and `worst_measure` are what was reported last, `held` has one entry per level breached now (the mildest
    first), `heard_at` is when a message was made last, `unheard` says that this message reached nobody and is not
    under way either, and `memory` belongs to the verb. `remind_every` is how often it is repeated while it fires: zero
    is never, None where the release before wrote the row. `inhibited_by` names the condition that holds it back while
    that fires. `owes_reminder`: one was due, and the run that should store
    it did not come to its end. `owner` holds it open, in the task `owner_task`.
    """

    key: ConditionKey
    state: State = State.OK
    severity: Severity = Severity.LOW
    worst: Severity = Severity.LOW
    title: str = ""
    since: datetime | None = None
    fired_at: datetime | None = None
    last_seen_at: datetime | None = None
    last_sent_at: datetime | None = None
    clear_since: datetime | None = None
    times: int = 0
    alert_id: int | None = None
    protocol: str = ""
    channel: str = ""
    source: str = "protocol"
    about: str = ""
    value: str = ""
    judged_at: datetime | None = None
    declared: bool = False
    done_by: str = ""

    no_data: NoData | None = None
    rank: int = -1
    worst_measure: Number | None = None
    held: tuple[Held, ...] = ()
    heard_at: datetime | None = None
    unheard: bool = False
    remind_every: timedelta | None = None
    owes_reminder: bool = False
    inhibited_by: str = ""
    owner: Owner = Owner.UNKNOWN
    owner_task: str = ""
    memory: Mapping[str, Json] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names by which a silence may mean it."""
        return self.protocol, self.channel, self.key.monitor

    @property
    def is_firing(self) -> bool:
        return self.state is State.FIRING

    @property
    def blamed(self) -> str:
        """Return the name under which people hear of why nothing is known; without a source it is the check itself."""
        unseen, key = self.no_data, self.key
        return (unseen.reported_as or unseen.source or f"{key.monitor}/{key.text}") if unseen else ""

    @property
    def next_reminder_at(self) -> datetime | None:
        """Return when it is repeated if it still fires then; none where it is not repeated."""
        if not self.is_firing or not self.remind_every or self.heard_at is None:
            return None
        return max(self.heard_at, self.last_sent_at or self.heard_at) + self.remind_every

    def happened_once(self, now: datetime) -> bool:
        """Return whether something happened here that does not last, less than a day ago and not yet done with."""
        return not self.is_firing and self.clear_since is not None and now - self.clear_since < ONCE_LASTS

    def is_incident(self, now: datetime) -> bool:
        return self.is_firing or self.happened_once(now)
