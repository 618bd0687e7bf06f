"""The weekly fire drill: stores a labelled alert, waits until the runner has delivered it, and fails if it did not.

A task of the profile `weekly`; by hand: `python -m protocols.drill.main`, or rather `python -m automation drill`.
"""

from __future__ import annotations

from monitoring.base.drop_privileges import become_owner_of_checkout

if __name__ == "__main__":
    become_owner_of_checkout()

import os
import sys

from monitoring.alerts.drill import CHANNEL, drill
from monitoring.alerts.recording.store_alert import AlertOrigin
from monitoring.base.clock import SystemClock
from monitoring.base.settings import load_settings

_TIMEOUT_S = 300.0  # a chat that asks to wait is still a chat that works


def main() -> int:
    """Drill once; under a runner the runner sends, since a task has no credentials."""
    run_id, task = os.environ.get("AUTOMATION_RUN_ID", ""), os.environ.get("AUTOMATION_TASK")
    by_hand = not run_id and task is None
    settings = load_settings(dict(os.environ) if by_hand else {**os.environ, "MONITORING_ENV_FILE": ""})
    origin = AlertOrigin(int(run_id) if run_id.isdigit() else None, task, settings.debug)
    done = drill(settings, SystemClock(), channel=CHANNEL, timeout_s=_TIMEOUT_S, origin=origin, delivers=by_hand)
    print(done)
    return 0 if done.took is not None else 1


if __name__ == "__main__":
    sys.exit(main())
