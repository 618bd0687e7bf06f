"""Events of OpenZeppelin's contracts on a real EVM node, as a monitor's function reads, decodes and reports them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from monitoring.chains.abi.addresses import checksum
from tests.support import anvil, parts
from tests.support.anvil import Anvil
from utils.monitor import HIGH, LOW, Context, monitor
from utils.testing import LocalChain, run

pytestmark = pytest.mark.node
ON_TOP = 3  # confirmations of mainnet


@pytest.fixture
def node() -> Iterator[Anvil]:
    if anvil.binary() is None:
        parts.missing(anvil.HOW_TO_GET_IT)
    with anvil.running("--chain-id", "1") as running:
        yield running


def test_transfers_roles_and_pauses_of_a_real_token_are_decoded_and_reported_once(node: Anvil, tmp_path: Path) -> None:
    token = parts.package("oz4", "ERC20PresetMinterPauser").deploy(node, "Dollar", "USD")
    quiet = parts.package("oz4", "ERC20PresetMinterPauser").deploy(node, "Euro", "EUR")
    first, second = (checksum(one) for one in node.accounts[:2])
    node.mine(ON_TOP)
    seen: list[tuple[str, dict[str, object]]] = []

    @monitor("token")
    def main(m: Context) -> None:
        contracts = {"USD": token.address, "EUR": quiet.address}
        events = [
            "Transfer(address,address,uint256)",
            "RoleGranted(bytes32 indexed role, address indexed account, address indexed sender)",
            "Paused(address account)",
        ]
        new = m.chain(1).logs("moves", contracts, events)
        seen.extend((log.event, dict(log.args)) for log in new)
        m.logs(
            "moves",
            new,
            severity=LOW,
            when=lambda log: log.event != "Transfer" or log["value"] >= 1_000,
            severity_of=lambda log: HIGH if log.event == "Paused" else None,
        )

    chain = LocalChain(node.url, 1)
    assert run(main, chain=chain, store=tmp_path) == []  # what was before is learned

    token.send("mint", second, 999)
    token.send("mint", second, 5_000)
    token.send("grantRole", token.call("PAUSER_ROLE"), second)
    token.send("pause", sender=second)
    node.mine(ON_TOP)
    (said,) = run(main, chain=chain, store=tmp_path)

    assert [event for event, _ in seen] == ["Transfer", "Transfer", "RoleGranted", "Paused"]
    assert seen[1][1] == {"from": "0x" + "0" * 40, "to": second, "value": 5_000}
    assert seen[2][1]["account"] == second
    assert (said.severity, said.title) == ("HIGH", "moves: 3 events")
    assert f"LOW USD: Transfer(from Null address (0x0000…0000), to {second}, value 5,000)" in said.text
    assert f"HIGH USD: Paused(account {second})" in said.text
    assert f"sender {first}" in said.text
    assert run(main, chain=chain, store=tmp_path) == []


def test_an_event_of_a_block_that_was_reorganised_away_is_reported_as_gone(node: Anvil, tmp_path: Path) -> None:
    token = parts.package("oz4", "ERC20PresetMinterPauser").deploy(node, "Dollar", "USD")

    @monitor("token")
    def main(m: Context) -> None:
        m.logs("pauses", m.chain(1).logs("pauses", token.address, "Paused(address account)"), severity=HIGH)

    chain = LocalChain(node.url, 1)
    run(main, chain=chain, store=tmp_path)
    token.send("pause")
    node.mine(ON_TOP)
    assert [one.title for one in run(main, chain=chain, store=tmp_path)] == ["pauses: 1 event"]
    node.reorg(ON_TOP + 1)
    assert [one.title for one in run(main, chain=chain, store=tmp_path)] == [
        "pauses: 1 reported event removed by a reorganisation"
    ]
