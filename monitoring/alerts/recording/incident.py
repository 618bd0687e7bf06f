"""Which incident an alert belongs to, as its row says it: the condition by its key, and since when it fires.

Written with the alert and never changed, so that the link in a message is the same in every attempt, and for every
alert of one incident.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import orjson

from monitoring.base.secrets.redact import redact
from monitoring.conditions.condition import Condition, ConditionKey
from monitoring.store.db.database import Tx
from monitoring.store.tables import conditions

_FIELD, _SEVERAL = "incident", "incidents"
_MOST = 20  # ours: who is sent more of them at once looks at a list
_EPISODE = "incident/"


def with_incident(metadata: Mapping[str, object] | None, condition: Condition) -> dict[str, object]:
    """Return the metadata of an alert about a condition."""
    return {**(metadata or {}), _FIELD: _named(condition)}


def with_incidents(metadata: Mapping[str, object] | None, found: Sequence[Condition]) -> dict[str, object]:
    """Return the metadata of an alert about several conditions, the first of them."""
    return {**(metadata or {}), _SEVERAL: [_named(each) for each in found[:_MOST]]}


def _named(condition: Condition) -> dict[str, str]:
    named = {**condition.key.named, "since": _since(condition)}
    return {name: redact(value) for name, value in named.items() if value}


def _since(condition: Condition) -> str:
    return f"{condition.fired_at:%Y-%m-%dT%H:%M:%SZ}" if condition.fired_at else ""


def thread_of(condition: Condition) -> str:
    """Return the thread of an incident: one condition, from when it fired to its end."""
    return _EPISODE + "/".join((*condition.key.named.values(), _since(condition)))


def is_episode(thread: str) -> bool:
    """Return whether a thread is one that `thread_of` names."""
    return thread.startswith(_EPISODE)


def incident_named(metadata_json: str | None) -> dict[str, str]:
    """Return the incident that a row names; nothing where it names none, as those of earlier releases."""
    try:
        found = orjson.loads(metadata_json or "{}").get(_FIELD, {})
        return {str(name): str(value) for name, value in found.items()}
    except (ValueError, AttributeError):
        return {}


@dataclass(frozen=True, slots=True)
class NamedIncident:
    """An incident as a row names it: its condition, and since when it fires."""

    key: ConditionKey
    since: str

    def open_now(self, tx: Tx, now: datetime) -> Condition | None:
        """Return its condition; none once the incident is over, whatever its condition does now."""
        found = conditions.get(tx, self.key)
        return found if found is not None and found.is_incident(now) and _since(found) == self.since else None


def incidents_named(metadata_json: str | None) -> list[NamedIncident]:
    """Return the incidents that a row names, in its order; none where it names none."""
    try:
        metadata = orjson.loads(metadata_json or "{}")
        found = [metadata[_FIELD]] if _FIELD in metadata else metadata.get(_SEVERAL, [])
        return [_incident(each) for each in found]
    except (ValueError, AttributeError, TypeError):
        return []


def _incident(named: Mapping[str, object]) -> NamedIncident:
    parts = [str(named.get(name, "")) for name in ("monitor", "check", "chain", "subject")]
    return NamedIncident(ConditionKey.of_texts(*parts), str(named.get("since", "")))
