"""What people are told of a destination that refuses: once that it does, and once that it accepts again.

Called by the settling of attempts. The words go by the way of operational errors, never about those alone.
"""

from __future__ import annotations

from datetime import datetime

from monitoring.alerts.conditions.store_alert import AlertOrigin, raise_in, resolve_in
from monitoring.alerts.delivery.lease import Job
from monitoring.alerts.delivery.routing import OPERATIONAL_SOURCES
from monitoring.alerts.message.model import Alert, Severity
from monitoring.conditions.condition import ConditionKey, State
from monitoring.conditions.policy import Policy
from monitoring.conditions.transition import over
from monitoring.store.db.database import Tx
from monitoring.store.tables import conditions as stored_conditions

_MONITOR, _CHECK = "automation", "delivery"
_RETRIES = "after 1, 5 and 30 minutes, then every hour, and at once after `deliver` or a change of its settings"


def announce(tx: Tx, job: Job, why: str, now: datetime, run_id: int | None, *, by: str | None = None) -> None:
    """Say that a far side, or with `by` what it shares with others, refuses; the same is said once."""
    about = f"{_named(job)} waits, and so does what follows. It is tried again {_RETRIES}."
    _raise(tx, job, by or job.far_side.key, ("Alerts are not accepted", why, about), now, run_id)


def announce_text(tx: Tx, job: Job, why: str, now: datetime, run_id: int | None) -> None:
    """Say that one message is refused where others pass."""
    about = (
        f"{_named(job)} is refused, other alerts pass. It is tried again {_RETRIES}. Read it with `alerts` or on the "
        f"dashboard; `deliver --drop {job.message.id} --reason …` gives it up."
    )
    _raise(tx, job, text_of(job), ("One alert is not accepted", why, about), now, run_id)


def is_over(tx: Tx, name: str, now: datetime, run_id: int | None) -> None:
    """Say that what was announced under this name is over, if it was."""
    resolve_in(tx, _key(name), now=now, origin=AlertOrigin(run_id), note="alerts are accepted again")


def forget(tx: Tx, name: str, now: datetime) -> None:
    """Close what was announced under this name without a word: nothing goes there any more."""
    announced = stored_conditions.get(tx, _key(name))
    if announced is not None and announced.state is not State.OK:
        stored_conditions.put(tx, over(announced, now), now)


def kind_of(name: str) -> str:
    """Return the kind of destination that a far side's key names."""
    kind = name.partition(":")[0].partition(" ")[0]
    return "telegram" if kind == "bot" else kind


def text_of(job: Job) -> str:
    """Name the refusal of one message."""
    return f"{job.far_side.key} alert {job.message.id}"


def _raise(tx: Tx, job: Job, name: str, texts: tuple[str, str, str], now: datetime, run_id: int | None) -> None:
    if job.source in OPERATIONAL_SOURCES:
        return
    title, *blocks = texts
    alert = Alert(Severity.HIGH, title, *blocks, protocol=_MONITOR, source="ops_error", key=f"{_CHECK}/{name}")
    raise_in(tx, alert, now=now, key=_key(name), origin=AlertOrigin(run_id), policy=Policy(remind=None))


def _key(name: str) -> ConditionKey:
    return ConditionKey(_MONITOR, _CHECK, 0, name)


def _named(job: Job) -> str:
    return f"Alert #{job.message.id} ({job.message.alert.protocol}: {job.message.alert.title})"
