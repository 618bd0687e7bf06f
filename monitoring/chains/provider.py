"""One RPC provider: one HTTP request, its answers paired by id, and a breaker that stops asking it for a while.

Owned by the pool. Says nothing of its URL but the host, and which of several at that host it is.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol, TypeAlias, cast

import orjson

from monitoring.chains.faults import DECISIVE, Fault, RpcError, classify_error, classify_status
from monitoring.chains.fetch import Answer, FetchError, Request, host_of, scrub
from monitoring.chains.values import Json

_HTTP_OK = 200
_BREAK_AFTER = 3  # failures in a row; a timeout counts as that many, since each costs a whole deadline
_BREAK_S = 30.0
_BREAK_MAX_S = 300.0
_MAX_RETRY_AFTER_S = 60.0

Outcome: TypeAlias = "Json | RpcError"


class Fetch(Protocol):
    """Sends one request (`fetch.Fetcher`, or a double in tests)."""

    def __call__(self, request: Request, timeout_s: float) -> Answer: ...


@dataclass(frozen=True, slots=True)
class Ask:
    """One JSON-RPC method with its parameters."""

    method: str
    params: tuple[object, ...] = ()


class Breaker:
    """Opens after failures in a row and lets one try through when its pause is over (pure; time is passed in)."""

    def __init__(self) -> None:
        self._failures = 0
        self._pause_s = _BREAK_S
        self._open_until = 0.0
        self._paused_until = 0.0

    def closed(self, now_s: float) -> bool:
        """Tell whether a request may go through."""
        return now_s >= self._open_until and now_s >= self._paused_until

    def paused_s(self, now_s: float) -> float | None:
        """Return how long the far side asked to be left alone; None when failures keep it open."""
        return None if now_s < self._open_until else max(0.0, self._paused_until - now_s)

    def success(self) -> None:
        self._failures, self._pause_s, self._open_until = 0, _BREAK_S, 0.0

    def failure(self, now_s: float, *, weight: int = 1) -> None:
        self._failures += weight
        if self._failures >= _BREAK_AFTER:
            self._open_until = now_s + self._pause_s
            self._pause_s = min(self._pause_s * 2, _BREAK_MAX_S)

    def pause(self, now_s: float, seconds: float) -> None:
        """Keep away for as long as the far side asked."""
        self._paused_until = max(self._paused_until, now_s + min(seconds, _MAX_RETRY_AFTER_S))


class Provider:
    """One URL of one chain, and what is known of it in this task."""

    def __init__(self, url: str, fetch: Fetch, *, label: str = "") -> None:
        self._url = url
        self._fetch = fetch
        self._ids = itertools.count(1)
        self.host = label or host_of(url)
        self.breaker = Breaker()
        self.verified = False  # its chain id has been seen and is right
        self.barred: RpcError | None = None  # for good: it is on another chain
        self.head: int | None = None  # the newest block it said it has
        self.batches = True  # until it refuses one of two
        self.requests = 0
        self.answers = 0  # requests that brought a JSON-RPC answer

    def __repr__(self) -> str:
        return f"Provider({self.host})"

    def ask(self, asks: Sequence[Ask], timeout_s: float) -> list[Outcome]:
        """Send one HTTP request, a batch if there is more than one ask; outcomes come in the order of asks.

        Raises:
            RpcError: the request as a whole failed.
        """
        first = next(self._ids)
        ids = [first, *(next(self._ids) for _ in asks[1:])]
        calls = [
            {"jsonrpc": "2.0", "id": id_, "method": ask.method, "params": list(ask.params)}
            for id_, ask in zip(ids, asks, strict=True)
        ]
        request = Request(
            self._url,
            "POST",
            {"content-type": "application/json"},
            orjson.dumps(calls if len(calls) > 1 else calls[0]),
        )
        body = self._exchange(request, timeout_s)
        replies = body if isinstance(body, list) else [body]
        by_id = {reply.get("id"): reply for reply in replies if isinstance(reply, dict)}
        if len(asks) > 1 and not isinstance(body, list):
            raise self._batch_error(body, request)
        return [self._outcome(by_id.get(id_), ask, request) for id_, ask in zip(ids, asks, strict=True)]

    def _exchange(self, request: Request, timeout_s: float) -> Json:
        self.requests += 1
        try:
            answer = self._fetch(request, timeout_s)
        except FetchError as error:
            raise RpcError(
                Fault.TRANSPORT,
                f"{self.host}: {error.what}",
                host=self.host,
                data="timed out" if error.timed_out else "",
            ) from None
        try:
            body = cast("Json", orjson.loads(answer.body))
        except orjson.JSONDecodeError:
            body = None
        if answer.status in DECISIVE or (answer.status != _HTTP_OK and not _is_reply(body)):
            raise RpcError(
                classify_status(answer.status),
                f"{self.host}: HTTP {answer.status}",
                host=self.host,
                retry_after_s=answer.retry_after_s,
            )
        if not isinstance(body, (dict, list)):
            raise RpcError(Fault.DECODE, f"{self.host}: the answer is not JSON-RPC", host=self.host)
        self.answers += 1
        return body

    def _batch_error(self, body: Json, request: Request) -> RpcError:
        """One object where a list was due: the gateway speaks of the batch as a whole."""
        outcome = self._outcome(cast("dict[str, Json]", body), Ask("batch"), request)
        if isinstance(outcome, RpcError) and outcome.fault in (Fault.RATE_LIMIT, Fault.REFUSED, Fault.BATCH_SIZE):
            return outcome
        return RpcError(Fault.BATCH_SIZE, f"{self.host}: does not answer batches", host=self.host)

    def _outcome(self, reply: Mapping[str, Json] | None, ask: Ask, request: Request) -> Outcome:
        if reply is None or ("result" not in reply and "error" not in reply):
            return RpcError(Fault.DECODE, f"{self.host}: no answer to {ask.method}", host=self.host)
        error = reply.get("error")
        if error is None:
            result = reply.get("result")
            fault = misshapen(ask.method, result)
            if fault is None:
                return result
            return RpcError(fault, f"{self.host}: {ask.method}: {fault.value}", host=self.host)
        detail = error if isinstance(error, dict) else {"message": str(error)}
        return self._error(detail, ask, request)

    def _error(self, detail: Mapping[str, Json], ask: Ask, request: Request) -> RpcError:
        code = detail.get("code")
        text = str(detail.get("message") or "")
        data = detail.get("data")
        fault = classify_error(ask.method, code if isinstance(code, int) else 0, f"{text} {data}"[:2000])
        shown = scrub(text, request)
        return RpcError(
            fault,
            f"{self.host}: {ask.method}: {fault.value}" + (f" ({shown})" if shown else ""),
            host=self.host,
            retry_after_s=_retry_after(data),
            data=data if isinstance(data, str) else "",
        )

    def blame(self, error: RpcError, now_s: float) -> None:
        """Remember a failure that is the provider's."""
        if error.fault is Fault.WRONG_CHAIN:
            self.barred = error
        elif error.fault is Fault.RATE_LIMIT and error.retry_after_s:
            self.breaker.pause(now_s, error.retry_after_s)
        elif error.fault is Fault.REFUSED:
            self.breaker.failure(now_s, weight=_BREAK_AFTER)
        elif error.fault not in (Fault.STALE_HEAD, Fault.UNSUPPORTED, Fault.ERROR):
            self.breaker.failure(now_s, weight=_BREAK_AFTER if error.data == "timed out" else 1)


_HEX_METHODS = frozenset(
    {
        "eth_call",
        "eth_chainId",
        "eth_blockNumber",
        "eth_getCode",
        "eth_getStorageAt",
        "eth_getBalance",
        "eth_getTransactionCount",
    }
)
_BLOCK_FIELDS = ("number", "hash", "timestamp")


def names_of(urls: Sequence[str]) -> list[str]:
    """Name the providers of a chain by their hosts; where one host serves several, by their places too: `host #2`."""
    hosts = [host_of(url) for url in urls]
    return [
        f"{host} #{hosts[: place + 1].count(host)}" if hosts.count(host) > 1 else host
        for place, host in enumerate(hosts)
    ]


def misshapen(method: str, result: Json) -> Fault | None:
    """Return what is wrong with a result's shape: a block that is null is one the node has not got."""
    if method in _HEX_METHODS:
        ok = isinstance(result, str) and re.fullmatch(r"0x[0-9a-fA-F]*", result) is not None
        return None if ok else Fault.DECODE
    if method == "eth_getBlockByNumber":
        if result is None:
            return Fault.STALE_HEAD
        ok = isinstance(result, dict) and all(isinstance(result.get(name), str) for name in _BLOCK_FIELDS)
        return None if ok else Fault.DECODE
    if method == "eth_getLogs":
        return None if isinstance(result, list) else Fault.DECODE
    return None


def _is_reply(body: Json) -> bool:
    """Some gateways send a proper JSON-RPC error with status 4xx or 5xx."""
    replies = body if isinstance(body, list) else [body]
    return bool(replies) and all(isinstance(reply, dict) and "jsonrpc" in reply for reply in replies)


def _retry_after(data: Json) -> float | None:
    if not isinstance(data, dict):
        return None
    for key in ("retry_after", "retryAfter", "backoff_seconds", "try_again_in"):
        value = data.get(key)
        if isinstance(value, (int, float, Decimal)) and not isinstance(value, bool):
            return float(value)
    return None
