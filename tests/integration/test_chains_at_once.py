"""A function reads several chains at the same time, and judges them one after the other as if it had read them so."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from monitoring.base.clock import SystemClock
from utils.chain import Chain
from utils.monitor import HIGH, Context, call, monitor
from utils.testing import SimChain, run

ASSETS = "totalAssets()(uint256)"
MAINNET, BASE = "0x" + "11" * 20, "0x" + "22" * 20
VAULTS = {"mainnet": MAINNET, "base": BASE}
PATIENCE_S = 60


def chains(on_mainnet: int = 50, on_base: int = 60) -> list[SimChain]:
    return [SimChain({(MAINNET, ASSETS): on_mainnet}), SimChain({(BASE, ASSETS): on_base}, chain="base")]


def assets(chain: Chain) -> Any:
    return chain.read(assets=call(VAULTS[chain.slug], ASSETS)).assets


def judge(m: Context, chain: Chain, found: Any) -> None:
    m.limit("assets", found * 2, below=1000, severity=HIGH, chain=chain.slug, text=f"little on {chain.slug}")


def test_chains_are_read_at_the_same_time_and_judged_in_their_order(tmp_path: Path) -> None:
    all_of_them = threading.Barrier(2)

    @monitor("vaults")
    def main(m: Context) -> None:
        def read(chain: Chain) -> Any:
            all_of_them.wait(PATIENCE_S)  # nobody gets past this alone
            return assets(chain)

        for chain, found in m.on_chains(["base", "mainnet"], read):
            judge(m, chain, found)

    reported = run(main, store=tmp_path, chain=chains())
    assert [one.title.splitlines()[0] for one in reported] == ["little on base", "little on mainnet"]


def test_what_a_chain_answered_is_evidence_from_its_turn_on(tmp_path: Path) -> None:
    @monitor("vaults")
    def main(m: Context) -> None:
        for chain, found in m.on_chains(["mainnet", "base"], assets):
            judge(m, chain, found)

    of_mainnet, of_base = run(main, store=tmp_path, chain=chains())
    assert MAINNET[-4:] in of_mainnet.text
    assert BASE[-4:] not in of_mainnet.text
    assert BASE[-4:] in of_base.text


def test_a_bug_in_reading_one_chain_costs_what_comes_after_it_and_not_what_was_judged_before(tmp_path: Path) -> None:
    @monitor("vaults")
    def main(m: Context) -> None:
        def read(chain: Chain) -> Any:
            return assets(chain) if chain.slug == "mainnet" else assets(chain) / 0

        for chain, found in m.on_chains(["mainnet", "base"], read):
            judge(m, chain, found)

    reported = run(main, store=tmp_path, chain=chains())
    assert any("little on mainnet" in one.text for one in reported)
    assert any("ZeroDivisionError" in one.text for one in reported)
    assert not any("little on base" in one.text for one in reported)


def test_events_of_several_chains_are_read_at_once_each_from_its_own_block(tmp_path: Path) -> None:
    worlds = chains()

    @monitor("vaults")
    def main(m: Context) -> None:
        def read(chain: Chain) -> Any:
            return chain.logs("paused", VAULTS[chain.slug], "Paused(address account)")

        for chain, logs in m.on_chains(list(VAULTS), read):
            m.logs("paused", logs, severity=HIGH, text=f"{{value}} paused on {chain.slug}")

    assert not run(main, store=tmp_path, chain=worlds)
    worlds[1].emit(BASE, "Paused(address account)", MAINNET)
    (reported,) = run(main, store=tmp_path, chain=worlds)
    assert "1 paused on base" in reported.text
    assert not run(main, store=tmp_path, chain=worlds)


def test_a_provider_that_fails_in_a_run_that_records_often_failed_in_one_run(tmp_path: Path) -> None:
    failing = "http://failing.example/rpc"
    world = SimChain({(MAINNET, ASSETS): 5000})
    environ = {"PROVIDER_URL_MAINNET": failing, "PROVIDER_URL_MAINNET_1": world.url}

    @monitor("vaults")
    def main(m: Context) -> None:
        for key in ("a", "b", "c", "d"):
            with m.together():
                m.limit(key, assets(m.chain("mainnet")), below=1000, severity=HIGH)

    def reported(*, answers: bool) -> list[str]:
        answer = (lambda request: world.fetch(request, SystemClock()).body) if answers else 503
        found = run(main, store=tmp_path, chain=world, environ=environ, http={failing: answer})
        return [one.title for one in found]

    assert [reported(answers=False), reported(answers=False)] == [[], []]
    assert reported(answers=False) == ["Ethereum: provider failing.example failed in 3 consecutive runs"]
    assert reported(answers=False) == []
    assert reported(answers=True) == ["Ethereum: provider failing.example answers again"]
