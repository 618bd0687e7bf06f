"""Who is on call, as the last run read on_call.yaml: one value in `monitor_state`, for pages that read no file."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import orjson

from monitoring.base.clock import from_text, to_text
from monitoring.store.db.database import Database
from monitoring.store.tables import state

_NAMESPACE, _KEY = "on_call", "duty"


@dataclass(frozen=True, slots=True)
class OnCallNow:
    """Who is asked first, and until when that is known."""

    people: tuple[str, ...]
    until: datetime


def read(database: Database, now: datetime) -> OnCallNow | None:
    """Return who is on call; none where no run has written it, or what it wrote is over."""
    kept = state.get(database, _NAMESPACE, _KEY)
    try:
        found = orjson.loads(kept.value) if kept else {}
        duty = OnCallNow(tuple(map(str, found["people"])), from_text(found["until"]))
    except (ValueError, TypeError, KeyError):
        return None
    return duty if now < duty.until else None


def keep(database: Database, duty: OnCallNow, now: datetime) -> None:
    """Write who is on call, if that is news."""
    if read(database, now) == duty:
        return
    value = orjson.dumps({"people": duty.people, "until": to_text(duty.until)}).decode()
    with database.write() as tx:
        state.put(tx, _NAMESPACE, _KEY, value, now)
