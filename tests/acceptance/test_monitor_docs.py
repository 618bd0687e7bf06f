"""The examples of docs/write-a-monitor.md run as they are printed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from monitoring.store.schema import open_database
from tests.support.child import CHECKOUT
from utils import monitor
from utils.context import Context

PAGE = (CHECKOUT / "docs" / "write-a-monitor.md").read_text()
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
EXPECTED = [["Backing below one"], ["a transfer", "another"], ["first of two", "second of two"]]


@pytest.mark.parametrize(("example", "titles"), list(zip(EXAMPLES, EXPECTED, strict=True)))
def test_an_example_does_what_the_page_says(tmp_path: Path, example: str, titles: list[str]) -> None:
    script = tmp_path / "main.py"
    script.write_text(example)
    environ = {**os.environ, "PYTHONPATH": str(CHECKOUT), "CACHE_DIR": str(tmp_path), "AUTOMATION_TASK": "example"}
    done = subprocess.run([sys.executable, str(script)], env=environ, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    with open_database(tmp_path / "monitoring.db") as database:
        assert [row[0] for row in database.rows("SELECT title FROM alert_events ORDER BY id")] == titles


def test_the_page_names_what_an_author_can_use() -> None:
    methods = [name for name in vars(Context) if not name.startswith("_") and name not in _OF_THE_FRAME]
    words = [*(name for name in monitor.__all__ if name != "Severity"), *methods]
    assert [word for word in words if not re.search(rf"\b{word}\b", PAGE)] == []


# What the frame around the function calls, not its author.
_OF_THE_FRAME = {"crashed", "finished", "close", "say"}
