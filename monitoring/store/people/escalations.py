"""How far the escalation of each incident is: one value a condition in `monitor_state`, as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import orjson

from monitoring.base.clock import from_text, to_text
from monitoring.conditions.condition import Condition, ConditionKey
from monitoring.conditions.severity import Severity
from monitoring.store.db.database import Tx, fetch
from monitoring.store.people.acknowledgements import episode_of
from monitoring.store.tables import state

_NAMESPACE = "escalation"


@dataclass(frozen=True, slots=True)
class EscalationProgress:
    """Who was asked in one episode of a condition: how many times in all, and when first and last.

    `episode` is when it began. `begun_at` counts the minutes: when this severity was first seen.
    """

    episode: str
    severity: Severity
    begun_at: datetime
    count: int = 0
    last_at: datetime | None = None
    people: tuple[str, ...] = ()


def everything(tx: Tx) -> dict[ConditionKey, EscalationProgress]:
    """Return what is remembered; what cannot be read counts as nothing: its incident starts again."""
    found: dict[ConditionKey, EscalationProgress] = {}
    for key, value in fetch(tx, "SELECT key, value FROM monitor_state WHERE namespace = ?", (_NAMESPACE,)):
        try:
            found[ConditionKey.of_texts(*orjson.loads(key))] = _asked(orjson.loads(value))
        except (ValueError, TypeError, KeyError):
            continue
    return found


def of_now(progress: Mapping[ConditionKey, EscalationProgress], condition: Condition) -> EscalationProgress | None:
    """Return who was asked in the incident of now; none if nobody was."""
    found = progress.get(condition.key)
    return found if found and found.people and found.episode == episode_of(condition) else None


def put(tx: Tx, key: ConditionKey, asked: EscalationProgress, now: datetime) -> None:
    value = {
        "episode": asked.episode,
        "severity": asked.severity.name,
        "begun_at": to_text(asked.begun_at),
        "count": asked.count,
        "last_at": to_text(asked.last_at) if asked.last_at else None,
        "people": asked.people,
    }
    state.put(tx, _NAMESPACE, _text(key), orjson.dumps(value).decode(), now)


def forget(tx: Tx, key: ConditionKey) -> None:
    state.forget(tx, _NAMESPACE, _text(key))


def _text(key: ConditionKey) -> str:
    return orjson.dumps(list(key.named.values())).decode()


def _asked(value: dict[str, str | int | list[str] | None]) -> EscalationProgress:
    last_at, people = value["last_at"], value["people"]
    return EscalationProgress(
        str(value["episode"]), Severity[str(value["severity"])], from_text(str(value["begun_at"])),
        int(str(value["count"])), from_text(str(last_at)) if last_at else None,
        tuple(map(str, people)) if isinstance(people, list) else (),
    )  # fmt: skip
