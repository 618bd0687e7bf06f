"""*Overview*: the verdict, what fires, what has no data, what is muted or paused, the profiles. Nothing twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta

from monitoring.ledger import reach
from monitoring.ledger.audit import Audit, AuditProblem, ProblemKind, sentence
from monitoring.store.people import duty, pauses
from monitoring.store.queries import alerts as alert_queries
from monitoring.store.queries import no_data
from monitoring.store.queries import runs as run_queries
from monitoring.store.queries.alerts import AlertRow
from monitoring.store.tables import conditions, silences
from monitoring.store.tables.alerts import SEVERITIES
from monitoring.web import overview
from monitoring.web.charts import bars
from monitoring.web.overview import Incident
from monitoring.web.pages.headline import Standing, headline
from monitoring.web.pages.incidents import measures
from monitoring.web.pages.page import Alarms, Page, page, page_route
from monitoring.web.route import RequestContext

_FIRING = 10
_SOURCES = 6
_ALERTS = 5
_ALERTS_READ = 50  # what is firing above is left out of the newest
_DAYS = 14
_LATENCIES = 40
# Each has its own place on the page.
_SHOWN_APART = (ProblemKind.UNREACHED, ProblemKind.SILENCE, ProblemKind.ACKNOWLEDGED)


def dashboard(context: RequestContext) -> Page:
    database, now = context.database, context.now
    found = overview.audit(database, now, context.boot)
    with database.snapshot() as tx:
        silenced, paused = silences.active(tx, now), pauses.active(tx, now)
        sources, checks = no_data.by_source(tx), conditions.count_declared(tx)
    firing, unreached = overview.firing(database, now), reach.reach_problems(database, now)
    profiles = overview.profiles(database, now, context.boot)
    problems = [each for each in _not_shown_apart(found) if each.breaks_silence]
    without_data = sum(each.checks for each in sources)
    worst = firing[0].condition.severity.name if firing else ""
    counts = Counter(each.condition.severity.name for each in firing)
    known = Standing(
        len(profiles), found.due > 0 or any(each.recent for each in profiles), len(unreached),
        Alarms(len(firing), worst), max(checks, without_data), without_data, len(problems),
    )  # fmt: skip
    return page(
        "overview.html",
        context,
        here="/",
        verdict=headline(known),
        known=known,
        sentence=sentence(found),
        on_call=duty.read(database, now),
        unreached=unreached,
        problems=problems,
        notes=[each for each in _not_shown_apart(found) if not each.breaks_silence],
        profiles=profiles,
        by_severity=[(name, number) for name in SEVERITIES[::-1] if (number := counts[name])],
        held=sum(each.held is not None for each in firing),
        firing=firing[:_FIRING],
        measures=measures(context, firing[:_FIRING]),
        sources=sources[:_SOURCES],
        more_sources=sources[_SOURCES:],
        silences=silenced,
        pauses=paused,
        alerts=_others(context, firing),
        charts=[each for each in _charts(context) if each.bars],
    )


def _not_shown_apart(found: Audit) -> list[AuditProblem]:
    """Return the problems and notes that no other part of the page shows: what has no data now has a part."""
    still = (ProblemKind.CHECKS_BLIND, found.until)
    return [each for each in found.findings if each.kind not in _SHOWN_APART and (each.kind, each.last_at) != still]


def _others(context: RequestContext, firing: Sequence[Incident]) -> list[AlertRow]:
    """Return the newest alerts that are not about what fires now."""
    newest = alert_queries.alert_page(context.database, alert_queries.AlertQuery(), _ALERTS_READ)
    ids = {each.condition.alert_id for each in firing}
    keys = {(name, each.condition.key.text) for each in firing for name in each.condition.names}
    return [row for row in newest if row.id not in ids and (row.protocol, row.dedupe_key) not in keys][:_ALERTS]


def _charts(context: RequestContext) -> list[bars.Chart]:
    midnight = context.now.replace(hour=0, minute=0, second=0, microsecond=0)
    first_day = midnight - timedelta(days=_DAYS - 1)
    days = run_queries.volume(context.database, first_day, timedelta(days=1), _DAYS)
    latencies = run_queries.latencies(context.database, context.now - timedelta(days=30), _LATENCIES)
    return [bars.alerts_per_day(days, first_day), bars.delivery_latency(latencies)]


ROUTES = (page_route("/", dashboard),)
