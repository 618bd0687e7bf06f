"""A commit with a broken monitor file: refused by the commit's own code, with the place of the mistake."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from automation.sync.candidate import Judgement, validate_candidate
from tests.support.checkouts import AS_SHIPPED
from tests.support.child import CHECKOUT

JOBS = """\
profiles:
  hourly:
    cron: "5 * * * *"
    sync_before_run: true
    tasks: [{name: aave, monitors: [protocols/aave/monitor.yaml]}]
"""
MONITOR = """\
monitor: aave
chain: 1
contracts: {a: "0x1111111111111111111111111111111111111111"}
checks:
  - {id: floor, require: a.totalSupply() >= 100, severity: high}
"""


def candidate(directory: Path, monitor: str) -> Path:
    """This project's own code, with one monitor in its jobs.yaml."""
    for package in ("automation", "monitoring", "utils"):
        shutil.copytree(CHECKOUT / package, directory / package, ignore=AS_SHIPPED)
    (directory / "automation/jobs.yaml").write_text(JOBS)
    (directory / "protocols/aave").mkdir(parents=True)
    (directory / "protocols/aave/monitor.yaml").write_text(monitor)
    return directory


def judge(directory: Path) -> Judgement:
    environ = {"PATH": os.environ["PATH"], "HOME": str(directory)}
    return validate_candidate(directory, environ=environ, time_limit_s=60)


def test_a_commit_with_a_sound_monitor_is_accepted_and_one_with_a_mistake_is_refused_at_its_line(
    tmp_path: Path,
) -> None:
    assert judge(candidate(tmp_path / "sound", MONITOR)) == Judgement()
    broken = judge(candidate(tmp_path / "broken", MONITOR.replace("totalSupply", "totalSuply")))
    assert broken.reason.startswith(
        "validate: protocols/aave/monitor.yaml:5:28 checks.floor.require: totalSuply is no known view"
    )
    assert broken.needs == ()
