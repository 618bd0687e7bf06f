"""Runs a script's code and ends the process as the Python interpreter does, by the order of Py_FinalizeEx.

Called by a warm child instead of the interpreter's own end, which would take every preloaded module apart: 30 to 40 ms
of CPU and 17 MiB of private memory for each task more, measured with httpx2 and eth_abi preloaded. It never returns.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import io
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import CodeType, TracebackType
from typing import NoReturn

_FLUSH_FAILED = 120  # Py_RunMain: the standard streams could not be written to the end
_OURS = str(Path(__file__).parents[1]) + os.sep
_INT_MAX_BITS = 64  # a C long: exit codes beyond it become 255


def run_to_the_end(run: Callable[[], object]) -> NoReturn:
    """Run the main code, then: 1 join threads, 2 atexit, 3 flush, 4 destroy what the script made, 5 exit.

    `run` must not hold the script's namespace, or nothing in it could be destroyed.
    """
    preloaded = frozenset(sys.modules) - {"__main__"}
    code = _outcome(run)
    _join_threads()
    atexit._run_exitfuncs()  # noqa: SLF001 - the interpreter calls it so
    flushed = _flush()
    _destroy(preloaded)
    if not (flushed and _flush()):
        code = _FLUSH_FAILED
    if code < 0:
        signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code & 0xFF)


def run_script(code: CodeType) -> None:
    """Run a script's code as `__main__`, whose namespace is looked up rather than held, so that it can go."""
    try:
        exec(code, vars(sys.modules["__main__"]))  # noqa: S102 - the task's own script
    finally:
        for stream in (sys.stderr, sys.stdout):  # Python does so after a script, though not after a module
            with contextlib.suppress(Exception):
                stream.flush()


def _outcome(run: Callable[[], object]) -> int:
    """Return the exit code, or the negative number of the signal to die by."""
    try:
        run()
    except SystemExit as leaving:
        return _leave(leaving)
    except BaseException as error:  # noqa: BLE001 - whatever the script raised
        return _report(error)
    return 0


def _leave(leaving: SystemExit) -> int:
    code = leaving.code
    if code is None:
        return 0
    if isinstance(code, int):
        return code & 0xFF if code.bit_length() < _INT_MAX_BITS else 0xFF
    _print(str(code))
    return 1


def _report(error: BaseException) -> int:
    """Show an unhandled exception by the script's own hook."""
    error.__traceback__ = _theirs(error.__traceback__)
    try:
        sys.excepthook(type(error), error, error.__traceback__)
    except SystemExit as leaving:
        return _leave(leaving)
    except BaseException as broken:  # noqa: BLE001 - a hook is the script's too
        broken.__traceback__, broken.__context__ = _theirs(broken.__traceback__), None
        _print("Error in sys.excepthook:")
        sys.__excepthook__(type(broken), broken, broken.__traceback__)
        _print("\nOriginal exception was:")
        sys.__excepthook__(type(error), error, error.__traceback__)
    return -signal.SIGINT if type(error) is KeyboardInterrupt else 1


def _theirs(trace: TracebackType | None) -> TracebackType | None:
    """Return a traceback without our frames at its front."""
    while trace is not None and trace.tb_frame.f_code.co_filename.startswith(_OURS):
        trace = trace.tb_next
    return trace


def _join_threads() -> None:
    threading = sys.modules.get("threading")
    if threading is None:
        return
    try:
        threading._shutdown()  # noqa: SLF001 - likewise
    except BaseException as error:  # noqa: BLE001 - a signal handler may raise anything here
        _print(f"Exception ignored in: {threading!r}")
        trace = _theirs(error.__traceback__)
        sys.__excepthook__(type(error), error.with_traceback(trace), trace)


def _flush() -> bool:
    """Flush the standard streams; False when something was lost. Only a loss of stdout is reported, as in Python."""
    flushed = True
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None and not stream.closed:
                stream.flush()
        except BaseException as error:  # noqa: BLE001 - the script may have put anything there
            flushed = False
            if stream is sys.stdout:
                _print(f"Exception ignored in: {stream!r}\n{type(error).__name__}: {error}")
    return flushed


def _destroy(preloaded: frozenset[str]) -> None:
    """Let go of the script's modules, so that destructors run and forgotten files are written out.

    What daemon threads still use stays whole; files among it are flushed.
    """
    for name in [name for name in sys.modules if name not in preloaded]:
        del sys.modules[name]
    gc.collect()
    for found in gc.get_objects():
        if type(found) in (io.TextIOWrapper, io.BufferedWriter, io.BufferedRandom):
            with contextlib.suppress(Exception):
                found.flush()


def _print(text: str) -> None:
    with contextlib.suppress(Exception):
        sys.stderr.write(text + "\n")
        sys.stderr.flush()
