"""Asking an HTTP service politely: transient answers are tried again within the task's budget, others never.

Under `sources`, `prices`, `safe_service` and the signature look-ups. Returns `Unknown` instead of raising.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, cast

import orjson

from monitoring.base.http.client import Answer, FetchError, Request, scrub
from monitoring.base.http.retry import Backoff, is_transient
from monitoring.chains.abi.values import Json, Unknown
from monitoring.chains.rpc.budget import Budget, BudgetSpentError
from monitoring.chains.rpc.provider import Fetch
from monitoring.chains.services.urls import redirect_target

TRIES = 3
_BACKOFF = Backoff(1.0)
_MAX_WAIT_S = 30.0
_OK = range(200, 300)
_QUOTED_BYTES = 4096  # of an answer, long before anything is cut off its words


@dataclass(frozen=True, slots=True)
class NoAnswer(Unknown):
    """Why a service gave no usable answer; `status` is 0 when there was none at all, `spent` when we stopped asking."""

    status: int = 0
    spent: bool = False

    @property
    def transient(self) -> bool:
        return self.status == 0 or is_transient(self.status)


class Service:
    """A way to ask any HTTP service out of one budget."""

    def __init__(self, fetch: Fetch, budget: Budget) -> None:
        # A recorder is given each document with what was asked for.
        self.notice: Callable[[Any, Any], None] = lambda _asked, _found: None
        self._fetch = fetch
        self.budget = budget
        self._down: set[str] = set()  # hosts that failed whenever they were asked, the last time

    def ask(
        self, request: Request, *, tries: int = TRIES, again: Callable[[Answer], bool] | None = None
    ) -> Answer | NoAnswer:
        """Return the answer with a status of 2xx, or why there is none.

        `again` may call an answer transient that its status does not. Waits as a `Retry-After` asks, if that fits. A
        host that failed each time it was asked is asked once for whatever comes after, until it answers.
        """
        found = self._ask(request, 1 if request.host in self._down else tries, again)
        if isinstance(found, Answer) or not found.transient:
            self._down.discard(request.host)
        elif not found.spent:
            self._down.add(request.host)
        return found

    def _ask(self, request: Request, tries: int, again: Callable[[Answer], bool] | None) -> Answer | NoAnswer:
        answered = NoAnswer(f"{request.host}: not asked", request.host)
        for attempt in range(tries):
            try:
                if attempt:
                    self.budget.spend_retry()
                timeout_s, started_s = self.budget.request_s(), self.budget.clock.monotonic()
                answer = self._fetch(request, timeout_s)
                took_s = self.budget.clock.monotonic() - started_s
            except BudgetSpentError as error:
                return NoAnswer(f"{request.host}: {error}", request.host, spent=True)
            except FetchError as error:
                answered, wait_s = NoAnswer(str(error), request.host), None
            else:
                transient = is_transient(answer.status) or (again is not None and again(answer))
                if answer.status in _OK and not transient:
                    return replace(answer, took_s=took_s)
                answered = NoAnswer(_status(request, answer), request.host, answer.status)
                wait_s = answer.retry_after_s
                if not transient:
                    return answered
            if attempt < tries - 1 and not self._wait(attempt + 1, wait_s):
                return answered
        return answered

    def ask_json(self, request: Request, *, tries: int = TRIES) -> Json | Unknown:
        """Return a JSON body with exact decimals; anything else is `Unknown`."""
        answer = self.ask(request, tries=tries)
        return answer if isinstance(answer, Unknown) else read_json(answer)

    def _wait(self, failures: int, asked_s: float | None) -> bool:
        if asked_s is not None and asked_s > _MAX_WAIT_S:
            return False
        return self.budget.wait(max(asked_s or 0.0, _BACKOFF.delay_s(failures)))


def read_json(answer: Answer) -> Json | Unknown:
    try:
        # The standard parser keeps decimals exact, but its nesting is bounded by the interpreter's recursion limit
        # alone, which a library may have raised beyond what the stack holds; orjson has a bound of its own.
        orjson.loads(answer.body)
        return cast("Json", json.loads(answer.body, parse_float=Decimal))
    except (ValueError, RecursionError):
        return Unknown(f"{answer.host}: the answer is not JSON", answer.host)


def _status(request: Request, answer: Answer) -> str:
    text = scrub(answer.body[:_QUOTED_BYTES].decode("utf-8", "replace"), request, limit=100)
    target = redirect_target(request.url, answer.status, answer.headers, public=True)
    detail = f"moved to {target}" if target else text if text and not text.startswith("<") else ""
    return f"{request.host}: HTTP {answer.status}" + (f" ({detail})" if detail else "")
