"""The frame around a monitor's function: settings in, exit code out; by hand also delivery at the end.

Called by the `main()` that `utils.monitor` makes. A crash is stored, shown and never exits 0.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import Any

from monitoring.alerts.message.guidance import NO_GUIDANCE, Guidance
from monitoring.alerts.task_context import open_frame
from monitoring.base.clock import SystemClock
from monitoring.base.errors import UsageError
from monitoring.base.terminal import write_whatever_comes
from utils.context import Context
from utils.unknown import UnknownError


def run_as_script(
    name: str,
    channel: str,
    function: Callable[[Context], Any],
    arguments: Sequence[str],
    guidance: Guidance = NO_GUIDANCE,
) -> int:
    """Run a monitor's function and return the exit code.

    0; 1 after a crash or a store that failed; 2 for an env file that cannot be read.
    """
    write_whatever_comes()
    try:
        frame = open_frame(os.environ)
    except UsageError as error:
        sys.stderr.write(f"{name}: {error}\n")
        return 2
    m = Context(
        name, channel, frame.settings, SystemClock(), arguments=arguments, origin=frame.origin, guidance=guidance
    )
    try:
        return run_function(m, function)
    finally:
        m.close()
        if frame.by_hand and m.stored:
            frame.deliver()


def run_function(m: Context, function: Callable[[Context], Any]) -> int:
    """Run a monitor's function in its context, record what it judged, and return the exit code."""
    try:
        function(m)
    except UnknownError as error:
        m.stopped(error.unknown)
        return int(m.trouble)
    except SystemExit as ending:
        m.left()
        if m.trouble and ending.code in (None, 0):
            return 1
        raise
    except Exception as error:  # noqa: BLE001 - the task's border: a crash is reported and never exits 0
        m.say(traceback.format_exc().rstrip())
        m.crashed(error)
        return 1
    m.finished()
    return 1 if m.trouble else 0
