"""The frame around a monitor's function: settings in, exit code out; by hand also delivery at the end.

Called by the `main()` that `utils.monitor` makes. A crash is stored, shown and never exits 0.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from monitoring.alerts.record import Origin
from monitoring.clock import SystemClock
from monitoring.errors import UsageError
from monitoring.settings import Settings, load_settings
from utils.context import Context

_DELIVER_FOR_S = 30.0  # how long a script started by hand tries to deliver at its end


def run_as_script(name: str, channel: str, function: Callable[[Context], Any], arguments: Sequence[str]) -> int:
    """Run a monitor's function and return the exit code.

    0; 1 after a crash or a store that failed; 2 for an env file that cannot be read.
    """
    environ = dict(os.environ)
    run_id, task = environ.get("AUTOMATION_RUN_ID", ""), environ.get("AUTOMATION_TASK")
    by_hand = not run_id and task is None
    try:
        # Under a runner the env file stays closed: it holds what a monitor must not see.
        settings = load_settings(environ if by_hand else {**environ, "MONITORING_ENV_FILE": ""})
    except UsageError as error:
        sys.stderr.write(f"{name}: {error}\n")
        return 2
    origin = Origin(int(run_id) if run_id.isdigit() else None, task, settings.debug)
    m = Context(name, channel, settings, SystemClock(), arguments=arguments, origin=origin)
    try:
        return _run(m, function)
    finally:
        m.close()
        if by_hand and m.stored:
            _deliver(settings)


def _run(m: Context, function: Callable[[Context], Any]) -> int:
    try:
        function(m)
    except SystemExit as ending:
        if m.trouble and ending.code in (None, 0):
            return 1
        raise
    except Exception as error:  # noqa: BLE001 - the task's border: a crash is told and never exits 0
        m.say(traceback.format_exc().rstrip())
        m.crashed(error)
        return 1
    m.finished()
    return 1 if m.trouble else 0


def _deliver(settings: Settings) -> None:
    from monitoring.alerts.delivery import Delivery  # noqa: PLC0415 - its HTTP client is for scripts by hand alone

    clock = SystemClock()
    drained = Delivery(settings, settings.database, clock).drain(clock.now() + timedelta(seconds=_DELIVER_FOR_S))
    left = f", {drained.waiting} still wait (`python -m automation deliver` says why)" if drained.waiting else ""
    failed = f", {drained.failed} failed" if drained.failed else ""
    sys.stderr.write(f"{drained.delivered} delivered{failed}{left}\n")
