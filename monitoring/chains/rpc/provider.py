"""One RPC provider: one HTTP request, its answers paired by id, and a breaker that stops asking it for a while.

Owned by the pool. Says nothing of its URL but the host, and which of several at that host it is.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias, cast

import orjson

from monitoring.base.http.client import Answer, FetchError, Request, scrub
from monitoring.base.http.words import WEB_PAGE, host_of
from monitoring.chains.abi.values import Json
from monitoring.chains.rpc.errors import (
    DECISIVE,
    LARGE_BYTES,
    UNREADABLE,
    Fault,
    RpcError,
    classify_error,
    classify_status,
)
from monitoring.chains.rpc.replies import code_of, error_of, is_reply, is_revert, misshapen, paired, retry_after
from monitoring.chains.services.urls import redirect_target

_HTTP_OK = 200
_BARS = frozenset({Fault.WRONG_CHAIN, Fault.REFUSED, Fault.GONE})
_BREAK_AFTER = 3  # failures in a row; a timeout counts as that many, since each costs a whole deadline
_BREAK_S = 30.0
_BREAK_MAX_S = 300.0
_MAX_RETRY_AFTER_S = 60.0
_OF_A_BATCH = frozenset({Fault.RATE_LIMIT, Fault.REFUSED, Fault.BATCH_SIZE, Fault.LOG_RANGE})
# What keeps nobody from being asked for something else at once.
_BLAMELESS = frozenset({Fault.STALE_HEAD, Fault.HISTORY, Fault.UNSUPPORTED, Fault.ERROR, Fault.TOO_HEAVY})

Outcome: TypeAlias = "Json | RpcError"


class Fetch(Protocol):
    """Sends one request (`fetch.HttpClient`, or a double in tests)."""

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
        """Return whether a request may go through."""
        return now_s >= self._open_until and now_s >= self._paused_until

    def paused_s(self, now_s: float) -> float | None:
        """Return how long the destination asked to be left alone; None when failures keep it open."""
        return None if now_s < self._open_until else max(0.0, self._paused_until - now_s)

    def success(self) -> None:
        self._failures, self._pause_s, self._open_until = 0, _BREAK_S, 0.0

    def failure(self, now_s: float, *, weight: int = 1) -> None:
        self._failures += weight
        if self._failures >= _BREAK_AFTER:
            self._open_until = now_s + self._pause_s
            self._pause_s = min(self._pause_s * 2, _BREAK_MAX_S)

    def pause(self, now_s: float, seconds: float) -> None:
        """Keep away for as long as the destination asked."""
        self._paused_until = max(self._paused_until, now_s + min(seconds, _MAX_RETRY_AFTER_S))


class Provider:
    """One URL of one chain, and what is known of it in this task."""

    def __init__(self, url: str, fetch: Fetch, *, label: str = "", is_public: bool = False) -> None:
        self._url = url
        self._fetch = fetch
        self._ids = itertools.count(1)
        self.host = label or host_of(url)
        self.is_public = is_public  # not the operator's own: asked where no own one answers
        self.breaker = Breaker()
        self.verified = False  # its chain id has been seen and is right
        self.barred: RpcError | None = None  # for the rest of the task: on another chain, asks for a key, gone
        self.head: int | None = None  # the newest block it said it has
        self.doubted = False  # another one is asked in its place
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
        try:
            body = self._exchange(request, timeout_s, alone=len(asks) == 1)
        except RpcError as error:
            raise _of_several(error, asks, len(request.body)) from None
        if len(asks) > 1 and not isinstance(body, list):
            raise self._batch_error(body, request, asks)
        replies = [reply for reply in (body if isinstance(body, list) else [body]) if isinstance(reply, dict)]
        own = paired(replies, ids)
        return [
            self._outcome(own.get(id_), ask, request, alone=len(asks) == 1) for id_, ask in zip(ids, asks, strict=True)
        ]

    def _exchange(self, request: Request, timeout_s: float, *, alone: bool) -> Json:
        self.requests += 1
        try:
            answer = self._fetch(request, timeout_s)
        except FetchError as error:
            raise RpcError(
                Fault.GONE if error.no_such_name else Fault.TRANSPORT,
                f"{self.host}: {error.what}",
                host=self.host,
                data="timed out" if error.timed_out else "",
            ) from None
        try:
            body = cast("Json", orjson.loads(answer.body))
        except orjson.JSONDecodeError:
            body = None
        if answer.status in DECISIVE or (answer.status != _HTTP_OK and not is_reply(body)):
            raise self._status_error(answer, body, request, alone=alone)
        if body is None and WEB_PAGE.match(answer.body):
            raise RpcError(Fault.GONE, f"{self.host}: answers with a web page (HTML)", host=self.host)
        if not isinstance(body, (dict, list)):
            raise RpcError(Fault.DECODE, f"{self.host}: the answer is not JSON-RPC", host=self.host)
        self.answers += 1
        return body

    def _status_error(self, answer: Answer, body: Json, request: Request, *, alone: bool) -> RpcError:
        """Name what a status means; where the status says little, by the words of the body."""
        detail = (error_of(body) if isinstance(body, dict) else None) or {}
        text = str(detail.get("message") or "")
        fault = classify_status(answer.status, alone=alone, size=len(request.body))
        if fault is Fault.TRANSPORT and text:
            worded = classify_error("", 0, text, alone=alone)
            fault = fault if worded is Fault.ERROR else worded
        if fault is Fault.TRANSPORT and answer.status in UNREADABLE and not alone:
            fault = Fault.BATCH_SIZE  # some gateways know no batches and say no more than this
        target = redirect_target(self._url, answer.status, answer.headers, public=False)
        shown = f"moved to {target}" if target else scrub(text, request)
        return RpcError(
            fault,
            f"{self.host}: HTTP {answer.status}" + (f" ({shown})" if shown else ""),
            host=self.host,
            retry_after_s=answer.retry_after_s,
        )

    def _batch_error(self, body: Json, request: Request, asks: Sequence[Ask]) -> RpcError:
        """One object where a list was due: the gateway speaks of the batch as a whole, or of a range of logs in it."""
        spoken_of = Ask("eth_getLogs" if any(ask.method == "eth_getLogs" for ask in asks) else "batch")
        outcome = self._outcome(cast("dict[str, Json]", body), spoken_of, request, alone=False)
        if isinstance(outcome, RpcError) and outcome.fault in _OF_A_BATCH:
            return outcome
        return RpcError(Fault.BATCH_SIZE, f"{self.host}: does not answer batches", host=self.host)

    def _outcome(self, reply: Mapping[str, Json] | None, ask: Ask, request: Request, *, alone: bool) -> Outcome:
        error = error_of(reply) if reply is not None else None
        if error is not None:
            return self._error(error, ask, request, alone=alone)
        if reply is None or "result" not in reply:
            return RpcError(Fault.DECODE, f"{self.host}: no answer to {ask.method}", host=self.host)
        result = reply.get("result")
        if ask.method == "eth_call" and is_revert(result):
            return RpcError(Fault.REVERT, f"{self.host}: eth_call: reverted", host=self.host, data=str(result))
        fault = misshapen(ask.method, result)
        if fault is None:
            return result
        return RpcError(fault, f"{self.host}: {ask.method}: {fault.value}", host=self.host)

    def _error(self, detail: Mapping[str, Json], ask: Ask, request: Request, *, alone: bool) -> RpcError:
        code, text, data = code_of(detail), str(detail.get("message") or ""), detail.get("data")
        fault = classify_error(ask.method, code, f"{text} {data}"[:2000], alone=alone)
        shown = scrub(text, request) or (f"code {code}" if code else "")
        return RpcError(
            fault,
            f"{self.host}: {ask.method}: {fault.value}" + (f" ({shown})" if shown else ""),
            host=self.host,
            retry_after_s=retry_after(data),
            data=data if isinstance(data, str) else "",
        )

    def blame(self, error: RpcError, now_s: float, *, of_all: bool) -> None:
        """Remember a failure that is the provider's; `of_all`: of the whole request, not of one call in it."""
        if error.fault in _BARS and (of_all or not self.verified):
            self.barred = error
        elif error.fault is Fault.RATE_LIMIT and error.retry_after_s:
            self.breaker.pause(now_s, error.retry_after_s)
        elif error.fault is Fault.REFUSED:
            self.breaker.failure(now_s, weight=_BREAK_AFTER)
        elif error.fault not in _BLAMELESS:
            self.breaker.failure(now_s, weight=_BREAK_AFTER if error.data == "timed out" else 1)


def _of_several(error: RpcError, asks: Sequence[Ask], size: int) -> RpcError:
    """Blame what was asked, and not who was, where several large calls at once got no answer: one alone may get it."""
    are_large = len(asks) > 1 and asks[0].method == "eth_call" and size > LARGE_BYTES * len(asks)
    return (
        RpcError(Fault.TOO_HEAVY, str(error), host=error.host)
        if are_large and error.fault is Fault.TRANSPORT
        else error
    )


def names_of(urls: Sequence[str]) -> list[str]:
    """Name the providers of a chain by their hosts; where one host serves several, by their places too: `host #2`."""
    hosts = [host_of(url) for url in urls]
    return [
        f"{host} #{hosts[: place + 1].count(host)}" if hosts.count(host) > 1 else host
        for place, host in enumerate(hosts)
    ]
