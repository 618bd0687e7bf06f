"""Answers for prices: one request to the market's service for all monitors of a task, then feeds on chain, in order.

Called by `read` in a pass, and by `m.price`. A price that no source has is `Unknown`, with the reason of each.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from fractions import Fraction

from monitoring.chains.abi.addresses import checksum
from monitoring.chains.abi.values import Json, Unknown
from monitoring.chains.networks import networks
from monitoring.chains.services.price_gate import COINGECKO
from monitoring.chains.services.prices import Asset, Price, Row, base_url, believe, market_rows
from monitoring.chains.services.times import staleness
from monitoring.checks.engine.plan import PriceQuery
from monitoring.checks.engine.point import EvaluationPoint
from monitoring.checks.engine.resolvers import read_views
from monitoring.checks.expression.evaluate import PriceRead, ViewRead
from monitoring.checks.recorded.recording import PRICES
from monitoring.checks.recorded.shape import remember_readings
from monitoring.conditions.values import Value

_LATEST = "latestRoundData()(uint80,int256,uint256,uint256,uint80)"
_DECIMALS = "decimals()(uint8)"
_MOST_DECIMALS = 36
_CERTAIN = Fraction(1)


def asset_of(read: PriceRead) -> Asset:
    return Asset(None if COINGECKO.fullmatch(read.asset) else networks()[read.chain], read.asset)


def answer_prices(asked: Sequence[PriceQuery], at: EvaluationPoint) -> Mapping[PriceQuery, Price | Unknown]:
    """Return a price, or why no source has one."""
    now, base = at.clock.now(), base_url(at.environ)
    assets = {query: asset_of(query.read) for query in asked}
    rows = market_rows(at.service, assets.values(), base)
    found = {query: believe(asset, rows[asset], now, query.gate) for query, asset in assets.items()}
    _remember(at, base, assets, rows, found)
    without = [query for query, one in found.items() if isinstance(one, Unknown) and query.read.feed]
    return found | (_of_feeds(without, found, at, now) if without else {})


def _of_feeds(
    queries: Iterable[PriceQuery],
    market: Mapping[PriceQuery, Price | Unknown],
    at: EvaluationPoint,
    now: datetime,
) -> dict[PriceQuery, Price | Unknown]:
    views = {
        query: tuple(ViewRead(query.read.chain, query.read.feed, one) for one in (_LATEST, _DECIMALS))
        for query in queries
    }
    answers = read_views(list(dict.fromkeys(one for pair in views.values() for one in pair)), at)
    found: dict[PriceQuery, Price | Unknown] = {}
    for query, (latest, decimals) in views.items():
        one = _feed_price(query, answers[latest], answers[decimals], now)
        missing = market[query]
        if isinstance(one, str) and isinstance(missing, Unknown):
            found[query] = Unknown(f"{missing.reason}; its feed {checksum(query.read.feed)}: {one}", missing.source)
        elif isinstance(one, Price):
            found[query] = one
    return found


def _feed_price(
    query: PriceQuery, latest: Sequence[Value] | Unknown, decimals: Value | Unknown, now: datetime
) -> Price | str:
    """Return what a feed says, or why it is no price."""
    for answer in (latest, decimals):
        if isinstance(answer, Unknown):
            return answer.reason
    _, answer, _, updated, _ = latest  # type: ignore[misc]  # as its signature says
    if not isinstance(decimals, int) or decimals > _MOST_DECIMALS:
        return "its decimals cannot be right"
    if not isinstance(answer, int) or not isinstance(updated, int) or answer <= 0 or updated <= 0:
        return "it has no answer"
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=min(updated, 10**11))
    stale = staleness(moment, now, query.gate.feed_max_age)
    return stale or Price(Fraction(answer, 10**decimals), moment, _CERTAIN, f"feed {checksum(query.read.feed)}")


def _remember(
    at: EvaluationPoint,
    base: str,
    assets: Mapping[PriceQuery, Asset],
    rows: Mapping[Asset, Row | Unknown],
    found: Mapping[PriceQuery, Price | Unknown],
) -> None:
    """Note for each monitor whether an answer of the service has been read, and its shape."""
    for monitor in dict.fromkeys(query.monitor for query in assets if query.monitor):
        own = {query: asset for query, asset in assets.items() if query.monitor == monitor}
        coins: dict[str, Json] = {}
        for query, asset in own.items():
            row = rows[asset]
            if isinstance(found[query], Price) and not isinstance(row, Unknown):
                coins[asset.key] = row
        remember_readings(at.memory, monitor, {PRICES: (base, {"coins": coins} if coins else None)}, asked=True)
