"""The fire drill of the alarm path: a labelled alert goes the way every alert goes, and the time it takes is measured.

Called by the verb `drill`, and by the weekly task, which only stores and waits: the runner delivers meanwhile.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from monitoring.alerts.channels import variable_part
from monitoring.alerts.delivery.loop import Delivery
from monitoring.alerts.delivery.routes import FanOut, RouteResolver, Undeliverable
from monitoring.alerts.message.model import Alert, Severity
from monitoring.alerts.recording.store_alert import AlertKind, AlertOrigin, store_in
from monitoring.alerts.senders import Peer
from monitoring.base.clock import Clock
from monitoring.base.formatting import format_duration
from monitoring.base.settings import Settings
from monitoring.store.db.database import Database, Tx
from monitoring.store.maintenance.repair import open_or_repair
from monitoring.store.tables import alerts, deliveries, rate_limits
from monitoring.store.tables.alerts import StoredAlert

CHANNEL = "automation"
_POLL_S = 0.05
_OPEN = "pending"


@dataclass(frozen=True, slots=True)
class Drilled:
    """How a drill ended. `took` is the time from stored to accepted; none if it did not arrive."""

    alert_id: int
    status: str
    took: timedelta | None = None
    error: str = ""

    def __str__(self) -> str:
        if self.took is not None:
            return f"drill {self.alert_id}: delivered after {format_duration(self.took)}"
        why = f": {self.error}" if self.error else ""
        return f"drill {self.alert_id}: not delivered, {self.status.replace('_', ' ')}{why}"


def drill(
    settings: Settings, clock: Clock, *, channel: str, timeout_s: float, origin: AlertOrigin, delivers: bool
) -> Drilled:
    """Store a drill for a channel and wait until it has arrived, failed, or the time is up.

    `delivers`: send it from here, too; else the run's delivery does.

    Raises:
        StoreError: it could not be stored.
    """
    database, _ = open_or_repair(settings.database, clock)
    with database:
        begun_at = clock.now()
        alert_id = _store(database, channel, begun_at, origin)
        peer = _peer(settings, channel)
        with _delivering(settings, clock, begun_at) if delivers else _nothing():
            return _outcome(database, alert_id, peer, clock, timeout_s)


def _store(database: Database, channel: str, now: datetime, origin: AlertOrigin) -> int:
    """MEDIUM, since a drill must sound as alerts do and LOW ones are silent; no machine is called for a drill."""
    alert = Alert(
        Severity.MEDIUM,
        "DRILL: this is a test of the alarm path",
        f"Nothing is wrong. Stored at {now:%Y-%m-%d %H:%M:%S} UTC; if you read this, alerts of {channel} reach you.",
        protocol=channel,
        source="drill",
    )
    with database.write() as tx:
        return store_in(tx, alert, now=now, origin=origin, kind=AlertKind.DRILL).alert_id


def _peer(settings: Settings, channel: str) -> Peer | None:
    ways = RouteResolver(settings.environ)
    way = ways.destination("telegram", variable_part(channel))
    return None if isinstance(way, Undeliverable | FanOut) else ways.peer(way)


def _refuses(tx: Tx, peer: Peer | None, now: datetime) -> bool:
    """Return whether the chat, or the bot's token, is refused: then the drill waits too long."""
    keys = [key for key in (peer.key, peer.shared_key) if key] if peer else []
    return any(rate_limits.get(tx, key, now).is_refused for key in keys)


def _outcome(database: Database, alert_id: int, peer: Peer | None, clock: Clock, timeout_s: float) -> Drilled:
    deadline, pause = clock.monotonic() + timeout_s, threading.Event()
    while True:
        with database.snapshot() as tx:
            stored, sent = alerts.get(tx, alert_id), deliveries.of_alert(tx, alert_id)
            is_refused = _refuses(tx, peer, clock.now())
        if stored is None:
            return Drilled(alert_id, "gone", error="its row vanished: was the database replaced?")
        is_open = any(each.status == _OPEN for each in sent)
        waits = is_open and not (stored.delivery_error and is_refused)
        if stored.delivery_status == "delivered" or not waits or clock.monotonic() > deadline:
            return _drilled(stored, timeout_s, is_open=is_open)
        pause.wait(_POLL_S)


def _drilled(stored: StoredAlert, timeout_s: float, *, is_open: bool) -> Drilled:
    if stored.delivery_status == "delivered" and stored.delivered_at is not None:
        return Drilled(stored.id, stored.delivery_status, max(stored.delivered_at - stored.created_at, timedelta(0)))
    late = f"not within {timeout_s:.0f} s; it is still tried" if is_open else ""
    return Drilled(stored.id, stored.delivery_status, error=stored.delivery_error or late)


@contextmanager
def _delivering(settings: Settings, clock: Clock, since: datetime) -> Iterator[None]:
    stop = threading.Event()
    delivery = Delivery(settings, settings.database, clock, since=since, at_once=True)
    thread = threading.Thread(target=delivery.run, args=(stop,), name="delivery", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@contextmanager
def _nothing() -> Iterator[None]:
    yield
