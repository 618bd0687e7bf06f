"""A deployed checkout follows its origin: good commits land before the run, bad ones are refused and told."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.support.git import run_git
from tests.support.host import Host

JOBS = """
profiles:
  multisig:
    cron: "0/10 * * * *"
    sync_before_run: true
    tasks: [{{name: look, script: protocols/test/look.py}}{more}]
"""


class Deployed:
    """A host whose checkout is a clone of a bare origin, and a contributor's clone beside it."""

    def __init__(self, directory: Path) -> None:
        self.host = Host(directory)
        self._origin = directory / "origin.git"
        self.author = directory / "author"
        self.host.script("look", "print('revision one')")
        self.host.jobs(JOBS.format(more=""))
        run_git(directory, "init", "-q", "--bare", "-b", "main", str(self._origin))
        run_git(directory, "clone", "-q", str(self._origin), str(self.author))
        for entry in self.host.checkout.iterdir():
            (shutil.copytree if entry.is_dir() else shutil.copy)(entry, self.author / entry.name)
        self.push("one")
        shutil.rmtree(self.host.checkout)
        run_git(directory, "clone", "-q", str(self._origin), str(self.host.checkout))
        run_git(self.host.checkout, "config", "monitoring.sync", "true")

    def push(self, message: str) -> str:
        run_git(self.author, "add", "-A")
        run_git(self.author, "commit", "-q", "-m", message)
        run_git(self.author, "push", "-q", "origin", "HEAD:main")
        return run_git(self.author, "rev-parse", "HEAD").strip()

    def write(self, name: str, text: str) -> None:
        path = self.author / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def run(self) -> str:
        done = self.host.automation("run", "multisig")
        assert "pre-run git sync" in done.stderr
        return done.stderr

    def told(self) -> list[tuple[object, ...]]:
        return self.host.rows("SELECT title, message FROM alert_events WHERE protocol = 'automation' ORDER BY id")


@pytest.fixture
def deployed(tmp_path: Path) -> Deployed:
    return Deployed(tmp_path)


def test_a_merged_change_is_what_the_same_run_runs_and_its_row_names_it(deployed: Deployed) -> None:
    assert "look | revision one" in deployed.run()
    deployed.write("protocols/test/look.py", "print('revision two')")
    head = deployed.push("two")
    assert "look | revision two" in deployed.run()
    assert deployed.host.rows("SELECT status, revision FROM runs")[-1] == ("ok", head)


def test_the_runners_own_code_is_the_new_revisions_too(deployed: Deployed) -> None:
    path = deployed.author / "automation" / "runner.py"
    path.write_text(path.read_text() + '\nprint("new runner code")\n')
    deployed.push("runner")
    done = deployed.host.automation("run", "multisig")
    assert done.stdout.count("new runner code") == 1
    assert deployed.host.rows("SELECT count(*) FROM runs") == [(1,)], "one run, one row, though it started twice"


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("automation/jobs.yaml", "profiles: [", "jobs.yaml:2"),
        ("automation/runner.py", "1 = 2", "runner.py"),
        ("monitoring/store/runs.py", "import nothing_of_that_name", "nothing_of_that_name"),
        ("automation/jobs.yaml", JOBS.format(more=", {name: gone, script: protocols/test/gone.py}"), "gone.py"),
        ("protocols/test/look.py", "import nothing_of_that_name", "nothing_of_that_name"),
    ],
)
def test_a_bad_merge_is_refused_and_told_once_and_the_fix_lands_by_itself(
    deployed: Deployed, name: str, text: str, why: str
) -> None:
    deployed.run()
    good = (deployed.author / name).read_text()
    deployed.write(name, text)
    bad = deployed.push("bad")
    for _ in range(2):
        assert "look | revision one" in deployed.run()
    assert len(deployed.told()) == 1
    assert bad[:12] in str(deployed.told()[0][0])
    assert why in str(deployed.told()[0][1])
    deployed.write(name, good + "\n")
    deployed.push("fixed")
    deployed.run()
    deployed.run()
    assert len(deployed.told()) == 2
    assert "Recovered" in str(deployed.told()[1][0])
    assert {row[0] for row in deployed.host.rows("SELECT status FROM runs")} == {"ok"}


def test_a_jobs_file_broken_on_the_host_is_healed_by_the_next_sync(deployed: Deployed) -> None:
    deployed.run()
    (deployed.host.checkout / "automation" / "jobs.yaml").write_text("<<<<<<< HEAD\n")
    assert "look | revision one" in deployed.run()
    assert deployed.host.rows("SELECT status FROM runs") == [("ok",), ("ok",)]


def test_a_checkout_that_is_not_deployed_is_left_alone(deployed: Deployed) -> None:
    run_git(deployed.host.checkout, "config", "--unset", "monitoring.sync")
    (deployed.host.checkout / "protocols" / "test" / "look.py").write_text("print('my edit')")
    assert "look | my edit" in deployed.run()
