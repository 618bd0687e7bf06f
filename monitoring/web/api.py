"""The JSON API: one function a route. Shapes are in `shapes`, the contract in openapi.yaml and docs/alerts-api.md."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from monitoring.base.clock import to_text
from monitoring.base.settings import Settings
from monitoring.ledger.audit import as_json
from monitoring.store.queries import alerts as alert_queries
from monitoring.store.queries import runs as run_queries
from monitoring.store.queries.alerts import AlertQuery
from monitoring.store.tables import conditions, runs
from monitoring.web import health, overview, parameters, serializers
from monitoring.web.parameters import LARGEST_ID, BadRequestError, one_of
from monitoring.web.response_cache import Answer
from monitoring.web.site import Asked, NotFoundError, Route, Trouble

DEFAULT_LIMIT = 100
RUN_STATUSES = ("running", "ok", "failed", "aborted", "skipped", "missed")
_OPENAPI = Path(__file__).parent / "openapi.yaml"
_PAGE: Mapping[str, parameters.ReadValue] = {"limit": parameters.limit, "cursor": parameters.cursor}


def alerts(asked: Asked) -> Answer:
    limit = asked.query.get("limit", DEFAULT_LIMIT)
    found = alert_queries.alert_page(asked.database, alert_query(asked.query), limit + 1)
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


def one_alert(asked: Asked) -> Answer:
    alert_id = row_id(asked)
    found = alert_queries.one_alert(asked.database, alert_id)
    if found is None:
        raise NotFoundError(f"there is no alert {alert_id}")
    return Answer(serializers.to_json(serializers.alert(found)))


def protocols(asked: Asked) -> Answer:
    return _data(alert_queries.protocols(asked.database))


def profiles(asked: Asked) -> Answer:
    found = overview.profiles(asked.database, asked.now, asked.boot, recent=20)
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


def run_list(asked: Asked) -> Answer:
    limit = asked.query.get("limit", DEFAULT_LIMIT)
    found = run_queries.run_page(
        asked.database,
        profile=asked.query.get("profile"),
        status=asked.query.get("status"),
        before_id=asked.query.get("cursor"),
        limit=limit + 1,
    )
    return _page([serializers.run(row) for row in found], limit)


def one_run(asked: Asked) -> Answer:
    run_id = row_id(asked)
    found = runs.get(asked.database, run_id)
    if found is None:
        raise NotFoundError(f"there is no run {run_id}")
    tasks = [serializers.task(task) for task in runs.tasks(asked.database, run_id)]
    raised = [row.id for row in alert_queries.alerts_of_run(asked.database, run_id, parameters.MAX_LIMIT)]
    return Answer(serializers.to_json({**serializers.run(found), "tasks": tasks, "alert_ids": raised}))


def incidents(asked: Asked) -> Answer:
    if asked.query.get("state", "firing") == "all":
        found = conditions.everything(asked.database, asked.query.get("limit", DEFAULT_LIMIT))
    else:
        with asked.database.snapshot() as tx:
            found = conditions.incidents(tx, asked.now)[: asked.query.get("limit", DEFAULT_LIMIT)]
    return _data([serializers.incident(row, asked.now) for row in found])


def monitoring(asked: Asked) -> Answer:
    """Say what is watched: every profile in force with the tasks of its newest run, and every check of a monitor."""
    watched = overview.watched(asked.database, asked.now, asked.boot)
    checks = [serializers.check(row) for row in conditions.declared(asked.database)]
    return Answer(serializers.to_json({"data": [serializers.watched(found) for found in watched], "checks": checks}))


def audit(asked: Asked) -> Answer:
    span, profile = asked.query.get("since", overview.DAY), asked.query.get("profile")
    found = overview.audit(asked.database, asked.now, asked.boot, span, profile)
    return Answer(serializers.to_json(as_json(found)))


def healthz(asked: Asked) -> Answer:
    found = health.reasons(asked.database, asked.now, asked.boot)
    if not found:
        return Answer(b'{"status":"ok"}', cache_control="no-store")
    body = {"status": "failing", "error": "unhealthy", "message": "; ".join(found), "reasons": found}
    return Answer(serializers.to_json(body), status=503, cache_control="no-store")


def metrics(asked: Asked) -> Answer:
    from monitoring.web.metrics import CONTENT_TYPE, exposition  # noqa: PLC0415 - only who scrapes pays for it

    return Answer(exposition(asked), CONTENT_TYPE, cache_control="no-store")


@cache
def openapi() -> Answer:
    """Return the description of the API as JSON; it needs no database."""
    import yaml  # noqa: PLC0415 - only who asks for it pays for it

    return Answer(serializers.to_json(yaml.load(_OPENAPI.read_text(encoding="utf-8"), yaml.CSafeLoader)))


def say(trouble: Trouble, settings: Settings) -> Answer:  # noqa: ARG001 - as for pages
    headers = {"allow": trouble.allow} if trouble.allow else {}
    if trouble.status == 503:  # noqa: PLR2004 - unavailable
        headers["retry-after"] = "5"
    body = serializers.to_json({"error": trouble.code, "message": trouble.message})
    return Answer(body, status=trouble.status, more_headers=headers, cache_control="no-store")


def row_id(asked: Asked) -> int:
    """Return the id in the path.

    Raises:
        BadRequestError: it is no whole number.
        NotFoundError: no row can have it.
    """
    text = asked.path_values["id"]
    if not (text.isascii() and text.isdecimal()):
        raise BadRequestError(f"{text[:50]!r} is no id: write a whole number")
    number = int(text[:30])
    if number > LARGEST_ID:
        raise NotFoundError(f"there is nothing with the id {text[:30]}")
    return number


def _page(found: list[serializers.Json], limit: int) -> Answer:
    data = found[:limit]
    more = str(data[-1]["id"]) if len(found) > limit else None
    return Answer(serializers.to_json({"data": data, "next_cursor": more, "limit": limit}))


def _data(found: list[Any]) -> Answer:
    return Answer(serializers.to_json({"data": found}))


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
    Route("/healthz", healthz, lasts_s=1),
    Route("/v1/alerts", alerts, ALERT_FILTERS, quick=True),
    Route("/v1/alerts/{id}", one_alert, quick=True),
    Route("/v1/protocols", protocols, quick=True),
    Route("/v1/profiles", profiles, lasts_s=5),
    Route(
        "/v1/runs",
        run_list,
        {**_PAGE, "profile": parameters.text, "status": one_of(*RUN_STATUSES)},
        quick=True,
    ),
    Route("/v1/runs/{id}", one_run, quick=True),
    Route("/v1/incidents", incidents, {"limit": parameters.limit, "state": one_of("firing", "all")}, quick=True),
    Route("/v1/monitoring", monitoring, lasts_s=5),
    Route("/v1/audit", audit, {"since": parameters.span, "profile": parameters.text}, lasts_s=5),
    Route("/metrics", metrics, lasts_s=5),
)
