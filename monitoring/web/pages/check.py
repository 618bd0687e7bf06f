"""*Check*: one rule of a monitor, also while it is fine: its value, how far from its limit, its history, its origin."""

from __future__ import annotations

from datetime import datetime, timedelta
from urllib.parse import quote, urlencode

from monitoring.conditions.condition import ConditionKey
from monitoring.store.people import escalations
from monitoring.store.readings.watched import keys_of_path
from monitoring.store.tables import conditions, silences
from monitoring.web import overview, parameters
from monitoring.web.http import not_found
from monitoring.web.pages.incident import commands
from monitoring.web.pages.page import KEY, Page, page, page_route
from monitoring.web.pages.templating import check_address
from monitoring.web.parameters import one_of
from monitoring.web.route import RequestContext
from monitoring.web.story.subject import story_of

RANGES = {"24h": timedelta(hours=24), "7d": timedelta(days=7), "30d": timedelta(days=30), "90d": timedelta(days=90)}
_MOST_EPISODES = 20


def one_check(context: RequestContext) -> Page:
    return _page(context, ConditionKey.of_texts(*(context.query.get(name, "") for name in KEY)))


def check_of_id(context: RequestContext) -> Page:
    """Find a check by the id that the API and messages print; two checks may print the same one."""
    path = context.path_values["id"]
    found = keys_of_path(context.database, path)
    if not found:
        raise not_found(f"There is no check {path[:200]}: nothing was ever read of it.")
    return _page(context, found[0])


def _page(context: RequestContext, key: ConditionKey) -> Page:
    with context.database.snapshot() as tx:
        found = conditions.get(tx, key)
        if found is None:
            why = f"There is no check {key.text}: it may have left its file." if key.text else "Which check?"
            raise not_found(why)
        incident = overview.covered(
            tx, found, silences.active(tx, context.now), context.now, escalations.everything(tx)
        )
    chosen = context.query.get("range", "24h")
    fired_at = found.fired_at if found.is_firing else None
    story = story_of(context, found, context.now - RANGES[chosen], context.now, episode_from=fired_at)
    profiles = {each.name: each for each in overview.profiles(context.database, context.now, context.boot, recent=1)}
    return page(
        "check.html",
        context,
        here=check_address(key, chosen),
        incident=incident,
        story=story,
        chosen=chosen,
        ranges={name: check_address(key, name) for name in RANGES},
        episodes=story.episodes[:_MOST_EPISODES],
        profile=profiles.get(story.declared.profile),
        csv=_csv_address(key, context.now - RANGES[chosen]),
        **commands(found),
    )


def _csv_address(key: ConditionKey, since: datetime) -> str:
    which = {name: value for name, value in key.named.items() if name in ("chain", "subject") and value}
    query = {"format": "csv", "from": f"{since:%Y-%m-%dT%H:%M:%SZ}", **which}
    return f"/v1/checks/{quote(f'{key.monitor}/{key.text}')}/readings?{urlencode(query)}"


_RANGE = one_of(*RANGES)
ROUTES = (
    page_route("/check", one_check, **dict.fromkeys(KEY, parameters.key), range=_RANGE),
    page_route("/checks/{id:path}", check_of_id, range=_RANGE),
)
