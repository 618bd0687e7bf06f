"""B.1: while a new revision makes its first run, as a child of the old code, it is a run like any other.

Input: the first run of a new revision at work; a second start of its profile; SIGTERM to the process the scheduler
started. Right: the second start is turned away with exit 75 and names the run; the signal ends the run, whose row says
aborted; the revision stays.
"""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from tests.support.following import Following
from tests.support.host import processes_with, wait_until

pytestmark = [pytest.mark.case("B.1"), pytest.mark.ci]
# A script that is only imported does nothing.
SLOW = "import time\nif __name__ == '__main__':\n    print('at work', flush=True)\n    time.sleep(600)\n"


def test_it_excludes_another_and_ends_by_a_signal_to_its_parent(tmp_path: Path) -> None:
    followed = Following(tmp_path)
    followed.run()
    followed.write("protocols/test/look.py", SLOW)
    commit = followed.push("slow")
    host = followed.host
    parent = host.start("run", "multisig")
    going = "SELECT id FROM task_runs WHERE status = 'running'"
    wait_until(lambda: host.peek(going), "the first run is at work", 90)
    turned_away = host.automation("run", "multisig")
    assert turned_away.returncode == 75
    assert "multisig is already running: run 2" in turned_away.stderr
    parent.send_signal(signal.SIGTERM)
    said, _ = parent.communicate(timeout=60)
    assert "look | at work" in said
    assert parent.returncode == 1
    assert host.rows("SELECT status, reason, revision FROM runs WHERE id = 2") == [
        ("aborted", "stopped by SIGTERM", commit)
    ]
    wait_until(lambda: not processes_with(str(host.checkout)), "nothing of it is left", 10)
    assert json.loads((host.checkout / ".git/monitoring-probation.json").read_text())["passed"]
    followed.write("protocols/test/look.py", "print('revision two')")
    followed.push("two")
    assert "look | revision two" in followed.run()
