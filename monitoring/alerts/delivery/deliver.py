"""Delivery of the outbox, at least once: beside the tasks of a run, at a script's end, or by hand.

Called by the runner, the verb `deliver` and `utils.monitor`. It needs the real environment: monitors have no
credentials and only store.
"""

from __future__ import annotations

import os
import random
import threading
import uuid
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from monitoring.alerts.delivery.complete import Settler
from monitoring.alerts.delivery.lease import Claimer
from monitoring.alerts.delivery.loop import Deliverer, DeliveryLoop, Drained
from monitoring.alerts.delivery.rate_limit import RateLimits
from monitoring.alerts.delivery.route_resolver import RouteResolver
from monitoring.alerts.delivery.workers import Sending
from monitoring.alerts.senders.dispatch import Senders
from monitoring.base.clock import Clock
from monitoring.base.http.retry import Backoff
from monitoring.base.secrets.redact import Redactor
from monitoring.base.settings import Settings
from monitoring.store.tables.deliveries import Own

_POLL_S = 0.05  # how soon an alert is noticed that another process stored


class Delivery:
    """Delivers what is in the outbox of one database.

    `run_id` names the run this deliverer works for: under LOG_LEVEL=DEBUG its alerts end as `skipped_debug`, those of
    others wait for somebody who sends. In test mode, too, only its own alerts are sent: the run's, or without a run
    those of no run stored `since` it began. `at_once`: a person asks, so pauses of our own do not count.
    `limits`, `backoff`, `jitter` and `open_senders` are for tests.
    """

    def __init__(
        self,
        settings: Settings,
        database_path: Path,
        clock: Clock,
        *,
        run_id: int | None = None,
        since: datetime | None = None,
        at_once: bool = False,
        limits: RateLimits | None = None,
        backoff: Backoff | None = None,
        jitter: Callable[[], float] = random.random,
        open_senders: Callable[[], Sending] | None = None,
    ) -> None:
        owner = f"{os.getpid()}-{uuid.uuid4().hex[:12]}"
        pace, ways = limits or RateLimits(), RouteResolver(settings.environ)
        own = Own(run_id, since or clock.now()) if settings.in_test_mode else None
        redact = Redactor(settings.environ)
        self._deliverer = Deliverer(
            path=database_path,
            clock=clock,
            ways=ways,
            claimer=Claimer(owner, ways, pace, own),
            settler=Settler(owner, ways, pace, backoff or Backoff(), jitter, redact, run_id, own),
            open_senders=open_senders or (lambda: Senders(settings.environ)),
            run_id=run_id,
            debug=settings.debug,
            own=own,
            at_once=at_once,
        )

    def run(self, stop: threading.Event, wake: threading.Event | None = None) -> None:
        """Deliver until `stop` is set, then let what is in flight come to its end; never raises for the store's sake.

        Meant for a thread of its own. `wake` makes it look at once; without it a new alert is found within 50 ms.
        """
        with DeliveryLoop(self._deliverer) as loop:
            while not stop.is_set():
                loop.turn(wait_s=_POLL_S)
                if wake is not None and wake.is_set():
                    wake.clear()
                    loop.look_again()
            loop.settle_in_flight()

    def drain(self, deadline: datetime) -> Drained:
        """Deliver until nothing can be attempted before `deadline` any more; say what is left.

        Call it once `run` has returned, or instead of it.
        """
        clock = self._deliverer.clock
        ends_at = clock.monotonic() + (deadline - clock.now()).total_seconds()
        with DeliveryLoop(self._deliverer) as loop:
            loop.turn(wait_s=0.0)
            while clock.monotonic() < ends_at and not loop.is_done(deadline):
                loop.turn(wait_s=max(0.0, min(_POLL_S, ends_at - clock.monotonic())))
            loop.settle_in_flight()
            return loop.drained()
