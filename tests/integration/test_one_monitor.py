"""`validate`, `explain` and `test` of the command line take one monitor, from any directory."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from monitoring.base.settings import CHECKOUT
from tests.support.child import child_environ
from tests.support.host import Host

FILE = """\
monitor: acme
chain: mainnet
contracts: {vault: "0x83F20F44975D03b1b09e64809B757c47f942BEeA"}
checks:
  - {id: size, require: vault.totalAssets() / 1e18 >= 1000, severity: high}
"""
SCRIPT = """\
from utils.monitor import HIGH, monitor


@monitor("acme")
def main(m):
    m.limit("size", 5, below=10, severity=HIGH)


if __name__ == "__main__":
    main()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "monitor.yaml").write_text(FILE)
    (tmp_path / "main.py").write_text(SCRIPT)
    return tmp_path


def automation(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environ = child_environ({"CACHE_DIR": str(folder / "state"), "MONITORING_ENV_FILE": ""})
    command = [sys.executable, "-m", "automation", *arguments]
    return subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=False)


def test_validate_takes_a_monitor_and_a_script(folder: Path) -> None:
    assert automation(folder, "validate", "monitor.yaml").stdout == "no mistakes in 1 monitor with 1 check\n"
    assert automation(folder, "validate", "main.py").stdout == "no mistakes in 1 script\n"
    (folder / "main.py").write_text(SCRIPT.replace("m.limit", "m.limt"))
    done = automation(folder, "validate", "main.py")
    assert (done.returncode, done.stderr) == (2, "main.py:6:7 m.limt is not known, did you mean limit?\n")


def test_explain_takes_a_script_and_leaves_no_state(folder: Path) -> None:
    done = automation(folder, "explain", "main.py")
    assert (done.returncode, done.stdout.splitlines()[0].split()) == (
        0,
        ["acme/size", "5", "≥", "10", "firing", "breached,", "fired"],
    )
    assert not (folder / "state" / "monitoring.db").exists()


def test_explain_of_a_script_shows_what_its_last_run_read(folder: Path) -> None:
    environ = child_environ({"CACHE_DIR": str(folder / "state"), "MONITORING_ENV_FILE": ""})
    subprocess.run([sys.executable, "main.py"], cwd=folder, env={**environ, "PYTHONPATH": str(CHECKOUT)}, check=True)
    assert re.search(
        r"\n    last run \(.* ago\): 5, limit ≥ 10, short by 5", automation(folder, "explain", "main.py").stdout
    )


def test_explain_of_a_script_that_is_not_there_says_so(folder: Path) -> None:
    done = automation(folder, "explain", "mian.py")

    assert (done.returncode, done.stderr) == (2, "mian.py is not there: correct the path\n")


def test_validate_warns_of_a_monitor_of_ones_own_that_no_task_runs(tmp_path: Path) -> None:
    host = Host(tmp_path)
    own, monitor = host.checkout / "automation/jobs.d/own.yaml", host.checkout / "protocols/our-vault/monitor.yaml"
    own.parent.mkdir(exist_ok=True)
    own.write_text("examples: off\n")
    monitor.parent.mkdir()
    monitor.write_text(FILE)

    unused = host.automation("validate")
    own.write_text(
        "examples: off\nprofiles: {hourly: {tasks: [{name: v, monitors: [protocols/our-vault/monitor.yaml]}]}}\n"
    )
    used = host.automation("validate")

    assert (unused.returncode, used.returncode) == (0, 0), unused.stderr + used.stderr
    assert unused.stderr == "warning: protocols/our-vault/monitor.yaml is in no task: nothing runs it\n"
    assert used.stderr == ""
