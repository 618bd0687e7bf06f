"""The answers to the newest questions, for as long as they are true.

An answer is true while the version of the data is the same and, where the time of day is in it, for some seconds.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from monitoring.web.reader import Version

# Path and query, as they were sent, and what writes the answer: there may be JSON and CSV of one question.
Question = tuple[str, bytes, Callable[[Any], Response]]


@dataclass(frozen=True, slots=True)
class _CachedResponse:
    response: Response  # sent as it is, to each who asks: nothing may change it
    version: Version
    until: float  # monotonic


class ResponseCache:
    """A dozen answers: a dashboard asks few questions, and asks them again every few seconds."""

    def __init__(self, most: int = 12) -> None:
        self._most = most
        self._kept: OrderedDict[Question, _CachedResponse] = OrderedDict()
        self._lock = threading.Lock()  # the event loop and both threads use it

    def get(self, question: Question, version: Version, now: float) -> Response | None:
        """Return the answer, if it is still true."""
        with self._lock:
            kept = self._kept.get(question)
            if kept is None or kept.version != version or kept.until < now:
                return None
            self._kept.move_to_end(question)
            return kept.response

    def put(self, question: Question, response: Response, version: Version, until: float) -> None:
        """Keep an answer; the one that nobody has asked for longest makes room."""
        with self._lock:
            self._kept[question] = _CachedResponse(response, version, until)
            self._kept.move_to_end(question)
            if len(self._kept) > self._most:
                self._kept.popitem(last=False)
