from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from monitoring.base.process_identity import ProcessId, current_process, find_process, is_alive
from tests.support.child import run_child, wait_until


def test_this_process_is_alive() -> None:
    assert current_process().pid == os.getpid()
    assert is_alive(current_process())


def test_a_reused_pid_is_not_the_process_that_had_it_before() -> None:
    earlier = dataclasses.replace(current_process(), start_ticks=current_process().start_ticks - 1)
    assert not is_alive(earlier)


def test_the_same_pid_and_ticks_of_another_boot_are_another_process() -> None:
    assert not is_alive(dataclasses.replace(current_process(), boot_id="85f9210a-0000-0000-0000-a6dc5caebf53"))


def test_a_zombie_is_not_alive() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        named = find_process(child.pid)
        assert named is not None
        assert is_alive(named)
        os.kill(child.pid, signal.SIGKILL)
        wait_until(lambda: not is_alive(named), "the killed child still counts as alive before it is reaped")
        assert find_process(child.pid) is None
    finally:
        child.kill()
        child.communicate()


def test_a_command_name_with_spaces_and_parentheses_does_not_shift_the_fields(tmp_path: Path) -> None:
    program = tmp_path / "a) S (b"
    program.symlink_to("/bin/sleep")
    child = subprocess.Popen([program, "60"])
    try:
        named = find_process(child.pid)
        assert named is not None
        assert is_alive(named)
        assert named.start_ticks >= current_process().start_ticks
    finally:
        child.kill()
        child.wait()


def test_the_text_of_a_process_id_reads_back() -> None:
    assert ProcessId.parse(str(current_process())) == current_process()


@pytest.mark.parametrize("text", ["", "1", "a:b:c", "1:2:3:4"])
def test_other_text_is_no_process_id(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - any message
        ProcessId.parse(text)


def test_a_process_hidden_in_proc_counts_as_alive() -> None:
    """As under `ProtectProc=invisible`: the process of another user exists, but /proc does not show it."""
    done = run_child(
        """
        import os
        from pathlib import Path
        from monitoring.base.process_identity import ProcessId, current_process, is_alive
        boot = current_process().boot_id
        if os.geteuid() == 0:
            os.setuid(65534)
        nothing = Path("/nonexistent")
        print(is_alive(ProcessId(1, 1, boot), nothing), is_alive(ProcessId(2**22 + 1, 1, boot), nothing))
        """
    )
    assert done.stdout.split() == ["True", "False"]
