"""What is watched and what fires: `/v1/protocols`, `/v1/monitoring`, `/v1/incidents`."""

from __future__ import annotations

from monitoring.store.people import acknowledgements
from monitoring.store.tables import conditions, configured_protocols
from monitoring.web import overview, parameters, serializers
from monitoring.web.api.paging import DEFAULT_LIMIT, as_data
from monitoring.web.parameters import one_of
from monitoring.web.route import RequestContext, Route
from monitoring.web.serializers import Json


def protocols(context: RequestContext) -> Json:
    found = configured_protocols.read(context.database)
    return {"data": found, "count": len(found)}


def incidents(context: RequestContext) -> Json:
    limit, now = context.query.get("limit", DEFAULT_LIMIT), context.now
    known = conditions.everything(context.database, limit) if context.query.get("state") == "all" else None
    with context.database.snapshot() as tx:
        found = conditions.incidents(tx, now)[:limit] if known is None else known
        held = [acknowledgements.of(tx, row, now) for row in found]
    return as_data(
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


ROUTES = (
    Route("/v1/protocols", protocols, quick=True),
    Route("/v1/incidents", incidents, {"limit": parameters.limit, "state": one_of("firing", "all")}, quick=True),
    Route("/v1/monitoring", monitoring, fresh_s=5),
)
