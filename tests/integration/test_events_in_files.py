"""Checks of a monitor file that ask for events: which of them, with what words, and with which requests."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from monitoring.base.clock import Clock
from monitoring.base.http.client import Answer, Request
from monitoring.checks.drill.file import load_drilled
from monitoring.checks.drill.rehearse import rehearse
from utils.testing import Reverts, Run, SimChain, SimClock, run

A, B, C = "0x" + "11" * 20, "0x" + "22" * 20, "0x" + "33" * 20
ROWS = f"""
monitor: flows
chain: mainnet
functions: ["rate()(uint256)"]
for_each: {{v: [{{name: first, at: "{A}", decimals: 1e6}}, {{name: second, at: "{B}", decimals: 1e18}}]}}
checks:
  - id: "out/{{v.name}}"
    event: Withdraw(address,address,address,uint256,uint256)
    contracts: v.at
    values: {{usd: assets / v.decimals * erc20(v.at).rate()}}
    where: usd >= 500_000
    line: "{{usd:usd}} to {{receiver}}"
    text: "{{value}} large withdrawals from {{v.name}}"
    severity: low
  - id: control
    event: [Paused(address), "OwnershipTransferred(address,address)"]
    contracts: ["{A}", "{C}"]
    severity: high
"""
WITHDRAW = "Withdraw(address,address,address,uint256,uint256)"
RATE = "rate()(uint256)"


@dataclass
class CountedChain(SimChain):
    """A chain that counts what it is asked, method by method."""

    asked: Counter[str] = field(default_factory=Counter)

    def fetch(self, request: Request, clock: Clock) -> Answer:
        body = json.loads(request.body)
        self.asked.update(one["method"] for one in (body if isinstance(body, list) else [body]))
        return super().fetch(request, clock)


class Runs:
    def __init__(self, folder: Path, text: str) -> None:
        self.file, self.folder = folder / "monitor.yaml", folder
        self.file.write_text(text)
        self.chain, self.clock = CountedChain({(A, RATE): 1, (B, RATE): 1}), SimClock()

    def __call__(self) -> Run:
        self.clock.move("1h")
        return run(self.file, chain=self.chain, clock=self.clock, store=self.folder)

    def withdraw(self, vault: str, assets: int) -> None:
        self.chain.emit(vault, WITHDRAW, A, C, B, assets, 1)


def test_each_row_reports_its_own_events_in_its_own_scale(tmp_path: Path) -> None:
    runs = Runs(tmp_path, ROWS)
    runs.withdraw(A, 900_000 * 10**6)
    assert runs() == []  # first sight
    for assets in (499_999, 500_000, 700_000):
        runs.withdraw(A, assets * 10**6)
    runs.withdraw(B, 600_000 * 10**18)
    runs.chain.emit(C, "Paused(address)", A)
    runs.chain.emit(B, "Paused(address)", A)  # not one of those that are asked for
    said = {one.check: (one.severity, one.title, one.text) for one in runs()}
    assert [(key, *found[:2]) for key, found in sorted(said.items())] == [
        ("control/1", "HIGH", "control: 1 event"),
        ("out/1/first", "LOW", "2 large withdrawals from first"),
        ("out/1/second", "LOW", "1 large withdrawals from second"),
    ]
    assert f"$500,000 to {C}" in said["out/1/first"][2]
    assert f"$700,000 to {C}" in said["out/1/first"][2]
    assert f"Paused(account {A})" in said["control/1"][2]
    assert runs() == []


def test_all_checks_and_rows_of_a_chain_share_one_request_for_logs(tmp_path: Path) -> None:
    runs = Runs(tmp_path, ROWS)
    runs()
    first = runs.chain.asked["eth_getLogs"]
    runs()
    assert (first, runs.chain.asked["eth_getLogs"] - first) == (1, 1)


def test_an_event_whose_value_is_unknown_waits_until_it_is_known(tmp_path: Path) -> None:
    runs = Runs(tmp_path, ROWS)
    runs()
    runs.chain.calls[A, RATE] = Reverts("no price")
    runs.withdraw(A, 900_000 * 10**6)
    runs.withdraw(B, 900_000 * 10**18)
    found = runs()
    assert found.kinds == {"out/1/second": "fired"}
    assert "no price" in found.unknown["out/1/first"]
    runs.chain.calls[A, RATE] = 1
    assert runs().kinds == {"out/1/first": "fired"}


def test_formulas_are_read_only_where_there_is_an_event(tmp_path: Path) -> None:
    runs = Runs(tmp_path, ROWS)
    runs()
    runs()
    assert runs.chain.asked["eth_call"] == 0


def test_words_of_python_are_arguments_with_a_line_after_them(tmp_path: Path) -> None:
    text = f"""
monitor: mints
chain: mainnet
contracts: {{token: "{A}"}}
checks:
  - {{id: mint, event: "Transfer(address,address,uint256)", contracts: token, where: from_ == zero, severity: low,
     line: "{{value:USD}} by {{from}} {{contract}}"}}
"""
    runs = Runs(tmp_path, text)
    runs()
    runs.chain.emit(A, "Transfer(address,address,uint256)", B, C, 7)
    runs.chain.emit(A, "Transfer(address,address,uint256)", "0x" + "00" * 20, C, 8)
    (said,) = runs()
    assert "8 USD by Null address (0x0000…0000) token" in said.text
    assert "7 USD" not in said.text


def test_the_first_run_reports_what_is_young_where_it_is_asked_to(tmp_path: Path) -> None:
    text = ROWS.replace("    severity: high", "    severity: high\n    first_run: 1d")
    runs = Runs(tmp_path, text)
    runs.chain.emit(C, "Paused(address)", A)
    found: Any = runs()
    assert found.kinds == {"control/1": "fired"}


DRILL = """
well: {erc20(v.at).rate(): 1}
drills:
  - {check: out, fires: low, only: [first], when: {v.at.Withdraw: [zero, zero, zero, 500_000e6, 1]}}
  - check: control
    fires: high
    when: {"0x1111111111111111111111111111111111111111.Paused": [zero]}
"""


def test_a_drill_emits_events_and_finds_a_check_that_does_not_see_them(tmp_path: Path) -> None:
    (tmp_path / "drill.yaml").write_text(DRILL)
    for text, problems in ((ROWS, []), (ROWS.replace(">= 500_000", "> 500_000"), ["did not fire"])):
        (tmp_path / "monitor.yaml").write_text(text)
        results = {one.check: one for one in rehearse(load_drilled(tmp_path / "monitor.yaml"))}
        assert [wrong for wrong in problems if wrong not in str(results["out"].problems)] == []
        assert bool(results["out"].problems) is bool(problems), results["out"].problems
        assert results["control"].problems == []
        assert "no data from a malformed event" in results["control"].did
