"""What somebody without rights is told: a deed in a forked child that has become nobody. Needs root."""

from __future__ import annotations

import os
from collections.abc import Callable

NOBODY = 65534


def told_as_somebody(deed: Callable[[], object]) -> str:
    """Return the error as `Name: text`, or nothing if there was none."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.setuid(NOBODY)
            deed()
        except BaseException as error:
            os.write(writer, f"{type(error).__name__}: {error}".encode())
        finally:
            os._exit(0)
    os.close(writer)
    os.waitpid(pid, 0)
    with os.fdopen(reader) as told:
        return told.read()
