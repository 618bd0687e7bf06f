"""The examples of docs/write-a-monitor.md run as they are printed."""

from __future__ import annotations

import os
import re
import runpy
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from monitoring.store.db.schema import open_database
from tests.support.checks_host import ChecksHost
from tests.support.child import CHECKOUT
from tests.support.rpc_server import Provider, serving
from utils import monitor
from utils.context import Context
from utils.reading import Reads
from utils.testing import SimChain, SimClock, run
from utils.verbs import Verbs

PAGE = (CHECKOUT / "docs" / "write-a-monitor.md").read_text()
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
JUDGING, WATCHING, TESTED, *ALERTING = EXAMPLES
EXPECTED = [["Backing below one"], ["a transfer", "another"], ["first of two", "second of two"]]
README = (CHECKOUT / "README.md").read_text()


@pytest.mark.parametrize(("example", "titles"), list(zip(ALERTING, EXPECTED, strict=True)))
def test_an_example_does_what_the_page_says(tmp_path: Path, example: str, titles: list[str]) -> None:
    script = tmp_path / "main.py"
    script.write_text(example)
    environ = {**os.environ, "PYTHONPATH": str(CHECKOUT), "CACHE_DIR": str(tmp_path), "AUTOMATION_TASK": "example"}
    done = subprocess.run([sys.executable, str(script)], env=environ, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    with open_database(tmp_path / "monitoring.db") as database:
        assert [row[0] for row in database.rows("SELECT title FROM alert_events ORDER BY id")] == titles


VAULT = "0x83F20F44975D03b1b09e64809B757c47f942BEeA"
ASSETS, SUPPLY = "totalAssets()(uint256)", "totalSupply()(uint256)"


def main_of(folder: Path, example: str) -> Any:
    (folder / "main.py").write_text(example)
    return runpy.run_path(str(folder / "main.py"))["main"]


def test_the_example_that_judges_does_what_it_says(tmp_path: Path) -> None:
    main, clock = main_of(tmp_path, JUDGING), SimClock()
    chain = SimChain({(VAULT, ASSETS): 10**24, (VAULT, SUPPLY): 10**24})
    assert run(main, chain=chain, clock=clock, store=tmp_path) == []
    chain.calls[VAULT, SUPPLY] = 2 * 10**24
    clock.move("1h")
    assert run(main, chain=chain, clock=clock, store=tmp_path).kinds == {"backing/1": "fired", "supply": "fired"}


def test_the_example_of_events_does_what_it_says(tmp_path: Path) -> None:
    main, chain, clock = main_of(tmp_path, WATCHING), SimChain(), SimClock()
    usdc, who = "0xBe53A109B494E5c9f97b9Cd39Fe969BE68BF6204", "0x" + "11" * 20
    assert run(main, chain=chain, clock=clock, store=tmp_path) == []
    deposit = "Deposit(address,address,uint256,uint256)"
    chain.emit(usdc, deposit, who, who, 499_999 * 10**6, 1)
    chain.emit(usdc, deposit, who, who, 500_000 * 10**6, 1)
    chain.emit(usdc, "UpdateRoleManager(address indexed role_manager)", who)
    clock.move("1h")
    (told,) = run(main, chain=chain, clock=clock, store=tmp_path)
    assert (told.severity, told.title) == ("HIGH", "2 events of our vaults")
    assert "LOW yvUSDC: Deposit in block 20,000,005" in told.text


def test_the_example_in_the_readme_does_what_it_says(tmp_path: Path) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    main, chain = main_of(tmp_path, example), SimChain({(VAULT, ASSETS): 98 * 10**22, (VAULT, SUPPLY): 10**24})
    told = run(main, chain=chain, clock=SimClock(), store=tmp_path)
    assert [f"{one.severity} {one.title}" for one in told] == ["HIGH backing: 98% is below 100%"]


def test_the_example_of_a_test_is_one_that_passes(tmp_path: Path) -> None:
    (tmp_path / "test_example.py").write_text(TESTED)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        str(tmp_path),
        str(tmp_path),
    ]
    done = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": str(CHECKOUT)}, cwd=tmp_path, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout


def test_the_page_names_what_an_author_can_use() -> None:
    known = {name for part in (Context, Verbs, Reads) for name in vars(part)}
    methods = [name for name in known if not name.startswith("_") and name not in _OF_THE_FRAME]
    words = [*(name for name in monitor.__all__ if name != "Severity"), *methods]
    assert [word for word in words if not re.search(rf"\b{word}\b", PAGE)] == []


# What the frame around the function calls, not its author.
_OF_THE_FRAME = {"crashed", "finished", "stopped", "left", "close", "say"}


def test_the_example_without_code_is_sound_and_fires_as_the_page_says(tmp_path: Path) -> None:
    found = re.search(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    assert found
    vault, assets, supply, share = VAULT, ASSETS, SUPPLY, "convertToAssets(uint256)(uint256)"
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
