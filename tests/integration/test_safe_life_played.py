"""The life of Safe transactions as a chat sees it: real children, a real store, a real chain, and Telegram's stand-in.

Each run is a process of its own, which ends between storing and sending: the host starts anew at every stage.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from monitoring.chains.networks import network
from monitoring.store.db.schema import open_database
from tests.support import anvil, parts
from tests.support.anvil import Anvil
from tests.support.checks_host import ChecksHost
from tests.support.contracts import Contract
from tests.support.fake_telegram import Received, TelegramStandIn
from tests.support.http_service import http_service
from tests.support.outbox import Outbox
from tests.support.own_contracts import runtime_code
from tests.support.safes import CURATION, SafeService, execute, execute_row, queued, safe_at, signed

pytestmark = [pytest.mark.node, pytest.mark.ci]
SAFES = f"""monitor: safes
chain: mainnet
safes:
  rows: [{{name: Curation, chain: mainnet, address: "{CURATION}", protocol: yearn}}]
"""
Row = dict[str, Any]


@pytest.fixture
def node() -> Iterator[Anvil]:
    if anvil.binary() is None:
        parts.missing(anvil.HOW_TO_GET_IT)
    with anvil.running("--chain-id", "1") as running:
        running.set_code(network(1).multicall3, runtime_code("Aggregate3"))
        execute(safe_at(running), "addOwnerWithThreshold", running.accounts[1], 2)
        running.mine(4)
        yield running


@dataclass
class Stage:
    """A host that watches one Safe, and what arrived of it."""

    host: ChecksHost
    node: Anvil
    safe: Contract
    service: SafeService
    telegram: TelegramStandIn
    file: Path

    def list(self, *rows: Row) -> None:
        self.service.rows["eth"] = list(rows)

    def execute(self, row: Row) -> None:
        execute_row(self.safe, row, self.node.accounts[5])

    def run(self) -> list[str]:
        """Confirm what was mined, store in one process, send in another; return the first lines of what is new."""
        self.node.mine(4, interval_s=0)  # later blocks would be of the future
        before = len(self.telegram.messages)
        self.ask_now()
        self.host.run(self.file)
        assert len(self.telegram.messages) == before, "a task does not send: its run does, which never came to it here"
        self.send()
        new = [_title(one) for one in self.telegram.messages[before:]]
        self.host.run(self.file)
        self.send()
        assert len(self.telegram.messages) == before + len(new), "run again, nothing is said again"
        return sorted(new)

    def send(self) -> None:
        with closing(Outbox(self.host.folder, self.telegram.url)) as outbox:
            outbox.drain()

    def ask_now(self) -> None:
        """Let it be this queue's turn, as if the quota allowed it."""
        with closing(open_database(self.host.folder / "monitoring.db")) as database, database.write() as tx:
            tx.execute(
                "UPDATE conditions SET data_json = json_set(data_json, '$.memory.asked', '2026-01-01T00:00:00.000000Z')"
                " WHERE check_name = 'safe-queue' AND data_json IS NOT NULL"
            )

    def thread(self, first: str) -> list[str]:
        """Return the titles of the replies to the message of this title, in their order."""
        (root,) = [one.message_id for one in self.telegram.messages if _title(one) == first]
        return [_title(one) for one in self.telegram.messages if _answers(one) == root]


def _title(one: Received) -> str:
    return one.text.splitlines()[0].partition("Curation (mainnet): ")[2]


def _answers(one: Received) -> int:
    return int(one.payload.get("reply_parameters", {}).get("message_id", 0))


@pytest.fixture
def play(node: Anvil, tmp_path: Path) -> Iterator[Stage]:
    service = SafeService({"eth": []})
    safe = parts.package("@safe-global/safe-contracts", "Safe").at(node, CURATION)
    with http_service(service.answer) as scripted, TelegramStandIn() as telegram:
        host = ChecksHost(tmp_path, {"PROVIDER_URL_MAINNET": node.url, "SAFE_SERVICE_URL": scripted.url})
        yield Stage(host, node, safe, service, telegram, host.file(SAFES))


def test_each_transaction_is_one_thread_from_its_queue_to_its_end(play: Stage) -> None:
    node = play.node
    coin = parts.package("oz4", "ERC20PresetMinterPauser").deploy(node, "Coin", "COIN")
    fails = coin.artifact.calldata("transfer", node.accounts[7], 1)
    pause, rejection = queued(1), queued(1, "00", to=CURATION, data=None)
    failing, late = queued(2, to=coin.address, data=fails, safeTxGas=90_000), queued(4, "0c")
    both = {row["safeTxHash"]: signed(node, row, 0, 1) for row in (pause, rejection, failing, late)}
    assert play.run() == [], "the first sight of an empty queue"

    play.list(signed(node, pause, 0))
    assert play.run() == ["transaction queued at nonce 1"]
    play.list(signed(node, pause, 0), signed(node, failing, 0))
    assert play.run() == ["transaction queued at nonce 2"]
    play.list(signed(node, pause, 0), both[failing["safeTxHash"]])
    assert play.run() == ["transaction at nonce 2 has all signatures, 2 of 2, and waits"]
    play.list(signed(node, pause, 0), both[failing["safeTxHash"]], signed(node, late, 0))
    assert play.run() == ["transaction queued at nonce 4"]
    assert "nonce 3 (nothing is queued there)" in play.telegram.messages[-1].text

    play.list(*(both[row["safeTxHash"]] for row in (pause, failing)), signed(node, late, 0))
    assert play.run() == ["transaction at nonce 1 can be executed now, 2 of 2 signed"]
    play.list(*(both[row["safeTxHash"]] for row in (pause, rejection, failing)), signed(node, late, 0))
    assert play.run() == ["competing transaction queued at nonce 1"]

    play.execute(both[rejection["safeTxHash"]])
    play.list(both[failing["safeTxHash"]], signed(node, late, 0))
    assert play.run() == [
        "rejection at nonce 1 was executed",
        "transaction at nonce 1 was rejected",
        "transaction at nonce 2 can be executed now, 2 of 2 signed",
    ]
    node.reorg(6)
    play.list(*(both[row["safeTxHash"]] for row in (pause, rejection, failing)), signed(node, late, 0))
    assert play.run() == [
        "rejection at nonce 1 is pending again after a reorganisation",
        "transaction at nonce 1 is pending again after a reorganisation",
    ]
    play.execute(both[pause["safeTxHash"]])
    play.execute(both[failing["safeTxHash"]])
    play.list(signed(node, late, 0))
    assert play.run() == [
        "rejection at nonce 1 was replaced by another one",
        "transaction at nonce 1 was executed",
        "transaction at nonce 2 failed when it was executed",
    ]
    assert play.run() == []

    assert play.thread("transaction queued at nonce 2") == [
        "transaction at nonce 2 has all signatures, 2 of 2, and waits",
        "transaction at nonce 2 can be executed now, 2 of 2 signed",
        "transaction at nonce 2 failed when it was executed",
    ]
    assert play.thread("transaction queued at nonce 4") == []
    assert play.thread("transaction queued at nonce 1") == [
        "transaction at nonce 1 can be executed now, 2 of 2 signed",
        "competing transaction queued at nonce 1",
        "transaction at nonce 1 was rejected",
        "transaction at nonce 1 is pending again after a reorganisation",
        "transaction at nonce 1 was executed",
    ]
    assert play.thread("competing transaction queued at nonce 1") == [
        "rejection at nonce 1 was executed",
        "rejection at nonce 1 is pending again after a reorganisation",
        "rejection at nonce 1 was replaced by another one",
    ]
