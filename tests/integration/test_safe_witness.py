"""A Safe Transaction Service that lies, about real Safes with real signatures: each lie is reported for what it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from monitoring.alerts.message.model import Severity
from monitoring.chains.abi.addresses import checksum
from monitoring.chains.networks import network
from tests.integration.test_safes import later, watching
from tests.support import anvil, parts
from tests.support.anvil import Anvil
from tests.support.monitor_world import Round
from tests.support.own_contracts import runtime_code
from tests.support.safes import CURATION, OWNER, SafeService, execute, hash_of, queued, safe_at, signed

pytestmark = pytest.mark.node
STRANGER = "0x" + "5a" * 20
NO_OWNER = "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC"  # the third account of a local chain
Row = dict[str, Any]


@pytest.fixture(scope="module")
def node() -> Iterator[Anvil]:
    """A chain with a Safe of two owners, the chain's first accounts; both must sign."""
    if anvil.binary() is None:
        parts.missing(anvil.HOW_TO_GET_IT)
    with anvil.running("--chain-id", "1") as running:
        running.set_code(network(1).multicall3, runtime_code("Aggregate3"))
        execute(safe_at(running), "addOwnerWithThreshold", running.accounts[1], 2)
        yield running


def reported(node: Anvil, tmp_path: Path, *rows: Row) -> Round:
    service = SafeService()
    with watching(tmp_path, service, {"mainnet": node.url}) as world:
        world.run()
        service.rows["eth"] = list(rows)
        return later(world)


Lie = Callable[[Anvil, Row], Row]
REFUND = {"baseGas": 30_000_000, "gasPrice": str(10**18), "refundReceiver": STRANGER}
FALSELY: dict[str, tuple[Row, Row, str]] = {
    # what is signed, what is shown of it, and what is said
    "other calldata": ({}, {"data": "0x8456cb5900"}, "owners sign something else"),
    "calldata that is not signed": ({"data": None}, {"data": "0x8456cb59"}, "without its calldata"),
    "another value": ({}, {"value": "1"}, "without its value"),
    "another target": ({}, {"to": STRANGER}, "owners sign something else"),
    "a call for a delegate call": ({"operation": 1}, {"operation": 0}, "with an operation of the other kind"),
    "a delegate call for a call": ({}, {"operation": 1}, "with an operation of the other kind"),
    "a refund that is not signed": ({}, REFUND, "without a gas refund"),
    "a refund that is hidden": (REFUND, {"baseGas": 0, "gasPrice": "0"}, "owners sign something else"),
    "another receiver of a refund": (REFUND, {"refundReceiver": NO_OWNER}, "owners sign something else"),
    "another token of a refund": (REFUND, {"gasToken": STRANGER}, "owners sign something else"),
    "another nonce": ({"nonce": 7}, {"nonce": 9}, "at nonce 7"),
    "another Safe's": ({"safe": STRANGER}, {"safe": CURATION}, "owners sign something else"),
}


@pytest.mark.parametrize("lie", FALSELY)
def test_what_is_shown_falsely_is_critical_and_says_what_the_hash_is_of(node: Anvil, tmp_path: Path, lie: str) -> None:
    true, shown, said = FALSELY[lie]
    row = signed(node, queued(**({"nonce": 1} | true)), 0, 1)
    (told,) = reported(node, tmp_path, row | shown).told

    assert told.severity is Severity.CRITICAL
    assert "is shown falsely" in told.message.title
    assert "CRITICAL do not sign: the service's hash is not the hash of what it shows: " in told.text
    assert said in told.text
    assert "for something else than it shows" in told.text


def test_the_hash_of_another_chains_safe_is_named_by_its_chain(node: Anvil, tmp_path: Path) -> None:
    (told,) = reported(node, tmp_path, signed(node, queued(1, chain=8453), 0, 1)).told
    assert told.severity is Severity.CRITICAL
    assert "it is that of the same transaction on base" in told.text


def test_two_rows_under_each_others_hashes_are_both_shown_falsely(node: Anvil, tmp_path: Path) -> None:
    first, second = signed(node, queued(1), 0, 1), signed(node, queued(2), 0, 1)
    first["safeTxHash"], second["safeTxHash"] = second["safeTxHash"], first["safeTxHash"]
    (told,) = reported(node, tmp_path, first, second).told
    assert told.message.title == "Curation (mainnet): 2 transactions queued, 2 shown falsely"
    assert told.severity is Severity.CRITICAL


def _listed(owner: str, signature: str | None) -> list[Row]:
    return [{"owner": owner, "signature": signature, "signatureType": "ETH_SIGN"}]


FORGED: dict[str, tuple[Lie, str]] = {
    "by a stranger under his own name": (
        lambda node, row: signed(node, row, 0, 2),
        f"{NO_OWNER} signed and is no owner",
    ),
    "by a stranger under an owner's name": (
        lambda node, row: (
            row | {"confirmations": _listed(OWNER, signed(node, row, 2)["confirmations"][0]["signature"])}
        ),
        f"the signature listed for {OWNER} was not made by it for this hash",
    ),
    "an owner's, of another transaction": (
        lambda node, row: signed(node, row, 0, over=queued(33)["safeTxHash"]),
        f"the signature listed for {OWNER} was not made by it for this hash",
    ),
    "a stranger who is only listed": (
        lambda _, row: row | {"confirmations": _listed(STRANGER, None)},
        "as a signer, who is no owner",
    ),
    "an owner twice": (
        lambda node, row: row | {"confirmations": signed(node, row, 0)["confirmations"] * 2},
        f"the service lists {OWNER} more than once",
    ),
    "more signers than owners": (
        lambda node, row: signed(node, row, 0, 1, 2),
        "the service lists 3 signers of a Safe with 2 owners",
    ),
    "bytes that are no signature": (
        lambda _, row: row | {"confirmations": _listed(OWNER, "0x" + "00" * 65)},
        f"the signature listed for {OWNER} is not valid for this hash",
    ),
    "half a signature": (
        lambda node, row: (
            row | {"confirmations": _listed(OWNER, signed(node, row, 0)["confirmations"][0]["signature"][:80])}
        ),
        f"the signature listed for {OWNER} is not valid for this hash",
    ),
    "an approval that is not on the chain": (
        lambda _, row: row | {"confirmations": _listed(OWNER, "0x" + OWNER[2:].rjust(64, "0") + "0" * 64 + "01")},
        f"the signature listed for {OWNER} is not valid for this hash",
    ),
}


@pytest.mark.parametrize("lie", FORGED)
def test_a_signature_that_no_owner_made_is_critical_and_counts_for_nothing(
    node: Anvil, tmp_path: Path, lie: str
) -> None:
    make, said = FORGED[lie]
    (told,) = reported(node, tmp_path, make(node, queued(1))).told
    assert told.severity is Severity.CRITICAL
    assert "has signatures of no owner" in told.message.title
    assert said in told.text
    assert "3 of" not in told.text


def test_honest_rows_are_said_to_be_checked_and_what_can_be_executed_is_said(node: Anvil, tmp_path: Path) -> None:
    nonce = 1  # the Safe's own, after one transaction
    row = signed(node, queued(nonce, proposer=STRANGER, proposedByDelegate=OWNER), 0, 1)
    (told,) = reported(node, tmp_path, row, signed(node, queued(nonce + 1), 0)).told
    assert told.severity is Severity.MEDIUM
    assert "Signed by: 2 of 2, each signature checked. It can be executed now" in told.text
    assert "Signed by: 1 of 2, each signature checked\n" in told.text
    assert "0x" + hash_of(row).hex() in told.text
    assert (
        "implementations; threshold, owners, modules, singleton, guard, module guard, fallback handler are unchanged. "
        in told.text
    )


def test_what_it_would_do_is_in_the_alert(node: Anvil, tmp_path: Path) -> None:
    coin = parts.package("oz4", "ERC20PresetMinterPauser").deploy(node, "Coin", "COIN")
    coin.send("mint", CURATION, 10**20)
    row = queued(1, to=coin.address, data=coin.artifact.calldata("transfer", STRANGER, 4 * 10**18))
    (told,) = reported(node, tmp_path, signed(node, row, 0)).told
    leaves = f"leaves: 4 “COIN” of token {checksum(coin.address)} (price unknown) to {checksum(STRANGER)}\n"
    assert f"Simulated: it runs\n{leaves}" in told.text.replace("…", "")

    more = queued(1, to=coin.address, data=coin.artifact.calldata("transfer", STRANGER, 10**21))
    (told,) = reported(node, tmp_path, signed(node, more, 0)).told
    assert "Simulated: it fails: it reverts: ERC20: transfer amount exceeds balance\n" in told.text
    assert "leaves" not in told.text


def test_what_was_reported_and_is_then_shown_falsely_is_reported_again(node: Anvil, tmp_path: Path) -> None:
    service = SafeService()
    with watching(tmp_path, service, {"mainnet": node.url}) as world:
        world.run()
        row = signed(node, queued(1), 0)
        service.rows["eth"] = [row]
        assert [one.severity for one in later(world).told] == [Severity.MEDIUM]
        service.rows["eth"] = [row | {"to": STRANGER}]
        (told,) = later(world).told
        assert told.severity is Severity.CRITICAL
        assert "Competing" not in told.text
        assert later(world).told == []
