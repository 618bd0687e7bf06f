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
from monitoring.chains.services.sources import exact_number
from monitoring.chains.services.times import parse_time, staleness

BASE = "https://coins.llama.fi"
MAX_AGE = timedelta(minutes=30)
MIN_CONFIDENCE = Fraction(9, 10)
_PER_REQUEST = 60  # addresses in one URL: about 3 kB


def base_url(environ: Mapping[str, str]) -> str:
    """Return `DEFILLAMA_URL` (another server), else the public service."""
    return (environ.get("DEFILLAMA_URL") or BASE).rstrip("/")


@dataclass(frozen=True, slots=True)
class Asset:
    """A token of a chain."""

    network: Network
    address: str

    @property
    def key(self) -> str:
        return f"{self.network.defillama}:{checksum(self.address)}"


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
    found: dict[Asset, Price | Unknown] = {}
    wanted: list[Asset] = []
    for asset in dict.fromkeys(assets):
        if asset.network.defillama:
            wanted.append(asset)
        else:
            found[asset] = Unknown(f"defillama: no prices are known for {asset.network.name}", "defillama")
    for start in range(0, len(wanted), _PER_REQUEST):
        chunk = wanted[start : start + _PER_REQUEST]
        keys = ",".join(dict.fromkeys(asset.key for asset in chunk))
        body = service.ask_json(Request(f"{base}/prices/current/{quote(keys, safe=':,')}"))
        for asset in chunk:
            found[asset] = _price(asset, body, now, max_age, min_confidence)
    return found


def _price(
    asset: Asset, body: Json | Unknown, now: datetime, max_age: timedelta, min_confidence: Fraction
) -> Price | Unknown:
    if isinstance(body, Unknown):
        return body
    row = _row(asset, body)
    usd, confidence = exact_number(row.get("price")), exact_number(row.get("confidence"))
    at = parse_time(row.get("timestamp"))
    problem = staleness(at, now, max_age)
    if not row:
        problem = "there is none"
    elif usd is None or usd <= 0 or confidence is None:
        problem = "it is malformed"
    elif confidence < min_confidence:
        problem = f"its confidence is {float(confidence):.2f}, below {float(min_confidence):.2f}"
    if problem or usd is None or confidence is None or at is None:
        return Unknown(f"defillama: the price of {asset.key}: {problem}", "defillama")
    return Price(usd, at, confidence, "defillama")


def _row(asset: Asset, body: Json) -> dict[str, Json]:
    """Find the asset's row; the service writes some addresses in lower case."""
    coins = body.get("coins") if isinstance(body, dict) else None
    by_key = {key.lower(): value for key, value in coins.items()} if isinstance(coins, dict) else {}
    row = by_key.get(asset.key.lower())
    return row if isinstance(row, dict) else {}
