"""*Incident*: one condition that fires or fired, its alerts, and the commands that answer it."""

from __future__ import annotations

import shlex

from monitoring.alerts.message.guidance import NO_GUIDANCE
from monitoring.conditions.condition import ConditionKey
from monitoring.store.queries import alerts as alert_queries
from monitoring.store.tables import conditions, silences
from monitoring.web import overview, parameters
from monitoring.web.http import not_found
from monitoring.web.pages.page import KEY, PER_PAGE, Page, page, page_route
from monitoring.web.pages.templating import guidance_of_row, incident_address
from monitoring.web.route import RequestContext

_NO_ALARM = ("recovery", "explanation")  # kinds of message that raise nothing


def one_incident(context: RequestContext) -> Page:
    key = ConditionKey.of_texts(*(context.query.get(name, "") for name in KEY))
    with context.database.snapshot() as tx:
        found = conditions.get(tx, key)
        if found is None or found.fired_at is None:
            why = f"There is no incident {key.text}: it may have been pruned." if key.text else "Which incident?"
            raise not_found(why)
        incident = overview.covered(tx, found, silences.active(tx, context.now), context.now)
    sent = alert_queries.alerts_of_key(context.database, found.names, key.text, PER_PAGE)
    meant, said = context.query.get("since"), next((row for row in sent if row.kind not in _NO_ALARM), None)
    return page(
        "incident.html",
        context,
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


ROUTES = (page_route("/incident", one_incident, **dict.fromkeys(KEY, parameters.key), since=parameters.instant),)
