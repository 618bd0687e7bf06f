"""What a run says when the machine refuses what it needs: too few descriptors, too little memory, no /proc.

Such a run dies before its row or any message. It becomes this small program by exec, with everything it held let go:
one message straight to the operators, at most once an hour, and a failure to the watcher off the host. The verb `run`
calls `speak`; nothing of the store, the runner or its threads is needed here.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import zlib
from pathlib import Path
from typing import NoReturn

from monitoring.base.clock import SystemClock
from monitoring.base.errors import MonitoringError
from monitoring.base.settings import Settings, load_settings

# What a machine refuses with; a mistake in the code is none of these and keeps its traceback.
REFUSALS = (OSError, MemoryError, ImportError, RuntimeError)
_NO_MEMORY = ("start new thread", "annot allocate memory", "failed to map segment")
_STACK_BYTES = 256 * 1024  # of a thread, where the usual 8 MB are more than there is


def speak(error: Exception, profile: str, config: Path, settings: Settings) -> NoReturn:
    """Say in one line why the profile could not run, then say it to people; ends this process with 1."""
    why = reason(error)
    _say(f"error: {profile} did not run: {why}")
    path = os.pathsep.join(filter(None, [str(settings.checkout), settings.environ.get("PYTHONPATH", "")]))
    environ = {**settings.environ, "PYTHONPATH": path, "CACHE_DIR": str(settings.cache_dir)}
    os.environ.clear()
    os.environ.update(environ)
    _become("message", profile, str(config), why)


def _become(part: str, profile: str, config: str, why: str) -> NoReturn:
    """Go on as another small program: what this one has loaded may be all that there is room for."""
    arguments = [sys.executable, "-m", "automation.last_words", part, profile, config, why]
    os.execv(sys.executable, arguments)  # noqa: S606 - no shell wanted


def reason(error: Exception) -> str:
    """Return the refusal and what to do about it, in one line."""
    text = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, MemoryError) or any(words in text for words in _NO_MEMORY):
        return f"not enough memory ({text}): look at `ulimit -v`, MemoryMax of the unit, and `free -m`"
    if isinstance(error, OSError) and "Too many open files" in text:
        return f"too few file descriptors ({text}): look at `ulimit -n`, and LimitNOFILE of the unit"
    return text


def main(part: str, profile: str, config: str, why: str) -> int:
    """Notify people, then the watcher; a failure here is only logged, and the exit code is that of a failed run."""
    threading.stack_size(_STACK_BYTES)
    try:
        settings = load_settings()
        if part == "message":
            _send(profile, why, settings)
        else:
            _ping(profile, config, settings)
    except (MonitoringError, *REFUSALS) as error:
        _say(f"the {part} was not sent: {type(error).__name__}")
    if part == "message":
        _become("ping", profile, config, why)
    return 1


def _send(profile: str, why: str, settings: Settings) -> None:
    from automation.runner.once_an_hour import once_an_hour  # noqa: PLC0415 - what cannot be loaded loses only itself
    from monitoring.alerts.delivery.fallback_send import send_directly  # noqa: PLC0415

    # One cause is one message, however many profiles it stops and whichever step or number of a process it met first.
    known = next((text for text in ("not enough memory", "too few file descriptors") if why.startswith(text)), why)
    cause = zlib.crc32("".join(char for char in known if not char.isdigit()).encode())
    if settings.debug or not once_an_hour(settings, f"did-not-run-{cause:08x}", SystemClock().now()):
        return
    for trouble in send_directly(settings, f"{profile} did not run: {why}", title="Checks do not run"):
        _say(trouble)


def _ping(profile: str, config: str, settings: Settings) -> None:
    from automation.jobs.load import load_profile  # noqa: PLC0415 - likewise
    from automation.runner.heartbeat import Heartbeat  # noqa: PLC0415

    with contextlib.suppress(MonitoringError):  # a file that cannot be read names no watcher
        Heartbeat(settings.environ, load_profile(Path(config), settings.checkout, profile).heartbeat_env).ended(1)


def _say(line: str) -> None:
    with contextlib.suppress(OSError):
        sys.stderr.write(line + "\n")
        sys.stderr.flush()
