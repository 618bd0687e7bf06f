"""The examples of docs/write-a-monitor.md run as they are printed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from monitoring.store.schema import open_database
from tests.support.checks_host import ChecksHost
from tests.support.child import CHECKOUT
from tests.support.rpc_server import Provider, serving
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


def test_the_example_without_code_is_sound_and_fires_as_the_page_says(tmp_path: Path) -> None:
    found = re.search(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    assert found
    vault = "0x83F20F44975D03b1b09e64809B757c47f942BEeA"
    share, assets, supply = "convertToAssets(uint256)(uint256)", "totalAssets()(uint256)", "totalSupply()(uint256)"
    views = {(vault, share): 10**18, (vault, assets): 2 * 10**24, (vault, supply): 10**24}
    provider = Provider(head_time=time.time, views=views)
    with serving(provider):
        host = ChecksHost(tmp_path, {"PROVIDER_URL_MAINNET": provider.url})
        file = host.file(found[1])
        assert host.do("validate", file).returncode == 0
        host.run(file)
        views[vault, share], views[vault, assets], views[vault, supply] = 10**18 - 1, 9 * 10**23, 2 * 10**24
        host.run(file)
        assert [line.split()[:3] for line in host.told] == [
            ["CRITICAL", "alert", "share-price"], ["HIGH", "alert", "assets:"], ["LOW", "alert", "supply"],
        ]  # fmt: skip
