"""How many runs start at once: where many profiles are due in the same minute, each waits here for its turn.

A hundred interpreters that load the rest of a run together need gigabytes and make each other late. So a scheduler's
start waits before anything large is imported, and the modules here are few: waiting should cost nothing. A turn is a
flock on one of a few files: no order, no process in between, and the kernel takes it back from a process that dies.
Waiting has an end that lies well within the grace of a tick (monitoring/ledger/ticks.py): crowded is better than late.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Mapping, Sequence

# Starting needs the processor, the tasks themselves mostly wait for answers.
_TURNS_PER_CPU = 2
# Where tasks take long, the next may start meanwhile.
_HOLD_S = 30.0
# Those whose patience ends together would start together: it is spread over the second figure, by process id.
_PATIENCE_S, _SPREAD_S = 60.0, 25
_LOOK_EVERY_S = 0.1
_WORTH_A_LINE_S = 1.0
_TRIGGERS = ("cron", "embedded", "catch-up")

_held: int | None = None
_waited_s = 0.0


def await_turn(argv: Sequence[str], environ: Mapping[str, str], checkout: str, patience_s: float | None = None) -> None:
    """Wait until this process may start its run; returns at once for whatever is no scheduler's start of a run.

    A run that starts again in place (its environment says `AUTOMATION_SYNCED`) holds locks that others wait for. Where
    no file can be locked, nobody waits.
    """
    global _held, _waited_s  # noqa: PLW0603 - one turn a process
    if "run" not in argv or environ.get("AUTOMATION_TRIGGER") not in _TRIGGERS or "AUTOMATION_SYNCED" in environ:
        return
    patience_s = _PATIENCE_S + os.getpid() % _SPREAD_S if patience_s is None else patience_s
    began = time.monotonic()
    turns = _open_turns(f"{environ.get('CACHE_DIR') or _default_cache_dir(checkout)}/locks")
    while turns and _held is None and (_waited_s := time.monotonic() - began) < patience_s:
        _held = next(filter(_take, turns), None)
        if _held is None:
            time.sleep(_LOOK_EVERY_S)
    for descriptor in turns:
        if descriptor != _held:
            os.close(descriptor)


def end_turn() -> None:
    """Let the next one start; without a turn nothing happens."""
    global _held
    descriptor, _held = _held, None
    if descriptor is not None:
        os.close(descriptor)


def end_turn_later() -> None:
    """Let the next one start in a while, however long this run takes."""
    import logging  # noqa: PLC0415 - waiting does not pay for these
    import threading  # noqa: PLC0415 - likewise

    if _waited_s > _WORTH_A_LINE_S:
        logging.getLogger("automation.turns").info("waited %.0f s while other runs were starting", _waited_s)
    timer = threading.Timer(_HOLD_S, end_turn)
    timer.daemon = True
    timer.start()


def _default_cache_dir(checkout: str) -> str:
    """Return what `Settings` takes by default; those are too large to load here."""
    return "/srv/cache" if os.access("/srv/cache", os.W_OK) else f"{checkout}/.cache"


def _open_turns(directory: str) -> list[int]:
    opened = []
    for number in range(_TURNS_PER_CPU * len(os.sched_getaffinity(0))):
        with contextlib.suppress(OSError):  # no such directory yet, or another owner
            opened.append(os.open(f"{directory}/start-{number}.lock", os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
    return opened


def _take(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
