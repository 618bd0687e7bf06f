"""A Morpho for drills: vaults of both generations, markets and borrowers, as tables of calls and answers of a service.

Everything is a plain field that a drill changes between two runs.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from monitoring.base.clock import Clock
from monitoring.base.http.client import Answer, Request
from monitoring.chains.abi.addresses import ZERO, check_address, keccak256
from monitoring.chains.abi.function import parse_function
from monitoring.chains.networks import network
from protocols.morpho import markets_api
from protocols.morpho.markets import watch
from protocols.morpho.markets_data import Book, load
from utils.monitor import Context, monitor
from utils.testing import Reverts, Run, SimChain, SimClock, run

MORPHO = "0xD50F2DffFd62f94Ee4AEd9ca05C61d0753268aBc"
WAD = 10**18
_PARAMS = "(address,address,address,address,uint256)"
_PACK = parse_function(f"params{_PARAMS}()")
_PRICES = "https://coins.llama.fi/prices/current/"


def address(text: str) -> str:
    """Return an address made of a name, the same each time."""
    return check_address("0x" + keccak256(text)[-20:].hex())


@dataclass
class SimMarket:
    """A market; `borrowers` have shares (one for each unit) and collateral. `bad_debt` is what the service says."""

    collateral: str
    loan: str
    lltv: int = 86 * WAD // 100
    supplied: int = 0
    borrowed: int = 0
    bad_debt: Any = 0
    price: int = 10**36
    borrowers: dict[str, tuple[int, int]] = field(default_factory=dict)
    indexed: int | None = None  # what the service says is borrowed, where that is not what the chain says

    @property
    def params(self) -> tuple[str, str, str, str, int]:
        idle = not self.collateral
        collateral, oracle = (ZERO, ZERO) if idle else (address(self.collateral), address(f"oracle {self.collateral}"))
        return address(self.loan), collateral, oracle, address("irm"), 0 if idle else self.lltv

    @property
    def id(self) -> str:
        return "0x" + keccak256(_PACK.encode(self.params)[4:]).hex()


@dataclass
class SimMorpho:
    """One chain with Morpho on it. A position of a vault is its amount; one share is one unit of the loan token."""

    chain: str = "katana"
    markets: dict[str, SimMarket] = field(default_factory=dict)
    positions: dict[tuple[str, str], int] = field(default_factory=dict)  # (holder, name of the market)
    v1: dict[str, list[str]] = field(default_factory=dict)  # the queue of each vault, by its address
    v2: dict[str, list[str]] = field(default_factory=dict)  # the adapters of each vault
    adapters: dict[str, dict[tuple[str, str], Any]] = field(default_factory=dict)  # what each adapter answers
    idle: dict[str, int] = field(default_factory=dict)
    reported: dict[str, int] = field(default_factory=dict)
    asset: dict[str, str] = field(default_factory=dict)
    shares: dict[tuple[str, str], int] = field(default_factory=dict)  # (vault V1, holder); its total is its assets
    tokens: dict[str, tuple[str, int]] = field(default_factory=dict)
    prices: dict[str, Any] = field(default_factory=dict)  # dollars, by the name of the token
    more: dict[tuple[str, str], Any] = field(default_factory=dict)
    answer: Callable[[Mapping[str, Any], Any], Any] | None = None  # changes what the service answers

    def lend(self, holder: str, market: str, amount: int) -> None:
        """Set what a holder lends in a market, with everything that follows from it."""
        before = self.positions.get((holder, market), 0)
        self.positions[holder, market] = amount
        self.markets[market].supplied += amount - before

    def held(self, vault: str) -> int:
        return sum(amount for (holder, _), amount in self.positions.items() if holder == vault)

    def calls(self) -> dict[tuple[str, str], Any]:
        """Return the whole chain as a table of calls."""
        ids = {market.id: market for market in self.markets.values()}
        names = {market.id: name for name, market in self.markets.items()}
        positions = {(holder.lower(), name): amount for (holder, name), amount in self.positions.items()}

        def totals(key: bytes) -> tuple[int, ...]:
            one = ids.get("0x" + key.hex())
            if one is None:
                return (0,) * 6
            return one.supplied, max(0, one.supplied * 10**6), one.borrowed, one.borrowed * 10**6, 1_700_000_000, 0

        def position(key: bytes, holder: str) -> tuple[int, int, int]:
            name = names.get("0x" + key.hex(), "")
            owed, collateral = self.markets[name].borrowers.get(holder.lower(), (0, 0)) if name else (0, 0)
            return positions.get((holder.lower(), name), 0) * 10**6, owed * 10**6, collateral

        found: dict[tuple[str, str], Any] = {
            (MORPHO, "market(bytes32)(uint128,uint128,uint128,uint128,uint128,uint128)"): totals,
            (MORPHO, f"idToMarketParams(bytes32){_PARAMS}"): lambda key: (
                ids["0x" + key.hex()].params if "0x" + key.hex() in ids else (ZERO,) * 4 + (0,)
            ),
            (MORPHO, "position(bytes32,address)(uint256,uint128,uint128)"): position,
        }
        for market in self.markets.values():
            if market.collateral:
                found[market.params[2], "price()(uint256)"] = market.price
        for name, (symbol, decimals) in self.tokens.items():
            found |= self._token(name, symbol, decimals)
        for vault in self.v1:
            found |= self._vault(vault)
        for vault, adapters in self.v2.items():
            found |= self._vault_v2(vault, adapters)
        for adapter, views in self.adapters.items():
            found |= {(adapter, signature): value for (_, signature), value in views.items()}
        return found | self.more

    def _token(self, name: str, symbol: str, decimals: int) -> dict[tuple[str, str], Any]:
        idle = {vault.lower(): amount for vault, amount in self.idle.items()}
        return {
            (address(name), "symbol()(string)"): symbol,
            (address(name), "decimals()(uint8)"): decimals,
            (address(name), "balanceOf(address)(uint256)"): lambda holder: idle.get(holder.lower(), 0),
        }

    def _vault(self, vault: str) -> dict[tuple[str, str], Any]:
        shares = {holder.lower(): amount for (of, holder), amount in self.shares.items() if of == vault}
        queue = [self.markets[name].id for name in self.v1[vault]]
        return {
            (vault, "totalAssets()(uint256)"): self.reported.get(vault, self.held(vault)),
            (vault, "totalSupply()(uint256)"): self.held(vault),
            (vault, "balanceOf(address)(uint256)"): lambda holder: shares.get(holder.lower(), 0),
            (vault, "asset()(address)"): address(self.asset[vault]),
            (vault, "MORPHO()(address)"): MORPHO,
            (vault, "withdrawQueueLength()(uint256)"): len(queue),
            (vault, "withdrawQueue(uint256)(bytes32)"): lambda place: bytes.fromhex(queue[place][2:]),
        }

    def _vault_v2(self, vault: str, adapters: list[str]) -> dict[tuple[str, str], Any]:
        total = self.idle.get(vault, 0) + sum(self.adapters[one]["", "realAssets()(uint256)"] for one in adapters)
        return {
            (vault, "totalAssets()(uint256)"): self.reported.get(vault, total),
            (vault, "asset()(address)"): address(self.asset[vault]),
            (vault, "adaptersLength()(uint256)"): len(adapters),
            (vault, "adapters(uint256)(address)"): lambda place: adapters[place],
        }

    def add_adapter(self, vault: str, name: str, assets: int, kind: str = "", markets: tuple[str, ...] = ()) -> str:
        """Give a vault V2 an adapter: of a vault V1 (`inner 0x…`), of markets (`params`, `ids`), or of another kind."""
        adapter = address(name)
        refused = Reverts()
        views: dict[tuple[str, str], Any] = {
            ("", "realAssets()(uint256)"): assets,
            ("", "parentVault()(address)"): vault,
            ("", "skimRecipient()(address)"): ZERO,
            ("", "morphoVaultV1()(address)"): refused,
            ("", "marketParamsListLength()(uint256)"): refused,
            ("", "marketIdsLength()(uint256)"): refused,
        }
        listed = [self.markets[one] for one in markets]
        if kind.startswith("inner "):
            views["", "morphoVaultV1()(address)"] = kind.removeprefix("inner ")
        elif kind == "params":
            views["", "marketParamsListLength()(uint256)"] = len(listed)
            views["", f"marketParamsList(uint256){_PARAMS}"] = lambda place: listed[place].params
        elif kind == "ids":
            views["", "marketIdsLength()(uint256)"] = len(listed)
            views["", "marketIds(uint256)(bytes32)"] = lambda place: bytes.fromhex(listed[place].id[2:])
        if kind in ("params", "ids"):
            views["", "morpho()(address)"] = MORPHO
        self.adapters[adapter] = views
        self.v2.setdefault(vault, []).append(adapter)
        return adapter

    def serve(self, asked: Mapping[str, Any]) -> object:
        """Answer as Morpho's service does: by its schema, and `unconfirmed`, since no answer could be recorded."""
        ids = asked["variables"]["ids"]
        known = {market.id: market for market in self.markets.values() if market.id in ids}
        if "marketPositions" in asked["query"]:
            rows: list[Any] = [
                {"user": {"address": user}, "market": {"marketId": key}}
                for key, market in known.items() for user in market.borrowers
            ]  # fmt: skip
            body: Any = {"data": {"marketPositions": {"items": rows[asked["variables"]["skip"] :][:500]}}}
        else:
            rows = [
                {
                    "marketId": key,
                    "badDebt": None if one.bad_debt is None else {"underlying": str(one.bad_debt)},
                    "state": {"borrowAssets": str(one.borrowed if one.indexed is None else one.indexed)},
                }
                for key, one in known.items()
            ]
            body = {"data": {"markets": {"items": rows}}}
        return self.answer(asked, body) if self.answer else body


class DrilledMorpho:
    """What a drill runs the monitor in: a store that its runs share, a clock, and the requests of the last run."""

    def __init__(self, store: Path, *morphos: SimMorpho, book: Book | None = None) -> None:
        self.store, self.clock, self.book = store, SimClock(), book or load()
        self.morphos = {one.chain: one for one in morphos}
        self.down: set[str] = set()  # chains, or `prices` and `service`
        self.asked: list[str] = []

    def run(self, after: str = "1h") -> Run:
        """Move the clock and run the monitor once."""
        self.clock.move(after)
        self.asked = []
        book = self.book

        @monitor("morpho")
        def main(m: Context) -> None:
            watch(m, book)

        chains = [
            _Counted(one.calls(), one.chain, down=one.chain in self.down, asked=self.asked)
            for one in self.morphos.values()
        ]
        return run(main, store=self.store, chain=chains, clock=self.clock, http=_Services(self))


@dataclass
class _Counted(SimChain):
    """A chain that notes each request."""

    asked: list[str] = field(default_factory=list)

    def fetch(self, request: Request, clock: Clock) -> Answer:
        self.asked.append(str(self.chain))
        return super().fetch(request, clock)


class _Services(Mapping[str, Any]):
    """The two services that are asked, as `utils.testing` wants them: an answer for each URL."""

    def __init__(self, world: DrilledMorpho) -> None:
        self._world = world

    def __getitem__(self, url: str) -> Callable[[Request], Any]:
        if url == markets_api.URL:
            return self._serve
        if url.startswith(_PRICES):
            return self._price
        raise KeyError(url)

    def __iter__(self) -> Iterator[str]:
        return iter((markets_api.URL, _PRICES))

    def __len__(self) -> int:
        return 2

    def _serve(self, request: Request) -> object:
        self._world.asked.append("service")
        if "service" in self._world.down:
            return 503
        asked = json.loads(request.body)
        morphos = self._world.morphos.values()
        return next(one for one in morphos if network(one.chain).id == asked["variables"]["chain"]).serve(asked)

    def _price(self, request: Request) -> object:
        """Answer as DefiLlama does; a token without a price is left out."""
        self._world.asked.append("price")
        if "prices" in self._world.down:
            return 503
        asset = unquote(request.url.removeprefix(_PRICES))
        rows = {
            f"{network(one.chain).defillama}:{address(name)}".lower(): price
            for one in self._world.morphos.values() for name, price in one.prices.items()
        }  # fmt: skip
        price, now = rows.get(asset.lower()), int(self._world.clock.now().timestamp())
        row = {"price": price, "timestamp": now, "confidence": 0.99, "symbol": "X", "decimals": 6}
        return {"coins": {} if price is None else {asset: row}}
