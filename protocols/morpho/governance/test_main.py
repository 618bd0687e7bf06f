"""Drills of main.py: every event and every call of the data files, from a log to the message people receive."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

import protocols.morpho.governance.main as governance
from monitoring.chains.abi.addresses import ZERO, keccak256
from monitoring.chains.abi.function import encode
from monitoring.chains.abi.types import AbiType
from protocols.morpho.governance.events import declarations, events
from protocols.morpho.governance.words import MorphoMarket, calls
from protocols.morpho.markets_data import Vault, load
from utils.testing import Reverts, Run, SimChain, SimClock, run

OWNER, CURATOR, GUARDIAN = (f"0x{digit * 40}" for digit in "234")
NEW = "0x" + "7" * 40
USDC, WETH, WSTETH = "0x" + "a1" * 20, "0x" + "b2" * 20, "0x" + "c3" * 20
MORPHO, ORACLE, IRM, ADAPTER = (f"0x{digits * 20}" for digits in ("d4", "e5", "f6", "17"))
MARKET = MorphoMarket(USDC, WSTETH, ORACLE, IRM, 86 * 10**16)
WATCHED = load()
V1, V2, BASE, KATANA = (
    next(one for one in WATCHED.vaults if (one.version, one.chain) == wanted)
    for wanted in ((1, "mainnet"), (2, "mainnet"), (2, "base"), (2, "katana"))
)


class World:
    """The three chains with every watched vault on them, the clock, and the store that the runs share."""

    def __init__(self, store: Any, monkeypatch: pytest.MonkeyPatch, vaults: tuple[Vault, ...]) -> None:
        self.store = store
        self.clock = SimClock()
        self.chains = {one.chain: SimChain(chain=one.chain) for one in vaults}
        self._monkeypatch = monkeypatch
        self.watch(*vaults)
        for chain in self.chains.values():
            for vault in (one for one in vaults if one.chain == chain.chain):
                chain.calls |= _views(vault)
            for token, symbol, decimals in ((USDC, "USDC", 6), (WETH, "WETH", 18), (WSTETH, "wstETH", 18)):
                chain.calls |= {(token, "symbol()(string)"): symbol, (token, "decimals()(uint8)"): decimals}
            chain.calls[MORPHO, "idToMarketParams(bytes32)(address,address,address,address,uint256)"] = _params
            chain.calls |= {(ADAPTER, "morpho()(address)"): MORPHO, (ADAPTER, "executableAt(bytes)(uint256)"): 0}

    def watch(self, *vaults: Vault) -> None:
        self._monkeypatch.setattr(governance, "load", lambda: replace(WATCHED, vaults=vaults))

    def run(self, after: str = "1h") -> Run:
        self.clock.move(after)
        return run(governance.main, store=self.store, chain=self.chains.values(), clock=self.clock)

    def emit(self, vault: Vault, name: str, *values: Any, contract: str = "") -> Any:
        declared = next(one for one in declarations() if one.startswith(f"{name}("))
        return self.chains[vault.chain].emit(contract or vault.address, declared, *values)

    def set(self, vault: Vault, view: str, value: Any, contract: str = "") -> None:
        assert (contract or vault.address, view) in self.chains[vault.chain].calls, view
        self.chains[vault.chain].calls[contract or vault.address, view] = value

    @property
    def later(self) -> int:
        """An instant in three days."""
        return int(self.clock.now().timestamp()) + 3 * 86400


def _params(market: bytes) -> tuple[Any, ...]:
    row = (MARKET.loan, MARKET.collateral, MARKET.oracle, MARKET.irm, MARKET.lltv)
    return row if "0x" + market.hex() == MARKET.id else (ZERO,) * 4 + (0,)


def _views(vault: Vault) -> dict[tuple[str, str], Any]:
    views: dict[str, Any] = {
        "asset()(address)": USDC,
        "owner()(address)": OWNER,
        "curator()(address)": CURATOR,
        "isAllocator(address)(bool)": True,
    }
    if vault.version == 1:
        views |= {
            "guardian()(address)": GUARDIAN,
            "MORPHO()(address)": MORPHO,
            "timelock()(uint256)": 3 * 86400,
            "pendingTimelock()(uint192,uint64)": (0, 0),
            "pendingGuardian()(address,uint64)": (ZERO, 0),
            "pendingCap(bytes32)(uint192,uint64)": (0, 0),
            "config(bytes32)(uint184,bool,uint64)": (10**12, True, 0),
            "withdrawQueueLength()(uint256)": 1,
            "withdrawQueue(uint256)(bytes32)": bytes.fromhex(MARKET.id[2:]),
        }
    else:
        views |= {
            "adaptersLength()(uint256)": 1,
            "adapters(uint256)(address)": ADAPTER if vault == V2 else vault.address,
            "isSentinel(address)(bool)": True,
            "executableAt(bytes)(uint256)": 0,
            "absoluteCap(bytes32)(uint256)": 10**12,
            "relativeCap(bytes32)(uint256)": 10**17,
        }
    return {(vault.address, view): value for view, value in views.items()}


@pytest.fixture
def world(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> World:
    found = World(tmp_path, monkeypatch, (V1, V2))
    assert found.run() == []
    return found


def _id(market: MorphoMarket = MARKET) -> bytes:
    return bytes.fromhex(market.id[2:])


def _value(kind: str, name: str) -> Any:
    """A value of a type that suits an argument of this name."""
    if name == "idData":
        return _risk(MARKET)
    sizes = {"cap": 5 * 10**12, "duration": 86400, "fee": 10**17, "penalty": 10**16}
    by_type = {"address": NEW, "bool": True, "bytes32": _id(), "bytes4": keccak256("addAdapter(address)")[:4]}
    return by_type.get(kind, sizes.get(name, 5 * 10**12))


def _risk(market: MorphoMarket) -> bytes:
    params = AbiType("tuple", (AbiType("address"),) * 4 + (AbiType("uint256"),))
    row = (market.loan, market.collateral, market.oracle, market.irm, market.lltv)
    return encode([AbiType("string"), AbiType("address"), params], ["this/marketParams", ADAPTER, row], "id")


def _data(name: str, *values: Any) -> bytes:
    found = next(one.declared.function for one in calls().values() if one.name == name)
    return found.encode(values)


def _submit(world: World, data: bytes, contract: str = V2.address) -> Run:
    world.set(V2, "executableAt(bytes)(uint256)", world.later, contract)
    world.emit(V2, "Submit", data[:4], data, world.later, contract=contract)
    return world.run()


# -- V1 ----------------------------------------------------------------------------------------------------------------


def test_a_cap_of_v1_is_one_condition_from_its_submission_to_its_execution(world: World) -> None:
    world.set(V1, "pendingCap(bytes32)(uint192,uint64)", (5 * 10**12, world.later))
    world.emit(V1, "SubmitCap", CURATOR, _id(), 5 * 10**12)
    (submitted,) = world.run()
    assert (submitted.kind, submitted.severity) == ("alert", "MEDIUM")
    what = "supply cap of market wstETH/USDC 86% to 5,000,000 USDC"
    assert submitted.title == f"Yearn USDC V1 on Ethereum: submitted: {what}, executable from 2026-01-04 01:00 UTC"
    for row in ("Today: 1,000,000 USDC", "Executable: 2026-01-04 01:00 UTC", f"Submitted by: {CURATOR}", "Oracle: 0x"):
        assert row in submitted.text
    assert f"app.morpho.org/ethereum/market/{MARKET.id}" in submitted.text
    assert f"app.morpho.org/ethereum/vault/{V1.address}" in submitted.text
    assert world.run() == []

    world.set(V1, "pendingCap(bytes32)(uint192,uint64)", (0, 0))
    world.emit(V1, "SetCap", OWNER, _id(), 5 * 10**12)
    (executed,) = world.run()
    assert (executed.check, executed.kind, executed.severity) == (submitted.check, "recovery", "LOW")
    assert executed.title == f"Yearn USDC V1 on Ethereum: executed: {what}"
    assert world.run() == []


def test_a_removal_of_v1_is_executed_when_the_market_is_missing_from_the_queue(world: World) -> None:
    world.set(V1, "config(bytes32)(uint184,bool,uint64)", (0, True, world.later))
    world.emit(V1, "SubmitMarketRemoval", CURATOR, _id())
    (submitted,) = world.run()
    assert (submitted.kind, submitted.severity) == ("alert", "MEDIUM")
    assert "submitted: removal of market wstETH/USDC 86%, executable from" in submitted.title
    world.emit(V1, "SetWithdrawQueue", CURATOR, [b"\1" * 32, _id()])
    assert world.run() == []
    world.set(V1, "config(bytes32)(uint184,bool,uint64)", (0, False, 0))
    world.emit(V1, "SetWithdrawQueue", CURATOR, [b"\1" * 32])
    (executed,) = world.run()
    assert executed.check == submitted.check
    assert executed.title == "Yearn USDC V1 on Ethereum: executed: removal of market wstETH/USDC 86%"


@pytest.mark.parametrize(
    ("submit", "values", "view", "pending", "says"),
    [
        ("SubmitTimelock", (86400,), "pendingTimelock()(uint192,uint64)", 86400, "timelock to 1 d"),
        ("SubmitGuardian", (NEW,), "pendingGuardian()(address,uint64)", NEW, "guardian to 0x7777…7777"),
    ],
)
@pytest.mark.parametrize("end", ["Set", "RevokePending"])
def test_a_timelock_or_a_guardian_of_v1_is_loud_while_it_waits(
    world: World, submit: str, values: tuple[Any, ...], view: str, pending: Any, says: str, end: str
) -> None:
    world.set(V1, view, (pending, world.later))
    world.emit(V1, submit, *values)
    (submitted,) = world.run()
    assert (submitted.kind, submitted.severity) == ("alert", "HIGH")
    assert f"submitted: {says}, executable from 2026-01-04 01:00 UTC" in submitted.title
    assert f"Submitted by: {OWNER}" in submitted.text
    assert f"Today: {'3 d' if 'Timelock' in submit else '0x4444…4444'}" in submitted.text
    assert world.run() == []
    world.set(V1, view, (0 if pending == 86400 else ZERO, 0))
    if submit == "SubmitGuardian" and end == "Set":
        world.set(V1, "guardian()(address)", NEW)
    world.emit(V1, submit.replace("Submit", end), GUARDIAN, *(values if end == "Set" else ()))
    (ended,) = world.run()
    assert ended.check == submitted.check
    how = "executed" if end == "Set" else "revoked by 0x4444…4444"
    assert ended.title == f"Yearn USDC V1 on Ethereum: {how}: {says}"
    assert world.run() == []


@pytest.mark.parametrize(("kind", "submit"), [("Cap", "SubmitCap"), ("MarketRemoval", "SubmitMarketRemoval")])
def test_who_revoked_a_change_of_v1_is_said(world: World, kind: str, submit: str) -> None:
    view = "pendingCap(bytes32)(uint192,uint64)" if kind == "Cap" else "config(bytes32)(uint184,bool,uint64)"
    before = world.chains["mainnet"].calls[V1.address, view]
    world.set(V1, view, (1, world.later) if kind == "Cap" else (0, True, world.later))
    world.emit(V1, submit, CURATOR, _id(), *((1,) if kind == "Cap" else ()))
    (submitted,) = world.run()
    world.set(V1, view, before)
    world.emit(V1, f"RevokePending{kind}", GUARDIAN, _id())
    (revoked,) = world.run()
    assert revoked.check == submitted.check
    assert "revoked by 0x4444…4444: " in revoked.title


@pytest.mark.parametrize("units", [2**128 - 1, 2**184 - 1])
def test_a_cap_without_limit_is_called_unlimited(world: World, units: int) -> None:
    world.set(V1, "pendingCap(bytes32)(uint192,uint64)", (units, world.later))
    world.emit(V1, "SubmitCap", CURATOR, _id(), units)
    assert "supply cap of market wstETH/USDC 86% to unlimited" in world.run()[0].title


def test_what_a_vault_changes_at_once_is_one_message_of_the_chain(world: World) -> None:
    world.set(V1, "curator()(address)", NEW)
    world.emit(V1, "SetCap", CURATOR, _id(), 0)
    world.emit(V1, "SetCurator", NEW)
    world.emit(V1, "SetIsAllocator", NEW, True)
    (told,) = world.run()
    assert (told.check, told.severity) == ("changes/1", "HIGH")
    assert told.title == "Yearn USDC V1 on Ethereum: curator: 0x7777…7777, by 0x2222…2222 (and 2 more changes)"
    assert (
        "Yearn USDC V1 on Ethereum: executed: supply cap of market wstETH/USDC 86% to 0 USDC, by 0x3333…3333"
        in told.text
    )
    assert "Yearn USDC V1 on Ethereum: curator: 0x7777…7777, by 0x2222…2222" in told.text
    assert "Yearn USDC V1 on Ethereum: allocator added: 0x7777…7777, by 0x2222…2222" in told.text
    assert world.run() == []


# -- V2 ----------------------------------------------------------------------------------------------------------------

CALLS = {
    "setIsAllocator": "add allocator 0x7777…7777",
    "setReceiveSharesGate": "gate for who receives shares to 0x7777…7777",
    "setSendSharesGate": "gate for who sends shares to 0x7777…7777",
    "setReceiveAssetsGate": "gate for who receives assets to 0x7777…7777",
    "setSendAssetsGate": "gate for who sends assets to 0x7777…7777",
    "setAdapterRegistry": "adapter registry to 0x7777…7777",
    "addAdapter": "add adapter 0x7777…7777",
    "removeAdapter": "remove adapter 0x7777…7777",
    "increaseTimelock": "raise the timelock of addAdapter to 1 d",
    "decreaseTimelock": "lower the timelock of addAdapter to 1 d",
    "abdicate": "give up addAdapter permanently",
    "setPerformanceFee": "performance fee to 10%",
    "setManagementFee": "management fee to 3.15% a year",
    "setPerformanceFeeRecipient": "recipient of the performance fee to 0x7777…7777",
    "setManagementFeeRecipient": "recipient of the management fee to 0x7777…7777",
    "increaseAbsoluteCap": "raise the absolute cap of market wstETH/USDC 86% to 5,000,000 USDC",
    "increaseRelativeCap": "raise the relative cap of market wstETH/USDC 86% to 40%",
    "setForceDeallocatePenalty": "penalty of forced withdrawals through 0x7777…7777 to 1%",
    "setSkimRecipient": "recipient of skimmed tokens to 0x7777…7777",
    "burnShares": "write off the whole position in market wstETH/USDC 86%",
}
OF_ADAPTERS = ("setSkimRecipient", "burnShares")


def _call(name: str) -> bytes:
    found = next(one for one in calls().values() if one.name == name)
    sizes = {"setManagementFee": 10**9, "increaseRelativeCap": 4 * 10**17}
    kinds = [str(kind) for kind in found.declared.function.inputs]
    values = [_value(*pair) for pair in zip(kinds, found.declared.names, strict=True)]
    return found.declared.function.encode([*values[:-1], sizes.get(name, values[-1])])


def test_every_call_that_waits_has_a_drill() -> None:
    assert CALLS.keys() == {one.name for one in calls().values()}


@pytest.mark.parametrize("end", ["Accept", "Revoke"])
def test_each_call_of_v2_is_one_condition_from_its_submission_to_its_end(world: World, end: str) -> None:
    contracts = {name: ADAPTER if name in OF_ADAPTERS else V2.address for name in CALLS}
    for contract in (V2.address, ADAPTER):
        world.set(V2, "executableAt(bytes)(uint256)", world.later, contract)
    for name, contract in contracts.items():
        world.emit(V2, "Submit", _call(name)[:4], _call(name), world.later, contract=contract)
    submitted = world.run()
    for told, (name, says) in zip(submitted, CALLS.items(), strict=True):
        assert (told.kind, told.severity) == ("alert", "MEDIUM")
        assert told.title == f"{V2.title}: submitted: {says}, executable from 2026-01-04 01:00 UTC"
        assert f"Submitted by: {CURATOR}" in told.text
        assert (f"Adapter: {ADAPTER}" in told.text) is (name in OF_ADAPTERS)
    assert len({told.check for told in submitted}) == len(CALLS)
    assert world.run() == []
    for name, contract in contracts.items():
        world.set(V2, "executableAt(bytes)(uint256)", 0, contract)
        sender = [GUARDIAN] if end == "Revoke" else []
        world.emit(V2, end, *sender, _call(name)[:4], _call(name), contract=contract)
    how = "executed" if end == "Accept" else "revoked by 0x4444…4444"
    ended = world.run()
    for told, (name, says) in zip(ended, CALLS.items(), strict=True):
        assert (told.kind, told.severity) == ("recovery", "LOW")
        assert told.title == f"{V2.title}: {how}: {says}", name
    assert [told.check for told in ended] == [told.check for told in submitted]
    assert world.run() == []


@pytest.mark.parametrize(
    ("id_data", "says"),
    [
        (encode([AbiType("string"), AbiType("address")], ["collateralToken", WSTETH], "id"), "collateral wstETH"),
        (encode([AbiType("string"), AbiType("address")], ["this", ADAPTER], "id"), "adapter 0x1717…1717"),
        (encode([AbiType("string"), AbiType("uint256")], ["of another kind", 1], "id"), "id 0x"),
        (b"\1\2", "id 0x"),
        (_risk(MorphoMarket(USDC, ZERO, ZERO, ZERO, 0)), "the idle market of USDC"),
    ],
)
def test_what_a_cap_of_v2_is_about_is_read_from_its_data(world: World, id_data: bytes, says: str) -> None:
    (told,) = _submit(world, _data("increaseAbsoluteCap", id_data, 2**128 - 1))
    assert f"raise the absolute cap of {says}" in told.title
    assert "to unlimited" in told.title
    assert "Today: 1,000,000 USDC" in told.text


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"\xde\xad\xbe\xef" + b"\0" * 32, "an unknown call 0xdeadbeef (36 bytes)"),
        (_call("increaseAbsoluteCap")[:40], "increaseAbsoluteCap with arguments that do not decode (40 bytes)"),
        (b"", "an unknown call 0x (0 bytes)"),
    ],
)
def test_a_call_that_does_not_decode_is_reported_as_it_came(world: World, data: bytes, says: str) -> None:
    world.set(V2, "executableAt(bytes)(uint256)", world.later)
    world.emit(V2, "Submit", data[:4].ljust(4, b"\0"), data, world.later)
    (told,) = world.run()
    assert f"submitted: {says}, executable from" in told.title
    assert (told.severity, told.kind) == ("MEDIUM", "alert")


def test_owner_and_curator_of_v2_are_loud_and_its_other_roles_are_not(world: World) -> None:
    world.emit(V2, "SetIsSentinel", NEW, True)
    world.emit(V2, "DecreaseAbsoluteCap", GUARDIAN, keccak256(_risk(MARKET)), _risk(MARKET), 10**6)
    world.emit(V2, "DecreaseRelativeCap", GUARDIAN, keccak256(_risk(MARKET)), _risk(MARKET), 10**17)
    (told,) = world.run()
    assert told.severity == "LOW"
    for line in (
        "sentinel added: 0x7777…7777, by 0x2222…2222",
        "absolute cap of market wstETH/USDC 86% lowered to 1 USDC, by 0x4444…4444",
        "relative cap of market wstETH/USDC 86% lowered to 10%, by 0x4444…4444",
    ):
        assert f"{V2.title}: {line}" in told.text
    for event, role in (("SetOwner", "owner"), ("SetCurator", "curator")):
        world.set(V2, f"{role}()(address)", NEW)
        world.emit(V2, event, NEW)
        (told,) = world.run()
        assert told.severity == "HIGH"
        assert f"{V2.title}: {role}: 0x7777…7777, by " in told.text


def test_the_end_of_a_change_that_was_not_known_is_reported_once(world: World) -> None:
    data = _call("addAdapter")
    world.emit(V2, "Accept", data[:4], data)
    world.emit(V2, "AddAdapter", NEW)
    world.set(V2, "adaptersLength()(uint256)", 2)
    world.set(V2, "adapters(uint256)(address)", lambda place: (ADAPTER, NEW)[place])
    (told,) = world.run()
    assert (told.check, told.severity) == ("changes/1", "LOW")
    assert f"{V2.title}: executed: add adapter 0x7777…7777" in told.text
    assert world.run() == []


# -- what the views say, what is not known, what is taken back ---------------------------------------------------------


def test_a_submission_and_its_end_between_two_runs_are_both_reported(world: World) -> None:
    data = _call("setPerformanceFee")
    world.emit(V2, "Submit", data[:4], data, world.later)
    world.emit(V2, "Revoke", GUARDIAN, data[:4], data)
    submitted, revoked = world.run()
    assert (submitted.kind, revoked.kind) == ("alert", "recovery")
    assert submitted.check == revoked.check
    assert world.run() == []


def test_a_change_that_a_reorganisation_removed_ends_when_two_runs_have_not_found_it(world: World) -> None:
    chain = world.chains["mainnet"]
    (submitted,) = _submit(world, _call("setPerformanceFee"))
    chain.logs.clear()
    world.set(V2, "executableAt(bytes)(uint256)", 0)
    assert world.run() == []
    (ended,) = world.run()
    assert ended.check == submitted.check
    assert "does not wait any more; no event says how it ended" in ended.title
    assert world.run() == []


def test_a_role_that_a_reorganisation_gave_back_is_reported(world: World) -> None:
    world.set(V1, "curator()(address)", NEW)
    world.emit(V1, "SetCurator", NEW)
    assert len(world.run()) == 1
    world.chains["mainnet"].logs.clear()
    world.set(V1, "curator()(address)", CURATOR)
    (gone,) = world.run()
    assert gone.title == "a reported event of vaults on Ethereum is not on the chain any more"
    assert "No longer on the chain: block" in gone.text
    (differs,) = world.run()
    assert "curator: 0x7777…7777 → 0x3333…3333, says the vault; no event of it was read" in differs.title
    assert world.run() == []


@pytest.mark.parametrize(
    ("vault", "role", "severity"),
    [
        (V1, "owner", "HIGH"),
        (V1, "curator", "HIGH"),
        (V1, "guardian", "HIGH"),
        (V2, "owner", "HIGH"),
        (V2, "curator", "HIGH"),
    ],
)
def test_a_role_that_changed_without_an_event_is_found_by_its_view(
    world: World, vault: Vault, role: str, severity: str
) -> None:
    world.set(vault, f"{role}()(address)", NEW)
    assert world.run() == []  # its event may still come
    (told,) = world.run()
    assert told.severity == severity
    assert f"{vault.title}: {role}: " in told.title
    assert "no event of it was read" in told.title
    assert world.run() == []


@pytest.mark.parametrize(("vault", "event"), [(V1, "SetIsAllocator"), (V2, "SetIsAllocator"), (V2, "SetIsSentinel")])
def test_a_member_that_its_view_does_not_confirm_any_more_is_found(world: World, vault: Vault, event: str) -> None:
    world.emit(vault, event, NEW, True)
    world.run()
    world.set(vault, f"is{event[5:]}(address)(bool)", False)
    assert world.run() == []
    (told,) = world.run()
    assert told.severity == "LOW"
    assert f"{event[5:].lower()}s: 0x7777…7777 → none, says the vault; no event of it was read" in told.title


def test_an_adapter_that_came_without_an_event_is_found(world: World) -> None:
    world.set(V2, "adapters(uint256)(address)", NEW)
    assert world.run() == []
    (told,) = world.run()
    assert "adapters: 0x1717…1717 → 0x7777…7777, says the vault" in told.title


def test_what_waits_before_the_first_run_is_read_from_the_state(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(tmp_path, monkeypatch, (V1,))
    world.set(V1, "pendingTimelock()(uint192,uint64)", (86400, world.later))
    world.set(V1, "pendingGuardian()(address,uint64)", (NEW, world.later))
    world.set(
        V1, "pendingCap(bytes32)(uint192,uint64)", lambda market: (10**6, world.later) if market == _id() else (0, 0)
    )
    told = world.run()
    titles = "\n".join(one.title for one in told)
    for says in ("timelock to 1 d", "guardian to 0x7777…7777", "supply cap of market wstETH/USDC 86% to 1 USDC"):
        assert f"Yearn USDC V1 on Ethereum: submitted: {says}, executable from 2026-01-0" in titles
    assert sorted(one.severity for one in told) == ["HIGH", "HIGH", "MEDIUM"]
    assert world.run() == []


def test_a_change_of_v1_whose_event_was_not_read_is_found_by_its_view(world: World) -> None:
    world.set(V1, "pendingGuardian()(address,uint64)", (NEW, world.later))
    assert world.run() == []
    (told,) = world.run()
    assert "submitted: guardian to 0x7777…7777" in told.title
    assert "read from the vault's state" in told.text


def test_a_chain_that_cannot_be_read_holds_up_no_other_and_loses_nothing(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(tmp_path, monkeypatch, (BASE, V2))
    assert world.run() == []
    world.chains["base"].down = True
    data = _call("abdicate")
    world.set(BASE, "executableAt(bytes)(uint256)", world.later)
    world.emit(BASE, "Submit", data[:4], data, world.later)
    found = _submit(world, data)
    assert [one.title.startswith(V2.title) for one in found] == [True]
    assert found.unknown.keys() == {"changes/8453", f"vault/8453/{BASE.address}"}
    world.chains["base"].down = False
    (told,) = world.run()
    assert told.title.startswith(BASE.title)


def test_a_watched_vault_that_is_missing_is_said_and_the_others_are_followed(world: World) -> None:
    world.set(V2, "owner()(address)", Reverts("gone"))
    found = world.run()
    assert found == []
    assert found.unknown.keys() == {f"vault/1/{V2.address}"}
    assert world.run() == []
    (told,) = world.run()
    assert "no data" in told.title
    assert "reverted: gone" in told.text
    world.emit(V1, "SetIsAllocator", NEW, True)
    assert [one.check for one in world.run()] == ["changes/1"]


def test_the_same_change_on_two_chains_is_two_conditions(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(tmp_path, monkeypatch, (BASE, KATANA))
    world.run()
    data = _call("abdicate")
    for vault in (BASE, KATANA):
        world.set(vault, "executableAt(bytes)(uint256)", world.later)
        world.emit(vault, "Submit", data[:4], data, world.later)
    assert len({one.check for one in world.run()}) == 2


def test_a_vault_that_is_taken_off_the_list_leaves_no_open_change(world: World) -> None:
    (submitted,) = _submit(world, _call("abdicate"))
    world.watch(V1)
    (ended,) = world.run()
    assert ended.check == submitted.check
    assert "the vault is not watched any more" in ended.title


# -- requests, and the data files --------------------------------------------------------------------------------------


def test_twice_as_many_vaults_need_no_more_requests_for_events(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    fetch = SimChain.fetch

    def counted(chain: SimChain, request: Any, clock: Any) -> Any:
        body = json.loads(request.body)
        asked.extend(one["method"] for one in (body if isinstance(body, list) else [body]))
        return fetch(chain, request, clock)

    monkeypatch.setattr(SimChain, "fetch", counted)
    counts = []
    for store, vaults in (("few", (V1, V2)), ("all", tuple(one for one in WATCHED.vaults if one.chain == "mainnet"))):
        (tmp_path / store).mkdir()
        world = World(tmp_path / store, monkeypatch, vaults)
        world.run()
        asked.clear()
        assert world.run() == []
        counts.append({method: asked.count(method) for method in set(asked)})
    few, every = counts
    assert few["eth_getLogs"] == every["eth_getLogs"] == 1
    assert every["eth_call"] == few["eth_call"]


TOPICS = {
    "SubmitTimelock": "b3aa0ade2442acf51d06713c2d1a5a3ec0373cce969d42b53f4689f97bccf380",
    "SetTimelock": "d28e9b90ee9b37c5936ff84392d71f29ff18117d7e76bcee60615262a90a3f75",
    "SubmitGuardian": "7633313af54753bce8a149927263b1a55eba857ba4ef1d13c6aee25d384d3c4b",
    "SetGuardian": "cb11cc8aade2f5a556749d1b2380d108a16fac3431e6a5d5ce12ef9de0bd76e3",
    "SubmitCap": "e851bb5856808a50efd748be463b8f35bcfb5ec74c5bfde776fe0a4d2a26db27",
    "SetCap": "e86b6d3313d3098f4c5f689c935de8fde876a597c185def2cedab85efedac686",
    "SubmitMarketRemoval": "3240fc70754c5a2b4dab10bf7081a00024bfc8491581ee3d355360ec0dd91f16",
    "RevokePendingTimelock": "921828337692c347c634c5d2aacbc7b756014674bd236f3cc2058d8e284a951b",
    "RevokePendingGuardian": "c40a085ccfa20f5fd518ade5c3a77a7ecbdfbb4c75efcdca6146a8e3c841d663",
    "RevokePendingCap": "1026ceca5ed3747eb5edec555732d4a6f901ce1a875ecf981064628cadde1120",
    "RevokePendingMarketRemoval": "cbeb8ecdaa5a3c133e62219b63bfc35bce3fda13065d2bed32e3b7dde60a59f4",
    "SetCurator": "bd0a63c12948fbc9194a5839019f99c9d71db924e5c70018265bc778b8f1a506",
    "SetIsAllocator": "74dc60cbc81a9472d04ad1d20e151d369c41104d655ed3f2f3091166a502cd8d",
    "Submit": "8b18afeb361b83b025999ed5b42f1d90c68aaa5a0fd49c015f04c3b8b81e80eb",
    "Accept": "29aa42fc192ff77ef42105abba283197ac841341e196e417a7fc2784cdc4e5fb",
    "Revoke": "70521cf6a7c2458c5ad406081ad7b3bc4afd31b01b586a157a9780fcee6a77cb",
    "SetOwner": "167d3e9c1016ab80e58802ca9da10ce5c6a0f4debc46a2e7a2cd9e56899a4fb5",
    "SetIsSentinel": "8da69db4003c01b5c7be66a7bb5953423222e5118b6af0aadf54e75feef5bc50",
    "AddAdapter": "8f125a24838c4c23e893904b255b5c672d43d4cb8af7e3d15841eaeabc1e68aa",
    "RemoveAdapter": "34f33faa2592bc1f615ec3e91b55b7784665ce46461403c294824d85f9f66458",
}  # calculated by the contracts' publishers
SELECTORS = {
    "b192a84a": "setIsAllocator", "2cb19f98": "setReceiveSharesGate", "c21ad028": "setSendSharesGate",
    "04dbf0ce": "setReceiveAssetsGate", "871c979c": "setSendAssetsGate", "5b34b823": "setAdapterRegistry",
    "60d54d41": "addAdapter", "585cd34b": "removeAdapter", "47966291": "increaseTimelock",
    "5c1a1a4f": "decreaseTimelock", "b2e32848": "abdicate", "70897b23": "setPerformanceFee",
    "fe56e232": "setManagementFee", "6a5f1aa2": "setPerformanceFeeRecipient", "9faae464": "setManagementFeeRecipient",
    "f6f98fd5": "increaseAbsoluteCap", "2438525b": "increaseRelativeCap", "3e9d2ac7": "setForceDeallocatePenalty",
    "2b30997b": "setSkimRecipient", "3b2de5ac": "burnShares",
}  # fmt: skip


def test_topics_and_selectors_are_those_the_contracts_use() -> None:
    found = {name: row.event.topic[2:] for version in (1, 2) for name, row in events(version).items()}
    assert TOPICS.items() <= found.items()
    assert {selector.hex(): one.name for selector, one in calls().items()} == SELECTORS
