"""`python -m monitoring.chains probe` as a process of its own: what it shows, and what it must not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.rpc_server import KEY, Provider, serving

CHECKOUT = Path(__file__).resolve().parents[2]


def run_probe(environ: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PROVIDER_URL")}
    command = [sys.executable, "-m", "monitoring.chains", "probe", *arguments]
    return subprocess.run(
        command,
        cwd=CHECKOUT,
        env=clean | {"MONITORING_ENV_FILE": "", "PROVIDER_PUBLIC": "off", **environ},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def test_each_provider_is_told_with_chain_head_and_age() -> None:
    good = Provider(head_time=time.time)
    wrong = Provider(chain_id=10, head_time=time.time)
    stuck = Provider(head_time=lambda: time.time() - 7200)
    with serving(good, wrong, stuck) as urls:
        names = ["PROVIDER_URL_MAINNET", "PROVIDER_URL_MAINNET_1", "PROVIDER_URL_MAINNET_2"]
        environ = dict(zip(names, urls, strict=True))
        machine = run_probe(environ, "--chain", "mainnet", "--json")
        person = run_probe(environ, "--chain", "1")
    rows = json.loads(machine.stdout)
    assert [row["ok"] for row in rows] == [True, False, False]
    assert rows[0] | {"age_s": 0} == {
        "chain": "mainnet",
        "chain_id": 1,
        "host": "127.0.0.1 #1",
        "configured": True,
        "ok": True,
        "head": 1000,
        "age_s": 0,
        "problem": "",
    }
    assert "is on another chain: 10 instead of 1" in rows[1]["problem"]
    assert "s old" in rows[2]["problem"]
    assert (machine.returncode, person.returncode) == (0, 0)
    assert "ok   mainnet    127.0.0.1 #1: block 1000" in person.stdout
    for text in (machine.stdout, machine.stderr, person.stdout, person.stderr):
        assert KEY not in text


def test_a_chain_without_a_good_provider_fails_the_probe() -> None:
    with serving(Provider(status=401)) as (url,):
        done = run_probe({"PROVIDER_URL_BASE": url}, "--chain", "base")
    assert done.returncode == 1
    assert "FAIL base       127.0.0.1: 127.0.0.1: HTTP 401" in done.stdout
    assert KEY not in done.stdout + done.stderr


@pytest.mark.parametrize("arguments", [["--chain", "nowhere"], ["--nonsense"]])
def test_a_wrong_command_line_is_told_and_asks_nobody(arguments: list[str]) -> None:
    done = run_probe({}, *arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr
