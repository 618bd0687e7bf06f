"""After a host switches over, nothing that was reported there is reported again, and nothing between is lost."""

from __future__ import annotations

import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from monitoring.checks.builtin import TYPES
from monitoring.checks.config.load import load_monitor
from monitoring.checks.rules import items, logs
from monitoring.checks.rules.items import ItemsPolicy
from monitoring.checks.rules.readings import FirstRun, Item
from monitoring.checks.state.old_values import old_keys, old_values
from monitoring.conditions.condition import Condition, ConditionKey
from monitoring.store.db.schema import open_database
from monitoring.store.tables import state
from tests.support.child import CHECKOUT
from tests.support.drills import monitor_files
from tests.support.monitor_world import monitor_world
from tests.support.rpc_server import Provider, serving
from tests.support.timelocks import YEARN, scheduled_logs
from utils.testing import RecordedAnswers, SimChain, SimClock, run

PROPOSALS = CHECKOUT / "protocols/proposals/monitor.yaml"
NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
CURSORS = [old for old in old_keys() if old.verb in ("items", "logs")]


def left_behind(folder: Path, at: datetime, **values: str) -> None:
    """Leave what the system before this one wrote at some time."""
    with closing(open_database(folder / "monitoring.db")) as database, database.write() as tx:
        for key, value in values.items():
            state.put(tx, "cache-id.txt", key, value, at)


def first_proposals(folder: Path, at: datetime, **values: str) -> dict[str, str]:
    left_behind(folder, at, **values)
    clock = SimClock()
    sent = run(PROPOSALS, store=folder, chain=SimChain(), clock=clock, answers=RecordedAnswers())
    clock.move("1h")
    assert run(PROPOSALS, store=folder, chain=SimChain(), clock=clock, answers=RecordedAnswers()) == []
    return {one.check.removeprefix("proposals/"): one.title for one in sent}


def test_each_cursor_is_of_a_check_that_is_shipped() -> None:
    shipped = {part.key for path in monitor_files() for part in load_monitor(path, TYPES).parts()}
    assert {old.condition for old in CURSORS} <= shipped
    assert len(CURSORS) == 60


def test_proposals_up_to_the_old_cursor_are_known_and_those_above_it_are_news(tmp_path: Path) -> None:
    now = SimClock().now()
    sent = first_proposals(tmp_path, now - HOUR, aave="409", fluid="99999", maker=f"{now.timestamp():.0f}", spark="1")
    assert sent == {
        "aave_governance": "Aave governance: proposal 412 is queued for execution: Onboard sUSDe December expiry",
        "snapshot-sparkfi.eth": "Spark governance: a proposal is put to the vote: [Poll] Onboard PT-USDS as collateral",
    }


def test_a_date_in_the_future_or_no_number_is_no_cursor(tmp_path: Path) -> None:
    ahead = SimClock().now() + timedelta(days=400)
    sent = first_proposals(tmp_path, SimClock().now() - HOUR, maker=f"{ahead.timestamp():.0f}", aave="-1", fluid="all")
    assert {*sent} == {"aave_governance", "fluid", "sky_executive", "snapshot-sparkfi.eth"}


@pytest.mark.parametrize(
    ("nonce", "submitted", "is_news"),
    [
        (7, NOW - timedelta(days=3), False),
        (8, NOW - timedelta(days=3), True),  # above the highest nonce, however old: nobody was told of it
        (7, NOW - HOUR / 2, True),  # a rival that came after the old system wrote last
        (8, NOW - HOUR / 2, True),
    ],
)
def test_a_nonce_of_a_safe_covers_what_was_there_when_it_was_written(
    nonce: int, submitted: datetime, *, is_news: bool
) -> None:
    before = Condition(ConditionKey("safes", "safe-queue", 1, "0x1"), memory=items.first_memory(7, NOW - HOUR))
    policy = ItemsPolicy(first_run=FirstRun(within=timedelta(hours=12)))
    outcome = items.judge(before, [Item("0xhash", submitted, nonce)], NOW, policy)
    assert (outcome.transition is not None) == is_news
    assert {*outcome.condition.memory} == {"seen"}


def test_a_safe_of_several_chains_has_no_cursor_since_the_old_one_named_none() -> None:
    safes = [old for old in CURSORS if old.namespace == "nonces.txt"]
    assert len({old.key for old in safes}) == len(safes) == 26


def test_timelocks_go_on_after_the_last_operation_that_was_reported(tmp_path: Path) -> None:
    """The old system stopped three days ago, six times as long as a first run looks back."""
    file = tmp_path / "monitor.yaml"
    file.write_text(
        f"monitor: timelocks\nchains: [mainnet]\ntimelocks:\n  rows:\n"
        f'    - {{name: Yearn, chain: mainnet, address: "{YEARN}", protocol: yearn, kind: oz_timelock_controller}}\n'
    )
    now, day = int(time.time()), 24 * 3600 // 12
    provider = Provider(head=100_000, head_time=lambda: now)
    reported, missed, recent = 100_000 - 4 * day, 100_000 - 2 * day, 100_000 - day // 4
    provider.logs = [log for block in (reported, missed, recent) for log in scheduled_logs(range(block, block + 1))]
    last = datetime.fromtimestamp(now - 4 * 24 * 3600, UTC)
    with serving(provider) as urls:
        world = monitor_world(file, {"PROVIDER_URL_MAINNET": urls[0]})
        (key,) = (part.key for part in world.parts)
        world.conditions[key] = Condition(key, memory=logs.first_memory(last, timedelta(days=5)))
        entries = [entry for one in world.run().told for entry in one.transition.entries]
        assert [entry.facts["block"] for entry in entries] == [missed, recent]
        assert world.run().told == []


def test_how_far_back_is_read_follows_when_the_old_system_wrote_last(tmp_path: Path) -> None:
    last = str(int((NOW - timedelta(days=9)).timestamp()))
    left_behind(tmp_path, NOW - timedelta(days=9), TIMELOCK_LAST_TS=last)
    left_behind(tmp_path, NOW - timedelta(days=2), MAPLE_TVL="1")
    with closing(open_database(tmp_path / "monitoring.db")) as database:
        found = old_values(database, ["timelocks"], {}, NOW)
        assert len(found) == 29
        memory = next(iter(found.values())).memory
        key = next(iter(found))
        blind = Condition(key, memory=memory)
        later = old_values(database, ["timelocks"], {key: blind}, NOW + HOUR)
    assert logs.first_lookback(blind) == timedelta(days=2, hours=1)
    assert logs.first_lookback(Condition(key, memory=later[key].memory)) == timedelta(days=2, hours=2)
