"""What the documents say is watched is what the monitor files say, and nothing shipped is left out."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from monitoring.checks.builtin import TYPES
from monitoring.checks.builtin.erc4626 import keys as erc4626
from monitoring.checks.builtin.http import config as http_rows
from monitoring.checks.config.load import load_monitor
from protocols import SHIPPED
from tests.support.drills import PROTOCOLS, drilled_files, monitor_files
from tools import watched

DOCUMENTS = watched.documents()


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(watched.CHECKOUT)))
def test_a_document_says_what_is_watched(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == DOCUMENTS[path], "python -m tools.watched"


def test_every_monitor_stands_in_a_schedule_and_its_folder_explains_it() -> None:
    profiles = watched.shipped_jobs().profiles.values()
    scheduled = {watched.CHECKOUT / file for profile in profiles for task in profile.tasks for file in task.monitors}

    assert {file for file in scheduled if file.parent.name in SHIPPED} == set(monitor_files())
    assert [name for name in SHIPPED if not (PROTOCOLS / name / "README.md").exists()] == []


def test_every_drilled_monitor_has_its_table() -> None:
    missing = [
        path for path in drilled_files()
        if f"<!-- watched: {path.name} -->" not in (path.parent / "README.md").read_text(encoding="utf-8")
    ]  # fmt: skip
    assert missing == []


@pytest.mark.parametrize(
    "key", [*erc4626.ROW.names, *http_rows.ROW.names, "tolerance", "baseline_max_age", "at_least", "account"]
)
def test_every_key_of_a_row_is_documented(key: str) -> None:
    assert re.search(rf"\b{key}\b", watched.OVERVIEW.read_text(encoding="utf-8"))


@pytest.mark.parametrize("block", re.findall(r"```yaml\n(monitor:.*?)```", DOCUMENTS[watched.OVERVIEW], re.DOTALL))
def test_the_documented_rows_load(tmp_path: Path, block: str) -> None:
    path = tmp_path / "monitor.yaml"
    path.write_text(block)

    assert load_monitor(path, TYPES).parts()
