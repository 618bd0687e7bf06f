"""How tasks end and what is told of it, with real processes."""

from __future__ import annotations

import signal
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from automation.executor.executor import StopRequest, TaskResult, TaskStatus
from monitoring.base.clock import SystemClock
from tests.support.tasks import PATIENCE_S, World, plain_env

OK, FAILED, TIMEOUT, ABORTED, SKIPPED = TaskStatus


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


HANG = "import time\ntime.sleep(600)"


@pytest.mark.parametrize("isolate", [False, True], ids=["warm", "isolated"])
@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("print('fine')", (OK, "exit 0", 0, None)),
        ("import sys; sys.exit(3)", (FAILED, "exit 3", 3, None)),
        ("raise RuntimeError('inside')", (FAILED, "exit 1", 1, None)),
        ("x = = 1", (FAILED, "exit 1", 1, None)),
        ("import os; os.kill(os.getpid(), 11)", (FAILED, "killed by SIGSEGV", None, 11)),
        ("import os; os.kill(os.getpid(), 15)", (FAILED, "killed by SIGTERM", None, 15)),
        ("import os; os.killpg(0, 9)", (FAILED, "killed by SIGKILL", None, 9)),
        ("import os; os.close(1); os.close(2)", (OK, "exit 0", 0, None)),
    ],
    ids=["succeeds", "exits 3", "raises", "does not compile", "crashes", "TERMs itself", "KILLs its group", "is mute"],
)
def test_every_end_is_told_truthfully(world: World, text: str, told: tuple[object, ...], *, isolate: bool) -> None:
    before = SystemClock().now()
    result = world.run(world.task("t", text, isolate=isolate))["t"]
    assert (result.status, result.reason, result.exit_code, result.signal) == told
    assert before <= result.started_at <= result.ended_at <= SystemClock().now()
    assert timedelta(0) == result.started_at.utcoffset()
    assert 0 < result.duration_s < PATIENCE_S
    assert result.cpu_s > 0
    assert result.peak_rss_bytes > 2**20
    assert result.attempts == 1
    assert world.started == [("t", result.pid)]


@pytest.mark.parametrize(
    "text",
    [
        HANG,
        "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + HANG,
        "import signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())\n" + HANG,
        "import os, signal; os.kill(os.getpid(), signal.SIGSTOP)",
        "import os\nos.close(1); os.close(2)\n" + HANG,
        "import os\nif os.fork() == 0: os.execvp('sleep', ['sleep', '600'])\n" + HANG,
        "import signal, sys\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(0))\n" + HANG,
    ],
    ids=["sleeps", "ignores SIGTERM", "blocks all", "stops itself", "closes its output", "has a child", "exits 0 then"],
)
def test_a_task_that_does_not_end_times_out_and_the_next_one_runs(world: World, text: str) -> None:
    results = world.run(world.task("t", text, timeout_s=0.5), world.task("next", "print('ran')"), grace_s=0.3)
    assert results["t"].status is TIMEOUT
    assert results["t"].reason == "no end after 0.5 s"
    assert results["t"].duration_s >= 0.5
    assert results["next"].status is OK
    assert not world.survivors()


def test_a_task_may_clean_up_within_the_grace(world: World) -> None:
    text = """
        import signal, sys, time
        def tidy(*_):
            print("tidied", flush=True)
            sys.exit(4)
        signal.signal(signal.SIGTERM, tidy)
        print("ready", flush=True)
        time.sleep(600)
    """
    result = world.run(world.task("t", text, timeout_s=1.0), grace_s=PATIENCE_S)["t"]
    assert (result.status, result.exit_code, result.signal) == (TIMEOUT, 4, None)
    assert world.output("t") == ["ready", "tidied"]


def test_tasks_run_one_after_the_other_from_top_to_bottom(world: World) -> None:
    note = (
        "import sys, time; f = open('log', 'a'); f.write(sys.argv[1] + '<'); f.flush(); time.sleep(0.05); f.write('>')"
    )
    results = world.run(*[world.task(name, note, name) for name in "cab"])
    assert (world.directory / "log").read_text() == "c<>a<>b<>"
    assert list(results) == list("cab")


def test_twenty_eight_tasks_run_at_once_and_needs_are_respected(world: World) -> None:
    meet = """
        import os, pathlib, sys, time
        pathlib.Path(f"here-{sys.argv[1]}").touch()
        while len(list(pathlib.Path().glob("here-*"))) < 24:  # all others of the first wave
            time.sleep(0.01)
    """
    follow = """
        import pathlib, sys
        assert all(pathlib.Path(f"done-{need}").exists() for need in sys.argv[2:]), sys.argv
        pathlib.Path(f"done-{sys.argv[1]}").touch()
    """
    first = [
        world.task(f"t{n}", meet + "\n        pathlib.Path(f'done-{sys.argv[1]}').touch()\n", f"t{n}")
        for n in range(24)
    ]
    chain = [("mid", "t3", "t7"), ("last", "mid"), ("also", "t23"), ("end", "last", "also")]
    later = [world.task(name, follow, name, *needs, needs=needs) for name, *needs in chain]
    results = world.run(*later, *first, parallel=28)
    assert {result.status for result in results.values()} == {OK}, world.lines
    ended = [result.name for result in world.told]
    assert ended.index("mid") < ended.index("last") < ended.index("end")


def test_a_task_whose_need_failed_is_skipped_with_the_reason_and_the_others_run(world: World) -> None:
    results = world.run(
        world.task("a", "raise SystemExit(3)"),
        world.task("b", "print('never')", needs=("a",)),
        world.task("c", "print('never')", needs=("b",)),
        world.task("d", "print('ran')"),
    )
    assert [results[name].status for name in "abcd"] == [FAILED, SKIPPED, SKIPPED, OK]
    assert results["b"].reason == "needs 'a', which failed"
    assert results["c"].reason == "needs 'b', which was skipped"
    assert (results["b"].attempts, results["b"].pid, results["b"].duration_s) == (0, None, 0.0)
    assert world.output("b") == []


def test_a_failed_task_is_tried_again_and_all_attempts_are_counted(world: World) -> None:
    text = """
        import pathlib, sys
        tries = len(list(pathlib.Path().glob("try-*")))
        pathlib.Path(f"try-{tries}").touch()
        print(f"try {tries}")
        sys.exit(0 if tries == int(sys.argv[1]) else 9)
    """
    results = world.run(world.task("t", text, "2", retries=2), world.task("after", "", needs=("t",)))
    assert (results["t"].status, results["t"].attempts) == (OK, 3)
    assert world.output("t") == ["try 0", "[attempt 2 of 3]", "try 1", "[attempt 3 of 3]", "try 2"]
    assert results["t"].output_lines == 3
    assert [name for name, _ in world.started] == ["t", "t", "t", "after"]
    result = world.run(world.task("u", text, "99", retries=1))["u"]
    assert (result.status, result.exit_code, result.attempts) == (FAILED, 9, 2)


def test_a_task_that_timed_out_is_tried_again(world: World) -> None:
    result = world.run(world.task("t", HANG, timeout_s=0.2, retries=1))["t"]
    assert (result.status, result.attempts) == (TIMEOUT, 2)


def test_the_deadline_of_the_run_ends_what_runs_and_skips_the_rest(world: World) -> None:
    results = world.run(
        world.task("done", ""),
        world.task("a", HANG),
        world.task("b", HANG),
        world.task("c", "", needs=("a",)),
        world.task("d", ""),
        parallel=2,
        deadline_s=2.0,
        grace_s=0.3,
    )
    reason = "the run's deadline of 2 s passed"
    assert results["done"].status is OK
    for name, status in {"a": TIMEOUT, "b": TIMEOUT, "c": SKIPPED, "d": SKIPPED}.items():
        assert (results[name].status, results[name].reason) == (status, reason)
    assert not world.survivors()


def test_the_deadline_of_the_run_ends_a_retry_with_what_the_last_attempt_came_to(world: World) -> None:
    result = world.run(world.task("t", "raise SystemExit(5)", retries=10_000), deadline_s=1.0)["t"]
    assert result.status in (FAILED, TIMEOUT)
    assert 1 < result.attempts < 10_000


def test_a_stop_ends_the_running_tasks_as_aborted(world: World) -> None:
    stop = StopRequest()
    tasks = [
        world.task("polite", HANG),
        world.task("stubborn", "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + HANG),
        world.task("never", "print('never')"),
    ]
    seen: list[str] = []

    def stop_when_both_run(task: str, line: str) -> None:
        seen.append(task)
        if len(seen) == 2:
            stop.make()

    for task in tasks[:2]:
        script = world.directory / task.argv[0]
        script.write_text(script.read_text().replace("import time", "import time; print('up', flush=True)"))
    results = world.run(*tasks, parallel=2, grace_s=0.5, stop=stop, on_line=stop_when_both_run)
    assert (results["polite"].status, results["polite"].signal) == (ABORTED, signal.SIGTERM)
    assert (results["stubborn"].status, results["stubborn"].signal) == (ABORTED, signal.SIGKILL)
    assert (results["never"].status, results["never"].reason) == (SKIPPED, "the run was stopped")
    assert results["polite"].reason == "the run was stopped"
    assert not world.survivors()


def test_a_stop_made_before_the_start_starts_nothing(world: World) -> None:
    stop = StopRequest()
    stop.make()
    assert stop.is_made()
    assert world.run(world.task("a", "print('never')"), stop=stop)["a"].status is SKIPPED
    assert world.started == []


def test_no_tasks_are_no_trouble(world: World) -> None:
    assert world.run() == {}


def test_two_tasks_of_one_name_are_refused(world: World) -> None:
    with pytest.raises(ValueError, match="one name"):
        world.run(world.task("a", ""), world.task("a", ""))


def test_a_callback_that_fails_leaves_no_process_behind(world: World) -> None:
    def fail(*_: Any) -> None:
        raise OSError("the ledger is gone")

    with pytest.raises(OSError, match="ledger"):
        world.run(world.task("t", "print('up', flush=True)\n" + HANG), on_line=fail)
    assert not world.survivors()


def test_a_huge_environment_and_many_arguments_arrive(world: World) -> None:
    env = plain_env(HUGE="x" * 120_000, **{f"V{n}": "y" * 1000 for n in range(500)}, ODD="\udcff")
    arguments = [f"--argument-{n}=" + "z" * 1000 for n in range(500)]
    text = """
        import os, sys
        print(len(os.environ["HUGE"]), os.environ["V499"][:3], len(sys.argv), ascii(os.environ["ODD"]))
    """
    for isolate in (False, True):
        world.run(world.task("t", text, *arguments, env=env, isolate=isolate))
    assert world.output("t") == [r"120000 yyy 501 '\udcff'"] * 2


def test_a_working_directory_that_is_gone_is_told(world: World) -> None:
    gone = world.directory / "gone"
    with pytest.raises(FileNotFoundError, match="gone"):
        world.run(world.task("t", ""), cwd=gone)


def test_results_are_told_as_each_task_ends(world: World) -> None:
    seen: list[tuple[str, str]] = []

    def note_result(result: TaskResult) -> None:
        seen.append(("result", result.name))
        world.told.append(result)

    world.run(
        world.task("a", "print('from a')"),
        world.task("b", "print('from b')"),
        on_start=lambda task, _: seen.append(("start", task)),
        on_line=lambda task, _: seen.append(("line", task)),
        on_result=note_result,
    )
    assert seen == [(kind, task) for task in "ab" for kind in ("start", "line", "result")]


def test_processes_are_named_after_their_tasks(world: World) -> None:
    text = "print(open('/proc/self/comm').read().strip())"
    world.run(world.task("timelock-alerts-mainnet", text))
    assert world.output("timelock-alerts-mainnet") == ["timelock-alerts"]


def open_descriptors() -> set[str]:
    return {each.name for each in Path("/proc/self/fd").iterdir()}


def test_the_executor_leaves_no_descriptor_open(world: World) -> None:
    world.run(world.task("warm-up", ""))
    before = open_descriptors()
    world.run(
        *[world.task(f"t{n}", "print(1)") for n in range(5)],
        world.task("killer", "import os; os.kill(os.getppid(), 9)"),
    )
    assert open_descriptors() == before
