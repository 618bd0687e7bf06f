"""The files of docs/how-to are sound as they are printed: read by the product, and their drills pass."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from automation.cli.commands import command_names
from automation.jobs.load import load_jobs
from automation.setup.jobs_file import NAME as OWN
from monitoring.base.settings import CHECKOUT
from monitoring.checks.builtin import TYPES
from monitoring.checks.config.load import load_monitor
from monitoring.checks.drill.file import drill_path, formula_parts, load_drilled
from monitoring.checks.drill.rehearse import CheckResult, rehearse
from monitoring.checks.drill.scripts import rehearse_script
from tests.support.checkouts import write
from utils.mistakes import mistakes_in

PAGES = sorted((CHECKOUT / "docs" / "how-to").glob("*.md"))
_FILE = re.compile(r"<!-- file: (\S+) -->\n```\w+\n(.*?)```", re.DOTALL)
_COMMANDS = re.compile(r"(?m)(?:^\$ |`)(\.venv/bin/\S+ [^`\n]+)")
JOBS = """\
profiles:
  hourly: {cron: "5 * * * *", tasks: []}
  multisig: {cron: "0/10 * * * *", tasks: []}
"""
BY_PAGE = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)


@pytest.fixture
def checkout(page: Path, tmp_path: Path) -> Path:
    """Return a checkout with the files of a page, next to a jobs.yaml with two of the shipped profiles."""
    write(tmp_path / "automation/jobs.yaml", JOBS)
    for name, text in _FILE.findall(page.read_text(encoding="utf-8")):
        write(tmp_path / name, text)
    return tmp_path


def test_there_is_a_page_for_each_purpose() -> None:
    assert [page.stem for page in PAGES] == ["api", "own-python", "peg", "safe", "timelock", "vault"]


@BY_PAGE
def test_the_files_of_a_page_have_no_mistake(checkout: Path) -> None:
    jobs = load_jobs(checkout / "automation" / "jobs.yaml", checkout)
    tasks = [task for profile in jobs.profiles.values() for task in profile.tasks]
    named = {*(file for task in tasks for file in task.monitors), *(task.script for task in tasks if task.script)}

    assert named == {str(file.relative_to(checkout)) for file in checkout.glob("protocols/*/[m]*.*")}
    for file in named:
        if file.endswith(".py"):
            assert mistakes_in(checkout / file) == []
        else:
            assert load_monitor(checkout / file, TYPES).warnings == ()


def test_no_page_replaces_the_file_that_init_wrote_or_that_of_another_page() -> None:
    written = [name for page in PAGES for name, _ in _FILE.findall(page.read_text(encoding="utf-8"))]
    tasks = [name for name in written if name.startswith("automation/jobs.d/")]

    assert len(set(tasks)) == len(PAGES)
    assert f"automation/jobs.d/{OWN}" not in tasks


@BY_PAGE
def test_the_drills_of_a_page_pass_and_leave_out_no_check(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(CHECKOUT))
    results: list[CheckResult] = []
    for script in checkout.glob("protocols/*/main.py"):
        results += rehearse_script(script)
    for file in checkout.glob("protocols/*/monitor.yaml"):
        assert drill_path(file).exists() is bool(formula_parts(load_monitor(file, TYPES)))
        results += rehearse(load_drilled(file)) if drill_path(file).exists() else []

    assert {one.check: one.problems for one in results} == {one.check: [] for one in results}
    assert all(one.is_drilled for one in results)


@BY_PAGE
def test_the_commands_of_a_page_exist(page: Path) -> None:
    commands = [shlex.split(line.replace("…", ""))[:4] for line in _COMMANDS.findall(page.read_text(encoding="utf-8"))]
    assert commands
    for program, *words in commands:
        assert program == ".venv/bin/monitoring"
        assert words[0] in command_names()
