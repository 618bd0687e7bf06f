"""What the launcher in the venv takes for a start of a run by a scheduler."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests.support.host import ROOT

FILE = ROOT / "deploy/launcher/automation_launcher.py"


@pytest.fixture(scope="module")
def launcher() -> ModuleType:
    spec = importlib.util.spec_from_file_location("automation_launcher", FILE)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("command", "profile"),
    [
        ("python -m automation run hourly", "hourly"),
        ("python -u -m automation run on-call_2", "on-call_2"),
        ("/srv/monitoring/.venv/bin/python -m automation --config automation/jobs.yaml run multisig", "multisig"),
        ("python -m automation run", ""),
        ("python -m automation run ../x", ""),
        ("python -m automation status", ""),
        ("python -m monitoring.checks run hourly", ""),
        ("python script.py run hourly", ""),
        ("python", ""),
    ],
)
def test_only_a_run_of_a_profile_counts(launcher: ModuleType, command: str, profile: str) -> None:
    assert launcher._profile(command.split()) == profile


@pytest.mark.parametrize(
    ("trigger", "marks"), [("cron", ["hourly"]), ("embedded", ["hourly"]), ("manual", []), ("", []), ("catch-up", [])]
)
def test_only_a_start_by_a_scheduler_leaves_a_mark(tmp_path: Path, trigger: str, marks: list[str]) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git/monitoring-probation.json").write_text("{}")
    assert _start(tmp_path, AUTOMATION_TRIGGER=trigger).returncode == 0
    assert sorted(path.name for path in tmp_path.glob(".git/monitoring-starts/*")) == marks


def test_a_damaged_record_keeps_no_run_from_starting(tmp_path: Path) -> None:
    (tmp_path / ".git/monitoring-starts").mkdir(parents=True)
    (tmp_path / ".git/monitoring-starts/hourly").write_bytes(b"..")
    (tmp_path / ".git/monitoring-probation.json").write_text("not JSON")
    done = _start(tmp_path, AUTOMATION_TRIGGER="cron")
    assert done.returncode == 0
    assert "automation_launcher: JSONDecodeError" in done.stderr


def test_a_checkout_without_a_way_back_is_left_alone(tmp_path: Path) -> None:
    assert _start(tmp_path, AUTOMATION_TRIGGER="cron").stderr == ""
    assert list(tmp_path.iterdir()) == [tmp_path / "automation.py"]


def _start(directory: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    """Start what looks like a run, with the launcher imported as the `.pth` file does."""
    (directory / "automation.py").write_text("")
    # Where `make demo` or `make sync` made the venv, it has loaded its own copy for this `-c` already.
    load = (
        "import sys; sys.modules.pop('automation_launcher', None); "
        f"sys.orig_argv[1:] = '-m automation run hourly'.split(); sys.path.insert(0, {str(FILE.parent)!r})"
    )
    return subprocess.run(
        [sys.executable, "-c", f"{load}; import automation_launcher"],
        cwd=directory, env={"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1", **environ},
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
