"""Drills of main.py: what vaults V1 emit, what the views add, what cannot be read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from monitoring.chains.abi.addresses import ZERO
from protocols.morpho.governance.simulated import (
    BASE,
    CURATOR,
    GUARDIAN,
    KATANA,
    MARKET,
    NEW,
    OWNER,
    V1,
    V2,
    WATCHED,
    GovernanceWorld,
    call_of,
    market_id,
    submit,
)
from utils.testing import Reverts, SimChain

BY_VIEW = "by the vault's own view; no event of this change was read"

# -- V1 ----------------------------------------------------------------------------------------------------------------


def test_a_cap_of_v1_is_one_condition_from_its_submission_to_its_execution(tmp_path: Path) -> None:
    world = GovernanceWorld(tmp_path)
    world.set(V1, "pendingCap(bytes32)(uint192,uint64)", (5 * 10**12, world.later))
    world.emit(V1, "SubmitCap", CURATOR, market_id(), 5 * 10**12)
    (submitted,) = world.run()
    assert (submitted.kind, submitted.severity) == ("alert", "MEDIUM")
    what = "set the supply cap of market wstETH/USDC 86% to 5,000,000 USDC"
    assert submitted.title == f"Yearn USDC V1 on Ethereum: submitted: {what}, executable from 2026-01-04 01:00 UTC"
    for row in ("Today: 1,000,000 USDC", "Executable: 2026-01-04 01:00 UTC", f"Submitted by: {CURATOR}", "Oracle: 0x"):
        assert row in submitted.text
    assert "it can be stopped by the guardian, the curator or the owner: revokePendingCap" in submitted.text
    assert f"app.morpho.org/ethereum/market/{MARKET.id}" in submitted.text
    assert f"app.morpho.org/ethereum/vault/{V1.address}" in submitted.text
    assert world.run() == []

    world.set(V1, "pendingCap(bytes32)(uint192,uint64)", (0, 0))
    world.emit(V1, "SetCap", OWNER, market_id(), 5 * 10**12)
    (executed,) = world.run()
    assert (executed.check, executed.kind, executed.severity) == (submitted.check, "recovery", "LOW")
    assert executed.title == f"Yearn USDC V1 on Ethereum: executed: {what}"
    assert world.run() == []


def test_a_removal_of_v1_is_executed_when_the_market_is_missing_from_the_queue(tmp_path: Path) -> None:
    world = GovernanceWorld(tmp_path)
    world.set(V1, "config(bytes32)(uint184,bool,uint64)", (0, True, world.later))
    world.emit(V1, "SubmitMarketRemoval", CURATOR, market_id())
    (submitted,) = world.run()
    assert (submitted.kind, submitted.severity) == ("alert", "MEDIUM")
    assert "submitted: remove market wstETH/USDC 86%, executable from" in submitted.title
    world.emit(V1, "SetWithdrawQueue", CURATOR, [b"\1" * 32, market_id()])
    assert world.run() == []
    world.set(V1, "config(bytes32)(uint184,bool,uint64)", (0, False, 0))
    world.emit(V1, "SetWithdrawQueue", CURATOR, [b"\1" * 32])
    (executed,) = world.run()
    assert executed.check == submitted.check
    assert executed.title == "Yearn USDC V1 on Ethereum: executed: remove market wstETH/USDC 86%"


def test_a_timelock_or_a_guardian_of_v1_is_loud_while_it_waits(tmp_path: Path) -> None:
    timelock = ("SubmitTimelock", "pendingTimelock()(uint192,uint64)", 86400, "set the timelock to 1 d")
    guardian = ("SubmitGuardian", "pendingGuardian()(address,uint64)", NEW, "set the guardian to 0x7777…7777")
    for name, view, pending, says in (timelock, guardian):
        for end in ("Set", "RevokePending"):
            world = GovernanceWorld(tmp_path)
            world.set(V1, view, (pending, world.later))
            world.emit(V1, name, pending)
            (submitted,) = world.run()
            assert (submitted.kind, submitted.severity) == ("alert", "HIGH")
            assert f"submitted: {says}, executable from 2026-01-04 01:00 UTC" in submitted.title
            assert f"Submitted by: {OWNER}" in submitted.text
            assert f"Today: {'3 d' if 'Timelock' in name else '0x4444…4444'}" in submitted.text
            assert world.run() == []
            world.set(V1, view, (0 if pending == 86400 else ZERO, 0))
            if name == "SubmitGuardian" and end == "Set":
                world.set(V1, "guardian()(address)", NEW)
            world.emit(V1, name.replace("Submit", end), GUARDIAN, *([pending] if end == "Set" else []))
            (ended,) = world.run()
            assert ended.check == submitted.check
            how = "executed" if end == "Set" else "revoked by 0x4444…4444"
            assert ended.title == f"Yearn USDC V1 on Ethereum: {how}: {says}"
            assert world.run() == []


def test_who_revoked_a_change_of_v1_is_said(tmp_path: Path) -> None:
    for kind, name in (("Cap", "SubmitCap"), ("MarketRemoval", "SubmitMarketRemoval")):
        world = GovernanceWorld(tmp_path)
        view = "pendingCap(bytes32)(uint192,uint64)" if kind == "Cap" else "config(bytes32)(uint184,bool,uint64)"
        before = world.chains["mainnet"].calls[V1.address, view]
        world.set(V1, view, (1, world.later) if kind == "Cap" else (0, True, world.later))
        world.emit(V1, name, CURATOR, market_id(), *((1,) if kind == "Cap" else ()))
        (submitted,) = world.run()
        world.set(V1, view, before)
        world.emit(V1, f"RevokePending{kind}", GUARDIAN, market_id())
        (revoked,) = world.run()
        assert revoked.check == submitted.check
        assert "revoked by 0x4444…4444: " in revoked.title


def test_a_cap_without_limit_is_called_unlimited(tmp_path: Path) -> None:
    for units in (2**128 - 1, 2**184 - 1):
        world = GovernanceWorld(tmp_path)
        world.set(V1, "pendingCap(bytes32)(uint192,uint64)", (units, world.later))
        world.emit(V1, "SubmitCap", CURATOR, market_id(), units)
        assert "set the supply cap of market wstETH/USDC 86% to unlimited" in world.run()[0].title


def test_what_a_vault_changes_at_once_is_one_message_of_the_chain(tmp_path: Path) -> None:
    world = GovernanceWorld(tmp_path)
    world.set(V1, "curator()(address)", NEW)
    world.emit(V1, "SetCap", CURATOR, market_id(), 0)
    world.emit(V1, "SetCurator", NEW)
    world.emit(V1, "SetIsAllocator", NEW, True)
    (alert,) = world.run()
    assert (alert.check, alert.severity) == ("changes/1", "HIGH")
    assert alert.title == "Yearn USDC V1 on Ethereum: curator: 0x7777…7777, by 0x2222…2222 (and 2 more changes)"
    assert (
        "Yearn USDC V1 on Ethereum: executed: set the supply cap of market wstETH/USDC 86% to 0 USDC, by 0x3333…3333"
        in alert.text
    )
    assert "Yearn USDC V1 on Ethereum: curator: 0x7777…7777, by 0x2222…2222" in alert.text
    assert "Yearn USDC V1 on Ethereum: allocator added: 0x7777…7777, by 0x2222…2222" in alert.text
    assert world.run() == []


# -- what the views say, what is not known, what is taken back ---------------------------------------------------------


def test_a_submission_and_its_end_between_two_runs_are_both_reported(tmp_path: Path) -> None:
    world = GovernanceWorld(tmp_path)
    data = call_of("setPerformanceFee")
    world.emit(V2, "Submit", data[:4], data, world.later)
    world.emit(V2, "Revoke", GUARDIAN, data[:4], data)
    submitted, revoked = world.run()
    assert (submitted.kind, revoked.kind) == ("alert", "recovery")
    assert submitted.check == revoked.check
    assert world.run() == []


def test_a_cap_that_is_submitted_revoked_and_submitted_again_between_two_runs_waits(tmp_path: Path) -> None:
    world = GovernanceWorld(tmp_path)
    world.set(V1, "pendingCap(bytes32)(uint192,uint64)", (2 * 10**6, world.later))
    world.emit(V1, "SubmitCap", CURATOR, market_id(), 10**6)
    world.emit(V1, "RevokePendingCap", GUARDIAN, market_id())
    world.emit(V1, "SubmitCap", CURATOR, market_id(), 2 * 10**6)
    first, revoked, second = world.run()
    assert [first.kind, revoked.kind, second.kind] == ["alert", "recovery", "alert"]
    assert len({one.check for one in (first, revoked, second)}) == 1
    assert "to 1 USDC" in revoked.title
    assert "to 2 USDC" in second.title
    found = world.run()
    assert found == []
    assert found.states[second.check] == "firing"


def test_a_change_that_a_reorganisation_removed_ends_when_two_runs_have_not_found_it(tmp_path: Path) -> None:
    world = GovernanceWorld(tmp_path)
    chain = world.chains["mainnet"]
    (submitted,) = submit(world, call_of("setPerformanceFee"))
    chain.logs.clear()
    world.set(V2, "executableAt(bytes)(uint256)", 0)
    assert world.run() == []
    (ended,) = world.run()
    assert ended.check == submitted.check
    assert "no longer pending; no event says whether it was executed or revoked" in ended.title
    assert world.run() == []


def test_a_role_that_a_reorganisation_gave_back_is_reported(tmp_path: Path) -> None:
    world = GovernanceWorld(tmp_path)
    world.set(V1, "curator()(address)", NEW)
    world.emit(V1, "SetCurator", NEW)
    assert len(world.run()) == 1
    world.chains["mainnet"].logs.clear()
    world.set(V1, "curator()(address)", CURATOR)
    (gone,) = world.run()
    assert gone.title == "a reported event of vaults on Ethereum is no longer on the chain (reorganisation)"
    assert "No longer on the chain: block" in gone.text
    (differs,) = world.run()
    assert f"curator: 0x7777…7777 → 0x3333…3333 {BY_VIEW}" in differs.title
    assert world.run() == []


def test_a_role_that_changed_without_an_event_is_found_by_its_view(tmp_path: Path) -> None:
    for vault, role in ((V1, "owner"), (V1, "curator"), (V1, "guardian"), (V2, "owner"), (V2, "curator")):
        world = GovernanceWorld(tmp_path)
        world.set(vault, f"{role}()(address)", NEW)
        assert world.run() == []  # its event may still come
        (alert,) = world.run()
        assert alert.severity == "HIGH"
        assert f"{vault.title}: {role}: " in alert.title
        assert "no event of this change was read" in alert.title
        assert world.run() == []


def test_a_member_that_its_view_does_not_confirm_any_more_is_found(tmp_path: Path) -> None:
    for vault, event in ((V1, "SetIsAllocator"), (V2, "SetIsAllocator"), (V2, "SetIsSentinel")):
        world = GovernanceWorld(tmp_path)
        world.emit(vault, event, NEW, True)
        world.run()
        world.set(vault, f"is{event[5:]}(address)(bool)", False)
        assert world.run() == []
        (alert,) = world.run()
        assert alert.severity == "LOW"
        assert f"{event[5:].lower()}s: 0x7777…7777 → none {BY_VIEW}" in alert.title


def test_an_adapter_that_came_without_an_event_is_found(tmp_path: Path) -> None:
    world = GovernanceWorld(tmp_path)
    world.set(V2, "adapters(uint256)(address)", NEW)
    assert world.run() == []
    (alert,) = world.run()
    assert "adapters: 0x1717…1717 → 0x7777…7777 by the vault's own view" in alert.title


def test_what_waits_before_the_first_run_is_read_from_the_state(tmp_path: Path) -> None:
    world = GovernanceWorld(tmp_path, V1, first_run=False)
    world.set(V1, "pendingTimelock()(uint192,uint64)", (86400, world.later))
    world.set(V1, "pendingGuardian()(address,uint64)", (NEW, world.later))
    world.set(
        V1,
        "pendingCap(bytes32)(uint192,uint64)",
        lambda market: (10**6, world.later) if market == market_id() else (0, 0),
    )
    alert = world.run()
    titles = "\n".join(one.title for one in alert)
    cap = "set the supply cap of market wstETH/USDC 86% to 1 USDC"
    for says in ("set the timelock to 1 d", "set the guardian to 0x7777…7777", cap):
        assert f"Yearn USDC V1 on Ethereum: submitted: {says}, executable from 2026-01-0" in titles
    assert sorted(one.severity for one in alert) == ["HIGH", "HIGH", "MEDIUM"]
    assert world.run() == []


def test_a_change_of_v1_whose_event_was_not_read_is_found_by_its_view(tmp_path: Path) -> None:
    world = GovernanceWorld(tmp_path)
    world.set(V1, "pendingGuardian()(address,uint64)", (NEW, world.later))
    assert world.run() == []
    (alert,) = world.run()
    assert "submitted: set the guardian to 0x7777…7777" in alert.title
    assert "found in the vault's state" in alert.text


def test_a_chain_that_cannot_be_read_holds_up_no_other_and_loses_nothing(tmp_path: Path) -> None:
    world = GovernanceWorld(tmp_path, BASE, V2)
    world.chains["base"].down = True
    data = call_of("abdicate")
    world.set(BASE, "executableAt(bytes)(uint256)", world.later)
    world.emit(BASE, "Submit", data[:4], data, world.later)
    found = submit(world, data)
    assert [one.title.startswith(V2.title) for one in found] == [True]
    assert found.unknown.keys() == {"changes/8453", f"vault/8453/{BASE.address}"}
    world.chains["base"].down = False
    (alert,) = world.run()
    assert alert.title.startswith(BASE.title)


def test_a_watched_vault_that_is_missing_is_said_and_the_others_are_followed(tmp_path: Path) -> None:
    world = GovernanceWorld(tmp_path)
    world.set(V2, "owner()(address)", Reverts("gone"))
    found = world.run()
    assert found == []
    assert found.unknown.keys() == {f"vault/1/{V2.address}"}
    assert world.run() == []
    (alert,) = world.run()
    assert "no data" in alert.title
    assert "reverted: gone" in alert.text
    world.emit(V1, "SetIsAllocator", NEW, True)
    assert [one.check for one in world.run()] == ["changes/1"]


def test_the_same_change_on_two_chains_is_two_conditions(tmp_path: Path) -> None:
    world = GovernanceWorld(tmp_path, BASE, KATANA)
    data = call_of("abdicate")
    for vault in (BASE, KATANA):
        world.set(vault, "executableAt(bytes)(uint256)", world.later)
        world.emit(vault, "Submit", data[:4], data, world.later)
    assert len({one.check for one in world.run()}) == 2


def test_a_vault_that_is_taken_off_the_list_leaves_no_open_change(tmp_path: Path) -> None:
    world = GovernanceWorld(tmp_path)
    (submitted,) = submit(world, call_of("abdicate"))
    world.vaults = (V1,)
    (ended,) = world.run()
    assert ended.check == submitted.check
    assert "the vault is no longer watched" in ended.title


# -- requests, and the data files --------------------------------------------------------------------------------------


def test_twice_as_many_vaults_need_no_more_requests(tmp_path: Path) -> None:
    asked: list[str] = []

    class CountedChain(SimChain):
        def fetch(self, request: Any, clock: Any) -> Any:
            body = json.loads(request.body)
            asked.extend(one["method"] for one in (body if isinstance(body, list) else [body]))
            return super().fetch(request, clock)

    counts = []
    for vaults in ((V1, V2), tuple(one for one in WATCHED.vaults if one.chain == "mainnet")):
        world = GovernanceWorld(tmp_path, *vaults)
        world.chains = {slug: CountedChain(one.calls, one.chain, one.head) for slug, one in world.chains.items()}
        asked.clear()
        assert world.run() == []
        counts.append({method: asked.count(method) for method in set(asked)})
    few, every = counts
    assert few["eth_getLogs"] == every["eth_getLogs"] == 1
    assert every["eth_call"] == few["eth_call"] == 2
