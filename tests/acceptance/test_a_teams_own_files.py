"""A fork that watches its own: merges of the project never conflict with it, and the project's tests ignore it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.child import child_environ
from tests.support.deployed import copy_checkout
from tests.support.git import run_git

MONITOR = """\
monitor: {name}
chain: mainnet
contracts: {{vault: "0x83F20F44975D03b1b09e64809B757c47f942BEeA"}}
checks:
  - {{id: size, require: vault.totalAssets() >= 1, severity: high}}
"""
OWN = {
    "automation/jobs.d/acme.yaml": """\
examples: off
profiles:
  hourly:
    heartbeat_env: HEARTBEAT_HOURLY
    tasks:
      - {name: acme, monitors: [protocols/acme/monitor.yaml, protocols/acme-two/monitor.yaml]}
  minutely:
    cron: "* * * * *"
    tasks: [{name: acme, script: protocols/acme/main.py}]
""",
    "automation/chains.d/acme.yaml": "chains: [{id: 31337, slug: acme, name: Acme Chain}]\n",
    "protocols/acme/monitor.yaml": MONITOR.format(name="acme"),
    # Neither tidy nor finished: that is the team's affair.
    "protocols/acme/main.py": "import os,sys  # FIX" + "ME: whoever mends it\ndef main( ): print('hello')\nmain()\n",
    "protocols/acme-two/monitor.yaml": MONITOR.format(name="acme-two"),
    "protocols/acme-two/drill.yaml": "well: {}\ndrills: []\n",
    "protocols/acme-two/README.md": "<!-- watched: monitor.yaml -->\n<!-- end -->\n",
}


def write_own(fork: Path) -> None:
    for name, text in OWN.items():
        (fork / name).parent.mkdir(parents=True, exist_ok=True)
        (fork / name).write_text(text, encoding="utf-8")


def automation(checkout: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "automation", *arguments], cwd=checkout, capture_output=True, text=True, check=False,
        env=child_environ() | {"PYTHONPATH": str(checkout), "MONITORING_ENV_FILE": ""},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def commit(repository: Path, message: str) -> None:
    run_git(repository, "add", "-A")
    run_git(repository, "commit", "-q", "-m", message)


@pytest.fixture
def upstream(tmp_path: Path) -> Path:
    repository = copy_checkout(tmp_path / "upstream")
    run_git(repository, "init", "-q")
    commit(repository, "release one")
    return repository


def release_two(upstream: Path) -> None:
    """Change every part of the product's own files that a fork might have touched."""
    jobs = upstream / "automation/jobs.yaml"
    text = jobs.read_text(encoding="utf-8").replace("19 8 * * *", "29 8 * * *")
    new = "      - {name: new, script: protocols/drill/main.py}\n      - name: host\n"
    jobs.write_text(text.replace("      - name: host\n", new))
    changed = ("protocols/__init__.py", "protocols/aave/monitor.yaml", "monitoring/chains/data/chains.yaml")
    for name in (*changed, ".env.example"):
        path = upstream / name
        path.write_text(path.read_text(encoding="utf-8") + "# release two\n", encoding="utf-8")
    (upstream / "protocols/newcomer").mkdir()
    (upstream / "protocols/newcomer/monitor.yaml").write_text(MONITOR.format(name="newcomer"))
    commit(upstream, "release two")


def test_an_upstream_merge_never_conflicts_and_both_sides_are_in_force(upstream: Path, tmp_path: Path) -> None:
    fork = tmp_path / "fork"
    run_git(tmp_path, "clone", "-q", str(upstream), str(fork))
    write_own(fork)
    commit(fork, "our own watch")
    release_two(upstream)

    run_git(fork, "fetch", "-q", "origin")
    run_git(fork, "merge", "-q", "--no-edit", "origin/main")

    assert run_git(fork, "status", "--porcelain") == ""
    assert "with jobs.d/acme.yaml: no mistakes" in automation(fork, "validate")
    crontab = automation(fork, "render-crontab")
    assert "29 8 * * *\t" in crontab
    assert crontab.count("run minutely") == 1
    shown = automation(fork, "run", "hourly", "--dry-run")
    assert "protocols/drill/main.py" in shown
    assert "protocols/acme-two/monitor.yaml" in shown
    assert "protocols/aave/monitor.yaml" not in shown


def test_the_same_watch_written_into_jobs_yaml_conflicts(upstream: Path, tmp_path: Path) -> None:
    """What the test above would show if jobs.d were not read: it can fail."""
    fork = tmp_path / "fork"
    run_git(tmp_path, "clone", "-q", str(upstream), str(fork))
    jobs = fork / "automation/jobs.yaml"
    own = "      - {name: acme, script: protocols/drill/main.py}\n      - name: host\n"
    jobs.write_text(jobs.read_text(encoding="utf-8").replace("      - name: host\n", own))
    commit(fork, "our own watch")
    release_two(upstream)

    run_git(fork, "fetch", "-q", "origin")
    run_git(fork, "merge", "-q", "--no-edit", "origin/main", check=False)

    assert "UU automation/jobs.yaml" in run_git(fork, "status", "--porcelain")


@pytest.mark.ci
@pytest.mark.timeout(900)  # two minutes alone, and as much more as the machine is busy
def test_what_a_team_adds_breaks_no_test_of_the_product(upstream: Path) -> None:
    write_own(upstream)
    files = [
        "tests/test_tree.py", "tests/test_words.py", "tests/unit/test_watched.py", "tests/unit/test_drills.py",
        "tests/unit/test_config.py", "tests/unit/test_jobs_d.py", "tests/unit/test_chains_decisions.py",
        "tests/unit/test_queues_data.py",
        "tests/unit/test_checks_mistakes.py", "tests/unit/test_chains_d.py",
        "tests/integration/test_cli.py", "tests/integration/test_candidate_monitors.py",
        "tests/cases/test_b05_a_raw_driver_error.py",
    ]  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *files],
        cwd=upstream, env=child_environ() | {"PYTHONPATH": str(upstream)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:]
