"""What an alert about a scheduled operation keeps as facts; what is over is not explained."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitoring.alerts.message.facts import FactKind
from monitoring.chains.abi.addresses import checksum
from monitoring.checks.messages.entry_facts import is_undecided
from monitoring.conditions.outcome import Entry
from monitoring.conditions.severity import Severity
from monitoring.explain.sheet_check import problem_of
from tests.integration.test_facts_of_alerts import sheet_of
from tests.integration.test_timelocks import mined, started
from tests.support import parts
from tests.support.anvil import Anvil
from tests.support.timelocks import DAY, NOTHING, SALT, YEARN, raw, timelock_at

pytestmark = [pytest.mark.node, pytest.mark.ci]


def test_facts_of_a_scheduled_batch_hold_together(node: Anvil, tmp_path: Path) -> None:
    timelock, receiver = timelock_at(node, "oz5"), checksum("0x" + "5a" * 20)
    coin = parts.package("oz4", "ERC20PresetMinterPauser").deploy(node, "Coin", "COIN")
    coin.send("mint", YEARN, 5 * 10**18)
    node.set_balance(YEARN, 10**18)
    world = started(tmp_path, node)
    pay = raw(coin.artifact.calldata("transfer", receiver, 4 * 10**18))
    batch = ([receiver, coin.address], [3 * 10**17, 0], [b"", pay], NOTHING, SALT)
    timelock.send("scheduleBatch", *batch, 2 * DAY)
    sheet = sheet_of(mined(node, world)[0])

    assert problem_of(sheet) == ""
    moves = [fact.says for fact in sheet.facts if fact.kind is FactKind.MOVE]
    assert [says.split(" from ")[0].split(" (")[0] for says in moves] == ["moves 0.3 ETH", "moves 4 “COIN”"]
    assert sheet.calls == 2


@pytest.mark.parametrize("word", ["executed", "cancelled", "expired", "failed", "replaced", "claimed"])
def test_nobody_acts_on_what_is_over(word: str) -> None:
    assert is_undecided(Entry("queued", 1, Severity.HIGH, {"what": "scheduled"}))
    assert not is_undecided(Entry(word, 1, Severity.HIGH))
    assert not is_undecided(Entry("stage", 1, Severity.HIGH, {"what": word}))
