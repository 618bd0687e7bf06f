"""The shipped rows of timelocks and Safes, as they are planned."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from monitoring.checks.builtin import TYPES
from monitoring.checks.config.load import load_monitor
from monitoring.checks.engine.plan import CheckInstance

PROTOCOLS = Path(__file__).resolve().parents[2] / "protocols"


def parts_of(name: str) -> tuple[CheckInstance, ...]:
    return load_monitor(PROTOCOLS / name / "monitor.yaml", TYPES).parts()


def test_twenty_six_timelocks_on_six_chains_are_watched_and_six_of_them_for_two_channels() -> None:
    parts = parts_of("timelocks")
    checks = Counter(part.key.check for part in parts)
    assert checks == {"timelocks": 26, "timelocks-mirror": 6}
    assert {part.key.chain for part in parts} == {1, 10, 137, 8453, 42161, 747474}
    assert {part.route.channel for part in parts if part.key.check == "timelocks-mirror"} == {"yearn_timelock_internal"}


def test_thirty_three_safes_are_watched_each_by_chain_and_address() -> None:
    parts = parts_of("safes")
    checks = Counter(part.key.check for part in parts)
    assert set(checks.values()) == {33}
    queues = [part.key for part in parts if part.key.check == "safe-queue"]
    assert len({(key.chain, key.subject) for key in queues}) == 33
    assert len({key.subject for key in queues}) == 29, "three addresses are on two chains or three"


@pytest.mark.parametrize("name", ["timelocks", "safes"])
def test_every_channel_can_be_named_by_an_environment_variable(name: str) -> None:
    for part in parts_of(name):
        channel = part.route.channel or part.route.protocol
        assert channel.replace("_", "").isalnum(), channel
