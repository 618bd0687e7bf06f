"""Drills of main.py: every call that a vault V2 makes wait, its roles, and what the data files declare."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

from monitoring.chains.abi.addresses import ZERO, keccak256
from monitoring.chains.abi.function import encode
from monitoring.chains.abi.types import AbiType
from protocols.morpho.governance.events import events
from protocols.morpho.governance.simulated import (
    ADAPTER,
    CURATOR,
    GUARDIAN,
    MARKET,
    NEW,
    USDC,
    V2,
    WSTETH,
    GovernanceWorld,
    call_of,
    data_of,
    risk_of,
    submit,
)
from protocols.morpho.governance.words import MorphoMarket, calls

# -- V2 ----------------------------------------------------------------------------------------------------------------

CALLS = {
    "setIsAllocator": "add allocator 0x7777…7777",
    "setReceiveSharesGate": "set the gate for receiving shares to 0x7777…7777",
    "setSendSharesGate": "set the gate for sending shares to 0x7777…7777",
    "setReceiveAssetsGate": "set the gate for receiving assets to 0x7777…7777",
    "setSendAssetsGate": "set the gate for sending assets to 0x7777…7777",
    "setAdapterRegistry": "set the adapter registry to 0x7777…7777",
    "addAdapter": "add adapter 0x7777…7777",
    "removeAdapter": "remove adapter 0x7777…7777",
    "increaseTimelock": "raise the timelock of addAdapter to 1 d",
    "decreaseTimelock": "lower the timelock of addAdapter to 1 d",
    "abdicate": "give up addAdapter permanently",
    "setPerformanceFee": "set the performance fee to 10%",
    "setManagementFee": "set the management fee to 3.15% a year",
    "setPerformanceFeeRecipient": "set the recipient of the performance fee to 0x7777…7777",
    "setManagementFeeRecipient": "set the recipient of the management fee to 0x7777…7777",
    "increaseAbsoluteCap": "raise the absolute cap of market wstETH/USDC 86% to 5,000,000 USDC",
    "increaseRelativeCap": "raise the relative cap of market wstETH/USDC 86% to 40%",
    "setForceDeallocatePenalty": "set the penalty of forced withdrawals through 0x7777…7777 to 1%",
    "setSkimRecipient": "set the recipient of skimmed tokens to 0x7777…7777",
    "burnShares": "write off the whole position in market wstETH/USDC 86%",
}
OF_ADAPTERS = ("setSkimRecipient", "burnShares")


def test_every_call_that_waits_has_a_drill() -> None:
    assert CALLS.keys() == {one.name for one in calls().values()}


def test_each_call_of_v2_is_one_condition_from_its_submission_to_its_end(tmp_path: Path) -> None:
    for end in ("Accept", "Revoke"):
        world = GovernanceWorld(tmp_path)
        contracts = {name: ADAPTER if name in OF_ADAPTERS else V2.address for name in CALLS}
        for contract in (V2.address, ADAPTER):
            world.set(V2, "executableAt(bytes)(uint256)", world.later, contract)
        for name, contract in contracts.items():
            world.emit(V2, "Submit", call_of(name)[:4], call_of(name), world.later, contract=contract)
        submitted = world.run()
        for alert, (name, says) in zip(submitted, CALLS.items(), strict=True):
            assert (alert.kind, alert.severity) == ("alert", "MEDIUM")
            assert alert.title == f"{V2.title}: submitted: {says}, executable from 2026-01-04 01:00 UTC"
            assert f"Submitted by: {CURATOR}" in alert.text
            assert (f"Adapter: {ADAPTER}" in alert.text) is (name in OF_ADAPTERS)
        assert len({alert.check for alert in submitted}) == len(CALLS)
        assert world.run() == []
        for name, contract in contracts.items():
            world.set(V2, "executableAt(bytes)(uint256)", 0, contract)
            sender = [GUARDIAN] if end == "Revoke" else []
            world.emit(V2, end, *sender, call_of(name)[:4], call_of(name), contract=contract)
        how = "executed" if end == "Accept" else "revoked by 0x4444…4444"
        ended = world.run()
        for alert, (name, says) in zip(ended, CALLS.items(), strict=True):
            assert (alert.kind, alert.severity) == ("recovery", "LOW")
            assert alert.title == f"{V2.title}: {how}: {says}", name
        assert [alert.check for alert in ended] == [alert.check for alert in submitted]
        assert world.run() == []


def test_what_a_cap_of_v2_is_about_is_read_from_its_data(tmp_path: Path) -> None:
    cases: list[tuple[bytes, str]] = [
        (encode([AbiType("string"), AbiType("address")], ["collateralToken", WSTETH], "id"), "collateral wstETH"),
        (encode([AbiType("string"), AbiType("address")], ["this", ADAPTER], "id"), "adapter 0x1717…1717"),
        (encode([AbiType("string"), AbiType("uint256")], ["of another kind", 1], "id"), "id 0x"),
        (b"\1\2", "id 0x"),
        (risk_of(MorphoMarket(USDC, ZERO, ZERO, ZERO, 0)), "the idle market of USDC"),
    ]
    for id_data, says in cases:
        world = GovernanceWorld(tmp_path)
        (alert,) = submit(world, data_of("increaseAbsoluteCap", id_data, 2**128 - 1))
        assert f"raise the absolute cap of {says}" in alert.title
        assert "to unlimited" in alert.title
        assert "Today: 1,000,000 USDC" in alert.text


def test_a_call_that_does_not_decode_is_reported_as_it_came(tmp_path: Path) -> None:
    cases: list[tuple[bytes, str]] = [
        (b"\xde\xad\xbe\xef" + b"\0" * 32, "an unknown call 0xdeadbeef (36 bytes)"),
        (call_of("increaseAbsoluteCap")[:40], "increaseAbsoluteCap with arguments that do not decode (40 bytes)"),
        (b"", "an unknown call 0x (0 bytes)"),
    ]
    for data, says in cases:
        world = GovernanceWorld(tmp_path)
        world.set(V2, "executableAt(bytes)(uint256)", world.later)
        world.emit(V2, "Submit", data[:4].ljust(4, b"\0"), data, world.later)
        (alert,) = world.run()
        assert f"submitted: {says}, executable from" in alert.title
        assert (alert.severity, alert.kind) == ("MEDIUM", "alert")


def test_owner_and_curator_of_v2_are_loud_and_its_other_roles_are_not(tmp_path: Path) -> None:
    world = GovernanceWorld(tmp_path)
    world.emit(V2, "SetIsSentinel", NEW, True)
    world.emit(V2, "DecreaseAbsoluteCap", GUARDIAN, keccak256(risk_of(MARKET)), risk_of(MARKET), 10**6)
    world.emit(V2, "DecreaseRelativeCap", GUARDIAN, keccak256(risk_of(MARKET)), risk_of(MARKET), 10**17)
    (alert,) = world.run()
    assert alert.severity == "LOW"
    for line in (
        "sentinel added: 0x7777…7777, by 0x2222…2222",
        "absolute cap of market wstETH/USDC 86% lowered to 1 USDC, by 0x4444…4444",
        "relative cap of market wstETH/USDC 86% lowered to 10%, by 0x4444…4444",
    ):
        assert f"{V2.title}: {line}" in alert.text
    for event, role in (("SetOwner", "owner"), ("SetCurator", "curator")):
        world.set(V2, f"{role}()(address)", NEW)
        world.emit(V2, event, NEW)
        (alert,) = world.run()
        assert alert.severity == "HIGH"
        assert f"{V2.title}: {role}: 0x7777…7777, by " in alert.text


def test_the_end_of_a_change_that_was_not_known_is_reported_once(tmp_path: Path) -> None:
    world = GovernanceWorld(tmp_path)
    data = call_of("addAdapter")
    world.emit(V2, "Accept", data[:4], data)
    world.emit(V2, "AddAdapter", NEW)
    world.set(V2, "adaptersLength()(uint256)", 2)
    world.set(V2, "adapters(uint256)(address)", lambda place: (ADAPTER, NEW)[place])
    (alert,) = world.run()
    assert (alert.check, alert.severity) == ("changes/1", "LOW")
    assert f"{V2.title}: executed: add adapter 0x7777…7777" in alert.text
    assert world.run() == []


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


def test_the_declarations_read_what_the_real_contracts_emitted() -> None:
    """`real_logs.json`: MetaMorpho and VaultV2, compiled from their public sources, on a local node."""
    rows = json.loads((Path(__file__).parent / "real_logs.json").read_text(encoding="utf-8"))
    submitted = set()
    for row in rows:
        found = events(row["vault"])[row["event"]]
        args = found.event.decode(row["topics"], row["data"])
        assert found.event.encode([*args.values()]) == (tuple(row["topics"]), row["data"])
        if row["event"] in ("Submit", "Accept"):
            data = bytes.fromhex(found.subject(args)[2:])
            called = calls()[data[:4]]
            assert called.declared.function.encode([*called.arguments(data).values()]) == data
            submitted.add(called.name)
    assert {(row["vault"], row["event"]) for row in rows} == {(one, name) for one in (1, 2) for name in events(one)}
    assert submitted == CALLS.keys() - OF_ADAPTERS


def test_no_bytes_of_a_call_keep_its_alert_back(tmp_path: Path) -> None:
    world, chance = GovernanceWorld(tmp_path), Random(39)
    world.set(V2, "executableAt(bytes)(uint256)", 2**256 - 1)
    strange = []
    for name in CALLS:
        data = bytearray(call_of(name))
        strange.append(bytes(data[: chance.randrange(4, len(data))]))
        data[chance.randrange(4, len(data))] ^= 0xFF
        strange.append(bytes(data[:4]) + chance.randbytes(len(data) - 4))
        strange.append(bytes(data))
    for each in strange:
        world.emit(V2, "Submit", each[:4], each, 2**256 - 1)
    found = world.run()
    assert found.code == 0
    assert all("Executable: never: its delay ends after the year 9999" in one.text for one in found)
    assert [one.severity for one in found] == ["MEDIUM"] * len(set(strange))
    assert world.run() == []
