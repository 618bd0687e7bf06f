"""Market prices of a past time: the price service keeps its history, in the form in which it says the present.

Called by `past` in place of the request for current prices. A price is asked for in the half hour before the step, so
that it is neither from after it nor older than checks usually accept.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import orjson

from monitoring.base.http.client import Answer, FetchError, Request
from monitoring.chains.services.prices import SERVICE, base_url
from monitoring.checks.backtest.kept_answers import KeptAnswers, key_of

if TYPE_CHECKING:
    from monitoring.checks.backtest.past import PastWorld

_BEFORE_S = 900  # the middle of the half hour before; the service looks as far to both sides
_CURRENT = "/prices/current/"
_OK, _TOO_MANY = 200, 429
_FINAL_S = 3600


class PastPrices:
    """The price service of a backtest."""

    def __init__(self, world: PastWorld) -> None:
        self._world = world
        self._base = base_url(world.environ)
        self._kept = KeptAnswers(world.folder / "prices")

    def answer(self, request: Request, at: datetime, timeout_s: float) -> Answer | None:
        """Return what the service says of that time; None for a request that is not for prices.

        Raises:
            FetchError: it does not answer; the backtest is stopped then.
        """
        if not request.url.startswith(self._base + _CURRENT):
            return None
        assets, at_s = request.url.removeprefix(self._base + _CURRENT), int(at.timestamp())
        key = key_of("prices", assets)
        found = self._kept.at(at_s).get(key)
        if not isinstance(found, str):
            url = f"{self._base}/prices/historical/{at_s - _BEFORE_S}/{assets}?searchWidth={_BEFORE_S // 60}m"
            found = self._asked(Request(url, headers=request.headers), timeout_s)
            is_final = self._world.clock.now().timestamp() - at_s > _FINAL_S
            self._kept.put(at_s, {key: found}, is_final=is_final)
        return Answer(request.host, _OK, {}, found.encode())

    def _asked(self, request: Request, timeout_s: float) -> str:
        waited_s = 0.0
        while True:
            try:
                answer = self._world.fetch(request, timeout_s)
                if answer.status == _OK:
                    return orjson.dumps(orjson.loads(answer.body)).decode()
                why, is_limit, asked_s = f"HTTP {answer.status}", answer.status == _TOO_MANY, answer.retry_after_s
            except (FetchError, ValueError) as error:
                why, is_limit, asked_s = str(error), False, None
            waited_s = self._world.wait_for_service(SERVICE, why, waited_s, is_limit=is_limit, asked_s=asked_s)
            if self._world.stopped:
                raise FetchError(request.host, "the backtest stopped")
