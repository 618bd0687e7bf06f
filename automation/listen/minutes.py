"""Once a minute: asks people about incidents on which nobody acts, and delivers what waits.

In a thread of its own: neither a hanging poll nor a flood of updates delays a question to somebody on call.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

from automation.drills.step import look_after
from automation.on_call.chats import with_people
from automation.on_call.model import OnCall
from monitoring.alerts.delivery.loop import Delivery
from monitoring.alerts.recording.release_silenced import waiting
from monitoring.alerts.recording.store_alert import AlertOrigin
from monitoring.base.clock import Clock
from monitoring.base.errors import StoreError
from monitoring.base.settings import Settings
from monitoring.store.db.database import Tx
from monitoring.store.db.handle import SteadyStore
from monitoring.store.people import acknowledgements
from monitoring.store.tables import conditions, deliveries

log = logging.getLogger("automation.listen")

_DELIVER_FOR = timedelta(seconds=40)  # what is left then goes out in the next minute
_MINUTE_S = 60.0


class Minutes:
    """What is looked at each minute; `wake` makes it look at once."""

    def __init__(
        self,
        settings: Settings,
        jobs_file: Path,
        team: Callable[[], OnCall | None],
        clock: Clock,
        deliver: Callable[[Settings], None] | None = None,
    ) -> None:
        self._settings = settings
        self._jobs_file = jobs_file
        self._team = team
        self._clock = clock
        self._store = SteadyStore(settings.database, clock)
        self._deliver = deliver or self._drain
        self.wake = threading.Event()
        self._stop = threading.Event()

    def look(self) -> int:
        """Ask whom has to be asked now, deliver what waits; return how many questions were stored.

        Raises:
            StoreError: the database cannot be read or written.
        """
        team, now = self._team(), self._clock.now()
        asked = 0
        if team is not None and not self._settings.in_test_mode:
            asked = self._store.read(lambda database: look_after(database, team, self._settings, now, AlertOrigin()))
        if asked:
            log.info("asked about incidents on which nobody acts: %d questions", asked)
        # In turn with those who write: when silences were first looked for is written down.
        if self._store.write(lambda tx: _is_anything_due(tx, now)):
            self._deliver(with_people(self._settings, self._jobs_file))
        return asked

    def run(self) -> None:
        """Look each minute until `stop`; never raises for the store's sake. Meant for a thread of its own."""
        next_at_s = self._clock.monotonic()
        while not self._stop.is_set():
            try:
                self.look()
            except StoreError as error:
                log.warning("escalation waits, the store failed: %s", error)
            except Exception as error:  # noqa: BLE001 - the border of one look: the next minute is another try
                # Only the kind: the text of an unforeseen error may hold a secret.
                log.error("escalation failed in this minute: %s", type(error).__name__)  # noqa: TRY400 - likewise
            next_at_s = max(next_at_s + _MINUTE_S, self._clock.monotonic())
            self.wake.wait(max(0.0, next_at_s - self._clock.monotonic()))
            self.wake.clear()
        self._store.close()

    def stop(self) -> None:
        self._stop.set()
        self.wake.set()

    def _drain(self, settings: Settings) -> None:
        Delivery(settings, settings.database, self._clock).drain(self._clock.now() + _DELIVER_FOR)


def _is_anything_due(tx: Tx, now: datetime) -> bool:
    """Return whether anything waits to be sent, or a silence or an acknowledgement ended, which delivery notices."""
    if deliveries.count_waiting(tx) > 0 or waiting(tx, now):
        return True
    return any(each.why_over(conditions.get(tx, each.key), now) for each in acknowledgements.open_ones(tx))
