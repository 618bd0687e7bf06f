"""*Incidents*: what fires now, and what recovered last."""

from __future__ import annotations

from collections.abc import Sequence

from monitoring.conditions.condition import ConditionKey
from monitoring.store.readings.against_limit import Measured, last_measured
from monitoring.store.tables import conditions
from monitoring.web import overview
from monitoring.web.overview import Incident
from monitoring.web.pages.page import Page, page, page_route
from monitoring.web.route import RequestContext

_RECOVERED = 50
_MEASURED = 100  # of a storm that is worse, the worst


def measures(context: RequestContext, found: Sequence[Incident]) -> dict[ConditionKey, Measured]:
    """Return what was read last of the worst of them, with its limit, in words."""
    with context.database.snapshot() as tx:
        seen = [(each.condition.key, last_measured(tx, each.condition)) for each in found[:_MEASURED]]
    return {key: measured for key, measured in seen if measured is not None}


def incidents(context: RequestContext) -> Page:
    firing = overview.firing(context.database, context.now)
    known = conditions.everything(context.database, _RECOVERED)
    return page(
        "incidents.html",
        context,
        here="/incidents",
        firing=firing,
        measures=measures(context, firing),
        recovered=[overview.Incident(row) for row in known if not row.is_incident(context.now)],
    )


ROUTES = (page_route("/incidents", incidents),)
