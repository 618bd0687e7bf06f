"""Prints what a script can see of its world, one JSON value a line: run warm, isolated and by plain Python."""

import faulthandler
import gc
import json
import locale
import logging
import multiprocessing
import os
import pathlib
import pickle
import signal
import subprocess
import sys
import threading
import time
import warnings


class Picklable:
    pass


def square(number):
    return number * number


def in_a_process(method):
    with multiprocessing.get_context(method).Pool(1) as pool:
        return pool.map(square, [2, 3])


def stream(file):
    return {name: str(getattr(file, name)) for name in ("name", "mode", "encoding", "errors", "newlines")} | {
        "fd": file.fileno(),
        "line_buffering": file.line_buffering,
        "write_through": file.write_through,
        "tty": file.isatty(),
        "buffer": type(file.buffer).__name__,
        "original": file in (sys.__stdin__, sys.__stdout__, sys.__stderr__),
    }


def world():
    main = sys.modules["__main__"]
    yield "name", __name__
    yield "file", __file__
    yield "spec, package, cached", [__spec__ is None and "None", __package__, __cached__]
    yield "loader", [type(__loader__).__name__, __loader__.name, __loader__.path]
    yield "doc, annotations, builtins", [__doc__, __annotations__, str(__builtins__)]
    yield "names", sorted(set(vars(main)) - {"json"})
    yield "argv", sys.argv
    yield "original argv", sys.orig_argv
    yield "path", sys.path
    yield "executable", [sys.executable, sys.prefix, sys.base_prefix]
    yield "flags", [str(sys.flags), sys.warnoptions, sys._xoptions, sys.dont_write_bytecode]
    yield "cwd", os.getcwd()
    yield "environment", dict(os.environ)
    yield "descriptors", sorted(os.listdir("/proc/self/fd"))[:-1]  # the last one lists them
    yield "as C sees it", subprocess.check_output(["/usr/bin/env"], text=True).splitlines()
    yield "stdin", [sys.stdin.read(), os.readlink("/proc/self/fd/0")]
    yield "stdin, stdout, stderr", [stream(sys.stdin), stream(sys.stdout), stream(sys.stderr)]
    yield "signals", {str(number): str(signal.getsignal(number)) for number in sorted(signal.valid_signals())}
    yield "blocked signals", sorted(signal.pthread_sigmask(signal.SIG_BLOCK, ()))
    yield "wakeup", signal.set_wakeup_fd(-1)
    yield "leader", [os.getsid(0) == os.getpid(), os.getpgid(0) == os.getpid()]
    yield "umask", os.umask(0o22)
    yield "threads", [threading.active_count(), threading.current_thread() is threading.main_thread()]
    yield "thread", threading.main_thread().ident == threading.get_ident()
    yield "gc", [gc.isenabled(), gc.get_threshold()]
    yield "limits", [sys.getrecursionlimit(), sys.getswitchinterval(), sys.gettrace(), sys.getprofile()]
    yield "hooks", [sys.excepthook is sys.__excepthook__, sys.unraisablehook is sys.__unraisablehook__]
    yield "finders", [str(finder) for finder in sys.meta_path]
    yield "faulthandler", faulthandler.is_enabled()
    yield "locale", [locale.getlocale(), locale.getpreferredencoding(), sys.getfilesystemencoding()]
    yield "time zone", [time.tzname, time.localtime(0).tm_hour]
    yield "warnings", [str(filtered) for filtered in warnings.filters]
    yield "logging", [str(logging.getLogger().handlers), logging.getLogger().level]
    yield "runner's modules", [name for name in sys.modules if name.partition(".")[0] == "automation"]
    yield "pickle", pickle.loads(pickle.dumps(Picklable())).__class__ is Picklable
    yield "fork", in_a_process("fork")
    yield "spawn", in_a_process("spawn")


if __name__ == "__main__":
    pathlib.Path("forked").write_text(str("httpx2" in sys.modules))  # which nothing here imports
    for key, value in world():
        print(json.dumps([key, value]))
