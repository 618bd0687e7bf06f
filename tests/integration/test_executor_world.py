"""A script sees the same world forked from the warm server, in an interpreter of its own, and by plain Python."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from automation.executor.executor import Task, TaskStatus
from tests.support.tasks import PATIENCE_S, World, plain_env

PROBE = Path(__file__).parent.parent / "support" / "world_probe.py"
PRELOAD = ("pydantic", "httpx2", "yaml", "multiprocessing.pool", "logging.config", "no_such_package")


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def plainly(world: World, task: Task) -> tuple[int, list[str]]:
    """What `python script args` does with the same everything."""
    what = ["-m", task.module] if task.module else [task.argv[0]]
    done = subprocess.run(
        [sys.executable, *what, *task.argv[1:]],
        cwd=world.directory,
        env=dict(task.env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        timeout=PATIENCE_S,
        check=False,
    )
    return done.returncode, done.stdout.decode("utf-8", "backslashreplace").splitlines()


def by_the_executor(world: World, task: Task, *, isolate: bool) -> tuple[int, list[str]]:
    world.lines.clear()
    result = world.run(replace(task, isolate=isolate), preload=PRELOAD)[task.name]
    code = result.exit_code if result.signal is None else -result.signal
    assert code is not None
    assert (result.status is TaskStatus.OK) == (code == 0)
    return code, world.output(task.name)


def without_addresses(lines: list[str]) -> list[str]:
    return [re.sub(r"0x[0-9a-f]+|-\d+'", "0x", line) for line in lines]


def assert_same_three_ways(world: World, task: Task) -> tuple[int, list[str]]:
    code, lines = plainly(world, task)
    for isolate in (True, False):
        told, shown = by_the_executor(world, task, isolate=isolate)
        assert without_addresses(shown) == without_addresses(lines)
        assert told == code
    return code, lines


def was_forked(world: World) -> bool:
    """Whether the probe's last run, which is the warm one, really was a fork of the server."""
    return (world.directory / "forked").read_text() == "True"


def seen(lines: list[str]) -> dict[str, Any]:
    return dict(json.loads(line) for line in lines)


ENVIRONMENTS = {
    "plain": {},
    "a token and an odd value": {"PROVIDER_URL": "http://x/y?z", "EMPTY": "", "UMLAUT": "ä\N{SNOWMAN}"},
    "a time zone": {"TZ": "Asia/Tokyo"},
    "no locale": {"LANG": "C"},
    "unbuffered": {"PYTHONUNBUFFERED": "1"},
    "warnings are errors": {"PYTHONWARNINGS": "error"},
    "fault handler": {"PYTHONFAULTHANDLER": "1"},
    "another encoding": {"PYTHONIOENCODING": "latin-1"},
    "safe path": {"PYTHONSAFEPATH": "1"},
}


@pytest.mark.parametrize("env", ENVIRONMENTS.values(), ids=ENVIRONMENTS.keys())
def test_a_script_sees_the_same_world_warm_isolated_and_by_plain_python(world: World, env: dict[str, str]) -> None:
    script = world.script("protocols/aave/main.py", PROBE.read_text())
    task = Task(name="aave", argv=(script, "--cache-file=x.json", ""), env=plain_env(**env), timeout_s=PATIENCE_S)
    code, lines = assert_same_three_ways(world, task)
    assert code == 0, lines
    facts = seen(lines)
    assert facts["argv"] == ["protocols/aave/main.py", "--cache-file=x.json", ""]
    assert facts["file"] == str(world.directory / script)
    assert facts["stdin"] == ["", "/dev/null"]
    assert facts["descriptors"] == ["0", "1", "2"]
    assert facts["fork"] == facts["spawn"] == [4, 9]
    assert was_forked(world)
    if "PYTHONSAFEPATH" not in env:
        assert facts["path"][0] == str(world.directory / "protocols/aave")


def test_python_path_is_searched_as_a_fresh_interpreter_would(world: World, tmp_path: Path) -> None:
    script = world.script("deep/probe.py", PROBE.read_text())
    (world.directory / "link").symlink_to(world.directory / "deep")
    stdlib = str(Path(os.__file__).parent)
    entries = [str(world.directory), "relative/../relative", "", str(world.directory), "/nowhere", stdlib]
    env = plain_env(PYTHONPATH=os.pathsep.join(entries))
    assert_same_three_ways(world, Task(name="probe", argv=(script,), env=env, timeout_s=PATIENCE_S))
    assert_same_three_ways(world, Task(name="probe", argv=("link/probe.py",), env=env, timeout_s=PATIENCE_S))
    assert_same_three_ways(
        world, Task(name="probe", argv=(str(world.directory / script),), env=env, timeout_s=PATIENCE_S)
    )
    assert was_forked(world)


def test_a_module_sees_the_same_world_too(world: World) -> None:
    world.script("pack/__init__.py", "")
    text = PROBE.read_text().replace('yield "loader"', 'yield "spec", __spec__.name; yield "loader"')
    world.script("pack/probe.py", text)
    code, lines = assert_same_three_ways(
        world,
        Task(name="probe", argv=("ignored", "a", "-b"), env=plain_env(), timeout_s=PATIENCE_S, module="pack.probe"),
    )
    assert code == 0, lines
    assert seen(lines)["argv"] == [str(world.directory / "pack/probe.py"), "a", "-b"]
    assert was_forked(world)
    code, lines = assert_same_three_ways(
        world, Task(name="missing", argv=("ignored",), env=plain_env(), timeout_s=PATIENCE_S, module="pack.missing")
    )
    assert code == 1
    assert "No module named pack.missing" in lines[0]


# What a script may do at its end, and what must come of it.
ENDINGS = {
    "nothing": ("", 0),
    "exit 3": ("import sys; sys.exit(3)", 3),
    "exit none": ("import sys; sys.exit()", 0),
    "exit true": ("raise SystemExit(True)", 1),
    "exit 256": ("raise SystemExit(256)", 0),
    "exit minus one": ("raise SystemExit(-1)", 255),
    "exit a text": ("raise SystemExit('gone wrong')", 1),
    "exit an object": ("raise SystemExit(('a', 1))", 1),
    "os._exit loses what was buffered": ("import os; print('lost'); os._exit(4)", 4),
    "unflushed output": ("import sys; sys.stdout.write('no newline')", 0),
    "interleaved": ("import sys; print(1); print(2, file=sys.stderr); print(3); sys.stdout.flush(); print(4)", 0),
    "raises": ("def f():\n    return 1 / 0\nf()", 1),
    "raises from": ("try:\n    {}['a']\nexcept KeyError as e:\n    raise ValueError('b') from e", 1),
    "raises a group": ("raise ExceptionGroup('two', [ValueError(1), TypeError(2)])", 1),
    "raises in an import": ("import broken", 1),
    "recursion": ("import sys\ntry:\n    f = lambda: f()\n    f()\nexcept RecursionError as e:\n    print(e)", 0),
    "syntax error": ("x = = 1", 1),
    "bad indentation": ("if True:\nx = 1", 1),
    "syntax warning": ("x = 1\nassert (x, 'always')\nif x is 1: pass", 0),
    "keyboard interrupt": ("raise KeyboardInterrupt", -signal.SIGINT),
    "keyboard interrupt subclass": ("class K(KeyboardInterrupt): pass\nraise K", 1),
    "sigint to itself": ("import os, signal; os.kill(os.getpid(), signal.SIGINT)", -signal.SIGINT),
    "sigterm to itself": ("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", -signal.SIGTERM),
    "sigkill to its group": ("import os, signal; os.killpg(0, signal.SIGKILL)", -signal.SIGKILL),
    "abort": ("import os; os.abort()", -signal.SIGABRT),
    "hook": ("import sys\nsys.excepthook = lambda t, v, tb: print('hook', t, v, tb.tb_lineno)\n1/0", 1),
    "hook exits": ("import sys\nsys.excepthook = lambda *a: sys.exit(7)\n1/0", 7),
    "hook breaks": ("import sys\nsys.excepthook = lambda *a: {}['x']\n1/0", 1),
    "stdout closed": ("import sys; sys.stdout.close()", 0),
    "stdout is none": ("import sys; sys.stdout = sys.stderr = None\nprint('x')", 0),
    "atexit in reverse": (
        "import atexit\nfor i in range(3): atexit.register(print, i)\natexit.register(lambda: 1/0)\nprint('end')",
        0,
    ),
    "exit in atexit": ("import atexit, sys\natexit.register(lambda: sys.exit(5))", 0),
    "atexit after an error": ("import atexit\natexit.register(print, 'bye')\n1/0", 1),
    "threads are joined before atexit": (
        (
            "import atexit, threading, time\natexit.register(print, 'atexit')\n"
            "threading.Thread(target=lambda: (time.sleep(0.1), print('thread'))).start()\nprint('main')"
        ),
        0,
    ),
    "daemon threads are not": (
        "import threading, time\nthreading.Thread(target=time.sleep, args=(99,), daemon=True).start()\nprint('main')",
        0,
    ),
    "error in a thread": ("import threading\nt = threading.Thread(target=lambda: 1/0)\nt.start()\nt.join()", 0),
    "error while joining": (
        (
            "import signal, threading, time\ndef h(*a): raise RuntimeError('late')\nsignal.signal(signal.SIGALRM, h)\n"
            "threading.Thread(target=time.sleep, args=(0.6,)).start()\nsignal.setitimer(signal.ITIMER_REAL, 0.2)"
        ),
        0,
    ),
    "destructors": (
        "import json\nclass D:\n    def __del__(self): print('gone', json.dumps([1]))\nd = D()\nc = D()\nc.c = c",
        0,
    ),
    "a file left open": (
        (
            "import subprocess, sys\nf = open('left.txt', 'w')\nf.write('written')\n"
            "import atexit\natexit.register(lambda: print('bye'))"
        ),
        0,
    ),
    "a temporary file left": (
        (
            "import tempfile, os\nt = tempfile.NamedTemporaryFile(dir='.', prefix='left-over-')\n"
            "d = tempfile.TemporaryDirectory(dir='.', prefix='left-over-')"
        ),
        0,
    ),
    "a fork runs to the end too": (
        "import os, sys\nif os.fork():\n    os.wait()\n    print('parent')\nelse:\n    print('child')",
        0,
    ),
    "a thread pool": (
        (
            "from concurrent.futures import ThreadPoolExecutor\np = ThreadPoolExecutor()\n"
            "print(list(p.map(str, range(3))))\np.submit(lambda: print('late'))"
        ),
        0,
    ),
    "asyncio": ("import asyncio\nasync def f(): return 5\nprint(asyncio.run(f()))", 0),
    "asyncio subprocess": (
        (
            "import asyncio\nasync def f():\n    p = await asyncio.create_subprocess_exec('true')\n"
            "    return await p.wait()\nprint(asyncio.run(f()))"
        ),
        0,
    ),
    "logging": ("import logging\nlogging.warning('w')\nlogging.basicConfig(level='INFO')\nlogging.info('i')", 0),
    "pipe broken": ("import signal, os\nr, w = os.pipe()\nos.close(r)\nos.write(w, b'x')", 1),
    "source in latin-1": ("# -*- coding: latin-1 -*-\nprint(ascii('\u00e4'))", 0),
    "future": ("from __future__ import annotations\nx: nothing = 1\nprint(__annotations__)", 0),
    "main is importable": ("import __main__, sys\nx = 5\nprint(__main__.x, sys.modules['__main__'].__file__)", 0),
    "a module beside the script": ("import beside\nprint(beside.__file__, beside.value)", 0),
    "a module that shadows a preloaded one": ("import yaml\nprint(yaml.value)", 0),
}


@pytest.mark.parametrize(("text", "code"), ENDINGS.values(), ids=ENDINGS.keys())
def test_a_script_ends_the_same_warm_isolated_and_by_plain_python(world: World, text: str, code: int) -> None:
    world.script("broken.py", "def f():\n    raise OSError('while importing')\nf()")
    world.script("beside.py", "value = 'fresh'")
    if "yaml" in text:
        world.script("yaml.py", "value = 'not the package'")
    task = Task(name="t", argv=(world.script("t.py", text),), env=plain_env(), timeout_s=PATIENCE_S)
    assert assert_same_three_ways(world, task)[0] == code
    if "left.txt" in text:
        assert (world.directory / "left.txt").read_text() == "written"
    assert not list(world.directory.glob("left-over-*"))
    assert not world.survivors()


@pytest.mark.parametrize(
    ("text", "code"),
    [("raise SystemExit(2**80)", 255), ("import os, sys; sys.stdout.write('x'); os.close(1)", 120)],
    ids=["exit a huge number", "lose output"],
)
def test_where_the_words_differ_between_pythons_the_exit_code_does_not(world: World, text: str, code: int) -> None:
    task = Task(name="t", argv=(world.script("t.py", text),), env=plain_env(), timeout_s=PATIENCE_S)
    assert plainly(world, task)[0] == code
    assert [by_the_executor(world, task, isolate=isolate)[0] for isolate in (True, False)] == [code, code]


@pytest.mark.parametrize("script", ["missing.py", "folder", "empty", "bytes.py", "nul.py"])
def test_what_is_no_python_source_is_told_by_python_itself(world: World, script: str) -> None:
    world.script("folder/__main__.py", "print('a folder', __name__)")
    world.script("empty", "print('no suffix', __file__)")
    (world.directory / "bytes.py").write_bytes(b"x = '\xe9'\n")
    (world.directory / "nul.py").write_bytes(b"x = 1\0\n")
    assert_same_three_ways(world, Task(name="t", argv=(script,), env=plain_env(), timeout_s=PATIENCE_S))


def test_a_task_is_forked_from_what_was_preloaded_unless_it_is_isolated(world: World) -> None:
    text = "import sys; print('httpx2' in sys.modules, 'yaml' in sys.modules)"
    warm, isolated = world.task("warm", text), world.task("isolated", text, isolate=True)
    world.run(warm, isolated, preload=PRELOAD)
    assert world.output("warm") == ["True True"]
    assert world.output("isolated") == ["False False"]


def test_project_modules_are_imported_fresh_in_every_task(world: World) -> None:
    world.script("utils/__init__.py", "")
    env = plain_env(PYTHONPATH=str(world.directory))
    change = """
        import pathlib
        from utils import value
        print(value.VALUE)
        pathlib.Path("utils/value.py").write_text(f"VALUE = 'changed by {value.VALUE}'")
    """
    world.script("utils/value.py", "VALUE = 1")
    world.run(world.task("a", change, env=env), world.task("b", change, env=env), preload=PRELOAD)
    assert world.output("b") == ["changed by 1"]


def test_a_project_module_named_for_preload_is_shared(world: World) -> None:
    world.script("utils/__init__.py", "")
    world.script("utils/heavy.py", "import os; LOADED_BY = os.getpid()")
    text = "import os; from utils import heavy; print(heavy.LOADED_BY == os.getppid())"
    world.run(world.task("a", text, env=plain_env(PYTHONPATH=str(world.directory))), preload=["utils.heavy"])
    assert world.output("a") == ["True"]


def test_each_task_draws_its_own_random_numbers(world: World) -> None:
    text = "import random, uuid, tempfile; print(random.random(), uuid.uuid4(), tempfile.mktemp())"
    world.run(world.task("a", text), world.task("b", text), preload=["random", "uuid", "tempfile"])
    assert not set(world.output("a")[0].split()) & set(world.output("b")[0].split())


def test_a_preloaded_module_that_leaves_a_thread_or_a_descriptor_is_not_preloaded(world: World) -> None:
    world.script(
        "threaded.py", "import threading, time; threading.Thread(target=time.sleep, args=(99,), daemon=True).start()"
    )
    world.script("opened.py", "import socket; s = socket.socket()")
    world.script("exits.py", "raise SystemExit(9)")
    world.script("fine.py", "")
    text = "import sys, threading; print([n for n in ('threaded', 'opened', 'exits', 'fine') if n in sys.modules])"
    results = world.run(world.task("a", text), preload=["threaded", "opened", "exits", "fine"])
    assert results["a"].status is TaskStatus.OK
    assert world.output("a") == ["['fine']"]
