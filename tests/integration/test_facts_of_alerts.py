"""What alerts of a real Safe keep as facts: every call, what the simulation found, of the alert's own block."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from monitoring.alerts.message.facts import METADATA, FactKind, FactSheet
from monitoring.explain.sheet_check import problem_of
from tests.integration.test_safe_witness import REFUND, node, reported, signed
from tests.integration.test_safes import STRANGER
from tests.support.anvil import Anvil
from tests.support.monitor_world import Told
from tests.support.safes import CURATION, queued

__all__ = ["node"]  # the chain with a Safe of two owners
pytestmark = [pytest.mark.node, pytest.mark.ci]
CHANGE_THRESHOLD = "0x694e80c3" + "1".rjust(64, "0")


def sheet_of(told: Told) -> FactSheet:
    found = FactSheet.from_data(told.metadata[METADATA])
    assert found is not None
    return found


def queued_at(node: Anvil, **changes: Any) -> dict[str, Any]:
    return signed(node, queued(**({"nonce": 1} | changes)), 0, 1)  # its owners executed one before


@pytest.mark.parametrize(
    ("changes", "kinds"),
    [
        ({"to": STRANGER, "data": None, "value": "0"}, {FactKind.CALL, FactKind.SIMULATED}),
        ({"to": CURATION, "data": CHANGE_THRESHOLD}, {FactKind.CALL, FactKind.FLAG, FactKind.CONTROL}),
        ({"to": STRANGER, "data": "0xdeadbeef"}, {FactKind.UNKNOWN}),
        ({"to": STRANGER, "data": "0xdeadbeef", "operation": 1}, {FactKind.UNKNOWN, FactKind.FLAG}),
        ({"to": CURATION, "data": None, **REFUND}, {FactKind.REFUND, FactKind.CALL}),
    ],
    ids=["a payment", "a threshold", "an unknown call", "a delegate call", "a refund"],
)
def test_facts_of_a_real_safes_transaction_hold_together(
    node: Anvil, tmp_path: Path, changes: dict[str, Any], kinds: set[FactKind]
) -> None:
    (told,) = reported(node, tmp_path, queued_at(node, **changes)).told
    sheet = sheet_of(told)

    assert problem_of(sheet) == ""
    assert kinds <= {fact.kind for fact in sheet.facts}
    assert sheet.state["threshold"] == "2"
    assert f"block {sheet.block:,}" in told.text
    assert told.message.threads


def test_a_threshold_is_changed_from_what_the_chain_says_to_what_is_asked(node: Anvil, tmp_path: Path) -> None:
    (told,) = reported(node, tmp_path, queued_at(node, to=CURATION, data=CHANGE_THRESHOLD)).told

    (fact,) = [one for one in sheet_of(told).facts if one.kind is FactKind.CONTROL]
    assert fact.says.endswith("from 2 to 1")
    assert fact.must


def test_what_is_shown_falsely_is_never_explained(node: Anvil, tmp_path: Path) -> None:
    (told,) = reported(node, tmp_path, queued_at(node) | {"to": STRANGER}).told

    assert problem_of(sheet_of(told)) == "it is shown falsely, so what it calls is not what would be signed"


def test_no_fact_names_a_provider(node: Anvil, tmp_path: Path) -> None:
    (told,) = reported(node, tmp_path, queued_at(node, to=STRANGER, data="0xdeadbeef")).told

    assert node.url not in str(told.metadata[METADATA])
