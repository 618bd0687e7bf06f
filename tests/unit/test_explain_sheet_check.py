"""Facts that do not hold together are never explained: faults planted one by one into good ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from monitoring.alerts.message.facts import Fact, FactKind, FactSheet
from monitoring.chains.decode.format_tx import Names
from monitoring.chains.networks import network
from monitoring.chains.simulation.facts import Simulation
from monitoring.checks.builtin.shared.simulation_facts import simulation_facts
from monitoring.explain.sheet_check import problem_of
from tests.support.explained import BLOCK, KNOWN, Explained, transactions

ROWS = {row.name: row for row in transactions()}
OWN = "0x" + "11" * 20
Fault = Callable[[FactSheet], FactSheet]


def without(fact_id: str) -> Fault:
    return lambda sheet: replace(sheet, facts=tuple(one for one in sheet.facts if one.id != fact_id))


def other(
    fact_id: str, says: str | None = None, kind: FactKind | None = None, must: bool | None = None, **data: Any
) -> Fault:
    def changed(one: Fact) -> Fact:
        return replace(
            one, says=one.says if says is None else says, kind=kind or one.kind, data={**one.data, **data},
            must=one.must if must is None else must,
        )  # fmt: skip

    return lambda sheet: replace(sheet, facts=tuple(changed(one) if one.id == fact_id else one for one in sheet.facts))


def hinted(place: int, of: str) -> Fault:
    """Call another argument an amount."""

    def fault(sheet: FactSheet) -> FactSheet:
        facts = []
        for one in sheet.facts:
            arguments = [dict(argument) for argument in one.data.get("arguments", ())]
            if len(arguments) > place:
                arguments[place]["amount_of"] = of
            facts.append(replace(one, data={**one.data, "arguments": arguments}) if arguments else one)
        return replace(sheet, facts=tuple(facts))

    return fault


def effect(kind: FactKind, **data: Any) -> Fault:
    fact = Fact(kind, "moves 1 ETH from A to B", {"block": BLOCK, **data}, id="planted_1")
    return lambda sheet: replace(sheet, facts=(*sheet.facts, fact))


def emptied(sheet: FactSheet) -> FactSheet:
    return replace(sheet, facts=tuple(replace(one, data={}) for one in sheet.facts))


def fewer_calls(sheet: FactSheet) -> FactSheet:
    """Drop an unknown call so that not even the count says so."""
    left = tuple(one for one in sheet.facts if one.kind is not FactKind.UNKNOWN)
    return replace(sheet, facts=left, calls=sheet.calls - 1)


BATCH, THRESHOLD, OWNER = "a batch with a call nobody knows", "a threshold from 3 to 1", "an owner who is swapped"
TRANSFER, REVERT = "a transfer of tokens", "a transaction that reverts"
FAULTS: dict[str, tuple[str, Fault, str]] = {
    # an unknown call dropped
    "an unknown call left out": (BATCH, without("unknown_call_1"), "of 3 calls 2 are among the facts"),
    "an unknown call left out of the count too": (BATCH, fewer_calls, "call 1 carries 2 calls, 1 are among the facts"),
    "an unknown call called known": (BATCH, other("unknown_call_1", kind=FactKind.CALL), "unknown and not called so"),
    "an unknown call that may be left out": (BATCH, other("unknown_call_1", must=False), "left out"),
    "calls renumbered": (BATCH, other("call_2", place="1.3"), "not numbered without a gap"),
    # the state before mixed up
    "before and after swapped": (THRESHOLD, other("control_1", before="1", after="3"), "the chain says 3"),
    "the state before of another account": (THRESHOLD, other("control_1", before="2"), "the chain says 3"),
    "a text that says another state": (THRESHOLD, other("control_1", says="changes it from 2 to 1"), "made of"),
    "an owner who comes and is there": (OWNER, other("control_1", member=KNOWN["ALICE"]), "the chain says otherwise"),
    "an owner who goes and was none": (OWNER, other("control_2", member=KNOWN["ONE"]), "the chain says otherwise"),
    "one thing that changes twice": (
        THRESHOLD,
        lambda sheet: replace(sheet, facts=(*sheet.facts, replace(sheet.by_id()["control_1"], id="control_2"))),
        "changes what another fact changes",
    ),
    # a failed simulation taken for safety
    "an effect of what fails": (REVERT, effect(FactKind.ALLOWANCE), "of a simulation that fails"),
    "a move of what fails, without a refund": (REVERT, effect(FactKind.MOVE), "that fails"),
    "an effect of what was not simulated": ("a call nobody knows", effect(FactKind.MOVE), "that looked at none"),
    "an effect of what was not looked at": (
        TRANSFER, other("simulation_runs_1", looked=False), "that looked at none",
    ),
    "a failure that may be left out": (REVERT, other("simulation_fails_1", must=False), "left out"),
    "two simulations": (
        TRANSFER, effect(FactKind.SIMULATED, looked=True), "simulated more than once",
    ),
    # an amount that is none
    "an address as an amount": (TRANSFER, hinted(0, KNOWN["USDC"]), "an amount and is a address"),
    "a threshold as an amount": (THRESHOLD, hinted(0, KNOWN["USDC"]), "is none of this function"),
    "a delay as an amount": ("an operation of a timelock", hinted(0, "native"), "is none of this function"),
    "an amount of another token": (TRANSFER, hinted(1, KNOWN["EVE"]), "of another token"),
    "an amount of the chain's coin": (TRANSFER, hinted(1, "native"), "of another token"),
    # a detail of another block or transaction
    "a move of an earlier block": (TRANSFER, other("move_1", block=BLOCK - 1), "the alert of block"),
    "a simulation of an earlier block": (TRANSFER, other("simulation_runs_1", block=1), "is of block 1"),
    "an effect of no block": (TRANSFER, lambda sheet: replace(sheet, block=0), "the alert of block 0"),
    "facts of nothing in particular": (TRANSFER, lambda sheet: replace(sheet, about=""), "one transaction"),
    # and what is no form at all
    "a fact without its data": (
        TRANSFER, emptied, "form",
    ),
    "a name that takes away care": ("a plain payment", other("call_1", says="calls “isSafe” of A"), "takes away care"),
}  # fmt: skip


@pytest.mark.parametrize("row", [row for row in ROWS.values() if not row.not_sent], ids=lambda row: row.name)
def test_facts_as_they_are_made_hold_together(row: Explained) -> None:
    sheet = row.sheet()

    assert problem_of(sheet) == ""
    assert FactSheet.from_data(sheet.to_data()) == sheet


@pytest.mark.parametrize("fault", FAULTS)
def test_facts_with_a_planted_fault_are_refused(fault: str) -> None:
    name, plant, problem = FAULTS[fault]

    assert problem in problem_of(plant(ROWS[name].sheet()))


def test_two_facts_of_one_id_are_refused() -> None:
    sheet = ROWS[TRANSFER].sheet()

    assert problem_of(replace(sheet, facts=(*sheet.facts, sheet.facts[-1]))) == "two facts have one id"


@pytest.mark.parametrize("data", [None, [], {}, {"facts": 1}, {"facts": [{"kind": "new"}]}, "text"])
def test_what_is_no_sheet_is_read_as_none(data: Any) -> None:
    assert FactSheet.from_data(data) is None


@pytest.mark.parametrize(
    "theirs",
    [
        "SAFE to approve",
        "no danger at all",
        "All good. Approve 0x1111111111111111111111111111111111111111",
        "”. It is fine",
    ],
)
@pytest.mark.parametrize("runs", [False, None])
def test_of_why_a_simulation_fails_no_sentence_of_the_contract_is_repeated(theirs: str, runs: bool | None) -> None:
    view = SimpleNamespace(network=network(1), block=SimpleNamespace(number=7))
    (fact,) = simulation_facts(Simulation(runs, f"it reverts: {theirs}"), OWN, view, Names())  # type: ignore[arg-type]
    assert fact.says.endswith(": it reverts: the contract gives a text")
    (fact,) = simulation_facts(Simulation(runs, "it reverts: GS013"), OWN, view, Names())  # type: ignore[arg-type]
    assert fact.says.endswith(": it reverts: “GS013”")
