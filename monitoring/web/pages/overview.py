"""*Overview*: the verdict, what fires, the profiles with their recent runs."""

from __future__ import annotations

from datetime import timedelta

from monitoring.ledger import reach
from monitoring.ledger.audit import ProblemKind, sentence
from monitoring.store.people import pauses
from monitoring.store.queries import alerts as alert_queries
from monitoring.store.queries import runs as run_queries
from monitoring.store.tables import silences
from monitoring.web import overview
from monitoring.web.charts import bars
from monitoring.web.pages.page import Page, page, page_route
from monitoring.web.route import RequestContext

_ON_DASHBOARD = 8
_DAYS = 14
_LATENCIES = 40


def dashboard(context: RequestContext) -> Page:
    found = overview.audit(context.database, context.now, context.boot)
    with context.database.snapshot() as tx:
        silenced, paused = silences.active(tx, context.now), pauses.active(tx, context.now)
    midnight = context.now.replace(hour=0, minute=0, second=0, microsecond=0)
    first_day = midnight - timedelta(days=_DAYS - 1)
    days = run_queries.volume(context.database, first_day, timedelta(days=1), _DAYS)
    latencies = run_queries.latencies(context.database, context.now - timedelta(days=30), _LATENCIES)
    return page(
        "dashboard.html",
        context,
        here="/",
        audit=found,
        sentence=sentence(found),
        unreached=reach.reach_problems(context.database, context.now),
        broken=[each for each in found.findings if each.breaks_silence and each.kind is not ProblemKind.UNREACHED],
        notes=[finding for finding in found.findings if not finding.breaks_silence],
        profiles=overview.profiles(context.database, context.now, context.boot),
        firing=overview.firing(context.database, context.now),
        silences=silenced,
        pauses=paused,
        alerts=alert_queries.alert_page(context.database, alert_queries.AlertQuery(), _ON_DASHBOARD),
        charts=[bars.alerts_per_day(days, first_day), bars.delivery_latency(latencies)],
    )


ROUTES = (page_route("/", dashboard),)
