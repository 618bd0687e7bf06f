"""What a task leaves behind, and what it and the fork server can reach of the runner."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from automation.executor.executor import TaskStatus
from tests.support.tasks import PATIENCE_S, World, plain_env, wait_until

CHECKOUT = Path(__file__).resolve().parents[2]

# Starts a grandchild that is in a session of its own, has init's place as its parent's heir taken by nobody
# but the task, and ignores what can be ignored; returns once it is there.
DAEMONISE = """
import os, signal, sys, time
def daemonise(work=lambda: None):
    reader, writer = os.pipe()
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
                signal.signal(number, signal.SIG_IGN)
            work()
            os.write(writer, b"x")
            time.sleep(600)
        os._exit(0)
    os.read(reader, 1)
    os.wait()
"""


@pytest.fixture
def world(tmp_path: Path) -> World:
    directory = tmp_path / "world"
    directory.mkdir()
    return World(directory)


@pytest.mark.parametrize("isolate", [False, True], ids=["warm", "isolated"])
@pytest.mark.parametrize(
    ("end", "status"),
    [
        ("", TaskStatus.OK),
        ("os._exit(1)", TaskStatus.FAILED),
        ("os.kill(os.getpid(), 9)", TaskStatus.FAILED),
        ("time.sleep(600)", TaskStatus.TIMEOUT),
    ],
    ids=["ends well", "fails", "is killed", "hangs"],
)
def test_a_daemonised_grandchild_is_gone_with_its_task(
    world: World, end: str, status: TaskStatus, *, isolate: bool
) -> None:
    text = DAEMONISE + "daemonise()\ndaemonise()\nprint('there', flush=True)\n" + end
    task = world.task("t", text, timeout_s=2.0, isolate=isolate)
    probe = world.task("probe", "print('clear')")
    left: list[set[int]] = []

    def count(result: Any) -> None:
        world.told.append(result)
        if result.name == "t":
            left.append(world.survivors())

    results = world.run(task, probe, grace_s=0.3, on_result=count)
    assert results["t"].status is status
    assert world.output("t") == ["there"]
    assert len(left[0]) == 1, "nothing but the fork server when the task's end is told"
    assert not world.survivors()


def test_a_chain_of_forks_is_followed_to_its_end(world: World) -> None:
    """Each link is orphaned by its parent's end and leaves the group: only a repeated sweep ends all."""
    text = DAEMONISE + (
        "def link(n):\n"
        "    if n and os.fork() == 0:\n"
        "        os.setsid()\n"
        "        link(n - 1)\n"
        "        time.sleep(600)\n"
        "link(12)\n"
    )
    assert world.run(world.task("t", text))["t"].status is TaskStatus.OK
    assert not world.survivors()


def test_the_descendants_of_a_running_task_are_let_alone(world: World) -> None:
    patient = DAEMONISE + (
        "import pathlib\n"
        "daemonise(lambda: pathlib.Path('pid').write_text(str(os.getpid())))\n"
        "print('there', flush=True)\n"
        "while not pathlib.Path('others-ended').exists(): time.sleep(0.01)\n"
        "os.kill(int(pathlib.Path('pid').read_text()), 0)\n"
        "print('still there')\n"
    )
    others = [world.task(f"o{n}", DAEMONISE + "daemonise()") for n in range(5)]
    last = world.task("last", "open('others-ended', 'w')", needs=tuple(other.name for other in others))
    results = world.run(world.task("t", patient), *others, last, parallel=4)
    assert {result.status for result in results.values()} == {TaskStatus.OK}
    assert world.output("t") == ["there", "still there"]
    assert not world.survivors()


def drive(
    world: World, tasks: list[dict[str, Any]], *, stop_itself: bool = False, **options: Any
) -> subprocess.Popen[bytes]:
    """Start a runner in small as a process of its own; its environment holds tokens."""
    usual = {"env": plain_env(PROVIDER_URL="http://x/" + "k" * 40), "timeout_s": PATIENCE_S}
    what = {"tasks": [usual | task for task in tasks], "cwd": str(world.directory)}
    spec = world.directory.parent / "spec.json"
    spec.write_text(json.dumps(what | {"options": options, "stop_itself": stop_itself}))
    tokens = {"TELEGRAM_BOT_TOKEN_DEFAULT": "1:telegram", "PYTHON_TOKEN": "token", "LLM_API_KEY": "key"}
    return subprocess.Popen(
        [sys.executable, "-m", "tests.support.task_driver", spec],
        cwd=CHECKOUT,
        env={**os.environ, **tokens},
        stdout=subprocess.PIPE,
    )


def heard(driver: subprocess.Popen[bytes]) -> list[dict[str, Any]]:
    out, _ = driver.communicate(timeout=PATIENCE_S)
    return [json.loads(line) for line in out.splitlines()]


def lines(said: list[dict[str, Any]], task: str) -> list[str]:
    return [each["line"] for each in said if each["kind"] == "line" and each["task"] == task]


HELD = """
import json
def held(who):
    found = []
    for descriptor in os.listdir(f"/proc/{who}/fd"):
        try:
            found.append(os.readlink(f"/proc/{who}/fd/{descriptor}"))
        except FileNotFoundError:  # the one that listed them
            continue
    return json.dumps(sorted(found))
def parent(who):
    return open(f"/proc/{who}/stat").read().rpartition(")")[2].split()[1]
"""


@pytest.mark.parametrize("isolate", [False, True], ids=["warm", "isolated"])
def test_no_survivor_and_no_fork_server_holds_a_descriptor_of_the_runner(world: World, *, isolate: bool) -> None:
    text = (
        DAEMONISE
        + HELD
        + (
            "print(held('self'), flush=True)\n"
            "daemonise(lambda: print(held('self'), flush=True))\n"
            "print(held(os.getppid()), flush=True)\n"
            "print(held(parent(os.getppid())))\n"
        )
    )
    tasks = [{"name": "t", "argv": [world.script("t.py", text)], "isolate": isolate}]
    task, survivor, server, runner = map(json.loads, lines(heard(drive(world, tasks)), "t"))
    assert str(world.directory.parent / "lock") in runner
    output = task[-1]
    assert output.startswith("pipe:")
    assert task == ["/dev/null", output, output]
    assert set(survivor) & set(runner) <= {"/dev/null", output}, "only the end of its own output, which we read"
    assert [held.partition(":")[0] for held in server] == ["/dev/null"] * 3 + ["pipe"] * 2 + ["socket"]
    assert set(server) & set(runner) == {"/dev/null"}


def test_no_token_of_the_runner_stands_in_the_fork_server_or_in_a_task(world: World) -> None:
    text = """
        import os
        for who in (os.getppid(), "self"):
            names = [each.partition("=")[0] for each in open(f"/proc/{who}/environ").read().split("\\0") if each]
            print(*sorted(names))
        print(*sorted(os.environ))
        print(os.environ["PROVIDER_URL"])
    """
    script = world.script("t.py", text)
    said = heard(drive(world, [{"name": "t", "argv": [script]}]))
    server, task, seen, url = lines(said, "t")
    assert server.split() == task.split() == ["HOME", "LANG", "PATH"]
    assert seen.split() == ["HOME", "LANG", "PATH", "PROVIDER_URL"]
    assert url == "http://x/" + "k" * 40


def test_sigterm_to_the_runner_can_stop_the_tasks_in_order(world: World) -> None:
    script = world.script("t.py", DAEMONISE + "daemonise()\nprint('there', flush=True)\ntime.sleep(600)")
    driver = drive(world, [{"name": "a", "argv": [script]}, {"name": "b", "argv": [script]}], grace_s=1.0)
    assert driver.stdout is not None
    while b"there" not in driver.stdout.readline():
        pass
    driver.send_signal(signal.SIGTERM)
    results = [each for each in heard(driver) if each["kind"] == "result"]
    assert [(each["status"], each["reason"]) for each in results] == [
        ("aborted", "the run was stopped"),
        ("skipped", "the run was stopped"),
    ]
    assert not world.survivors()


# Every way a task can hide from a kill of its group, and one of each kind of child.
HIDING = DAEMONISE + (
    "daemonise()\n"
    "if os.fork() == 0: os.execvp('sleep', ['sleep', '600'])\n"
    "while True:\n"
    "    if os.fork() == 0:\n"
    "        os.setsid()\n"
    "        if os.fork() == 0: time.sleep(600)\n"
    "        os._exit(0)\n"
    "    os.wait()\n"
    "    time.sleep(0.02)\n"
)


def hiding_tasks(world: World) -> list[dict[str, Any]]:
    script = world.script("hide.py", HIDING)
    return [{"name": f"t{n}", "argv": [script, str(n)], "isolate": n == 0, "timeout_s": 600} for n in range(3)]


@pytest.mark.timeout(300)
@pytest.mark.ci
def test_kill_9_of_the_runner_at_any_moment_leaves_no_process(world: World) -> None:
    """The 24 moments go from before the first line of the runner to well after all tasks run."""
    tasks = hiding_tasks(world)
    most = 0
    for moment in range(24):
        driver = drive(world, tasks, parallel=3)
        try:
            time.sleep(moment * 0.04)
            most = max(most, len(world.survivors()))
        finally:
            driver.kill()
            driver.communicate()
        assert wait_until(lambda: not world.survivors()), f"moment {moment}: {world.survivors()}"
    assert most > 6, "no kill came while the tasks were running"


def test_kill_9_of_a_runner_that_has_not_read_what_the_fork_server_said_leaves_no_process(world: World) -> None:
    driver = drive(world, hiding_tasks(world), stop_itself=True, parallel=3)
    try:
        assert wait_until(lambda: len(world.survivors()) > 6)
    finally:
        driver.kill()
        driver.communicate()
    assert wait_until(lambda: not world.survivors())


@pytest.mark.timeout(300)
@pytest.mark.ci
def test_kill_9_of_the_fork_server_at_any_moment_leaves_no_process_and_the_run_goes_on(world: World) -> None:
    """Each run meets one kill, at one of 24 moments; all its tasks are accounted for, and truthfully."""
    work = DAEMONISE + ("import pathlib\ndaemonise()\ntime.sleep(0.03)\npathlib.Path('done-' + sys.argv[1]).touch()\n")
    script = world.script("work.py", work)
    names = [f"t{n}" for n in range(8)]
    seen = set()
    for moment in range(24):
        driver = drive(world, [{"name": name, "argv": [script, name]} for name in names], parallel=2)
        try:
            server = fork_server_of(driver.pid)
            time.sleep(moment * 0.015)
            with contextlib.suppress(ProcessLookupError):  # the run was faster
                os.kill(server, signal.SIGKILL)
            said = heard(driver)
        finally:
            driver.kill()
            driver.communicate()
        assert said[-1]["kind"] == "done", f"moment {moment}"
        results = {each["name"]: each for each in said if each["kind"] == "result"}
        assert list(results) == names
        for name, result in results.items():
            seen.add(result["status"])
            if result["status"] == "ok":
                assert (world.directory / f"done-{name}").exists()
            else:
                assert result["status"] == "aborted"
                assert result["reason"] == "the fork server died (killed by SIGKILL)"
            (world.directory / f"done-{name}").unlink(missing_ok=True)
        assert sum(result["status"] == "aborted" for result in results.values()) <= 2
        assert not world.survivors(), f"moment {moment}"
    assert seen == {"ok", "aborted"}


def fork_server_of(runner: int) -> int:
    """The runner's only child, once it is past exec."""
    found: list[int] = []

    def look() -> bool:
        children = Path(f"/proc/{runner}/task/{runner}/children").read_text().split()
        found[:] = [int(pid) for pid in children if b"fork_server.py" in Path(f"/proc/{pid}/cmdline").read_bytes()]
        return bool(found)

    assert wait_until(look)
    return found[0]
