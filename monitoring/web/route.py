"""What a route is: an address, the parameters it takes, and the function that finds what is asked there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from starlette.responses import Response

from monitoring.base.process_identity import Boot
from monitoring.base.settings import Settings
from monitoring.store.db.database import Database
from monitoring.web.http import json_response
from monitoring.web.parameters import ReadValue

UNTIL_DATA_CHANGES = float("inf")


@dataclass(frozen=True, slots=True)
class RequestContext:
    """One question: where to look, what was given, and what time it is."""

    database: Database
    path_values: Mapping[str, str]
    query: Mapping[str, Any]
    now: datetime
    boot: Boot
    settings: Settings


@dataclass(frozen=True, slots=True)
class Route:
    """`find` reads the store, `write` makes the response of what was found.

    `fresh_s` is for how long a result stays true on unchanged data: what depends on the time of day has a number.
    With `write_csv` the same is had as CSV, by `format=csv` or by what the client says it accepts.
    A `quick` route costs a millisecond and is answered on the event loop, before longer ones that wait for a thread.
    """

    path: str
    find: Callable[[RequestContext], Any]
    parameters: Mapping[str, ReadValue] = field(default_factory=dict)
    fresh_s: float = UNTIL_DATA_CHANGES
    quick: bool = False
    is_page: bool = False
    ignores_query: bool = False
    write: Callable[[Any], Response] = json_response
    write_csv: Callable[[Any], Response] | None = None

    def writer(self, query: Mapping[str, Any], accepted: str) -> Callable[[Any], Response]:
        """Return what writes the response to a query of a client that accepts these media types."""
        wanted = query.get("format") or ("csv" if "text/csv" in accepted else "json")
        return self.write_csv if self.write_csv is not None and wanted == "csv" else self.write
