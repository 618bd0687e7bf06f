"""Output of tasks: forwarded, bounded, and no reason to wait or to grow."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from automation.executor.executor import TaskStatus
from automation.executor.output import FORWARDED_BYTES
from tests.support.tasks import PATIENCE_S, World, plain_env

CHECKOUT = Path(__file__).resolve().parents[2]
MIB = 2**20


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_lines_come_in_order_with_both_streams_and_a_last_one_without_end(world: World) -> None:
    text = """
        import os, sys
        print("one", flush=True)
        print("two", file=sys.stderr)
        os.write(1, b"bad \\xff byte\\x1b[31m red\\r\\n")
        sys.stdout.write("no end")
    """
    result = world.run(world.task("t", text))["t"]
    assert world.output("t") == ["one", "two", r"bad \xff byte red", "no end"]
    assert result.output_tail.splitlines() == world.output("t")
    assert (result.output_bytes, result.output_lines) == (len(b"one\ntwo\nbad x byte\x1b[31m red\r\nno end"), 4)


def test_two_hundred_megabytes_leave_no_process_above_a_hundred(world: World) -> None:
    """Measured by each process itself: the task, the fork server (asked by the task) and the runner."""
    text = """
        import os
        line = b"%07d " + b"x" * 91 + b"\\n"
        for block in range(2000):
            os.write(1, b"".join(line % n for n in range(block * 1000, block * 1000 + 1000)))
        for who in ("self", os.getppid()):
            print(who, open(f"/proc/{who}/status").read().partition("VmHWM:")[2].split()[0], flush=True)
    """
    script = world.script("flood.py", text)
    other = world.script("other.py", "print('not held up')")
    spec = world.directory.parent / "spec.json"
    tasks = [
        {"name": name, "argv": [file], "env": plain_env(), "timeout_s": PATIENCE_S}
        for name, file in (("flood", script), ("other", other))
    ]
    spec.write_text(json.dumps({"cwd": str(world.directory), "tasks": tasks, "options": {"parallel": 2}}))
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.task_driver", spec],
        cwd=CHECKOUT,
        stdout=subprocess.PIPE,
        timeout=PATIENCE_S * 2,
        check=True,
    )
    said: list[dict[str, Any]] = [json.loads(line) for line in done.stdout.splitlines()]
    results = {each["name"]: each for each in said if each["kind"] == "result"}
    assert results["flood"]["status"] == results["other"]["status"] == TaskStatus.OK
    assert results["flood"]["output_bytes"] > 200_000_000
    assert results["flood"]["output_lines"] == 2_000_002
    assert results["flood"]["peak_rss_bytes"] < 100 * MIB
    lines = [each["line"] for each in said if each["kind"] == "line" and each["task"] == "flood"]
    assert sum(len(line) + 1 for line in lines) < FORWARDED_BYTES + 4096
    assert lines[0].startswith("0000000 x")
    count = next(number for number, line in enumerate(lines) if line.startswith("["))
    assert lines[count].endswith("lines left out; the last lines:]")
    assert lines[-3].startswith("1999999 x")
    task, server = (int(line.split()[1]) / 1024 for line in lines[-2:])
    runner = said[-1]["peak_mib"]
    assert max(task, server, runner) < 100, (task, server, runner)


def test_a_survivor_that_holds_the_pipe_does_not_hold_up_the_end(world: World, tmp_path: Path) -> None:
    """The write end goes to a process that is no descendant: this test's own helper, reached by a socket."""
    keeper = """
        import socket, sys, time
        s = socket.socket(socket.AF_UNIX)
        s.bind(sys.argv[1]); s.listen()
        print("up", flush=True)
        connection, _ = s.accept()
        kept = socket.recv_fds(connection, 1, 1)
        connection.send(b"k")
        time.sleep(600)
    """
    text = """
        import socket, sys
        s = socket.socket(socket.AF_UNIX)
        s.connect(sys.argv[1])
        socket.send_fds(s, [b"x"], [1])
        s.recv(1)
        print("given away")
    """
    address = str(tmp_path / "s")
    command = [sys.executable, str(world.directory / world.script("keeper.py", keeper)), address]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd="/") as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()
            results = world.run(world.task("t", text, address), world.task("next", ""))
        finally:
            process.kill()
    assert (results["t"].status, results["t"].output_tail) == (TaskStatus.OK, "given away")
    assert results["t"].duration_s < PATIENCE_S / 2
    assert results["next"].status is TaskStatus.OK


def test_the_rest_of_a_full_pipe_is_not_lost(world: World) -> None:
    text = "import os, fcntl; fcntl.fcntl(1, 1031, 1 << 20); os.write(1, b'y' * 899 * 1000 + b'\\nlast'); os._exit(0)"
    result = world.run(world.task("t", text))["t"]
    assert result.output_bytes == 899_005
    assert world.output("t")[-1] == "last"


def test_all_attempts_share_the_bound(world: World) -> None:
    text = "print(('z' * 99 + '\\n') * 8000); raise SystemExit(1)"
    result = world.run(world.task("t", text, retries=2))["t"]
    assert result.attempts == 3
    assert result.output_bytes > 2_400_000
    assert sum(len(line) for line in world.output("t")) < FORWARDED_BYTES + 10_000
