"""The fork server dies, hangs or cannot start: running tasks are told so, the others run all the same."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from automation.executor import reaper
from automation.executor.executor import Task, TaskStatus
from automation.executor.fork_client import ForkServer
from tests.support.tasks import PATIENCE_S, World, plain_env, wait_until

KILL_THE_SERVER = "import os, time; os.kill(os.getppid(), {number}); time.sleep(600)"


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_a_task_that_kills_the_fork_server_is_aborted_and_the_others_run(world: World) -> None:
    killer = KILL_THE_SERVER.format(number=9)
    tasks = [world.task(f"k{n}", killer) if n % 2 else world.task(f"t{n}", "print('ran')") for n in range(8)]
    results = world.run(*tasks)
    for task in tasks:
        result = results[task.name]
        if task.name.startswith("k"):
            assert (result.status, result.reason) == (TaskStatus.ABORTED, "the fork server died (killed by SIGKILL)")
        else:
            assert (result.status, world.output(task.name)) == (TaskStatus.OK, ["ran"])
    assert not world.survivors()


def test_what_runs_beside_a_killed_fork_server_is_aborted_with_all_it_started(world: World) -> None:
    text = """
        import os, subprocess, sys, time
        subprocess.Popen(["sleep", "600"], start_new_session=True)
        print("up", flush=True)
        time.sleep(600)
    """
    killer = (
        "import os, pathlib, time\nwhile not pathlib.Path('go').exists(): time.sleep(0.01)\nos.kill(os.getppid(), 9)"
    )
    ups: list[str] = []

    def go(task: str, line: str) -> None:
        world.lines.append((task, line))
        ups.append(line)
        if ups.count("up") == 3:
            (world.directory / "go").touch()

    tasks = [world.task(f"t{n}", text, isolate=n == 0) for n in range(3)]
    results = world.run(*tasks, world.task("k", killer), world.task("after", ""), parallel=4, on_line=go)
    for task in tasks:
        assert results[task.name].status is TaskStatus.ABORTED
        assert results[task.name].signal == signal.SIGKILL
        assert results[task.name].reason == "the fork server died (killed by SIGKILL)"
    assert results["after"].status is TaskStatus.OK
    assert not world.survivors()


def test_a_fork_server_that_was_started_beforehand_runs_the_tasks(world: World) -> None:
    server = ForkServer(cwd=str(world.directory), env=plain_env(), preload=["yaml"])
    world.run(world.task("t", "import os, sys; print(os.getppid(), 'yaml' in sys.modules)"), server=server)
    assert world.output("t") == [f"{server.pid} True"]
    assert not world.survivors()


def test_a_fork_server_that_died_before_its_first_task_is_replaced(world: World) -> None:
    server = ForkServer(cwd=str(world.directory), env=plain_env(), preload=())
    server.kill()
    assert world.run(world.task("t", "print('ran')"), server=server)["t"].status is TaskStatus.OK
    assert world.output("t") == ["ran"]
    assert not world.survivors()


def test_a_fork_server_that_is_not_needed_is_ended(world: World) -> None:
    world.run(server=ForkServer(cwd=str(world.directory), env=plain_env(), preload=()))
    assert not world.survivors()


def test_an_aborted_task_is_not_tried_again(world: World) -> None:
    result = world.run(world.task("k", KILL_THE_SERVER.format(number=9), retries=5))["k"]
    assert (result.status, result.attempts) == (TaskStatus.ABORTED, 1)


def test_a_fork_server_that_was_stopped_does_not_stop_the_run(world: World) -> None:
    results = world.run(
        world.task("t", KILL_THE_SERVER.format(number=int(signal.SIGSTOP)), timeout_s=0.5),
        world.task("after", "print('ran')"),
        grace_s=0.2,
    )
    assert (results["t"].status, results["t"].reason) == (TaskStatus.TIMEOUT, "no end after 0.5 s")
    assert results["after"].status is TaskStatus.OK
    assert not world.survivors()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_stray_signal_does_not_end_the_fork_server(world: World, number: int) -> None:
    text = f"import os; os.kill(os.getppid(), {int(number)}); print('sent')"
    results = world.run(world.task("a", text), world.task("b", "print('ran')"))
    assert {result.status for result in results.values()} == {TaskStatus.OK}


def test_a_preload_that_crashes_the_fork_server_is_left_out(world: World) -> None:
    world.script("crashes.py", "import os; os.abort()")
    result = world.run(world.task("t", "print('ran')"), preload=["crashes"])["t"]
    assert result.status is TaskStatus.OK


def test_a_fork_that_fails_is_told_and_tried_again(world: World) -> None:
    world.script(
        "scarce.py",
        """
        import os
        fork, failures = os.fork, [2]
        def scarce():
            if failures[0]:
                failures[0] -= 1
                raise BlockingIOError(11, "Resource temporarily unavailable")
            return fork()
        os.fork = scarce
        """,
    )
    results = world.run(world.task("a", ""), world.task("b", "", retries=1), preload=["scarce"])
    assert (results["a"].status, results["a"].exit_code, results["a"].pid) == (TaskStatus.FAILED, None, None)
    assert results["a"].reason == "could not be started: [Errno 11] Resource temporarily unavailable"
    assert (results["b"].status, results["b"].attempts) == (TaskStatus.OK, 2)


def test_a_task_that_cannot_enter_its_directory_says_so(world: World) -> None:
    inner = world.directory / "inner"
    inner.mkdir()
    (inner / "a.py").write_text("import os; os.rmdir(os.getcwd()) if not os.unlink('a.py') else None")
    results = world.run(Task(name="a", argv=("a.py",), env=plain_env(), timeout_s=60), world.task("b", ""), cwd=inner)
    assert results["a"].status is TaskStatus.OK
    assert (results["b"].status, results["b"].exit_code) == (TaskStatus.FAILED, 70)
    assert world.output("b")[0].startswith("the task could not be started: FileNotFoundError:")


def test_a_fork_server_that_never_starts_aborts_every_task_with_the_reason(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\nexit 7\n")
    broken.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(broken))
    results = world.run(world.task("a", ""), world.task("b", "", needs=("a",)))
    for result in results.values():
        assert (result.status, result.reason) == (TaskStatus.ABORTED, "the fork server died (exit 7)")
        assert result.attempts == 0


def test_children_the_runner_had_before_are_spared_when_the_fork_server_dies(world: World) -> None:
    mine = os.spawnvp(os.P_NOWAIT, "sleep", ["sleep", "600"])
    later: list[int] = []

    def start_one(task: str, _: int) -> None:
        if not later:
            later.append(os.spawnvp(os.P_NOWAIT, "sleep", ["sleep", "600"]))

    try:
        world.run(world.task("k", KILL_THE_SERVER.format(number=9)), on_start=start_one, own_children=lambda: later)
        assert {mine, *later} <= reaper.children()
    finally:
        for pid in (mine, *later):
            os.kill(pid, signal.SIGKILL)
            assert os.waitpid(pid, 0)[1] == signal.SIGKILL


def test_orphans_are_killed_to_the_last(world: World) -> None:
    """What the executor does after the server's death, on its own: a tree whose every link hides in a session."""
    text = """
        import os, sys, time
        depth = int(sys.argv[1])
        if depth:
            for _ in range(2):
                if os.fork() == 0:
                    os.setsid()
                    os.execv(sys.executable, [sys.executable, "-S", __file__, str(depth - 1)])
        time.sleep(600 if depth < 3 else 0.2)
    """
    script = world.script("tree.py", text)
    before = reaper.children()
    inherited = reaper.inherit_orphans()
    try:
        subprocess.run([sys.executable, "-S", script, "3"], cwd=world.directory, check=True, timeout=PATIENCE_S)
        assert wait_until(lambda: len(world.survivors()) == 14)
        deaths = reaper.kill_orphans(lambda: before, PATIENCE_S)
    finally:
        reaper.inherit_orphans(inherited)
    assert len(deaths) == 14
    assert {death.signal for death in deaths.values()} == {signal.SIGKILL}
    assert not world.survivors()
