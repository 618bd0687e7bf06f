"""`kill -9` in the middle of a run: no alert is lost, none is told twice, and nothing is remembered ahead of them."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.support.checks_host import CHECKOUT, ChecksHost
from tests.support.rpc_server import Failure, Provider, serving

A = "0x" + "11" * 20
SUPPLY = "totalSupply()(uint256)"
FILE = f"""
monitor: vault
chain: 1
contracts: {{a: "{A}"}}
checks:
  - {{id: floor, require: a.totalSupply() >= 100, severity: high}}
  - {{id: value, changed: a.totalSupply(), severity: low}}
"""


@pytest.mark.parametrize("moment", ["at its head", "at its reads", 0.0, 0.002, 0.005, 0.01, 0.02, 0.05])
def test_a_run_killed_at_any_moment_is_made_up_for_by_the_next(tmp_path: Path, moment: str | float) -> None:
    provider = Provider(head_time=time.time, views={(A, SUPPLY): 150})
    with serving(provider):
        host = ChecksHost(tmp_path, {"PROVIDER_URL_MAINNET": provider.url})
        file = host.file(FILE)
        host.run(file)
        provider.views[A, SUPPLY], provider.head = 5, provider.head + 1
        _kill(host, file, provider, moment)
        _is_whole(host, provider)
        host.run(file)
        assert host.told == ["HIGH alert floor: 5 is below 100", "LOW alert value changed: 150 → 5"]
        assert host.rows("SELECT count(*) FROM deliveries WHERE status = 'pending'") == [(5,)]
        host.run(file)
        assert len(host.told) == 2


def _kill(host: ChecksHost, file: Path, provider: Provider, moment: str | float) -> None:
    """Kill when the provider is asked for something, or so long after the reads were answered."""
    victim: list[subprocess.Popen[bytes]] = []
    method = "eth_chainId" if moment == "at its head" else "eth_call"

    def meet(asked: str, _params: list[Any]) -> Failure | None:
        if asked == method and isinstance(moment, str):
            os.kill(victim[0].pid, signal.SIGKILL)
        return None

    provider.failing = meet
    before = provider.count("eth_call")
    process = subprocess.Popen(
        host.command("run", file), env=host.env(), cwd=CHECKOUT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    victim.append(process)
    if not isinstance(moment, str):
        deadline = time.monotonic() + 60
        while provider.count("eth_call") == before and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.0005)
        time.sleep(moment)
        process.kill()
    process.wait(60)
    provider.failing = lambda _method, _params: None


def _is_whole(host: ChecksHost, provider: Provider) -> None:
    """All of the run is there, or nothing of it: block, conditions and alerts agree."""
    ((judged,),) = host.rows("SELECT value FROM chain_memory WHERE kind = 'judged'")
    ((state,),) = host.rows("SELECT state FROM conditions WHERE check_name = 'floor'")
    assert (int(judged), state, len(host.told)) in [(provider.head - 1, "ok", 0), (provider.head, "firing", 2)]
