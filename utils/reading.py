"""What a function reads with: chains, services, GraphQL and prices. A part of `Context`.

What cannot be had is `Unknown`, never an error and never zero. What it needs is loaded by the first reading.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from monitoring.base.clock import parse_duration
from monitoring.base.errors import UsageError
from utils.unknown import Unknown, UnknownError

if TYPE_CHECKING:
    from fractions import Fraction

    from utils.chain import Chain, ViewCall
    from utils.fields import Fields
    from utils.judging import EvaluationSession


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
    ) -> Any:  # noqa: ANN401 - Fields, a list, or with `number` an exact number; or Unknown
        """Return the JSON at a URL, or the one `number` in it (a path as in `data.rows[0].tvl`).

        Unknown unless `ok` holds of it, every path of `require` is there, and its own `time` is within `max_age`.
        """
        return self._document(url, number, time, max_age, ok, require, headers, "", {})

    def graphql(
        self,
        url: str,
        query: str,
        variables: Mapping[str, Any] | None = None,
        *,
        require: Sequence[str] = (),
        headers: Mapping[str, str] | None = None,
    ) -> Any:  # noqa: ANN401 - Fields, or Unknown
        """Return what stands under `data`; an error of any part, or a path that is missing, makes it unknown."""
        return self._document(url, "", "", None, None, require, headers, query, variables or {})

    def price(
        self,
        token: str,
        *,
        chain: int | str,
        max_age: str | timedelta = "30m",
        confidence: Any = "0.9",  # noqa: ANN401
    ) -> Fraction | Unknown:
        """Return the US dollars of one whole token; unknown where it is old or doubtful."""
        from monitoring.chains.networks import network  # noqa: PLC0415 - as above
        from monitoring.chains.services.prices import Asset, Price, base_url, current_prices  # noqa: PLC0415 - as above
        from monitoring.checks.rules.keywords import number, span  # noqa: PLC0415 - as above

        tools, asset = self._bench.at, Asset(network(chain), token)
        found = current_prices(
            tools.service, [asset], tools.clock.now(), base=base_url(tools.environ), max_age=span(max_age),
            min_confidence=number(confidence, "confidence"),  # type: ignore[arg-type]  # an int compares as well
        )[asset]  # fmt: skip
        return found.usd if isinstance(found, Price) else Unknown(found.reason, found.source)

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
    ) -> Any:  # noqa: ANN401 - as above
        from monitoring.base.http.words import host_of  # noqa: PLC0415 - as above
        from monitoring.chains.services.sources import Source, read_source  # noqa: PLC0415 - as above
        from utils.fields import Fields, as_fields  # noqa: PLC0415 - as above

        if max_age is not None and not time:
            raise UsageError("m.http(…, max_age=…) needs time=: the path of the answer's own time")
        name = host_of(url)
        source = Source(
            name, url, headers or {}, query, variables, _verdict(ok, name) if ok else None, time,
            parse_duration(max_age) if isinstance(max_age, str) else max_age, tuple(require),
        )  # fmt: skip
        found = read_source(self._bench.at.service, source, self._bench.at.clock.now())
        if not hasattr(found, "body"):
            return Unknown(found.reason, found.source)
        body = as_fields(found.body, name)
        if not number:
            return body
        return body.number(number) if isinstance(body, Fields) else Unknown(f"{name}: the answer is no object", name)


def _verdict(ok: Callable[[Fields], bool], name: str) -> Callable[[Any], Any]:
    from utils.fields import as_fields  # noqa: PLC0415 - as above

    def judge(body: Any) -> Any:  # noqa: ANN401 - JSON of any kind
        try:
            return bool(ok(as_fields(body, name)))
        except UnknownError as error:
            return error.unknown

    return judge
