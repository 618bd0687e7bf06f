"""Which incident an alert belongs to, as its row says it: the condition by its key, and since when it fires.

Written with the alert and never changed, so that the link in a message is the same in every attempt, and for every
alert of one incident.
"""

from __future__ import annotations

from collections.abc import Mapping

import orjson

from monitoring.base.secrets.redact import redact
from monitoring.conditions.condition import Condition

_FIELD = "incident"
_EPISODE = "incident/"


def with_incident(metadata: Mapping[str, object] | None, condition: Condition) -> dict[str, object]:
    """Return the metadata of an alert about a condition."""
    since = f"{condition.fired_at:%Y-%m-%dT%H:%M:%SZ}" if condition.fired_at else ""
    named = {**condition.key.named, "since": since}
    return {**(metadata or {}), _FIELD: {name: redact(value) for name, value in named.items() if value}}


def thread_of(condition: Condition) -> str:
    """Return the thread of an incident: one condition, from when it fired to its end."""
    since = f"{condition.fired_at:%Y-%m-%dT%H:%M:%SZ}" if condition.fired_at else ""
    return _EPISODE + "/".join((*condition.key.named.values(), since))


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
