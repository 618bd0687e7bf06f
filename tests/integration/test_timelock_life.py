"""The life of an operation of a timelock, by real contracts on a local chain, as the thread of a chat shows it.

At every stage a run dies before it records, and one more run follows that has nothing to say (`told_in_chat`).
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from monitoring.chains.abi.addresses import checksum
from tests.support import own_contracts, parts
from tests.support.anvil import Anvil
from tests.support.contracts import Contract
from tests.support.fake_telegram import TelegramStandIn
from tests.support.timelocks import DAY, NOTHING, SALT, YEARN, calls_of, raw, timelock_at
from tests.support.told_in_chat import ToldInChat

pytestmark = pytest.mark.node
HOUR = 3_600


@pytest.fixture
def telegram() -> Iterator[TelegramStandIn]:
    with TelegramStandIn() as server:
        yield server


def chat_of(
    folder: Path, node: Anvil, telegram: TelegramStandIn, address: str, kind: str, more: str = ""
) -> ToldInChat:
    file = folder / "monitor.yaml"
    row = f'{{name: Acme, chain: mainnet, address: "{checksum(address)}", protocol: acme, kind: {kind}}}'
    file.write_text(f"monitor: timelocks\nchain: mainnet\ntimelocks:\n{more}  rows: [{row}]\n")
    chat = ToldInChat(node, file, telegram)
    chat.look()  # the contract's own beginning
    return chat


def thread(chat: ToldInChat, first: int) -> list[str]:
    """Return the titles of what follows a message in its thread, after checking that each is a reply to it."""
    start, *replies = chat.telegram.messages[first:]
    assert start.reply_to is None
    assert [one.reply_to for one in replies] == [start.message_id] * len(replies)
    return [one.text.partition("\n")[0].partition("): ")[2] for one in chat.telegram.messages[first:]]


def batch(timelock: Contract) -> tuple[Any, ...]:
    return (*calls_of(timelock), NOTHING, SALT)


def test_from_its_scheduling_to_its_execution_all_is_one_thread(
    node: Anvil, telegram: TelegramStandIn, tmp_path: Path
) -> None:
    timelock = timelock_at(node, "oz5")
    chat = chat_of(tmp_path, node, telegram, YEARN, "oz_timelock_controller", "  remind_before: [24h, 1h]\n")
    start = len(telegram.messages)
    timelock.send("scheduleBatch", *batch(timelock), 3 * DAY)
    (scheduled,) = chat.look()
    assert scheduled.text.startswith("🚨 HIGH timelocks: Acme (mainnet): operation scheduled, can run ")
    assert "Business hours left: " in scheduled.text
    assert chat.titles() == []
    node.increase_time(2 * DAY)
    (near,) = chat.look()
    assert "updateDelay" in near.text, "what it calls is said again"
    assert "Business hours left: " in near.text
    node.increase_time(23 * HOUR)
    chat.look()
    node.increase_time(HOUR)
    (ready,) = chat.look()
    assert ready.text.startswith("⚠️ MEDIUM timelocks: Acme (mainnet): operation can be executed now\n")
    node.increase_time(5 * HOUR)
    assert chat.titles() == []
    timelock.send("executeBatch", *batch(timelock))
    (executed,) = chat.look()
    assert "Waited: 3 d 5 h, executed 5 h " in executed.text
    assert "Changed on the chain: " in executed.text
    assert re.search(r"getMinDelay of .*: 86,400 \(1 d\) → 60 \(1 min\)", executed.text), executed.text
    titles = thread(chat, start)
    assert [title.partition(",")[0].partition(" in ")[0] for title in titles[:-1]] == [
        "operation scheduled", "operation can run", "operation can run", "operation can be executed now",
    ]  # fmt: skip
    assert titles[-1] == "1 change of control, 1 change of the delay, 1 operation executed"
    node.increase_time(40 * DAY)
    assert chat.titles() == []


def test_what_an_execution_changed_on_the_chain_is_in_its_alert(
    node: Anvil, telegram: TelegramStandIn, tmp_path: Path
) -> None:
    timelock, receiver = timelock_at(node, "oz5"), checksum("0x" + "5a" * 20)
    coin = parts.package("oz4", "ERC20PresetMinterPauser").deploy(node, "Coin", "COIN")
    coin.send("mint", YEARN, 5 * 10**18)
    coin.send("grantRole", coin.call("PAUSER_ROLE"), YEARN)
    node.set_balance(YEARN, 10**18)
    chat = chat_of(tmp_path, node, telegram, YEARN, "oz_timelock_controller", "  remind_before: []\n")
    data = [coin.artifact.calldata("transfer", receiver, 4 * 10**18), coin.artifact.calldata("pause")]
    whole = [b"", *(raw(one) for one in data)], NOTHING, SALT
    operation = ([receiver, coin.address, coin.address], [3 * 10**17, 0, 0], *whole)
    timelock.send("scheduleBatch", *operation, 2 * DAY)
    chat.look()
    node.increase_time(2 * DAY)
    chat.look()
    timelock.send("executeBatch", *operation)
    (executed,) = chat.look()
    said = executed.text.partition("Changed on the chain: from block ")[2]
    assert "leaves: 4 “COIN” of token 0x" in said
    assert "leaves: 0.3 ETH (price unknown) to " in said
    assert "paused of " in said
    assert ": no → yes" in said
    assert coin.call("paused") is True


def test_one_that_is_cancelled_is_over(node: Anvil, telegram: TelegramStandIn, tmp_path: Path) -> None:
    timelock = timelock_at(node, "oz5")
    chat = chat_of(tmp_path, node, telegram, YEARN, "oz_timelock_controller")
    start = len(telegram.messages)
    timelock.send("scheduleBatch", *batch(timelock), 3 * DAY)
    chat.look()
    node.increase_time(DAY)
    timelock.send("cancel", timelock.call("hashOperationBatch", *batch(timelock)))
    (cancelled,) = chat.look()
    assert "Waited: 1 d, cancelled 1 d 23 h before it could run" in cancelled.text
    node.increase_time(9 * DAY)
    assert chat.titles() == []
    assert thread(chat, start)[1:] == ["operation cancelled"]


def test_a_reorganisation_that_undoes_the_execution_lets_it_wait_again(
    node: Anvil, telegram: TelegramStandIn, tmp_path: Path
) -> None:
    timelock = timelock_at(node, "oz5")
    chat = chat_of(tmp_path, node, telegram, YEARN, "oz_timelock_controller", "  remind_before: []\n")
    start = len(telegram.messages)
    call = (node.accounts[3], 0, b"", NOTHING, SALT)
    timelock.send("schedule", *call, 2 * DAY)
    chat.look()
    node.increase_time(2 * DAY)
    chat.look()
    timelock.send("execute", *call)
    assert chat.titles() == ["operation executed"]
    node.reorg(8)
    (undone,) = chat.look()
    assert "1 reported event removed by a reorganisation" in undone.text
    assert "Its operation waits again, can run " in undone.text
    assert timelock.call("isOperationReady", timelock.call("hashOperation", *call)) is True
    assert chat.titles() == []
    timelock.send("execute", *call)
    assert chat.titles() == ["operation executed"]
    assert len(thread(chat, start)) == 5


def test_a_reorganisation_that_undoes_the_scheduling_ends_it(
    node: Anvil, telegram: TelegramStandIn, tmp_path: Path
) -> None:
    timelock = timelock_at(node, "oz5")
    chat = chat_of(tmp_path, node, telegram, YEARN, "oz_timelock_controller")
    start = len(telegram.messages)
    timelock.send("scheduleBatch", *batch(timelock), 3 * DAY)
    chat.look()
    node.reorg(8)
    (undone,) = chat.look()
    assert "Its operation is not scheduled any more" in undone.text
    node.increase_time(4 * DAY)
    assert chat.titles() == [], "it is neither near nor ready"
    assert len(thread(chat, start)) == 2


def delayed_at(node: Anvil) -> Contract:
    """A timelock with the functions, events and window of Compound's."""
    return parts.package("oz4", "ICompoundTimelock").at(node, node.deploy(own_contracts.creation_code("Delayed")))


def test_compound_s_expires_after_its_window_and_says_so(
    node: Anvil, telegram: TelegramStandIn, tmp_path: Path
) -> None:
    timelock = delayed_at(node)
    chat = chat_of(tmp_path, node, telegram, timelock.address, "compound_timelock")
    start = len(telegram.messages)
    timelock.send("queueTransaction", node.accounts[3], 0, "", b"", node.now + 3 * DAY)
    (queued,) = chat.look()
    assert "Expires: " in queued.text
    node.increase_time(3 * DAY)
    assert chat.titles() == ["operation can be executed now"]
    node.increase_time(14 * DAY + HOUR)
    (expired,) = chat.look()
    assert expired.text.startswith("ℹ️ LOW timelocks: Acme (mainnet): operation expired\n")
    node.increase_time(14 * DAY)
    assert chat.titles() == []
    assert thread(chat, start)[1:] == ["operation can be executed now", "operation expired"]


def test_two_operations_that_move_in_one_run_share_a_message_in_the_thread_of_the_first(
    node: Anvil, telegram: TelegramStandIn, tmp_path: Path
) -> None:
    timelock = delayed_at(node)
    chat = chat_of(tmp_path, node, telegram, timelock.address, "compound_timelock", "  remind_before: []\n")
    start, eta = len(telegram.messages), node.now + 3 * DAY
    calls = [(node.accounts[3], 0, "", bytes([place]), eta) for place in range(2)]
    for call in calls:
        timelock.send("queueTransaction", *call)
    assert chat.titles() == ["2 operations scheduled"]
    node.increase_time(3 * DAY)
    assert chat.titles() == ["2 operations ready"]
    timelock.send("executeTransaction", *calls[0])
    timelock.send("cancelTransaction", *calls[1])
    assert chat.titles() == ["1 operation cancelled, 1 operation executed"]
    assert len(thread(chat, start)) == 3


def test_an_operation_reported_before_the_update_is_followed_and_not_reported_again(
    node: Anvil, telegram: TelegramStandIn, tmp_path: Path
) -> None:
    timelock = timelock_at(node, "oz5")
    chat = chat_of(tmp_path, node, telegram, YEARN, "oz_timelock_controller")
    timelock.send("scheduleBatch", *batch(timelock), 3 * DAY)
    chat.look()
    node.mine(200)
    assert chat.titles() == []
    as_the_release_before_left_it(tmp_path)
    assert chat.titles() == []
    node.increase_time(3 * DAY)
    (ready,) = chat.look()
    assert "operation can be executed now" in ready.text
    assert "updateDelay" in ready.text
    as_the_release_before_left_it(tmp_path)
    assert chat.titles() == [], "it went back and came again: what was ready is not ready once more"
    timelock.send("executeBatch", *batch(timelock))
    (executed,) = chat.look()
    assert "Waited: 3 d" in executed.text


def as_the_release_before_left_it(folder: Path) -> None:
    """Leave of the condition what a release remembers that does not follow operations."""
    with closing(sqlite3.connect(folder / "monitoring.db")) as database, database:
        ((text,),) = database.execute("SELECT data_json FROM conditions WHERE check_name = 'timelocks'").fetchall()
        data = json.loads(text)
        del data["memory"]["operations"]
        database.execute("UPDATE conditions SET data_json = ? WHERE check_name = 'timelocks'", (json.dumps(data),))
