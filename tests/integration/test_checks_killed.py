"""`kill -9` in the middle of a run: no alert is lost, none is told twice, and nothing is remembered ahead of them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.support.checks_host import CHECKOUT, ChecksHost
from tests.support.rpc_server import Failure, Provider, serving
from tests.support.timelocks import YEARN, scheduled_logs

A = "0x" + "11" * 20
SUPPLY = "totalSupply()(uint256)"
FILE = f"""
monitor: vault
chain: 1
contracts: {{a: "{A}"}}
checks:
  - {{id: floor, require: a.totalSupply() >= 100, severity: high, machine: true}}
  - {{id: value, changed: a.totalSupply(), severity: low}}
"""

TIMELOCK = f"""
monitor: timelocks
chains: [mainnet]
timelocks:
  first_run_lookback: 1h
  rows:
    - {{name: Yearn, chain: mainnet, address: "{YEARN}", protocol: yearn, kind: oz_timelock_controller, min_delay: 7d}}
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


@pytest.mark.parametrize("moment", ["at its reads", 0.0, 0.005, 0.02, 0.05, 0.1])
def test_what_happened_on_a_chain_is_told_whenever_the_run_that_read_it_is_killed(
    tmp_path: Path, moment: str | float
) -> None:
    """The cursor moves with the alerts or not at all: an event behind it has been told, one before it will be."""
    provider = Provider(head=100_000, head_time=time.time, logs=scheduled_logs(range(100_010, 100_050, 10)))
    with serving(provider):
        host = ChecksHost(tmp_path, {"PROVIDER_URL_MAINNET": provider.url})
        file = host.file(TIMELOCK)
        host.run(file)
        provider.head = 100_100
        _kill(host, file, provider, moment, "eth_getLogs")
        ((memory,),) = host.rows("SELECT data_json FROM conditions WHERE monitor = 'timelocks'")
        assert (json.loads(memory)["memory"]["next"] > 100_050) == (len(host.told) == 1)
        for _ in range(2):
            host.run(file)
        (told,) = host.told
        assert told == "HIGH alert Yearn (mainnet): 4 operations scheduled"


def _kill(host: ChecksHost, file: Path, provider: Provider, moment: str | float, reads: str = "eth_call") -> None:
    """Kill when the provider is asked for something, or so long after the reads were answered."""
    victim: list[subprocess.Popen[bytes]] = []
    method = "eth_chainId" if moment == "at its head" else reads

    def meet(asked: str, _params: list[Any]) -> Failure | None:
        if asked == method and isinstance(moment, str):
            os.kill(victim[0].pid, signal.SIGKILL)
        return None

    provider.failing = meet
    before = provider.count(reads)
    process = subprocess.Popen(
        host.command("run", file), env=host.env(), cwd=CHECKOUT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    victim.append(process)
    if not isinstance(moment, str):
        deadline = time.monotonic() + 60
        while provider.count(reads) == before and process.poll() is None and time.monotonic() < deadline:
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
