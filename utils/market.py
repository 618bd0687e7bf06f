"""Market prices as a function reads them, by the reader that the formulas of monitor files have. Used by `m.price`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from fractions import Fraction
from typing import Any

from monitoring.base.errors import UsageError
from monitoring.chains.abi.addresses import address_problem
from monitoring.chains.networks import network
from monitoring.chains.services.price_gate import COINGECKO, PriceGate
from monitoring.chains.services.prices import Price
from monitoring.checks.engine.point import EvaluationPoint
from monitoring.checks.engine.price_query import PriceQuery
from monitoring.checks.engine.prices import answer_prices
from monitoring.checks.expression.evaluate import PriceRead
from monitoring.checks.rules.keywords import number, span
from utils.unknown import Unknown


def prices_of(
    at: EvaluationPoint,
    tokens: Sequence[str],
    chain: int | str | None,
    max_age: str | timedelta,
    confidence: Any,  # noqa: ANN401 - as `m.price` takes it
    feeds: Mapping[str, str],
) -> dict[str, Fraction | Unknown]:
    """Return US dollars by token, or why there are none.

    Raises:
        UsageError: a token is neither an address nor an id, a feed is no address, or no chain is given.
    """
    gate = PriceGate(span(max_age), Fraction(number(confidence, "confidence")))
    on = network(chain).id if chain is not None else 0
    queries = {token: PriceQuery("", _read(token, feeds.get(token, ""), on), gate) for token in tokens}
    answers = answer_prices(list(dict.fromkeys(queries.values())), at) if queries else {}
    return {token: _known(answers[query]) for token, query in queries.items()}


def _read(token: str, feed: str, chain: int) -> PriceRead:
    is_id = COINGECKO.fullmatch(token) is not None
    problem = "" if is_id else address_problem(token)
    if problem:
        raise UsageError(f"m.price({token!r}, …): {problem}, or an id as in coingecko:bitcoin")
    if feed and (problem := address_problem(feed)):
        raise UsageError(f"m.price(…, feeds={{{token!r}: {feed!r}}}): {problem}")
    if not chain and (feed or not is_id):
        raise UsageError("m.price(…, chain=…): an address is of one chain: give its id or slug")
    return PriceRead(chain, token if is_id else token.lower(), feed.lower())


def _known(found: Any) -> Fraction | Unknown:  # noqa: ANN401 - a price, or why there is none
    return found.usd if isinstance(found, Price) else Unknown(found.reason, found.source)
