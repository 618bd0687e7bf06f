"""One member of a crowd: a process that records alerts, or one that delivers until nothing is left.

`python -m tests.support.crowd record DIRECTORY NAME COUNT`, `… deliver DIRECTORY URL TOTAL`.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from monitoring.alerts.delivery.loop import Delivery
from monitoring.alerts.message.model import Alert, Severity
from monitoring.alerts.recording.store_alert import record
from monitoring.base.clock import SystemClock
from monitoring.base.http.retry import Backoff
from monitoring.base.settings import Settings
from monitoring.store.db.schema import open_database
from tests.support.fake_telegram import BOT_TOKEN, CHAT
from tests.support.outbox import FAST

CHANNELS = 40


def write(directory: Path, name: str, count: int) -> None:
    """Record `count` alerts, each in a transaction of its own, over many channels and severities."""
    severities = list(Severity)
    with open_database(directory / "monitoring.db") as database:
        for number in range(count):
            alert = Alert(severities[number % 4], f"{name} {number}", protocol=f"protocol {number % CHANNELS}")
            record(database, alert, now=datetime.now(UTC))


def deliver(directory: Path, url: str, total: int) -> None:
    """Deliver until the outbox has held `total` alerts and is empty."""
    chats = {f"TELEGRAM_CHAT_ID_PROTOCOL_{number}": str(1000 + number) for number in range(CHANNELS)}
    environ = {
        "TELEGRAM_API_URL": url, "TELEGRAM_BOT_TOKEN_DEFAULT": BOT_TOKEN, "TELEGRAM_CHAT_ID_DEFAULT": CHAT, **chats,
    }  # fmt: skip
    clock = SystemClock()
    path = directory / "monitoring.db"
    delivery = Delivery(Settings(environ, Path.cwd(), directory), path, clock, limits=FAST, backoff=Backoff(0.05, 0.2))
    ends_at = clock.now() + timedelta(seconds=200)
    with open_database(path) as database:
        while clock.now() < ends_at:
            drained = delivery.drain(min(ends_at, clock.now() + timedelta(seconds=20)))
            row = database.row("SELECT count(*) FROM alert_events")
            if row == (total,) and drained.waiting == 0:
                print(drained.delivered)
                return
    raise SystemExit("not everything was delivered in time")


if __name__ == "__main__":
    role, directory, *rest = sys.argv[1:]
    if role == "record":
        write(Path(directory), rest[0], int(rest[1]))
    else:
        deliver(Path(directory), rest[0], int(rest[1]))
