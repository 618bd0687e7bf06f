"""The built-in type `proposals` against OpenZeppelin's own governor and timelock on a local chain."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from monitoring.alerts.message.model import Severity
from monitoring.chains.abi.addresses import checksum
from monitoring.chains.networks import network
from monitoring.checks.drill.rehearsal import StoppedClock
from tests.support.anvil import Anvil
from tests.support.governors import DELAY_S, Governance, governance_on
from tests.support.monitor_world import MonitorWorld, Told, monitor_world

pytestmark = pytest.mark.node
SALT = b"\7" * 32
LINK = "https://gov.example/{id}"


@pytest.fixture
def gov(node: Anvil) -> Governance:
    return governance_on(node)


def world_of(tmp_path: Path, gov: Governance, more: str = "", kind: str = "oz_governor", **how: Any) -> MonitorWorld:
    path = tmp_path / "monitor.yaml"
    address, timelock = checksum(gov.governor.address), checksum(gov.timelock.address)
    path.write_text(
        "monitor: proposals\nchains: [mainnet]\nproposals:\n  rows:\n"
        f'    - {{name: Gov, kind: {kind}, chain: mainnet, address: "{address}", protocol: acme,'
        f' timelock: "{timelock}", link: "{LINK}"{more}}}\n'
    )
    return monitor_world(path, {"PROVIDER_URL_MAINNET": gov.node.url}, **how)


def mined(gov: Governance, world: MonitorWorld) -> list[Told]:
    certain(gov, world)
    return world.run().told


def certain(gov: Governance, world: MonitorWorld) -> None:
    """Mine until what happened counts, and look at the chain's own clock: blocks of a vote are faster than ours."""
    gov.node.mine(network(1).confirmations + 1)
    world.clock = StoppedClock(datetime.fromtimestamp(gov.node.now, UTC))


def started(tmp_path: Path, gov: Governance, more: str = "", **how: Any) -> MonitorWorld:
    world = world_of(tmp_path, gov, more, **how)
    assert mined(gov, world) == []
    return world


@pytest.mark.parametrize("kind", ["oz_governor", "compound_bravo"])
def test_a_proposal_is_announced_when_it_is_put_to_the_vote_and_when_it_is_queued_each_once(
    gov: Governance, tmp_path: Path, kind: str
) -> None:
    world = started(tmp_path, gov, kind=kind)
    ballot = gov.ballot("# Lower the delay\n\nBecause of …")
    number = gov.propose(ballot)
    (put,) = mined(gov, world)
    short = f"{str(number)[:8]}…{str(number)[-4:]}"
    assert put.message.title == f"Gov (mainnet): proposal {short} is put to the vote: Lower the delay"
    assert (put.severity, put.channel) == (Severity.LOW, "acme")
    assert "Voting ends: " in put.text
    assert "updateDelay" in put.text
    assert LINK.replace("{id}", str(number)) in put.text
    assert world.run().told == []
    gov.pass_vote(ballot)
    gov.queue(ballot)
    (queued,) = mined(gov, world)
    assert queued.message.title == f"Gov (mainnet): proposal {short} is queued for execution: Lower the delay"
    assert "Can be executed: " in queued.text
    assert "updateDelay" in queued.text, "what it calls is in the log of its creation, a run ago"
    assert world.run().told == []


def test_one_that_is_executed_by_then_is_not_announced_as_queued(gov: Governance, tmp_path: Path) -> None:
    world = started(tmp_path, gov)
    ballot = gov.ballot("Lower the delay")
    gov.propose(ballot)
    gov.pass_vote(ballot)
    gov.queue(ballot)
    gov.execute(ballot)
    assert mined(gov, world) == []


def test_the_first_run_announces_what_is_queued_and_says_nothing_of_what_is_over(
    gov: Governance, tmp_path: Path
) -> None:
    done, open_one = gov.ballot("Done", 7300), gov.ballot("Open", 7400)
    for ballot in (done, open_one):
        gov.propose(ballot)
        gov.pass_vote(ballot)
        gov.queue(ballot)
    gov.execute(done)
    (told,) = mined(gov, world_of(tmp_path, gov))
    assert told.message.title.endswith("is queued for execution: Open")


def test_stages_that_a_row_asks_for_are_the_only_ones_and_many_are_one_message(gov: Governance, tmp_path: Path) -> None:
    world = started(tmp_path, gov, ", report: [executed], severity: medium, text: Decided")
    ballots = [gov.ballot(f"Number {number}", 8000 + number) for number in range(3)]
    for ballot in ballots:
        gov.propose(ballot)
        gov.pass_vote(ballot)
        gov.queue(ballot)
        gov.execute(ballot)
    (told,) = mined(gov, world)
    assert told.message.title == "Gov (mainnet): Decided: 3 proposals"
    assert told.severity is Severity.MEDIUM
    assert all(f"Number {number}" in told.text for number in range(3))


def test_what_the_timelock_schedules_without_a_proposal_is_an_alert_of_its_own(gov: Governance, tmp_path: Path) -> None:
    world = started(tmp_path, gov)
    ballot = gov.ballot("Lower the delay")
    gov.propose(ballot)
    gov.pass_vote(ballot)
    gov.queue(ballot)
    own = gov.ballot("", 9000)
    receipt = gov.timelock.send("schedule", own.to[0], 0, own.data[0], b"\0" * 32, SALT, DELAY_S)
    proposal, alone = sorted(mined(gov, world), key=lambda one: one.severity)
    assert "is queued for execution" in proposal.message.title
    assert alone.message.title == "Gov (mainnet): 1 transaction scheduled on its timelock without a proposal"
    assert alone.severity is Severity.HIGH
    assert receipt["transactionHash"] in alone.text
    assert world.run().told == []


def test_a_chain_that_cannot_be_read_is_no_data_and_nothing_is_lost_by_it(gov: Governance, tmp_path: Path) -> None:
    world = started(tmp_path, gov)
    ballot = gov.ballot("Lower the delay")
    gov.propose(ballot)
    gov.pass_vote(ballot)
    gov.queue(ballot)
    certain(gov, world)
    world.environ = {"PROVIDER_URL_MAINNET": "http://127.0.0.1:9", "PROVIDER_PUBLIC": "off"}
    down = world.run()
    assert down.told == []
    assert all(one.condition.no_data for one in down.outcomes.values())
    world.environ = {"PROVIDER_URL_MAINNET": gov.node.url, "PROVIDER_PUBLIC": "off"}
    (told,) = world.run().told
    assert told.message.title.endswith("is queued for execution: Lower the delay")
