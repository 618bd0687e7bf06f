"""A provider that leaves events out: they are judged all the same, one alert names it, and the audit counts it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from monitoring.chains.abi.addresses import checksum
from monitoring.chains.rpc.log_evidence import Completeness, HeldRange
from monitoring.checks.engine.point import EvaluationPoint
from monitoring.checks.engine.source_troubles import IncompleteLogs
from monitoring.conditions.condition import Condition, State
from monitoring.store.db.schema import open_database
from monitoring.store.tables import chain_memory
from tests.support.chain_clock import ManualClock
from tests.support.checks_host import CHECKOUT, ChecksHost
from tests.support.rpc_server import Provider, serving
from tests.support.timelocks import YEARN, scheduled_logs

FILE = f"""
monitor: timelocks
chains: [mainnet]
timelocks:
  first_run_lookback: 12h
  rows: [{{name: Yearn, chain: mainnet, address: "{YEARN}", protocol: yearn, kind: oz_timelock_controller}}]
"""
LEFT_OUT = "HIGH alert Ethereum: 127.0.0.1 #1 left out 1 event of blocks"


class World:
    """A host with two providers, of which the first leaves out what is in `dropped`."""

    def __init__(self, folder: Path, first: Provider, second: Provider) -> None:
        self.first, self.second, self.dropped = first, second, set[int]()
        first.leaves_out = lambda log: int(log["blockNumber"], 16) in self.dropped
        self.host = ChecksHost(folder, {"PROVIDER_URL_MAINNET": first.url, "PROVIDER_URL_MAINNET_1": second.url})
        self.host.run(self.host.file(FILE))
        self.seen = [len(self.host.told)]

    def mine(self, *, dropped: bool) -> list[str]:
        """Schedule something, let it become certain, and return what a run says."""
        at = self.first.head + 1
        self.dropped |= {at} if dropped else set()
        for one in (self.first, self.second):
            one.logs = [*one.logs, *scheduled_logs(range(at, at + 1))]
            one.head += 40
        self.host.run(self.host.file(FILE))
        return self.host.new(self.seen)

    def audit(self, *more: str) -> str:
        command = [sys.executable, "-m", "automation", "audit", *more]
        environ = {**self.host.env(by_hand=True), "CACHE_DIR": str(self.host.folder)}
        return subprocess.run(command, env=environ, cwd=CHECKOUT, capture_output=True, text=True, check=False).stdout


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    first, second = (Provider(head=100_000, head_time=time.time, blooms=True) for _ in range(2))
    with serving(first, second):
        yield World(tmp_path, first, second)


def test_it_is_judged_named_once_and_counted(world: World) -> None:
    told = world.mine(dropped=True)
    assert len([one for one in told if "Yearn" in one and "scheduled" in one]) == 1, told
    (named,) = [one for one in told if "left out" in one]
    assert named.startswith(LEFT_OUT)
    assert "http" not in named
    again = world.mine(dropped=True)
    assert [one for one in again if "left out" in one] == [], "reported once while it lasts"
    assert len([one for one in again if "Yearn" in one]) == 1
    found = json.loads(world.audit("--json"))
    assert found["event_logs"] == {"confirmed": 1, "unconfirmed": 0, "contradicted": 2}
    (problem,) = [one for one in found["findings"] if one["kind"] == "events left out"]
    assert problem["breaks_silence"]
    assert problem["text"] == (
        "Ethereum: 127.0.0.1 #1 left out 3 events in 2 of 3 ranges of blocks; other evidence has them, "
        "and they were checked"
    )
    text = world.audit()
    assert "event logs: 1 range confirmed, 2 contradicted" in text
    assert "events left out:" in text
    status = subprocess.run(
        [sys.executable, "-m", "automation", "status"], env={**world.host.env(by_hand=True)}, cwd=CHECKOUT,
        capture_output=True, text=True, check=False,
    ).stdout  # fmt: skip
    assert "127.0.0.1 #1 left out 1 event" in status


def test_what_was_reported_and_is_left_out_later_is_no_reorganisation(world: World) -> None:
    """The blocks of an event are read once more for reorganisations, maybe from a provider that lacks it."""
    world.mine(dropped=True)
    world.host.environ = {"PROVIDER_URL_MAINNET": world.first.url}
    for mined in (0, 5):
        world.first.head += mined
        world.host.run(world.host.file(FILE))
        assert [one for one in world.host.new(world.seen) if "reorganisation" in one] == []
    assert world.host.told[-1].startswith(LEFT_OUT), "and nothing was said since"


def test_many_timelocks_cost_no_more_requests_than_one(tmp_path: Path) -> None:
    def requests(count: int) -> list[int]:
        rows = [
            f'{{name: T{n}, chain: mainnet, address: "{checksum(f"0x{n:040x}")}", protocol: acme, '
            "kind: oz_timelock_controller}"
            for n in range(1, count + 1)
        ]
        first, second = (Provider(head=100_000, head_time=time.time, blooms=True) for _ in range(2))
        with serving(first, second):
            host = ChecksHost(
                tmp_path / str(count), {f"PROVIDER_URL_MAINNET_{n}": one.url for n, one in ((1, first), (2, second))}
            )
            host.folder.mkdir()
            host.run(host.file(FILE.partition("  rows:")[0] + f"  rows: [{', '.join(rows)}]\n"))
        return [first.requests, second.requests]

    assert requests(1) == requests(40)


def test_a_reorganisation_is_still_one(world: World) -> None:
    world.mine(dropped=False)
    for one in (world.first, world.second):
        one.logs, one.fork, one.fork_from = [], "f", one.head - 60
    world.host.run(world.host.file(FILE))
    assert [one for one in world.host.new(world.seen) if "removed by a reorganisation" in one]


def test_it_is_over_after_an_hour_in_which_nothing_was_left_out() -> None:
    now = datetime(2026, 11, 24, 12, tzinfo=UTC)
    bad = IncompleteLogs(1, "Ethereum", "mainnet", (HeldRange(1, 9, Completeness.CONTRADICTED, {"a.example": 2}),))
    good = IncompleteLogs(1, "Ethereum", "mainnet", ())
    fired = bad.judge(Condition(bad.key), True, now)
    assert fired.transition is not None
    at = EvaluationPoint({}, ManualClock(now))
    assert bad.compose(fired.transition, at).title == "Ethereum: a.example left out 2 events of blocks 1 to 9"
    assert fired.condition.memory == {"hosts": ["a.example"]}
    held = good.judge(fired.condition, False, now + timedelta(minutes=10))
    assert (held.condition.state, held.transition) == (State.FIRING, None)
    over = good.judge(held.condition, False, now + timedelta(minutes=70))
    assert over.transition is not None
    assert good.compose(over.transition, at).title == (
        "Ethereum: event logs are complete again, nothing was left out for an hour"
    )
    assert over.condition.state is State.OK


def test_two_processes_that_count_in_one_hour_add_up(world: World) -> None:
    at = datetime(2026, 11, 24, 12, 30, tzinfo=UTC)
    with closing(open_database(world.host.folder / "monitoring.db")) as database:
        for minutes, number in ((0, 1), (20, 2), (45, 4)):
            with database.write() as tx:
                chain_memory.count(tx, "test", "Ethereum", {"confirmed": number}, at + timedelta(minutes=minutes))
        found = chain_memory.counted(database, "test", at, at + timedelta(minutes=29))
        assert [(name, dict(numbers)) for _, _, name, numbers in found] == [("Ethereum", {"confirmed": 3})]
        assert len(chain_memory.counted(database, "test", at, at + timedelta(hours=2))) == 2
        assert chain_memory.counted(database, "test", at - timedelta(hours=2), at - timedelta(minutes=30)) == []
        with database.write() as tx:
            chain_memory.count(tx, "test", "Ethereum", {"confirmed": 1}, at + timedelta(days=90, hours=1))
        assert len(chain_memory.counted(database, "test", at, at + timedelta(days=100))) == 2, "the oldest hour is gone"
