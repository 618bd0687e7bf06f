"""The JSON API: one function a route. Each returns what becomes JSON by `serializers`; the contract is openapi.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from starlette.responses import Response

from monitoring.base.clock import to_text
from monitoring.ledger.audit import as_json
from monitoring.store.people import acknowledgements
from monitoring.store.queries import alerts as alert_queries
from monitoring.store.queries import runs as run_queries
from monitoring.store.queries.alerts import AlertQuery
from monitoring.store.tables import conditions, configured_protocols, runs, sent_messages
from monitoring.web import health, overview, parameters, serializers
from monitoring.web.http import NEVER_KEPT, HttpError, json_response, not_found, respond, to_json
from monitoring.web.parameters import LARGEST_ID, bad_parameter, one_of
from monitoring.web.route import RequestContext, Route
from monitoring.web.serializers import Json

DEFAULT_LIMIT = 100
RUN_STATUSES = ("running", "ok", "failed", "aborted", "skipped", "missed")
_OPENAPI = Path(__file__).parent / "openapi.yaml"
_PAGE: Mapping[str, parameters.ReadValue] = {"limit": parameters.limit, "cursor": parameters.cursor}


def alerts(context: RequestContext) -> Json:
    limit = context.query.get("limit", DEFAULT_LIMIT)
    found = alert_queries.alert_page(context.database, alert_query(context.query), limit + 1)
    return _page([serializers.alert(row) for row in found], limit)


def alert_query(query: Mapping[str, Any]) -> AlertQuery:
    """Return the filter; of `from` and `since`, which mean the same, the later one holds."""
    begins = [query[name] for name in ("from", "since") if name in query]
    return AlertQuery(
        protocol=query.get("protocol"),
        severity=query.get("severity"),
        source=query.get("source"),
        since=max(begins, default=None),
        until=query.get("to"),
        before_id=query.get("cursor"),
    )


def one_alert(context: RequestContext) -> Json:
    alert_id = row_id(context)
    found = alert_queries.one_alert(context.database, alert_id)
    if found is None:
        raise not_found(f"there is no alert {alert_id}")
    with context.database.snapshot() as tx:
        threads, messages = sent_messages.threads_of_alert(tx, alert_id), sent_messages.of_alert(tx, alert_id)
    return {**serializers.alert(found), "threads": threads, "messages": [one.as_json() for _, one in messages]}


def protocols(context: RequestContext) -> Json:
    found = configured_protocols.read(context.database)
    return {"data": found, "count": len(found)}


def profiles(context: RequestContext) -> Json:
    found = overview.profiles(context.database, context.now, context.boot, recent=20)
    return _data(
        [
            {
                "name": profile.name,
                "cron": profile.cron,
                "enabled": profile.enabled,
                "next_tick": to_text(profile.next_tick) if profile.next_tick else None,
                "status": profile.status,
                "overdue": profile.overdue or None,
                "last_run": serializers.run(profile.last) if profile.last else None,
            }
            for profile in found
        ]
    )


def run_list(context: RequestContext) -> Json:
    limit = context.query.get("limit", DEFAULT_LIMIT)
    found = run_queries.run_page(
        context.database,
        profile=context.query.get("profile"),
        status=context.query.get("status"),
        before_id=context.query.get("cursor"),
        limit=limit + 1,
    )
    return _page([serializers.run(row) for row in found], limit)


def one_run(context: RequestContext) -> Json:
    run_id = row_id(context)
    found = runs.get(context.database, run_id)
    if found is None:
        raise not_found(f"there is no run {run_id}")
    tasks = [serializers.task(task) for task in runs.tasks(context.database, run_id)]
    raised = [row.id for row in alert_queries.alerts_of_run(context.database, run_id, parameters.MAX_LIMIT)]
    return {**serializers.run(found), "tasks": tasks, "alert_ids": raised}


def incidents(context: RequestContext) -> Json:
    limit, now = context.query.get("limit", DEFAULT_LIMIT), context.now
    known = conditions.everything(context.database, limit) if context.query.get("state") == "all" else None
    with context.database.snapshot() as tx:
        found = conditions.incidents(tx, now)[:limit] if known is None else known
        held = [acknowledgements.of(tx, row, now) for row in found]
    return _data(
        [
            {**serializers.incident(row, now), "acknowledgement": has_it.as_json() if has_it else None}
            for row, has_it in zip(found, held, strict=True)
        ]
    )


def monitoring(context: RequestContext) -> Json:
    """Say what is watched: every profile in force with the tasks of its newest run, and every check of a monitor."""
    watched = overview.watched(context.database, context.now, context.boot)
    checks = [serializers.check(row) for row in conditions.declared(context.database)]
    return {"data": [serializers.watched(found) for found in watched], "checks": checks}


def audit(context: RequestContext) -> Json:
    span, profile = context.query.get("since", overview.DAY), context.query.get("profile")
    found = overview.audit(context.database, context.now, context.boot, span, profile)
    return as_json(found)


def healthz(context: RequestContext) -> Json:
    found = health.reasons(context.database, context.now, context.boot)
    if found:
        raise HttpError(503, "unhealthy", "; ".join(found), status="failing", reasons=found)
    return {"status": "ok"}


def metrics(context: RequestContext) -> bytes:
    from monitoring.web.metrics import exposition  # noqa: PLC0415 - only who scrapes pays for it

    return exposition(context)


def _write_health(found: Json) -> Response:
    return respond(to_json(found), cache_control=NEVER_KEPT)


def _write_metrics(found: bytes) -> Response:
    from monitoring.web.metrics import CONTENT_TYPE  # noqa: PLC0415 - as above

    return respond(found, CONTENT_TYPE, cache_control=NEVER_KEPT)


@cache
def openapi() -> Response:
    """Return the description of the API as JSON; it needs no database."""
    import yaml  # noqa: PLC0415 - only who asks for it pays for it

    return json_response(yaml.load(_OPENAPI.read_text(encoding="utf-8"), yaml.CSafeLoader))


def row_id(context: RequestContext) -> int:
    """Return the id in the path.

    Raises:
        HttpError: it is not a whole number, or no row can have it.
    """
    text = context.path_values["id"]
    if not (text.isascii() and text.isdecimal()):
        raise bad_parameter(f"{text[:50]!r} is not an id: write a whole number")
    number = int(text[:30])
    if number > LARGEST_ID:
        raise not_found(f"there is nothing with the id {text[:30]}")
    return number


def _page(found: list[Json], limit: int) -> Json:
    data = found[:limit]
    more = str(data[-1]["id"]) if len(found) > limit else None
    return {"data": data, "next_cursor": more, "limit": limit}


def _data(found: list[Any]) -> Json:
    return {"data": found}


ALERT_FILTERS: Mapping[str, parameters.ReadValue] = {
    **_PAGE,
    "from": parameters.instant,
    "since": parameters.instant,
    "to": parameters.instant,
    "protocol": parameters.text,
    "severity": parameters.severity,
    "source": parameters.text,
}
ROUTES = (
    Route("/healthz", healthz, fresh_s=1, ignores_query=True, write=_write_health),
    Route("/v1/alerts", alerts, ALERT_FILTERS, quick=True),
    Route("/v1/alerts/{id}", one_alert, quick=True),
    Route("/v1/protocols", protocols, quick=True),
    Route("/v1/profiles", profiles, fresh_s=5),
    Route(
        "/v1/runs",
        run_list,
        {**_PAGE, "profile": parameters.text, "status": one_of(*RUN_STATUSES)},
        quick=True,
    ),
    Route("/v1/runs/{id}", one_run, quick=True),
    Route("/v1/incidents", incidents, {"limit": parameters.limit, "state": one_of("firing", "all")}, quick=True),
    Route("/v1/monitoring", monitoring, fresh_s=5),
    Route("/v1/audit", audit, {"since": parameters.span, "profile": parameters.text}, fresh_s=5),
    Route("/metrics", metrics, fresh_s=5, write=_write_metrics),
)
