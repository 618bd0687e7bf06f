"""What a function reads with: chains, services, GraphQL and prices. A part of `Context`.

What cannot be had is `Unknown`, never an error and never zero. What it needs is loaded by the first reading.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from fractions import Fraction
from typing import TYPE_CHECKING, Any, TypeVar, overload

from monitoring.base.clock import parse_duration
from monitoring.base.errors import UsageError
from utils.unknown import Unknown, UnknownError

if TYPE_CHECKING:
    from monitoring.checks.expression.evaluate import PriceRead
    from utils.chain import Chain, ViewCall
    from utils.fields import Fields
    from utils.judging import EvaluationSession

T = TypeVar("T")


def call(target: Any, signature: str, *arguments: Any, decimals: int = 0) -> ViewCall:  # noqa: ANN401 - or Unknown
    """Describe a view, as in `call(VAULT, "convertToAssets(uint256)(uint256)", 10**18, decimals=18)`.

    With `decimals` an integer comes back as the exact number of whole units.
    """
    from utils.chain import ViewCall  # noqa: PLC0415 - chains are loaded by the first reading

    return ViewCall(target, signature, arguments, decimals)


class Reads(ABC):
    """What a function reads with."""

    @property
    @abstractmethod
    def _bench(self) -> EvaluationSession:
        """Where this run reads; the context has it."""

    def chain(self, chain: int | str) -> Chain:
        """Return a chain, by id or slug, at the one block this run reads it at.

        Raises:
            UsageError: no such chain.
        """
        from utils.chain import Chain  # noqa: PLC0415 - as above

        return Chain(chain, self._bench)

    def on_chains(self, chains: Sequence[int | str], read: Callable[[Chain], T]) -> Iterator[tuple[Chain, T]]:
        """Yield each chain with what `read` returns of it, in their order; all are read at the same time.

        `read` runs in a thread of its own: it may read and recall, and does not judge, alert or remember.

        Raises:
            UsageError: no such chain.
        """
        from utils.chain import read_chains  # noqa: PLC0415 - as above

        return read_chains(chains, read, self._bench)

    def http(
        self,
        url: str,
        *,
        number: str = "",
        time: str = "",
        max_age: str | timedelta | None = None,
        ok: Callable[[Fields], bool] | None = None,
        require: Sequence[str] = (),
        headers: Mapping[str, str] | None = None,
        name: str = "",
    ) -> Any:  # noqa: ANN401 - Fields, a list, or with `number` an exact number; or Unknown
        """Return the JSON at a URL, or the one `number` in it (a path as in `data.rows[0].tvl`).

        Unknown unless `ok` holds of it, every path of `require` is there, and its own `time` is within `max_age`.
        `name` is what its recorded answer is found by; without one it is the host.
        """
        return self._document(url, number, time, max_age, ok, require, headers, "", {}, name)

    def graphql(
        self,
        url: str,
        query: str,
        variables: Mapping[str, Any] | None = None,
        *,
        require: Sequence[str] = (),
        headers: Mapping[str, str] | None = None,
        name: str = "",
    ) -> Any:  # noqa: ANN401 - Fields, or Unknown
        """Return what stands under `data`; an error of any part, or a path that is missing, makes it unknown."""
        return self._document(url, "", "", None, None, require, headers, query, variables or {}, name)

    @overload
    def price(
        self,
        token: str,
        *,
        chain: int | str | None = None,
        max_age: str | timedelta = "30m",
        confidence: Any = "0.9",  # noqa: ANN401
        feeds: Mapping[str, str] | None = None,
    ) -> Fraction | Unknown: ...

    @overload
    def price(
        self,
        token: list[str] | tuple[str, ...],
        *,
        chain: int | str | None = None,
        max_age: str | timedelta = "30m",
        confidence: Any = "0.9",  # noqa: ANN401
        feeds: Mapping[str, str] | None = None,
    ) -> dict[str, Fraction | Unknown]: ...

    def price(
        self,
        token: str | Sequence[str],
        *,
        chain: int | str | None = None,
        max_age: str | timedelta = "30m",
        confidence: Any = "0.9",
        feeds: Mapping[str, str] | None = None,
    ) -> Any:
        """Return the US dollars of one whole token; unknown where it is old or doubtful.

        Several tokens are one request, and come back by token. A token is an address on `chain`, or an id as in
        `coingecko:bitcoin`. `feeds` has by token the Chainlink feed to ask where the market's service has no price.

        Raises:
            UsageError: a token is neither an address nor an id, a feed is no address, or no chain is given.
        """
        from monitoring.chains.networks import network  # noqa: PLC0415 - as above
        from monitoring.chains.services.price_gate import PriceGate  # noqa: PLC0415 - as above
        from monitoring.checks.engine.plan import PriceQuery  # noqa: PLC0415 - as above
        from monitoring.checks.engine.prices import answer_prices  # noqa: PLC0415 - as above
        from monitoring.checks.rules.keywords import number, span  # noqa: PLC0415 - as above

        gate = PriceGate(span(max_age), Fraction(number(confidence, "confidence")))
        on = network(chain).id if chain is not None else 0
        tokens = [token] if isinstance(token, str) else list(token)
        queries = {one: PriceQuery("", _price_read(one, (feeds or {}).get(one, ""), on), gate) for one in tokens}
        answers = answer_prices(list(dict.fromkeys(queries.values())), self._bench.at) if queries else {}
        found = {one: _dollars(answers[query]) for one, query in queries.items()}
        return found[token] if isinstance(token, str) else found

    def _document(
        self,
        url: str,
        number: str,
        time: str,
        max_age: str | timedelta | None,
        ok: Callable[[Fields], bool] | None,
        require: Sequence[str],
        headers: Mapping[str, str] | None,
        query: str,
        variables: Mapping[str, Any],
        name: str,
    ) -> Any:  # noqa: ANN401 - as above
        from monitoring.base.http.words import host_of  # noqa: PLC0415 - as above
        from monitoring.chains.services.sources import Source, read_source  # noqa: PLC0415 - as above
        from monitoring.checks.recorded.shape import remember_readings  # noqa: PLC0415 - as above
        from utils.fields import Fields, as_fields  # noqa: PLC0415 - as above

        if max_age is not None and not time:
            raise UsageError("m.http(…, max_age=…) needs time=: the path of the answer's own time")
        name = name or host_of(url)
        source = Source(
            name, url, headers or {}, query, variables, _verdict(ok, name) if ok else None, time,
            parse_duration(max_age) if isinstance(max_age, str) else max_age, tuple(require),
        )  # fmt: skip
        found = read_source(self._bench.at.service, source, self._bench.at.clock.now())
        body = getattr(found, "body", None)
        how = url.partition("?")[0], query, number, time, tuple(require)
        remember_readings(self._bench.at.memory, self._bench.name, {name: (how, body)}, asked=True)
        if not hasattr(found, "body"):
            return Unknown(found.reason, found.source)
        body = as_fields(found.body, name)
        if not number:
            return body
        return body.number(number) if isinstance(body, Fields) else Unknown(f"{name}: the answer is no object", name)


def _price_read(token: str, feed: str, chain: int) -> PriceRead:
    from monitoring.chains.abi.addresses import address_problem  # noqa: PLC0415 - as above
    from monitoring.chains.services.price_gate import COINGECKO  # noqa: PLC0415 - as above
    from monitoring.checks.expression.evaluate import PriceRead  # noqa: PLC0415 - as above

    is_id = COINGECKO.fullmatch(token) is not None
    problem = "" if is_id else address_problem(token)
    if problem:
        raise UsageError(f"m.price({token!r}, …): {problem}, or an id as in coingecko:bitcoin")
    if feed and (problem := address_problem(feed)):
        raise UsageError(f"m.price(…, feeds={{{token!r}: {feed!r}}}): {problem}")
    if not chain and (feed or not is_id):
        raise UsageError("m.price(…, chain=…): an address is of one chain: give its id or slug")
    return PriceRead(chain, token if is_id else token.lower(), feed.lower())


def _dollars(found: Any) -> Fraction | Unknown:  # noqa: ANN401 - a price, or why there is none
    return Unknown(found.reason, found.source) if hasattr(found, "reason") else found.usd


def _verdict(ok: Callable[[Fields], bool], name: str) -> Callable[[Any], Any]:
    from utils.fields import as_fields  # noqa: PLC0415 - as above

    def judge(body: Any) -> Any:  # noqa: ANN401 - JSON of any kind
        try:
            return bool(ok(as_fields(body, name)))
        except UnknownError as error:
            return error.unknown

    return judge
