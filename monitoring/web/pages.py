"""The dashboard: one function a page, rendered whole on the server. Scripts only keep it fresh."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode

from monitoring.base.settings import Settings
from monitoring.conditions.condition import ConditionKey
from monitoring.ledger import reach
from monitoring.ledger.audit import ProblemKind, sentence
from monitoring.store.queries import alerts as alert_queries
from monitoring.store.queries import runs as run_queries
from monitoring.store.tables import conditions, runs, silences
from monitoring.store.tables.alerts import SEVERITIES
from monitoring.web import charts, overview, parameters, serializers
from monitoring.web.api import RUN_STATUSES, alert_query, row_id
from monitoring.web.parameters import one_of
from monitoring.web.response_cache import Answer
from monitoring.web.site import Asked, NotFoundError, Route, Trouble
from monitoring.web.templating import incident_address, page

_ON_DASHBOARD = 8
_PER_PAGE = 50
_DAYS = 14
_LATENCIES = 40
_RECOVERED = 50


def dashboard(asked: Asked) -> Answer:
    found = overview.audit(asked.database, asked.now, asked.boot)
    with asked.database.snapshot() as tx:
        silenced = silences.active(tx, asked.now)
    midnight = asked.now.replace(hour=0, minute=0, second=0, microsecond=0)
    first_day = midnight - timedelta(days=_DAYS - 1)
    days = run_queries.volume(asked.database, first_day, timedelta(days=1), _DAYS)
    latencies = run_queries.latencies(asked.database, asked.now - timedelta(days=30), _LATENCIES)
    return page(
        "dashboard.html",
        asked.now,
        here="/",
        audit=found,
        sentence=sentence(found),
        unreached=reach.reach_problems(asked.database, asked.now),
        broken=[each for each in found.findings if each.breaks_silence and each.kind is not ProblemKind.UNREACHED],
        notes=[finding for finding in found.findings if not finding.breaks_silence],
        profiles=overview.profiles(asked.database, asked.now, asked.boot),
        firing=overview.firing(asked.database, asked.now),
        silences=silenced,
        alerts=alert_queries.alert_page(asked.database, alert_queries.AlertQuery(), _ON_DASHBOARD),
        charts=[charts.alerts_per_day(days, first_day), charts.delivery_latency(latencies)],
    )


def alerts(asked: Asked) -> Answer:
    query = asked.query
    found = alert_queries.alert_page(asked.database, alert_query(query), _PER_PAGE + 1)
    filters = {
        name: _form_text(query[name]) for name in ("protocol", "severity", "source", "from", "to") if name in query
    }
    return page(
        "alerts.html",
        asked.now,
        here=_here("/alerts", {**filters, **({"cursor": str(query["cursor"])} if "cursor" in query else {})}),
        alerts=found[:_PER_PAGE],
        older=_here("/alerts", {**filters, "cursor": str(found[_PER_PAGE - 1].id)}) if len(found) > _PER_PAGE else "",
        newest=_here("/alerts", filters) if "cursor" in query else "",
        filters=filters,
        protocols=alert_queries.protocols(asked.database),
        sources=alert_queries.sources(asked.database),
        severities=SEVERITIES[::-1],
    )


def one_alert(asked: Asked) -> Answer:
    found = alert_queries.one_alert(asked.database, row_id(asked))
    if found is None:
        raise NotFoundError(f"There is no alert {row_id(asked)}: it may have been pruned.")
    return page(
        "alert.html",
        asked.now,
        here=f"/alerts/{found.id}",
        alert=found,
        metadata=serializers.metadata(found.metadata_json),
        deliveries=run_queries.deliveries_of(asked.database, found.id),
        run=runs.get(asked.database, found.run_id) if found.run_id else None,
        incident=conditions.told_by(asked.database, found.protocol, found.dedupe_key) if found.dedupe_key else None,
    )


def run_list(asked: Asked) -> Answer:
    query = asked.query
    found = run_queries.run_page(
        asked.database,
        profile=query.get("profile"),
        status=query.get("status"),
        before_id=query.get("cursor"),
        limit=_PER_PAGE + 1,
    )
    filters = {name: query[name] for name in ("profile", "status") if name in query}
    return page(
        "runs.html",
        asked.now,
        here=_here("/runs", {**filters, **({"cursor": str(query["cursor"])} if "cursor" in query else {})}),
        runs=found[:_PER_PAGE],
        older=_here("/runs", {**filters, "cursor": str(found[_PER_PAGE - 1].id)}) if len(found) > _PER_PAGE else "",
        newest=_here("/runs", filters) if "cursor" in query else "",
        filters=filters,
        profiles=[profile.name for profile in overview.profiles(asked.database, asked.now, asked.boot, recent=1)],
        statuses=RUN_STATUSES,
    )


def one_run(asked: Asked) -> Answer:
    found = runs.get(asked.database, row_id(asked))
    if found is None:
        raise NotFoundError(f"There is no run {row_id(asked)}: it may have been pruned.")
    before, after = run_queries.neighbours(asked.database, found)
    return page(
        "run.html",
        asked.now,
        here=f"/runs/{found.id}",
        run=found,
        tasks=runs.tasks(asked.database, found.id),
        alerts=alert_queries.alerts_of_run(asked.database, found.id, _PER_PAGE),
        before=before,
        after=after,
    )


def incidents(asked: Asked) -> Answer:
    known = conditions.everything(asked.database, _RECOVERED)
    return page(
        "incidents.html",
        asked.now,
        here="/incidents",
        firing=overview.firing(asked.database, asked.now),
        recovered=[overview.Incident(row) for row in known if not row.is_incident(asked.now)],
    )


def one_incident(asked: Asked) -> Answer:
    key = ConditionKey.of_texts(*(asked.query.get(name, "") for name in _KEY))
    with asked.database.snapshot() as tx:
        found = conditions.get(tx, key)
        holding = silences.active(tx, asked.now)
    if found is None or found.fired_at is None:
        raise NotFoundError(
            f"There is no incident {key.text}: it may have been pruned." if key.text else "Which incident?"
        )
    return page(
        "incident.html",
        asked.now,
        here=incident_address(key),
        incident=overview.covered(found, holding, asked.now),
        alerts=alert_queries.alerts_of_key(asked.database, found.protocol, key.text, _PER_PAGE),
        end_it=f"python -m automation incidents --done {shlex.quote(f'{key.monitor}/{key.text}')}",
        silence_it=f"python -m automation silence --protocol {shlex.quote(found.protocol)} "
        f"--key {shlex.quote(key.text)} --for 2h --reason '…'",
    )


def silence_list(asked: Asked) -> Answer:
    found = silences.newest(asked.database, _PER_PAGE)
    return page(
        "silences.html",
        asked.now,
        here="/silences",
        holding=[row for row in found if row.starts_at <= asked.now < row.ends_at],
        ended=[row for row in found if row.ends_at <= asked.now],
    )


def monitoring(asked: Asked) -> Answer:
    found = overview.watched(asked.database, asked.now, asked.boot)
    return page(
        "monitoring.html", asked.now, here="/monitoring", watched=found, monitors=overview.checks(asked.database)
    )


def profile(asked: Asked) -> Answer:
    name = asked.path_values["name"]
    known = {view.name: view for view in overview.profiles(asked.database, asked.now, asked.boot, recent=60)}
    if name not in known:
        raise NotFoundError(f"No schedule of a profile {name[:100]!r} is in force.")
    return page(
        "profile.html",
        asked.now,
        here=f"/profiles/{quote(name)}",
        profile=known[name],
        chart=charts.run_durations(known[name].recent),
        tasks=run_queries.task_standings(asked.database, name),
    )


_WORDS = {
    400: "That cannot be understood",
    404: "There is nothing here",
    405: "This is read-only",
    503: "The database does not answer",
}


def say(trouble: Trouble, settings: Settings) -> Answer:
    """Tell of trouble as a page; one without a database looks again by itself."""
    return page(
        "trouble.html",
        datetime.now(UTC),
        trouble.status,
        here="",
        title=_WORDS.get(trouble.status, "Something went wrong"),
        trouble=trouble,
        is_first_run=trouble.status == 503 and not settings.database.exists(),  # noqa: PLR2004 - unavailable
    )


def _form_text(value: Any) -> str:  # noqa: ANN401 - what a parameter was read as
    """Write an instant as a form field takes it."""
    if isinstance(value, datetime):
        at_midnight = (value.hour, value.minute, value.second, value.microsecond) == (0, 0, 0, 0)
        return value.strftime("%Y-%m-%d") if at_midnight else value.strftime("%Y-%m-%dT%H:%M:%SZ")
    return str(value)


def _here(path: str, query: Mapping[str, str]) -> str:
    return f"{path}?{urlencode(query)}" if query else path


_KEY = ("monitor", "check", "chain", "subject")
_CURSOR: Mapping[str, parameters.ReadValue] = {"cursor": parameters.cursor}
_FRESH_S = 5.0
ROUTES = (
    Route("/", dashboard, lasts_s=_FRESH_S, is_page=True),
    Route(
        "/alerts",
        alerts,
        {
            **_CURSOR,
            "protocol": parameters.text,
            "severity": parameters.severity,
            "source": parameters.text,
            "from": parameters.day_or_instant,
            "to": parameters.day_or_instant,
        },
        lasts_s=_FRESH_S,
        is_page=True,
    ),
    Route("/alerts/{id}", one_alert, lasts_s=_FRESH_S, is_page=True),
    Route(
        "/runs",
        run_list,
        {**_CURSOR, "profile": parameters.text, "status": one_of(*RUN_STATUSES)},
        lasts_s=_FRESH_S,
        is_page=True,
    ),
    Route("/runs/{id}", one_run, lasts_s=_FRESH_S, is_page=True),
    Route("/incidents", incidents, lasts_s=_FRESH_S, is_page=True),
    Route("/incident", one_incident, dict.fromkeys(_KEY, parameters.key), lasts_s=_FRESH_S, is_page=True),
    Route("/silences", silence_list, lasts_s=_FRESH_S, is_page=True),
    Route("/monitoring", monitoring, lasts_s=_FRESH_S, is_page=True),
    Route("/profiles/{name}", profile, lasts_s=_FRESH_S, is_page=True),
)
