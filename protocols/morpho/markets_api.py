"""What only Morpho's own service knows: the bad debt of a market, and who borrows in it.

Both are held against the chain by who asks. The service retires its fields one by one, and a query that names one that
is gone is refused whole: so each question is a query of its own, asks for little, and knows the filter's next name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from monitoring.chains.abi.addresses import is_address
from monitoring.chains.networks import network
from protocols.morpho.markets_places import attempt, sure
from utils.fields import Fields
from utils.monitor import Context, Unknown, UnknownError

URL = "https://api.morpho.org/graphql"
_SOURCE = "api.morpho.org"
_PAGE = 500  # the service gives at most 1,000 rows
_MOST_PAGES = 20
_REFUSED = ("GraphQL error", " 400")  # what it says to a name that is gone
_DEBTS = """\
query Debts($chain: Int!, $ids: [String!]!) {
  markets(first: 500, where: {chainId_in: [$chain], %s: $ids}) {
    items { marketId badDebt { underlying } state { borrowAssets } }
  }
}"""
_BORROWERS = """\
query Borrowers($chain: Int!, $ids: [String!]!, $skip: Int!) {
  marketPositions(
    first: 500, skip: $skip, orderBy: BorrowShares, orderDirection: Desc,
    where: {chainId_in: [$chain], %s: $ids, borrowShares_gte: "1"}
  ) {
    items { user { address } market { marketId } }
  }
}"""
_DEBT_FILTERS = ("uniqueKey_in", "marketId_in")
_BORROWER_FILTERS = ("marketUniqueKey_in", "marketId_in")


@dataclass(frozen=True, slots=True)
class Debt:
    """Of one market, in the smallest unit of its loan token: what nobody will pay back, and what is borrowed."""

    bad: Fraction
    borrowed: Fraction


def read_debts(m: Context, chain: str, ids: Sequence[str]) -> dict[str, Debt | Unknown]:
    """Return the debts of markets by id. A market that the answer leaves out is unknown, and so is one that is null."""
    found: dict[str, Debt | Unknown] = {}
    for start in range(0, len(ids), _PAGE):
        page = ids[start : start + _PAGE]
        rows = _ask(m, _DEBTS, _DEBT_FILTERS, {"chain": network(chain).id, "ids": list(page)}, "markets.items")
        by_id = {_id_of(row["marketId"]): row for row in rows} if isinstance(rows, list) else {}
        for one in page:
            found[one] = attempt(_debt, one, rows, by_id.get(one))
    return found


def _debt(market: str, rows: list[Fields] | Unknown, row: Fields | None) -> Debt:
    sure(rows)
    if row is None:
        raise UnknownError(Unknown(f"{_SOURCE}: the answer leaves out market {market}", _SOURCE))
    return Debt(sure(row.number("badDebt.underlying")), sure(row.number("state.borrowAssets")))


def read_borrowers(m: Context, chain: str, ids: Sequence[str]) -> Mapping[str, list[str]] | Unknown:
    """Return the addresses of borrowers by market id: as many as the service knows."""
    found: dict[str, list[str]] = {one: [] for one in ids}
    for page in range(_MOST_PAGES):
        variables = {"chain": network(chain).id, "ids": list(ids), "skip": page * _PAGE}
        rows = _ask(m, _BORROWERS, _BORROWER_FILTERS, variables, "marketPositions.items")
        if isinstance(rows, Unknown):
            return rows
        for row in rows:
            market, user = _id_of(row["market.marketId"]), row["user.address"]
            if market in found and is_address(user):
                found[market].append(user.lower())
        if len(rows) < _PAGE:
            break
    return found


def _ask(
    m: Context, query: str, filters: Sequence[str], variables: Mapping[str, Any], path: str
) -> list[Fields] | Unknown:
    """Return the rows of an answer; where the name of a filter is refused, its next name is tried."""
    answer: Any = None
    for name in filters:
        answer = m.graphql(URL, query % name, variables, require=[path])
        if not isinstance(answer, Unknown) or not any(word in answer.reason for word in _REFUSED):
            break
    if isinstance(answer, Unknown):
        return answer
    rows = answer[path]
    if not isinstance(rows, list) or not all(isinstance(row, Fields) for row in rows):
        return Unknown(f"{_SOURCE}: {path} is no list of objects", _SOURCE)
    return rows


def _id_of(value: object) -> str:
    return value.lower() if isinstance(value, str) else ""
