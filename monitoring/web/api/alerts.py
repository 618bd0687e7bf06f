"""`/v1/alerts`: stored alerts, page by page, and one with its threads and messages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from monitoring.store.queries import alerts as alert_queries
from monitoring.store.queries.alerts import AlertQuery
from monitoring.store.tables import sent_messages
from monitoring.web import parameters, serializers
from monitoring.web.api.paging import DEFAULT_LIMIT, PAGE, as_page, row_id
from monitoring.web.http import not_found
from monitoring.web.route import RequestContext, Route
from monitoring.web.serializers import Json


def alerts(context: RequestContext) -> Json:
    limit = context.query.get("limit", DEFAULT_LIMIT)
    found = alert_queries.alert_page(context.database, alert_query(context.query), limit + 1)
    return as_page([serializers.alert(row) for row in found], limit)


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


ALERT_FILTERS: Mapping[str, parameters.ReadValue] = {
    **PAGE,
    "from": parameters.instant,
    "since": parameters.instant,
    "to": parameters.instant,
    "protocol": parameters.text,
    "severity": parameters.severity,
    "source": parameters.text,
}
ROUTES = (
    Route("/v1/alerts", alerts, ALERT_FILTERS, quick=True),
    Route("/v1/alerts/{id}", one_alert, quick=True),
)
