"""An outbox with everything around it: a database, an environment, a Bot API and a deliverer, wound up in one call."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from monitoring.alerts.delivery.loop import Delivery, Drained
from monitoring.alerts.message.model import Alert, Severity
from monitoring.alerts.senders.limits import RateLimit, RateLimits
from monitoring.base.clock import Clock, SystemClock
from monitoring.base.http.retry import Backoff
from monitoring.base.settings import Settings
from monitoring.store.db.database import Database
from monitoring.store.db.schema import open_database
from tests.support.fake_telegram import BOT_TOKEN, CHAT

NO_LIMIT = RateLimit(1_000_000, 1.0)
FAST = RateLimits(chat=NO_LIMIT, group=RateLimit(1_000_000, 60.0), bot=NO_LIMIT, other=NO_LIMIT, fold_above=1_000_000)
QUICK_BACKOFF = Backoff(first_s=0.05, cap_s=0.2)


def settings_for(cache_dir: Path, environ: Mapping[str, str]) -> Settings:
    return Settings(environ=dict(environ), checkout=Path.cwd(), cache_dir=cache_dir)


def alert(title: str = "something happened", severity: Severity | str = "HIGH", **more: object) -> Alert:
    """Make an alert of the protocol aave, which calls a machine, unless told otherwise."""
    return Alert(severity, title, **{"protocol": "aave", "machine": True, **more})  # type: ignore[arg-type]


@dataclass
class Outbox:
    """A database in a directory of its own and what delivers from it."""

    directory: Path
    telegram_url: str
    environ: dict[str, str] = field(default_factory=dict)
    clock: Clock = field(default_factory=SystemClock)
    limits: RateLimits = FAST
    backoff: Backoff = QUICK_BACKOFF

    def __post_init__(self) -> None:
        self.environ = {
            "TELEGRAM_API_URL": self.telegram_url,
            "TELEGRAM_BOT_TOKEN_DEFAULT": BOT_TOKEN,
            "TELEGRAM_CHAT_ID_DEFAULT": CHAT,
            **self.environ,
        }
        self.path = self.directory / "monitoring.db"
        self.database: Database = open_database(self.path)

    def close(self) -> None:
        self.database.close()

    def delivery(self, environ: Mapping[str, str] | None = None, **more: object) -> Delivery:
        """Make a deliverer; `environ` replaces the whole environment."""
        settings = settings_for(self.directory, self.environ if environ is None else environ)
        options = {"limits": self.limits, "backoff": self.backoff, "jitter": lambda: 1.0, **more}
        return Delivery(settings, self.path, self.clock, **options)  # type: ignore[arg-type]

    def drain(self, environ: Mapping[str, str] | None = None, *, within_s: float = 20, **more: object) -> Drained:
        """Deliver until nothing can be attempted before the time is up."""
        return self.delivery(environ, **more).drain(self.clock.now() + timedelta(seconds=within_s))

    @contextmanager
    def delivering(self, **more: object) -> Iterator[threading.Event]:
        """Deliver in a thread, as a run does; gives the event that wakes it."""
        stop, wake = threading.Event(), threading.Event()
        thread = threading.Thread(target=self.delivery(**more).run, args=(stop, wake))  # type: ignore[arg-type]
        thread.start()
        try:
            yield wake
        finally:
            stop.set()
            thread.join(30)
            assert not thread.is_alive()

    def statuses(self) -> dict[str, int]:
        """Count the alerts by delivery status."""
        return dict(
            self.database.rows("SELECT delivery_status, count(*) FROM alert_events GROUP BY 1")  # type: ignore[arg-type]
        )

    def deliveries(self) -> list[tuple[str, str, str | None]]:
        """Return (destination, status, error) of every delivery in order."""
        return self.database.rows("SELECT destination, status, error FROM deliveries ORDER BY id")  # type: ignore[return-value]
