"""A deployed checkout follows its origin: good commits land before the run, bad ones are refused and told."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.following import JOBS, Following
from tests.support.git import run_git


@pytest.fixture
def deployed(tmp_path: Path) -> Following:
    return Following(tmp_path)


def test_a_merged_change_is_what_the_same_run_runs_and_its_row_names_it(deployed: Following) -> None:
    assert "look | revision one" in deployed.run()
    deployed.write("protocols/test/look.py", "print('revision two')")
    head = deployed.push("two")
    assert "look | revision two" in deployed.run()
    assert deployed.host.rows("SELECT status, revision FROM runs")[-1] == ("ok", head)


def test_the_runners_own_code_is_the_new_revisions_too(deployed: Following) -> None:
    path = deployed.author / "automation" / "runner" / "run.py"
    path.write_text(path.read_text() + '\nprint("new runner code")\n')
    deployed.push("runner")
    done = deployed.host.automation("run", "multisig")
    assert done.stdout.count("new runner code") == 1
    assert deployed.host.rows("SELECT count(*) FROM runs") == [(1,)], "one run, one row, though it started twice"


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("automation/jobs.yaml", "profiles: [", "jobs.yaml:2"),
        # The other kinds take as long each: tests/cases/test_b01_a_merge_that_breaks_run.py has more of them.
        *(
            pytest.param(*bad, marks=pytest.mark.ci)
            for bad in [
                ("automation/runner/run.py", "1 = 2", "(automation/runner/run.py, line 1)"),
                ("monitoring/store/tables/runs.py", "import nothing_of_that_name", "nothing_of_that_name"),
                ("automation/jobs.yaml", JOBS.format(more=", {name: gone, script: protocols/test/gone.py}"), "gone.py"),
                ("protocols/test/look.py", "import nothing_of_that_name", "nothing_of_that_name"),
            ]
        ),
    ],
)
def test_a_bad_merge_is_refused_and_told_once_and_the_fix_lands_by_itself(
    deployed: Following, name: str, text: str, why: str
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
    fixed = deployed.push("fixed")
    deployed.run()
    deployed.run()
    assert len(deployed.told()) == 2
    assert deployed.told()[1][0] == f"the checkout is synced again, at {fixed[:12]}"
    assert {row[0] for row in deployed.host.rows("SELECT status FROM runs")} == {"ok"}


def test_a_jobs_file_broken_on_the_host_is_healed_by_the_next_sync(deployed: Following) -> None:
    deployed.run()
    (deployed.host.checkout / "automation" / "jobs.yaml").write_text("<<<<<<< HEAD\n")
    assert "look | revision one" in deployed.run()
    assert deployed.host.rows("SELECT status FROM runs") == [("ok",), ("ok",)]


def test_a_checkout_that_is_not_deployed_is_left_alone(deployed: Following) -> None:
    run_git(deployed.host.checkout, "config", "--unset", "monitoring.sync")
    (deployed.host.checkout / "protocols" / "test" / "look.py").write_text("print('my edit')")
    assert "look | my edit" in deployed.run()
