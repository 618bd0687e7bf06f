"""`backtest` of Python monitors: the function is run at each step, and what it sends is what it sent live."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from monitoring.base.settings import CHECKOUT
from monitoring.chains.abi.addresses import checksum
from monitoring.checks.expression.evaluate import ViewRead
from tests.support.answers import put_answer, put_answers
from tests.support.anvil import Anvil
from tests.support.played_chain import played_chain
from utils.explain import monitors_of

pytestmark = pytest.mark.node
VAULT = checksum("0x" + "a1" * 20)
USED = ViewRead(1, VAULT, "used()(uint256)")
SCRIPT = f"""\
from utils.monitor import CRITICAL, HIGH, LOW, call, monitor

SERVICE = False

@monitor("acme")
def main(m):
    read = m.chain("mainnet").read(used=call("{VAULT}", "used()(uint256)"))
    m.limit("used", read.used, above=[(80, HIGH), (95, CRITICAL)], for_runs=2, chain="mainnet")
    m.delta("moves", read.used, max_change="25%", severity=LOW, chain="mainnet")
    if SERVICE:
        m.limit("service", m.http("https://api.example.org/x", number="a"), above=1, severity=LOW)
    if read.used > 96:
        m.alert(HIGH, "more than 96", key="own")
    else:
        m.resolve("own")

if __name__ == "__main__":
    main()
"""


def setting(value: int) -> Callable[[Anvil], object]:
    return lambda node: put_answer(node, USED, value)


def backtest(folder: Path, environ: Mapping[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    fixed = {"PYTHONPATH": str(CHECKOUT), "CACHE_DIR": str(folder / "state"), "MONITORING_ENV_FILE": ""}
    return subprocess.run(
        [sys.executable, "-m", "automation", "backtest", *arguments],
        env={**os.environ, **fixed, **environ}, cwd=folder, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def test_a_script_is_run_at_each_step_and_sends_what_it_sent_live(tmp_path: Path) -> None:
    script = tmp_path / "main.py"
    script.write_text(SCRIPT, encoding="utf-8")
    (main,) = monitors_of(script)
    with played_chain(tmp_path / "live") as chain:
        put_answers(chain.node, {USED: 50})
        for value in (50, 85, 85, 97, 98, 97, 60, 60, 91):
            chain.hour(lambda: chain.run_function(main), setting(value))
        script.write_text(SCRIPT.replace("SERVICE = False", "SERVICE = True"), encoding="utf-8")
        until = "2026-11-01T09:00Z"
        done = backtest(tmp_path, chain.environ, "main.py", "--since", "2026-11-01T00:30Z", "--until", until, "--json")
        live = chain.alerts()

    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    (run,) = found["runs"]
    assert [(one["at"], one["severity"], one["kind"], one["title"], one["text"]) for one in run["alerts"]] == [
        row[:5] for row in live
    ]
    assert len(live) >= 6
    assert run["left_out"] == {"acme/service": "asks api.example.org"}
    incidents = [(one["check"], one["fired_at"][11:16], one["severity"]) for one in run["incidents"]]
    assert incidents == [
        ("moves", "02:00", "LOW"), ("used", "03:00", "CRITICAL"), ("own", "04:00", "HIGH"), ("moves", "07:00", "LOW"),
        ("moves", "09:00", "LOW"),
    ]  # fmt: skip
