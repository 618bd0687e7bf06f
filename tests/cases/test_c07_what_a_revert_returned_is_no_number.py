"""What a revert returned came as a `result` and was read as a number of 3.9e57, which fired CRITICAL.

Input: `result` with the data of `Error(string)`, of `Panic(uint256)` and of custom errors; `"0x0"` and hex of an odd
length; results of a fixed type that are too long or too short. Right result: a revert is a revert, what cannot be read
is unknown, nothing fires, nothing crashes; what an old Vyper proxy pads to 4,096 bytes is read.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from tests.support.checks_host import ChecksHost
from tests.support.rpc_server import Provider, serving

pytestmark = pytest.mark.case("C.7")
A = "0x" + "11" * 20
FILE = """
monitor: one
chain: 1
contracts: {a: "0x1111111111111111111111111111111111111111"}
checks: [{id: ceiling, require: a.totalSupply() <= 1e30, severity: critical}]
"""
WORD = "00" * 31
ERROR = "0x08c379a0" + WORD + "20" + WORD + "06" + b"paused".hex().ljust(64, "0")
PANIC = "0x4e487b71" + WORD + "11"


def reading(tmp_path: Path, result: str) -> tuple[ChecksHost, list[str]]:
    def raw(asked: Any) -> Any:
        return (
            {"id": asked["id"], "result": result} if isinstance(asked, dict) and asked["method"] == "eth_call" else None
        )

    with serving(Provider(head_time=time.time, raw=raw)) as (url,):
        host = ChecksHost(tmp_path, {"PROVIDER_URL_MAINNET": url})
        done = host.do("run", host.file(FILE))
    assert "Traceback" not in done.stderr, done.stderr
    return host, [" ".join(line.split()) for line in done.stdout.splitlines()]


@pytest.mark.parametrize(
    ("result", "said"),
    [
        (ERROR, "reverted: paused"),
        (PANIC, "reverted (panic 0x11)"),
        ("0xdeadbeef", "reverted (error 0xdeadbeef)"),
        ("0xdeadbeef" + WORD + "01" + WORD + "02", "reverted (error 0xdeadbeef)"),
        ("0x0", "answered nonsense"),
        ("0x123", "answered nonsense"),
        ("0x", "returned nothing"),
        ("0x" + WORD + "05" + WORD + "06", "returned 64 bytes"),
        ("0x" + WORD, "returned 31 bytes"),
    ],
)
def test_what_is_no_value_is_unknown_and_alarms_nobody(tmp_path: Path, result: str, said: str) -> None:
    host, lines = reading(tmp_path, result)
    assert said in lines[0]
    assert " unknown" in lines[0]
    assert host.told == []


def test_the_padded_answer_of_an_old_vyper_proxy_is_read(tmp_path: Path) -> None:
    host, (line, *_) = reading(tmp_path, "0x" + WORD + "05" + "77" * (4096 - 32))
    assert " unknown" not in line
    assert host.told == []
