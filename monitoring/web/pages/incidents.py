"""*Incidents*: what fires now, and what recovered last."""

from __future__ import annotations

from monitoring.store.tables import conditions
from monitoring.web import overview
from monitoring.web.pages.page import Page, page, page_route
from monitoring.web.route import RequestContext

_RECOVERED = 50


def incidents(context: RequestContext) -> Page:
    known = conditions.everything(context.database, _RECOVERED)
    return page(
        "incidents.html",
        context,
        here="/incidents",
        firing=overview.firing(context.database, context.now),
        recovered=[overview.Incident(row) for row in known if not row.is_incident(context.now)],
    )


ROUTES = (page_route("/incidents", incidents),)
