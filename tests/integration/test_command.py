from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from automation.sync.command import run_command
from monitoring.base.process_identity import find_process
from tests.support.child import child_environ, wait_until

# The child starts a grandchild that ignores TERM and keeps the pipe, then does as it is told.
WITH_GRANDCHILD = """
import os, subprocess, sys, time
grandchild = subprocess.Popen([sys.executable, "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"],
    stdout=subprocess.PIPE if sys.argv[2] == "quiet" else None)
if sys.argv[2] == "quiet":
    grandchild.stdout.readline()
open(sys.argv[1], "w").write(str(grandchild.pid))
time.sleep(float(sys.argv[3]))
"""


def python(source: str, *arguments: object, cwd: Path, time_limit_s: float = 60, **options: float):  # noqa: ANN201
    argv = [sys.executable, "-c", source, *map(str, arguments)]
    return run_command(argv, cwd=cwd, environ=child_environ(), time_limit_s=time_limit_s, **options)


def test_output_and_exit_code_come_back(tmp_path: Path) -> None:
    done = python("import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr, done.timed_out) == (3, "out\n", "err\n", False)
    assert not done.ok


def test_a_command_that_cannot_start_raises(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        run_command(["/nowhere/git"], cwd=tmp_path, environ={}, time_limit_s=1)


def test_at_the_limit_the_grandchild_dies_with_the_command(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    done = python(WITH_GRANDCHILD, pid_file, "quiet", 600, cwd=tmp_path, time_limit_s=6, grace_s=0.2)
    assert done.timed_out
    pid = int(pid_file.read_text())
    wait_until(lambda: find_process(pid) is None, "the grandchild outlived the command")


def test_a_grandchild_left_behind_by_a_command_that_ended_dies_too(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    assert python(WITH_GRANDCHILD, pid_file, "quiet", 0, cwd=tmp_path).ok
    wait_until(lambda: find_process(int(pid_file.read_text())) is None, "the grandchild outlived the command")


def test_a_grandchild_in_a_session_of_its_own_that_keeps_the_pipe_holds_nobody_up(tmp_path: Path) -> None:
    source = "import subprocess; p = subprocess.Popen(['sleep', '600'], start_new_session=True); print(p.pid)"
    before = time.monotonic()
    done = python(source, cwd=tmp_path)
    os.kill(int(done.stdout), 9)
    assert done.ok
    assert time.monotonic() - before < 30


def test_a_command_that_ignores_term_is_killed_after_the_grace(tmp_path: Path) -> None:
    source = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"
    )
    done = python(source, cwd=tmp_path, time_limit_s=5, grace_s=0.2)
    assert (done.returncode, done.timed_out) == (-9, True)


def test_a_command_may_clean_up_at_the_limit(tmp_path: Path) -> None:
    """git removes its lock files when it is asked to end, not when it is killed."""
    source = (
        "import signal, sys, time; signal.signal(signal.SIGTERM, lambda *_: sys.exit(print('tidied')));"
        "print('up', flush=True); time.sleep(600)"
    )
    done = python(source, cwd=tmp_path, time_limit_s=5, grace_s=30)
    assert done.stdout.split() == ["up", "tidied"]
    assert done.timed_out


def test_of_endless_output_only_the_tail_is_kept(tmp_path: Path) -> None:
    source = "import sys; [sys.stdout.write('x' * 99 + '\\n') for _ in range(100_000)]; print('last')"
    done = python(source, cwd=tmp_path, max_bytes=10_000)
    assert len(done.stdout) <= 10_000
    assert done.stdout.endswith("last\n")


def is_waiting(pid: int) -> bool:
    """Return whether a process has opened what it waits with."""
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            if "eventpoll" in str(descriptor.readlink()):
                return True
    return False


def test_an_interrupted_caller_takes_the_command_with_it(tmp_path: Path) -> None:
    """SIGTERM to the runner in the middle of a fetch: no git survives it."""
    source = """
import signal, sys, threading, os
from pathlib import Path
from automation.sync.command import run_command
signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
run_command(["sh", "-c", "echo $$ > pid; sleep 600"], cwd=Path(sys.argv[1]), environ=os.environ, time_limit_s=600)
"""
    caller = subprocess.Popen([sys.executable, "-c", source, tmp_path], env=child_environ())
    pid_file = tmp_path / "pid"
    wait_until(lambda: pid_file.exists() and pid_file.read_text().endswith("\n"), "the command never started")
    # Only now is the command in the caller's hands: a signal between the two is another matter.
    wait_until(lambda: is_waiting(caller.pid), "the caller never waited for it")
    caller.terminate()
    assert caller.wait(30) == 1
    assert find_process(int(pid_file.read_text())) is None
