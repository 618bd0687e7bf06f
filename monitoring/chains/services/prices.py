"""Prices in US dollars with their time and confidence (the DefiLlama shape), gated on both.

A price that is missing, old or doubtful is `Unknown`; it is never zero.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from urllib.parse import quote

from monitoring.base.http.client import Request
from monitoring.chains.abi.addresses import checksum
from monitoring.chains.abi.values import Json, Unknown
from monitoring.chains.networks import Network
from monitoring.chains.services.client import Service
from monitoring.chains.services.price_gate import MAX_AGE, MIN_CONFIDENCE, PriceGate
from monitoring.chains.services.sources import exact_number
from monitoring.chains.services.times import parse_time, staleness

BASE = "https://coins.llama.fi"
SERVICE = "defillama"
_PER_REQUEST = 60  # addresses in one URL: about 3 kB

Row = dict[str, Json]


def base_url(environ: Mapping[str, str]) -> str:
    """Return `DEFILLAMA_URL` (another server), else the public service."""
    return (environ.get("DEFILLAMA_URL") or BASE).rstrip("/")


@dataclass(frozen=True, slots=True)
class Asset:
    """A token of a chain; without a chain `address` is a key of the service itself, as in `coingecko:bitcoin`."""

    network: Network | None
    address: str

    @property
    def key(self) -> str:
        return f"{self.network.defillama}:{checksum(self.address)}" if self.network else self.address


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars for one whole token."""

    usd: Fraction
    at: datetime
    confidence: Fraction
    source: str


def current_prices(
    service: Service,
    assets: Iterable[Asset],
    now: datetime,
    *,
    base: str = BASE,
    max_age: timedelta = MAX_AGE,
    min_confidence: Fraction = MIN_CONFIDENCE,
) -> dict[Asset, Price | Unknown]:
    """Return a price, or why there is none, for every asset asked for."""
    gate = PriceGate(max_age, min_confidence)
    return {asset: believe(asset, row, now, gate) for asset, row in market_rows(service, assets, base).items()}


def market_rows(service: Service, assets: Iterable[Asset], base: str = BASE) -> dict[Asset, Row | Unknown]:
    """Return what the service says of each asset, an empty row where it says nothing; many assets are one request."""
    found: dict[Asset, Row | Unknown] = {}
    wanted: list[Asset] = []
    for asset in dict.fromkeys(assets):
        if asset.network is None or asset.network.defillama:
            wanted.append(asset)
        else:
            found[asset] = Unknown(f"{SERVICE}: no prices are known for {asset.network.name}", SERVICE)
    for start in range(0, len(wanted), _PER_REQUEST):
        chunk = wanted[start : start + _PER_REQUEST]
        body = service.ask_json(price_request(chunk, base))
        for asset in chunk:
            found[asset] = body if isinstance(body, Unknown) else _row(asset, body)
    return found


def price_request(assets: Iterable[Asset], base: str) -> Request:
    keys = ",".join(dict.fromkeys(asset.key for asset in assets))
    return Request(f"{base}/prices/current/{quote(keys, safe=':,')}")


def believe(asset: Asset, row: Row | Unknown, now: datetime, gate: PriceGate) -> Price | Unknown:
    """Return the price in a row, or why it is none."""
    if isinstance(row, Unknown):
        return row
    usd, confidence = exact_number(row.get("price")), exact_number(row.get("confidence"))
    at = parse_time(row.get("timestamp"))
    problem = staleness(at, now, gate.max_age)
    if not row:
        problem = "there is none"
    elif usd is None or usd <= 0 or confidence is None:
        problem = "it is malformed"
    elif confidence < gate.min_confidence:
        problem = f"its confidence is {float(confidence):.2f}, below {float(gate.min_confidence):.2f}"
    if problem or usd is None or confidence is None or at is None:
        return Unknown(f"{SERVICE}: the price of {asset.key}: {problem}", SERVICE)
    return Price(usd, at, confidence, SERVICE)


def key_in(names: Iterable[str], asset: Asset) -> str | None:
    """Return the asset's name among those of an answer; the service writes some addresses in lower case."""
    return next((name for name in names if name.lower() == asset.key.lower()), None)


def _row(asset: Asset, body: Json) -> Row:
    coins = body.get("coins") if isinstance(body, dict) else None
    name = key_in(coins, asset) if isinstance(coins, dict) else None
    row = coins[name] if isinstance(coins, dict) and name is not None else None
    return row if isinstance(row, dict) else {}
