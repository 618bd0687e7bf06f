"""*Alerts*: every stored alert, filtered, and one with its deliveries."""

from __future__ import annotations

from collections.abc import Mapping

from monitoring.alerts.message.facts import METADATA, FactSheet
from monitoring.alerts.recording.incident import incident_named
from monitoring.conditions.condition import ConditionKey
from monitoring.store.queries import alerts as alert_queries
from monitoring.store.queries import explanations
from monitoring.store.queries import runs as run_queries
from monitoring.store.tables import conditions, runs, sent_messages
from monitoring.store.tables.alerts import SEVERITIES
from monitoring.web import parameters, serializers
from monitoring.web.api.alerts import alert_query
from monitoring.web.api.paging import row_id
from monitoring.web.http import not_found
from monitoring.web.pages.page import KEY, PER_PAGE, Page, form_text, here, page, page_route
from monitoring.web.route import RequestContext


def alerts(context: RequestContext) -> Page:
    query = context.query
    found = alert_queries.alert_page(context.database, alert_query(query), PER_PAGE + 1)
    filters = {
        name: form_text(query[name]) for name in ("protocol", "severity", "source", "from", "to") if name in query
    }
    return page(
        "alerts.html",
        context,
        here=here("/alerts", {**filters, **({"cursor": str(query["cursor"])} if "cursor" in query else {})}),
        alerts=found[:PER_PAGE],
        older=here("/alerts", {**filters, "cursor": str(found[PER_PAGE - 1].id)}) if len(found) > PER_PAGE else "",
        newest=here("/alerts", filters) if "cursor" in query else "",
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


_FILTERS: Mapping[str, parameters.ReadValue] = {
    "cursor": parameters.cursor,
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
