"""B.3: origin's newest commit is refused, and somebody, or that very commit, changed files of the live checkout.

Input: an edit of a tracked file while the newest commit is refused; edits that `--skip-worktree` or
`--assume-unchanged` hide from git; a refused commit whose import writes into the live tree and starts a daemon.
Right: the run runs what the last good commit says, untracked files stay, and nothing of the refused commit lives on.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.following import Following
from tests.support.git import run_git
from tests.support.host import wait_until

pytestmark = pytest.mark.case("B.3")
LOOK = "protocols/test/look.py"
# Forked twice and in a session of its own: no process group leads to it any more.
DAEMON = """
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        open({pid!r}, "w").write(str(os.getpid()))
        time.sleep(600)
    os._exit(0)
os.wait()
while not os.path.exists({pid!r}):
    time.sleep(0.01)
open({live!r}, "w").write("print('planted')")
raise SystemExit(3)
"""


@pytest.fixture
def followed(tmp_path: Path) -> Following:
    found = Following(tmp_path)
    found.run()
    return found


def test_an_edit_is_discarded_also_while_the_newest_commit_is_refused(followed: Following) -> None:
    followed.write("automation/jobs.yaml", "profiles: [")
    followed.push("bad")
    assert "look | revision one" in followed.run()
    (followed.host.checkout / LOOK).write_text("print('my edit')")
    (followed.host.checkout / "notes.txt").write_text("mine")
    said = followed.run()
    assert "look | revision one" in said
    assert "my edit" not in said
    assert "refused" in said
    assert (followed.host.checkout / "notes.txt").read_text() == "mine"


@pytest.mark.ci
@pytest.mark.parametrize("mark", ["--skip-worktree", "--assume-unchanged"])
def test_an_edit_that_git_was_told_to_overlook_is_discarded(followed: Following, mark: str) -> None:
    run_git(followed.host.checkout, "update-index", mark, LOOK)
    (followed.host.checkout / LOOK).write_text("print('my edit')")
    said = followed.run()
    assert "look | revision one" in said
    assert f"marks that hid edits of {LOOK}" in said
    assert "my edit" not in said


@pytest.mark.ci
def test_what_a_refused_commit_wrote_and_started_while_it_was_judged_is_gone(
    followed: Following, tmp_path: Path
) -> None:
    pid, live = tmp_path / "pid", followed.host.checkout / LOOK
    followed.write(LOOK, DAEMON.format(pid=str(pid), live=str(live)))
    followed.push("bad")
    said = followed.run()
    assert "refused" in said
    assert "look | revision one" in said
    assert live.read_text() == "print('revision one')"
    wait_until(lambda: not Path("/proc", pid.read_text()).exists(), "the daemon of the refused commit lives on", 2)
