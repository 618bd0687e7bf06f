"""What a monitor says and remembers, gathered so that it commits together or not at all.

Called by `utils.monitor`. The alert and the cursor that keeps it from being raised again are one transaction.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias

from monitoring.alerts.message.model import Alert
from monitoring.alerts.recording.store_alert import AlertOrigin, Recorded, raise_in, resolve_in, store_in
from monitoring.base.errors import UsageError
from monitoring.conditions.condition import Condition, ConditionKey, Owner
from monitoring.conditions.outcome import Reason
from monitoring.conditions.ownership import is_crash_of_another, why_not
from monitoring.conditions.policy import Policy
from monitoring.store.db.database import Tx
from monitoring.store.tables import conditions, state

# The words of authors; a good reading of what does not fire changes nothing.
_WORDS = {
    Reason.HAPPENED: "fired",
    Reason.BREACHED: "fired",
    Reason.HIGHER_LEVEL: "worsened",
    Reason.REMIND_DUE: "reminded",
    Reason.UNHEARD: "untold",
    Reason.STILL_BAD: "repeated",
    Reason.HOLDING: "pending",
    Reason.CLEARED: "resolved",
    Reason.IN_CLEAR_BAND: "clearing",
    Reason.NEVER_FIRED: "never fired",
}

Value: TypeAlias = Any  # str, int, float, bool, or lists and dicts of them: what JSON gives back unchanged


@dataclass(slots=True)
class StoredOutcome:
    """What came of an `alert` or `resolve`; it can be asked once the step is on disk."""

    recorded: Recorded | None = None
    unstored: bool = False

    @property
    def told(self) -> bool:
        """Return whether this makes a message."""
        return not self.unstored and self._done().is_sent

    @property
    def reason(self) -> str:
        """Return why it was sent or not, in a word such as `fired`, `repeated` or `resolved`."""
        return "unstored" if self.unstored else _WORDS.get(self._done().reason, "not firing")

    @property
    def alert_id(self) -> int | None:
        return None if self.unstored else self._done().alert_id

    def _done(self) -> Recorded:
        if self.recorded is None:
            raise UsageError("nothing is stored yet: look at the outcome behind the `with m.together():` block")
        return self.recorded


@dataclass(frozen=True, slots=True)
class Fire:
    """Store an alert; with a key, by the rules of its condition."""

    alert: Alert
    key: ConditionKey | None
    policy: Policy
    outcome: StoredOutcome = field(default_factory=StoredOutcome)


@dataclass(frozen=True, slots=True)
class Resolve:
    """Say that a condition is over."""

    key: ConditionKey
    policy: Policy
    note: str
    outcome: StoredOutcome = field(default_factory=StoredOutcome)


@dataclass(frozen=True, slots=True)
class SetState:
    """Write a remembered value, or forget it."""

    namespace: str
    key: str
    text: str | None


Step: TypeAlias = Fire | Resolve | SetState


def commit_in(tx: Tx, steps: list[Step], now: datetime, origin: AlertOrigin) -> list[Recorded]:
    """Write the steps in order; return what came of each `Fire` and `Resolve`. Reminders are only found due.

    Raises:
        UsageError: a check holds the condition of a step open.
    """
    recorded = []
    for step in steps:
        match step:
            case Fire():
                recorded.append(_raise(tx, step, now, origin))
            case Resolve():
                recorded.append(_resolve(tx, step, now, origin))
            case SetState(namespace, key, None):
                state.forget(tx, namespace, key)
            case SetState(namespace, key, text):
                state.put(tx, namespace, key, str(text), now)
    return recorded


def _resolve(tx: Tx, step: Resolve, now: datetime, origin: AlertOrigin) -> Recorded:
    before = _own(tx, step.key, origin, f"m.resolve({step.key.text!r})")
    if before is not None and is_crash_of_another(before, origin.task):
        return Recorded(None, Reason.GOOD)
    return resolve_in(tx, step.key, now=now, origin=origin, policy=step.policy, note=step.note)


def _raise(tx: Tx, step: Fire, now: datetime, origin: AlertOrigin) -> Recorded:
    if step.key is not None:
        _own(tx, step.key, origin, f"m.alert(…, key={step.key.text!r})")
        return raise_in(tx, step.alert, now=now, origin=origin, policy=step.policy, key=step.key, reminds_later=True)
    return store_in(tx, step.alert, now=now, origin=origin).as_recorded()


def _own(tx: Tx, key: ConditionKey, origin: AlertOrigin, call: str) -> Condition | None:
    before = conditions.get(tx, key)
    if before is not None and (why := why_not(before, Owner.RAISED, origin.task)):
        raise UsageError(f"{call}: {why}")
    return before


def encode(key: str, value: Value) -> str:
    """Return a value as text that gives it back unchanged.

    Raises:
        UsageError: JSON would change it, or knows nothing like it.
    """
    if not isinstance(key, str) or not key:
        raise UsageError(f"remember({key!r}, …): the key must be a text that is not empty")
    if value is None:
        raise UsageError(f"remember({key!r}, None): None means 'never seen'; write m.forget({key!r})")
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise UsageError(f"remember({key!r}, …): {error}; remember texts, numbers, lists and dicts") from None
    if not _is_same(json.loads(text), value):
        raise UsageError(f"remember({key!r}, {value!r}): would come back as {json.loads(text)!r}; convert it yourself")
    return text


def _is_same(back: Value, value: Value) -> bool:
    """Compare types too: a tuple comes back as a list, a key 1 as the text 1."""
    if type(back) is not type(value):
        return False
    if isinstance(value, dict):
        return list(back) == list(value) and all(_is_same(back[name], value[name]) for name in value)
    if isinstance(value, list):
        return len(back) == len(value) and all(map(_is_same, back, value))
    return bool(back == value)


def decode(text: str) -> Value:
    """Read what `encode` wrote; a text somebody wrote by hand comes back as it is."""
    try:
        return json.loads(text)
    except ValueError:
        return text
