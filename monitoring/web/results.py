"""What the newest questions found in the store, for as long as it is true.

A result is true while the version of the data is the same and, where the time of day is in it, for some seconds.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from monitoring.web.reader import Version

Question = tuple[str, bytes]  # path and query, as they were sent


@dataclass(frozen=True, slots=True)
class _CachedResult:
    result: Any
    version: Version
    until: float  # monotonic


class ResultCache:
    """A dozen results: a dashboard asks few questions, and asks them again every few seconds."""

    def __init__(self, most: int = 12) -> None:
        self._most = most
        self._kept: OrderedDict[Question, _CachedResult] = OrderedDict()
        self._lock = threading.Lock()  # the event loop and both threads use it

    def get(self, question: Question, version: Version, now: float) -> Any:  # noqa: ANN401 - what the route found
        """Return what was found, if it is still true; else none."""
        with self._lock:
            kept = self._kept.get(question)
            if kept is None or kept.version != version or kept.until < now:
                return None
            self._kept.move_to_end(question)
            return kept.result

    def put(self, question: Question, result: Any, version: Version, until: float) -> None:  # noqa: ANN401 - as above
        """Keep a result; the one that nobody has asked for longest makes room."""
        with self._lock:
            self._kept[question] = _CachedResult(result, version, until)
            self._kept.move_to_end(question)
            if len(self._kept) > self._most:
                self._kept.popitem(last=False)
