"""*Watched*: every profile with its tasks, every protocol, every check."""

from __future__ import annotations

from monitoring.web import overview
from monitoring.web.pages.page import Page, page, page_route
from monitoring.web.route import RequestContext


def monitoring(context: RequestContext) -> Page:
    found = overview.watched(context.database, context.now, context.boot)
    return page(
        "monitoring.html",
        context,
        here="/monitoring",
        watched=found,
        monitors=overview.checks(context.database),
        protocols=overview.protocols(context.database),
    )


ROUTES = (page_route("/monitoring", monitoring),)
