"""The frame around a monitor's function: settings in, exit code out; by hand also delivery at the end.

Called by the `main()` that `utils.monitor` makes. A crash is stored, shown and never exits 0.
"""

from __future__ import annotations

import inspect
import os
import re
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from monitoring.alerts.message.guidance import NO_GUIDANCE, Guidance
from monitoring.alerts.task_context import open_frame
from monitoring.base.clock import SystemClock
from monitoring.base.errors import UsageError
from monitoring.base.suggest import instead_of
from monitoring.base.terminal import write_whatever_comes
from utils.context import Context
from utils.unknown import UnknownError

# An error in these was made by who called them; so was one in code without a file, as in the `<string>` of a dataclass.
_OURS = tuple(f"{Path(__file__).parents[1] / name}{os.sep}" for name in ("utils", "monitoring"))
_TAKES_NONE = re.compile(r"(\w+)\(\) takes 0 positional arguments but 1 was given")
_UNKNOWN_KEYWORD = re.compile(r"Context\.(\w+)\(\) got an unexpected keyword argument '(\w+)'")


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
        sentence, is_authors = sentence_of(error)
        if not is_authors:
            m.say(traceback.format_exc().rstrip())
        m.say(sentence)
        m.crashed(error)
        return 1
    m.finished()
    return 1 if m.trouble else 0


def sentence_of(error: BaseException) -> tuple[str, bool]:
    """Return `file:line what is wrong` of an error, and whether it says what to write, so that no traceback is needed.

    The line is the one of the author's file that was running.
    """
    frames = traceback.extract_tb(error.__traceback__)
    theirs = [frame for frame in frames if not frame.filename.startswith((*_OURS, "<"))]
    place = f"{theirs[-1].filename}:{theirs[-1].lineno} " if theirs else ""
    words = " ".join(str(error).split())
    ours = (
        words if isinstance(error, UsageError) or words.startswith("m.") else _in_our_words(words, is_called=not theirs)
    )
    return place + (ours or f"{type(error).__name__}: {words}"), bool(ours)


def _in_our_words(words: str, *, is_called: bool) -> str:
    """Return as an author writes it what Python says of a wrong call of the context, or of the function itself."""
    unknown, takes_none = _UNKNOWN_KEYWORD.match(words), _TAKES_NONE.match(words)
    if unknown and hasattr(Context, unknown[1]):
        known = [*inspect.signature(getattr(Context, unknown[1])).parameters][1:]
        return f"m.{unknown[1]}(…, {unknown[2]}=…): unknown keyword, {instead_of(unknown[2], known)}"
    if words.startswith("Context.alert() missing"):
        return 'm.alert takes a severity and a title: write m.alert(HIGH, "what happened", …)'
    return f"the function is given the context: write def {takes_none[1]}(m)" if takes_none and is_called else ""
