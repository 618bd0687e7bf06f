"""*Alerts*: every stored alert, filtered, and one with its deliveries."""

from __future__ import annotations

from collections.abc import Mapping

from monitoring.alerts.message.facts import METADATA, FactSheet
from monitoring.alerts.recording.incident import incident_named
from monitoring.conditions.condition import ConditionKey
from monitoring.store.queries import alert_search, explanations
from monitoring.store.queries import alerts as alert_queries
from monitoring.store.queries import runs as run_queries
from monitoring.store.queries.alert_search import SearchResult, Wanted
from monitoring.store.tables import conditions, runs, sent_messages
from monitoring.store.tables.alerts import SEVERITIES
from monitoring.web import parameters, serializers
from monitoring.web.api.alerts import alert_query
from monitoring.web.api.paging import row_id
from monitoring.web.http import not_found
from monitoring.web.pages.page import KEY, PER_PAGE, Page, form_text, here, page, page_route
from monitoring.web.parameters import one_of
from monitoring.web.route import RequestContext


def alerts(context: RequestContext) -> Page:
    query = context.query
    wanted = Wanted(query.get("q", ""), query.get("delivery", ""))
    if wanted.is_anything:
        found = alert_search.search(context.database, alert_query(query), wanted, PER_PAGE)
    else:
        rows = alert_queries.alert_page(context.database, alert_query(query), PER_PAGE + 1)
        found = SearchResult(rows[:PER_PAGE], rows[PER_PAGE - 1].id if len(rows) > PER_PAGE else None)
    filters = {name: form_text(query[name]) for name in _FILTERS if name in query and name != "cursor"}
    return page(
        "alerts.html",
        context,
        here=here("/alerts", {**filters, **({"cursor": str(query["cursor"])} if "cursor" in query else {})}),
        alerts=found.rows,
        older=here("/alerts", {**filters, "cursor": str(found.reached)}) if found.reached else "",
        stopped_at=_stopped_at(context, found) if len(found.rows) < PER_PAGE else "",
        newest=here("/alerts", filters) if "cursor" in query else "",
        filters=filters,
        protocols=alert_queries.protocols(context.database),
        sources=alert_queries.sources(context.database),
        severities=SEVERITIES[::-1],
        deliveries=_DELIVERIES,
    )


def _stopped_at(context: RequestContext, found: SearchResult) -> str:
    """Return the instant back to which a search has looked; nothing where it has looked at everything."""
    row = alert_queries.one_alert(context.database, found.reached) if found.reached else None
    return row.created_at if row else ""


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
        context,
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
        return ConditionKey.of_texts(*(named.get(name, "") for name in KEY))
    known = conditions.of_key_text(context.database, found.protocol, found.dedupe_key) if found.dedupe_key else None
    return known.key if known else None


_DELIVERIES = (
    "delivered",
    "pending",
    "silenced",
    "failed",
    "skipped_missing_credentials",
    "skipped_debug",
    "generated",
)
_FILTERS: Mapping[str, parameters.ReadValue] = {
    "cursor": parameters.cursor,
    "q": parameters.text,
    "delivery": one_of(*_DELIVERIES),
    "protocol": parameters.text,
    "severity": parameters.severity,
    "source": parameters.text,
    "from": parameters.day_or_instant,
    "to": parameters.day_or_instant,
}
ROUTES = (
    page_route("/alerts", alerts, **_FILTERS),
    page_route("/alerts/{id}", one_alert),
)
