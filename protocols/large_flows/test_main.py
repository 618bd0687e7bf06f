"""The drill of the large flows: what is large, what is not, without a price, without data, and no flow twice."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from monitoring.base.http.client import FetchError, Request
from protocols.large_flows.main import EVENTS, OWN_MOVES, SERVICE_ANSWERS, main
from protocols.large_flows.vaults import VAULTS, FlowVault
from utils.testing import Run, SimChain, SimClock, run

DEPOSIT, WITHDRAW = EVENTS
WHO = "0x" + "11" * 20
SUPPLY = "totalSupply()(uint256)"
SLUGS = {"mainnet": 1, "base": 8453, "arbitrum": 42161, "katana": 747474}
PRICES = {
    SERVICE_ANSWERS: 3_000,
    "0x4200000000000000000000000000000000000006": 3_000,
    "coingecko:wrapped-bitcoin": 90_000,
}


def vault(chain: str, symbol: str) -> FlowVault:
    return next(one for one in VAULTS if (one.chain, one.symbol) == (chain, symbol))


USDC, WETH, CBETH = vault("mainnet", "USDC"), vault("base", "WETH"), vault("base", "cbETH")
KATANA, BTC = vault("katana", "vbUSDC"), vault("katana", "vbWBTC")


class FlowsWorld:
    """The four chains and the service of prices, run hour by hour."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.clock = folder, SimClock()
        self.chains = {
            slug: SimChain({(one.address, SUPPLY): 10**30 for one in VAULTS if one.chain == slug}, number)
            for slug, number in SLUGS.items()
        }
        self.prices: Mapping[str, int] | None = PRICES

    def run(self) -> Run:
        self.clock.move("1h")
        http = _Anything(self._answer)
        return run(main, chain=self.chains.values(), clock=self.clock, store=self.folder, http=http)

    def deposit(self, into: FlowVault, whole: float, shares: int = 10**27, owner: str = WHO) -> None:
        self.chains[into.chain].emit(into.address, DEPOSIT, WHO, owner, round(whole * 10**into.decimals), shares)

    def withdraw(self, out_of: FlowVault, whole: float, shares: int = 10**27) -> None:
        amount = round(whole * 10**out_of.decimals)
        self.chains[out_of.chain].emit(out_of.address, WITHDRAW, WHO, WHO, WHO, amount, shares)

    def _answer(self, request: Request) -> Any:
        if self.prices is None:
            raise FetchError(request.host, "no answer")
        asked = unquote(request.url.partition("/prices/current/")[2].partition("?")[0]).split(",")
        at = int(self.clock.now().timestamp())
        coins = {
            one: {"price": price, "timestamp": at, "confidence": 0.99, "symbol": "X", "decimals": 18}
            for one in asked
            for token, price in self.prices.items()
            if one.lower().removeprefix("base:") == token.lower()
        }
        return json.dumps({"coins": coins}).encode()


class _Anything(dict[str, Any]):
    """Answers every URL in one way."""

    def __init__(self, answer: Any) -> None:
        super().__init__(any=answer)
        self._answer = answer

    def __contains__(self, url: object) -> bool:
        return True

    def __getitem__(self, url: str) -> Any:
        return self._answer


def test_large_flows_of_a_chain_are_one_message_and_reported_once(tmp_path: Path) -> None:
    world = FlowsWorld(tmp_path)
    assert world.run() == []
    world.deposit(USDC, 500_000)
    world.withdraw(USDC, 1_250_000)
    world.withdraw(WETH, 200)
    said = {one.check: (one.severity, one.title, one.text) for one in world.run()}
    assert {key: found[:2] for key, found in said.items()} == {
        "flows/1": ("LOW", "2 large flows of vaults on mainnet"),
        "flows/8453": ("LOW", "1 large flows of vaults on base"),
    }
    text = said["flows/1"][2]
    assert f"500,000 USDC ($500,000, 0.1% of supply) deposited into the USDC vault 0xBe53…6204 by {WHO}" in text
    assert "1,250,000 USDC ($1,250,000, 0.1% of supply) withdrawn from" in text
    assert "200 WETH ($600,000" in said["flows/8453"][2]
    assert world.run() == []


def test_small_flows_and_own_moves_stay_quiet_and_katana_has_a_bound_of_its_own(tmp_path: Path) -> None:
    world = FlowsWorld(tmp_path)
    world.run()
    world.deposit(USDC, 499_999)
    world.deposit(USDC, 900_000, owner=OWN_MOVES)
    world.deposit(KATANA, 499_999)
    world.withdraw(KATANA, 49_999)
    world.withdraw(WETH, 166)
    assert world.run() == []
    world.withdraw(KATANA, 50_000)
    world.withdraw(BTC, 0.6)
    (said,) = world.run()
    assert (said.check, said.title) == ("flows/747474", "2 large flows of vaults on katana")
    assert "0.6 vbWBTC ($54,000" in said.text


def test_an_asset_without_a_price_is_judged_by_the_share_of_the_supply(tmp_path: Path) -> None:
    world = FlowsWorld(tmp_path)
    world.run()
    world.withdraw(CBETH, 1_000_000, shares=10**29 - 1)
    assert world.run() == []
    world.withdraw(CBETH, 1, shares=10**29)
    (said,) = world.run()
    assert "1 cbETH (no price known, 10% of supply) withdrawn from the cbETH vault" in said.text


def test_while_the_service_of_prices_does_not_answer_flows_wait_and_none_is_lost(tmp_path: Path) -> None:
    world = FlowsWorld(tmp_path)
    world.run()
    world.prices = None
    world.deposit(USDC, 500_000)
    world.deposit(WETH, 200)
    found = world.run()
    assert found.kinds == {"flows/1": "fired"}
    assert "flows/8453" in found.unknown
    world.prices = PRICES
    assert world.run().kinds == {"flows/8453": "fired"}


def test_a_chain_that_cannot_be_read_holds_up_no_other_and_loses_nothing(tmp_path: Path) -> None:
    world = FlowsWorld(tmp_path)
    world.run()
    world.chains["base"].down = True
    world.withdraw(WETH, 200)
    world.deposit(USDC, 500_000)
    found = world.run()
    assert found.kinds == {"flows/1": "fired"}
    assert "flows/8453" in found.unknown
    world.chains["base"].down = False
    assert world.run().kinds == {"flows/8453": "fired"}


def test_what_cannot_be_decoded_is_no_data(tmp_path: Path) -> None:
    world = FlowsWorld(tmp_path)
    world.run()
    deposit = world.chains["mainnet"].emit(USDC.address, DEPOSIT, WHO, WHO, 1, 1)
    world.chains["mainnet"].add(USDC.address, deposit.topics[:1], "0x")
    found = world.run()
    assert (list(found), "flows/1" in found.unknown) == ([], True)


def test_the_first_run_reports_two_hours(tmp_path: Path) -> None:
    world = FlowsWorld(tmp_path)
    world.deposit(USDC, 500_000)
    assert world.run().kinds == {"flows/1": "fired"}
