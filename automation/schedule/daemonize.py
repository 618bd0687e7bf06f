"""Goes to the background: a session of its own, no controlling terminal, nothing for the caller to wait for."""

from __future__ import annotations

import os
import sys


def detach() -> bool:
    """Split in two: False in the caller, which returns at once; True in the process that goes on.

    Standard output and error stay as they are, so that the journal of the unit has what it says; input is closed.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    if first := os.fork():
        os.waitpid(first, 0)
        return False
    os.setsid()
    if os.fork():
        os._exit(0)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    return True
