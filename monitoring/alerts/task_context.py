"""The frame around whatever is started as a task, by a runner or by hand: settings in, and by hand delivery at the end.

Called by `utils.script` and by `python -m monitoring.checks`.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from monitoring.alerts.recording.store_alert import AlertOrigin
from monitoring.base.clock import SystemClock
from monitoring.base.drop_privileges import become_owner
from monitoring.base.secrets.redact import keep_secret
from monitoring.base.settings import Settings, load_settings

LISTING, BRIEF = "AUTOMATION_LISTING", "brief"  # set by a run for its tasks
_DELIVER_FOR_S = 30.0  # how long a task started by hand tries to deliver at its end


@dataclass(frozen=True, slots=True)
class Frame:
    """The world of one task. Started `by_hand` it has no runner that delivers for it.

    `counts`: a run adds up what its tasks judged, so each ends with a count. `is_brief`: somebody watches that run at a
    terminal, so checks that are fine are not listed.
    """

    settings: Settings
    origin: AlertOrigin
    by_hand: bool
    counts: bool = False
    is_brief: bool = False
    begun_at: datetime = field(default_factory=SystemClock().now)

    def deliver(self) -> None:
        """Send what is in the outbox and say on stderr what came of it."""
        from monitoring.alerts.delivery.loop import Delivery  # noqa: PLC0415 - its HTTP client is for tasks by hand alone

        clock = SystemClock()
        delivery = Delivery(self.settings, self.settings.database, clock, since=self.begun_at)
        drained = delivery.drain(clock.now() + timedelta(seconds=_DELIVER_FOR_S))
        left = f", {drained.waiting} still wait (`python -m automation deliver` says why)" if drained.waiting else ""
        failed = f", {drained.failed} failed" if drained.failed else ""
        sys.stderr.write(f"{drained.delivered} delivered{failed}{left}\n")


def open_frame(environ: Mapping[str, str]) -> Frame:
    """Read the environment of this process.

    Raises:
        UsageError: the env file cannot be read.
    """
    run_id, task = environ.get("AUTOMATION_RUN_ID", ""), environ.get("AUTOMATION_TASK")
    by_hand, listing = not run_id and task is None, environ.get(LISTING)
    # Under a runner the env file stays closed: it holds what a monitor must not see.
    settings = load_settings(environ if by_hand else {**environ, "MONITORING_ENV_FILE": ""})
    keep_secret(settings.environ)
    become_owner(settings.cache_dir)
    return Frame(
        settings,
        AlertOrigin(int(run_id) if run_id.isdigit() else None, task, settings.debug),
        by_hand,
        counts=bool(listing),
        is_brief=listing == BRIEF,
    )
