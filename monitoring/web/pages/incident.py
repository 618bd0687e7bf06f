"""*Incident*: what fired, how bad it is and since when, who has it, and what to do. Everything on one page."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from monitoring.alerts.message.facts import METADATA, FactSheet
from monitoring.alerts.message.guidance import NO_GUIDANCE, Guidance
from monitoring.conditions.condition import Condition, ConditionKey
from monitoring.store.people import escalations
from monitoring.store.queries import alerts as alert_queries
from monitoring.store.queries import explanations
from monitoring.store.queries import runs as run_queries
from monitoring.store.queries.alerts import AlertQuery, AlertRow
from monitoring.store.tables import conditions, sent_messages, silences
from monitoring.store.tables.alerts import SEVERITIES
from monitoring.web import overview, parameters, serializers
from monitoring.web.http import not_found
from monitoring.web.pages.page import KEY, Page, page, page_route
from monitoring.web.pages.templating import guidance_of_row, incident_address
from monitoring.web.route import RequestContext
from monitoring.web.story.episodes import Episode
from monitoring.web.story.subject import Story, story_of

_RAISES = ("alert", "worsened", "reminder", "crash")
_BEFORE = timedelta(hours=3)  # of the chart, at least: how it was before it fired
_LONGEST = timedelta(days=90)  # as long as readings are kept
_NEARBY = timedelta(minutes=30)
_MOST_NEARBY = 12


def one_incident(context: RequestContext) -> Page:
    key = ConditionKey.of_texts(*(context.query.get(name, "") for name in KEY))
    with context.database.snapshot() as tx:
        found = conditions.get(tx, key)
        if found is None or found.fired_at is None:
            why = f"There is no incident {key.text}: it may have been pruned." if key.text else "Which incident?"
            raise not_found(why)
        incident = overview.covered(
            tx, found, silences.active(tx, context.now), context.now, escalations.everything(tx)
        )
    since, until = _window(found, context.now)
    story = story_of(context, found, since, until, episode_from=found.fired_at)
    meant, said = context.query.get("since"), _said(story)
    current = next((each for each in story.episodes if _is_latest(each, found)), None)
    return page(
        "incident.html",
        context,
        here=incident_address(key, meant),
        incident=incident,
        meant=meant if meant and meant < found.fired_at.replace(microsecond=0) else None,
        story=story,
        timeline=[each for each in story.happened if each.at >= found.fired_at - _NEARBY],
        earlier=[each for each in story.episodes if each is not current],
        ended_at=current.ended_at if current else None,
        said=said,
        deliveries=run_queries.deliveries_of(context.database, said.id) if said else (),
        messages=[one for _, one in context.database.read(lambda tx: sent_messages.of_alert(tx, said.id))]
        if said
        else [],
        explained=_explained(context, story.alerts),
        nearby=_nearby(context, story.alerts, found.fired_at),
        guidance=_guidance(said, story),
        **commands(found),
    )


def commands(found: Condition) -> dict[str, str]:
    """Return what a person types about a condition: to have it, to mute it, to end it."""
    named = shlex.quote(f"{found.key.monitor}/{found.key.text}")
    return {
        "end_it": f"python -m automation incidents --done {named}",
        "silence_it": f"python -m automation silence --protocol {shlex.quote(found.protocol)} "
        f"--key {shlex.quote(found.key.text)} --for 2h --reason '…'",
        "have_it": f"python -m automation ack {named} --note '…'",
    }


def _window(found: Condition, now: datetime) -> tuple[datetime, datetime]:
    """Return from when to when the chart reaches: the incident, some time before it, and some after its end."""
    fired_at = found.fired_at or now
    ended_at = now if found.is_firing else min(now, (found.last_seen_at or fired_at) + _BEFORE)
    before = max(_BEFORE, (ended_at - fired_at) / 4)
    return max(fired_at - before, ended_at - _LONGEST), max(ended_at, fired_at + timedelta(minutes=1))


def _is_latest(each: Episode, found: Condition) -> bool:
    return found.fired_at is not None and each.began_at.replace(microsecond=0) == found.fired_at.replace(microsecond=0)


def _said(story: Story) -> AlertRow | None:
    """Return the newest message that raised it: not one that says who has it, which is an alert as well."""
    raised = [row for row in story.alerts if row.kind in _RAISES]
    by_name = [row for row in raised if story.condition.title in (row.title, "")]
    return next((row for row in raised if row.id == story.condition.alert_id), next(iter(by_name or raised), None))


def _guidance(said: AlertRow | None, story: Story) -> Guidance:
    own = guidance_of_row(said) if said else NO_GUIDANCE
    return replace(own, runbook=own.runbook or story.declared.runbook)


def _explained(context: RequestContext, alerts: Sequence[AlertRow]) -> dict[str, Any] | None:
    """Return the facts of the newest alert that has some (what a transaction would do), and what a model said."""
    for row in alerts[:_MOST_NEARBY]:
        sheet = FactSheet.from_data((serializers.metadata(row.metadata_json) or {}).get(METADATA))
        if sheet is None:
            continue
        known = explanations.of_alert(context.database, row.id)
        reply = alert_queries.one_alert(context.database, known.reply_id) if known and known.reply_id else None
        return {"facts": sheet.facts, "reply": reply, "alert_id": row.id}
    return None


def _nearby(context: RequestContext, own: Sequence[AlertRow], fired_at: datetime) -> list[AlertRow]:
    """Return what else fired or got worse within half an hour of it, each condition once, the worst first.

    `own` are the alerts about it. What people announced (a pause, a mute) has no key: it is no condition that fired.
    """
    known = {row.id for row in own}
    wanted = AlertQuery(since=fired_at - _NEARBY, until=fired_at + _NEARBY)
    rows = alert_queries.alert_page(context.database, wanted, 4 * _MOST_NEARBY)
    others = [row for row in rows if row.kind in ("alert", "worsened") and row.dedupe_key and row.id not in known]
    newest = {(row.protocol, row.dedupe_key): row for row in reversed(others)}.values()
    return sorted(newest, key=lambda row: (-_rank(row.severity), -row.id))[:_MOST_NEARBY]


def _rank(severity: str | None) -> int:
    return SEVERITIES.index(severity) if severity in SEVERITIES else -1


ROUTES = (page_route("/incident", one_incident, **dict.fromkeys(KEY, parameters.key), since=parameters.instant),)
