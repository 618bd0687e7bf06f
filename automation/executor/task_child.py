"""Turns a fork of the fork server into one task: warm as if by `python script.py`, or a fresh interpreter by exec.

Called in the child alone; it never returns. What a fork cannot imitate is left to a fresh interpreter, so that
the script sees the same world either way (only a walk up the stack from the script's top level shows us).
"""

from __future__ import annotations

import contextlib
import gc
import io
import json
import os
import runpy
import signal
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import partial
from types import CodeType, ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any, NoReturn, cast

from automation.executor import interpreter_exit, reaper

if TYPE_CHECKING:
    from automation.jobs.model import Task

_SET_BY_THE_SERVER = (signal.SIGCHLD, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
_RESET_BEFORE_EXEC = (signal.SIGINT, signal.SIGPIPE, signal.SIGXFSZ)  # Python ignores or handles these
_CANNOT_START = 70  # EX_SOFTWARE of sysexits.h
_CUSTOMISE = frozenset(("sitecustomize", "usercustomize"))
_IMPORTABLE = (".py", ".pyc", ".so")


class Fresh(Enum):
    """Why a task needs an interpreter of its own."""

    ASKED = "the task is isolated, or its environment changes how the interpreter starts"
    UNUSUAL = "not a Python source file: a directory, an archive, missing"
    CUSTOMISED = "a sitecustomize on PYTHONPATH acts at start-up"
    SHADOWED = "a module next to the script has the name of a preloaded one"
    BROKEN = "does not compile; Python's own message is the best"


@dataclass(frozen=True, slots=True)
class Interpreter:
    """How this interpreter was when it started, and what it has imported since."""

    search_path: tuple[str, ...]
    preloaded: frozenset[str]  # top-level names
    main: Mapping[str, Any]  # the names Python itself gives a script's module
    coerced: Mapping[str, str]  # LC_CTYPE, where Python set it by itself (PEP 538)

    @classmethod
    def of_this_process(cls, started_with: frozenset[str], search_path: tuple[str, ...]) -> Interpreter:
        given = vars(sys.modules["__main__"])
        names = {name: value for name, value in given.items() if name.startswith("__")}
        coerced = {name: os.environ[name] for name in ("LC_CTYPE",) if name in os.environ}
        preloaded = frozenset(name for name in sys.modules.keys() - started_with if "." not in name)
        return cls(search_path, preloaded, names, coerced)


def become(request_fd: int, output_fd: int, server: int, interpreter: Interpreter) -> NoReturn:
    """Become the task that `request_fd` describes, writing to `output_fd`; ends with the process."""
    try:
        os.setsid()
        reaper.die_with(server)
        reaper.inherit_orphans()
        task = _read_task(request_fd)
        os.dup2(output_fd, 1)
        os.dup2(output_fd, 2)
        _reset_signals()
        _close_others()
        _enter(task, interpreter)
        run = _prepare(task, interpreter)
    except BaseException as error:  # noqa: BLE001 - nothing may return into the server's loop
        os.write(2, f"the task could not be started: {type(error).__name__}: {error}\n".encode())
        os._exit(_CANNOT_START)
    interpreter_exit.run_to_the_end(run)


def forget_ourselves() -> None:
    """Leave no module of the runner where a task would find it imported. Called by the server, before it forks."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "automation"]:
        del sys.modules[name]


def _read_task(descriptor: int) -> Task:
    """Read the task that the executor wrote, without the import of what its class needs to read jobs.yaml."""
    size = os.fstat(descriptor).st_size
    data = b""
    while len(data) < size:
        data += os.pread(descriptor, size - len(data), len(data))
    return cast("Task", SimpleNamespace(**json.loads(data)))


def _close_others() -> None:
    for descriptor in map(int, os.listdir("/proc/self/fd")):  # noqa: PTH208 - paid by every task
        if descriptor > 2:  # noqa: PLR2004 - stdin, stdout, stderr
            with contextlib.suppress(OSError):  # the one that listed them is gone already
                os.close(descriptor)


def _reset_signals() -> None:
    signal.set_wakeup_fd(-1)
    for number in _SET_BY_THE_SERVER:
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _enter(task: Task, interpreter: Interpreter) -> None:
    reaper.name_process(task.name)
    os.chdir(task.cwd)
    os.environ.clear()
    os.environ.update(task.env)
    if task.isolate:
        return
    for name, value in interpreter.coerced.items():
        os.environ.setdefault(name, value)
    time.tzset()


def _prepare(task: Task, interpreter: Interpreter) -> Callable[[], object]:
    """Return what runs the task in this process, or exec a fresh interpreter that does."""
    first, listed = _first_directory(task), _python_path(task.env)
    code = None
    fresh = why_fresh(task, [*first, *listed], interpreter)
    if fresh is None and task.module is None:
        code = _compiled(_script(task))
        fresh = None if code else Fresh.BROKEN
    if fresh is not None:
        for number in _RESET_BEFORE_EXEC:
            signal.signal(number, signal.SIG_DFL)
        os.execv(sys.executable, _command_line(task))  # noqa: S606 - no shell, on purpose
    sys.path[:] = [*first, *listed, *(entry for entry in interpreter.search_path if entry not in listed)]
    sys.argv[:] = ["-m" if task.module else task.argv[0], *task.argv[1:]]
    sys.orig_argv[:] = _command_line(task)
    sys.modules["__main__"] = _new_main(task, interpreter)
    _forget_the_server(interpreter)
    if code is None:
        return partial(runpy._run_module_as_main, task.module)  # type: ignore[attr-defined]  # noqa: SLF001 - `-m` calls it so
    return partial(interpreter_exit.run_script, code)


def _script(task: Task) -> str:
    """Return the script as Python writes it in `__file__`: absolute, otherwise as given."""
    return os.path.join(os.getcwd(), task.argv[0])  # noqa: PTH109, PTH118 - a Path would normalise it


def _command_line(task: Task) -> list[str]:
    what = ["-m", task.module] if task.module else [*task.argv[:1]]
    return [sys.executable, *what, *task.argv[1:]]


def why_fresh(task: Task, ahead: list[str], interpreter: Interpreter) -> Fresh | None:
    """Decide whether a fork can be the task; None when it can. `ahead` is searched before Python's own path."""
    if task.isolate:
        return Fresh.ASKED
    if task.module is None and not (_script(task).endswith(".py") and os.path.isfile(_script(task))):  # noqa: PTH113
        return Fresh.UNUSUAL
    for directory in ahead:
        names = _importable(directory)
        if names & _CUSTOMISE:
            return Fresh.CUSTOMISED
        if any(_shadows(directory, name) for name in names & interpreter.preloaded):
            return Fresh.SHADOWED
    return None


def _first_directory(task: Task) -> list[str]:
    if sys.flags.safe_path:
        return []
    return [os.getcwd() if task.module else os.path.dirname(os.path.realpath(_script(task)))]  # noqa: PTH109, PTH120


def _python_path(env: Mapping[str, str]) -> list[str]:
    value = env.get("PYTHONPATH")
    if not value:
        return []
    return list(dict.fromkeys(os.path.abspath(entry) for entry in value.split(os.pathsep)))  # noqa: PTH100


def _importable(directory: str) -> set[str]:
    """Return the top-level names that may be imported from a directory."""
    try:
        entries = os.listdir(directory)  # noqa: PTH208 - paid by every task
    except OSError:
        return set()
    return {entry.partition(".")[0] for entry in entries if "." not in entry or entry.endswith(_IMPORTABLE)}


def _shadows(directory: str, name: str) -> bool:
    """Return whether a script would import another module from `directory` than the one preloaded as `name`."""
    found = os.path.join(directory, name)  # noqa: PTH118 - paid by every task
    if os.path.isdir(found) and not os.path.exists(os.path.join(found, "__init__.py")):  # noqa: PTH110, PTH112, PTH118
        return False  # a directory without it yields to any package further down the path
    origin = getattr(sys.modules[name], "__file__", None) or ""
    return not origin.startswith((found + ".", found + os.sep))


def _compiled(path: str) -> CodeType | None:
    try:
        with io.open_code(path) as file:
            return compile(file.read(), path, "exec", dont_inherit=True)
    except (OSError, SyntaxError, ValueError, MemoryError, RecursionError):
        return None


def _new_main(task: Task, interpreter: Interpreter) -> ModuleType:
    """Return a `__main__` with the names Python gives a script's, and nothing of ours."""
    main = ModuleType("__main__")
    vars(main).update(interpreter.main, __doc__=None)
    if "__annotations__" in interpreter.main:  # up to Python 3.13
        vars(main)["__annotations__"] = {}
    if task.module is None:
        vars(main).update(__file__=_script(task), __loader__=type(main.__loader__)("__main__", _script(task)))  # type: ignore[call-arg, misc]
    return main


def _forget_the_server(interpreter: Interpreter) -> None:
    """Undo what this process keeps that a fresh interpreter would find out by itself."""
    gc.enable()
    for directory in list(sys.path_importer_cache):
        if not directory.startswith(interpreter.search_path):
            del sys.path_importer_cache[directory]
    if tempfile := sys.modules.get("tempfile"):
        vars(tempfile)["tempdir"] = None  # TMPDIR may be another
    if "linecache" in sys.modules:
        sys.modules["linecache"].clearcache()
    if "numpy.random" in sys.modules:  # `random` reseeds itself after a fork
        sys.modules["numpy.random"].seed()
