"""The dashboard: one function a page, rendered whole on the server. Scripts only keep it fresh."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode

from starlette.responses import Response

from monitoring.alerts.message.facts import METADATA, FactSheet
from monitoring.alerts.message.guidance import NO_GUIDANCE
from monitoring.alerts.recording.incident import incident_named
from monitoring.base.public_address import public_path
from monitoring.base.settings import Settings
from monitoring.conditions.condition import ConditionKey
from monitoring.ledger import reach
from monitoring.ledger.audit import ProblemKind, sentence
from monitoring.store.people import pauses
from monitoring.store.queries import alerts as alert_queries
from monitoring.store.queries import explanations
from monitoring.store.queries import runs as run_queries
from monitoring.store.tables import conditions, runs, sent_messages, silences
from monitoring.store.tables.alerts import SEVERITIES
from monitoring.web import charts, overview, parameters, serializers
from monitoring.web.api import RUN_STATUSES, alert_query, row_id
from monitoring.web.http import HTML, NEVER_KEPT, HttpError, not_found, respond
from monitoring.web.parameters import one_of
from monitoring.web.route import RequestContext, Route
from monitoring.web.templating import Page, guidance_of_row, incident_address, page, render

_ON_DASHBOARD = 8
_PER_PAGE = 50
_NO_ALARM = ("recovery", "explanation")  # kinds of message that raise nothing
_DAYS = 14
_LATENCIES = 40
_RECOVERED = 50


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
        context.now,
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
        charts=[charts.alerts_per_day(days, first_day), charts.delivery_latency(latencies)],
    )


def alerts(context: RequestContext) -> Page:
    query = context.query
    found = alert_queries.alert_page(context.database, alert_query(query), _PER_PAGE + 1)
    filters = {
        name: _form_text(query[name]) for name in ("protocol", "severity", "source", "from", "to") if name in query
    }
    return page(
        "alerts.html",
        context.now,
        here=_here("/alerts", {**filters, **({"cursor": str(query["cursor"])} if "cursor" in query else {})}),
        alerts=found[:_PER_PAGE],
        older=_here("/alerts", {**filters, "cursor": str(found[_PER_PAGE - 1].id)}) if len(found) > _PER_PAGE else "",
        newest=_here("/alerts", filters) if "cursor" in query else "",
        filters=filters,
        protocols=alert_queries.protocols(context.database),
        sources=alert_queries.sources(context.database),
        severities=SEVERITIES[::-1],
    )


def one_alert(context: RequestContext) -> Page:
    found = alert_queries.one_alert(context.database, row_id(context))
    if found is None:
        raise not_found(f"There is no alert {row_id(context)}: it may have been pruned.")
    metadata = serializers.metadata(found.metadata_json)
    sheet = FactSheet.from_data((metadata or {}).pop(METADATA, None))
    explanation = explanations.of_alert(context.database, found.id) if sheet else None
    reply_id = explanation.reply_id if explanation else None
    reply = alert_queries.one_alert(context.database, reply_id) if reply_id else None
    return page(
        "alert.html",
        context.now,
        here=f"/alerts/{found.id}",
        alert=found,
        metadata=metadata,
        facts=sheet.facts if sheet else (),
        explanation=explanation,
        explained=reply,
        deliveries=run_queries.deliveries_of(context.database, found.id),
        messages=[one for _, one in context.database.read(lambda tx: sent_messages.of_alert(tx, found.id))],
        run=runs.get(context.database, found.run_id) if found.run_id else None,
        incident=_incident_of(context, found),
    )


def _incident_of(context: RequestContext, found: alert_queries.AlertRow) -> ConditionKey | None:
    """Return the condition an alert is about; rows of earlier releases name it by protocol and key text alone."""
    if named := incident_named(found.metadata_json):
        return ConditionKey.of_texts(*(named.get(name, "") for name in _KEY))
    known = conditions.of_key_text(context.database, found.protocol, found.dedupe_key) if found.dedupe_key else None
    return known.key if known else None


def run_list(context: RequestContext) -> Page:
    query = context.query
    found = run_queries.run_page(
        context.database,
        profile=query.get("profile"),
        status=query.get("status"),
        before_id=query.get("cursor"),
        limit=_PER_PAGE + 1,
    )
    filters = {name: query[name] for name in ("profile", "status") if name in query}
    return page(
        "runs.html",
        context.now,
        here=_here("/runs", {**filters, **({"cursor": str(query["cursor"])} if "cursor" in query else {})}),
        runs=found[:_PER_PAGE],
        older=_here("/runs", {**filters, "cursor": str(found[_PER_PAGE - 1].id)}) if len(found) > _PER_PAGE else "",
        newest=_here("/runs", filters) if "cursor" in query else "",
        filters=filters,
        profiles=[profile.name for profile in overview.profiles(context.database, context.now, context.boot, recent=1)],
        statuses=RUN_STATUSES,
    )


def one_run(context: RequestContext) -> Page:
    found = runs.get(context.database, row_id(context))
    if found is None:
        raise not_found(f"There is no run {row_id(context)}: it may have been pruned.")
    before, after = run_queries.neighbours(context.database, found)
    return page(
        "run.html",
        context.now,
        here=f"/runs/{found.id}",
        run=found,
        tasks=runs.tasks(context.database, found.id),
        alerts=alert_queries.alerts_of_run(context.database, found.id, _PER_PAGE),
        before=before,
        after=after,
    )


def incidents(context: RequestContext) -> Page:
    known = conditions.everything(context.database, _RECOVERED)
    return page(
        "incidents.html",
        context.now,
        here="/incidents",
        firing=overview.firing(context.database, context.now),
        recovered=[overview.Incident(row) for row in known if not row.is_incident(context.now)],
    )


def one_incident(context: RequestContext) -> Page:
    key = ConditionKey.of_texts(*(context.query.get(name, "") for name in _KEY))
    with context.database.snapshot() as tx:
        found = conditions.get(tx, key)
        if found is None or found.fired_at is None:
            why = f"There is no incident {key.text}: it may have been pruned." if key.text else "Which incident?"
            raise not_found(why)
        incident = overview.covered(tx, found, silences.active(tx, context.now), context.now)
    sent = alert_queries.alerts_of_key(context.database, found.names, key.text, _PER_PAGE)
    meant, said = context.query.get("since"), next((row for row in sent if row.kind not in _NO_ALARM), None)
    return page(
        "incident.html",
        context.now,
        here=incident_address(key, meant),
        incident=incident,
        meant=meant if meant and meant < found.fired_at.replace(microsecond=0) else None,
        alerts=sent,
        said=said,
        guidance=guidance_of_row(said) if said else NO_GUIDANCE,
        end_it=f"python -m automation incidents --done {shlex.quote(f'{key.monitor}/{key.text}')}",
        silence_it=f"python -m automation silence --protocol {shlex.quote(found.protocol)} "
        f"--key {shlex.quote(key.text)} --for 2h --reason '…'",
        have_it=f"python -m automation ack {shlex.quote(f'{key.monitor}/{key.text}')} --note '…'",
    )


def silence_list(context: RequestContext) -> Page:
    found = silences.newest(context.database, _PER_PAGE)
    stopped = pauses.newest(context.database, _PER_PAGE)
    return page(
        "silences.html",
        context.now,
        here="/silences",
        holding=[row for row in found if row.starts_at <= context.now < row.ends_at],
        ended=[row for row in found if row.ends_at <= context.now],
        paused=[row for row in stopped if row.ends_at > context.now],
        resumed=[row for row in stopped if row.ends_at <= context.now],
    )


def monitoring(context: RequestContext) -> Page:
    found = overview.watched(context.database, context.now, context.boot)
    return page(
        "monitoring.html",
        context.now,
        here="/monitoring",
        watched=found,
        monitors=overview.checks(context.database),
        protocols=overview.protocols(context.database),
    )


def profile(context: RequestContext) -> Page:
    name = context.path_values["name"]
    known = {view.name: view for view in overview.profiles(context.database, context.now, context.boot, recent=60)}
    if name not in known:
        raise not_found(f"No schedule of a profile {name[:100]!r} is in force.")
    return page(
        "profile.html",
        context.now,
        here=f"/profiles/{quote(name)}",
        profile=known[name],
        chart=charts.run_durations(known[name].recent),
        tasks=run_queries.task_standings(context.database, name),
    )


_TITLES = {
    400: "That cannot be understood",
    404: "There is nothing here",
    405: "This is read-only",
    503: "The database does not answer",
}


def error_page(error: HttpError, settings: Settings) -> Response:
    """Return an error as a page; one without a database looks again by itself."""
    found = page(
        "error.html",
        datetime.now(UTC),
        here="",
        title=_TITLES.get(error.status, "Something went wrong"),
        error=error,
        is_first_run=error.status == 503 and not settings.database.exists(),  # noqa: PLR2004 - unavailable
    )
    return respond(render(found, public_path(settings.environ)), HTML, error.status, NEVER_KEPT, error.headers)


def _form_text(value: Any) -> str:  # noqa: ANN401 - what a parameter was read as
    """Write an instant as a form field takes it."""
    if isinstance(value, datetime):
        at_midnight = (value.hour, value.minute, value.second, value.microsecond) == (0, 0, 0, 0)
        return value.strftime("%Y-%m-%d") if at_midnight else value.strftime("%Y-%m-%dT%H:%M:%SZ")
    return str(value)


def _here(path: str, query: Mapping[str, str]) -> str:
    return f"{path}?{urlencode(query)}" if query else path


def _page_route(path: str, find: Callable[[RequestContext], Page], **parameters_: parameters.ReadValue) -> Route:
    return Route(path, find, parameters_, fresh_s=5, is_page=True)


def routes(root: str) -> tuple[Route, ...]:
    """Return the pages, whose links lead below the path `root`."""
    return tuple(replace(route, write=lambda found: respond(render(found, root), HTML)) for route in ROUTES)


_KEY = ("monitor", "check", "chain", "subject")
_ALERT_FILTERS: Mapping[str, parameters.ReadValue] = {
    "cursor": parameters.cursor,
    "protocol": parameters.text,
    "severity": parameters.severity,
    "source": parameters.text,
    "from": parameters.day_or_instant,
    "to": parameters.day_or_instant,
}
ROUTES = (
    _page_route("/", dashboard),
    _page_route("/alerts", alerts, **_ALERT_FILTERS),
    _page_route("/alerts/{id}", one_alert),
    _page_route("/runs", run_list, cursor=parameters.cursor, profile=parameters.text, status=one_of(*RUN_STATUSES)),
    _page_route("/runs/{id}", one_run),
    _page_route("/incidents", incidents),
    _page_route("/incident", one_incident, **dict.fromkeys(_KEY, parameters.key), since=parameters.instant),
    _page_route("/silences", silence_list),
    _page_route("/monitoring", monitoring),
    _page_route("/profiles/{name}", profile),
)
