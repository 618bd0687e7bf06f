"""What every page is made of: a template, what it shows, and what stands in the head of all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from monitoring.chains.networks import networks
from monitoring.store.tables import conditions
from monitoring.web.parameters import ReadValue
from monitoring.web.route import RequestContext, Route

PER_PAGE = 50
KEY = ("monitor", "check", "chain", "subject")


@dataclass(frozen=True, slots=True)
class Alarms:
    """How many conditions fire now, and the severity of the worst."""

    count: int = 0
    worst: str = ""

    @property
    def icon(self) -> str:
        return "favicon-alarm.svg" if self.count else "favicon.svg"


NO_ALARM = Alarms()


@dataclass(frozen=True, slots=True)
class Page:
    """A template and what it shows."""

    template: str
    values: Mapping[str, Any]


def page(template: str, context: RequestContext, **values: Any) -> Page:  # noqa: ANN401 - templates'
    """Return a page; its title and its icon say how much fires, whatever page it is."""
    with context.database.snapshot() as tx:
        found = conditions.count_incidents(tx, context.now)
    alarms = Alarms(sum(found.values()), max(found).name) if found else NO_ALARM
    return Page(template, {"now": context.now, "alarms": alarms, **values})


def page_route(path: str, find: Callable[[RequestContext], Page], **parameters: ReadValue) -> Route:
    return Route(path, find, parameters, fresh_s=5, is_page=True)


def chain_name(chain: int) -> str:
    known = networks().get(chain)
    return known.name if known else str(chain)


def here(path: str, query: Mapping[str, str]) -> str:
    """Return the address of a page as it was asked for."""
    return f"{path}?{urlencode(query)}" if query else path


def form_text(value: Any) -> str:  # noqa: ANN401 - what a parameter was read as
    """Write an instant as a form field takes it."""
    if isinstance(value, datetime):
        at_midnight = (value.hour, value.minute, value.second, value.microsecond) == (0, 0, 0, 0)
        return value.strftime("%Y-%m-%d") if at_midnight else value.strftime("%Y-%m-%dT%H:%M:%SZ")
    return str(value)
