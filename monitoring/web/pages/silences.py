"""*Silences*: what is muted or paused, until when, why and by whom; and whether messages reach people."""

from __future__ import annotations

import shlex

from monitoring.store.people import pauses, people_drills
from monitoring.store.readings import watched as readings
from monitoring.store.tables import schedules, silences
from monitoring.web.pages.page import PER_PAGE, Page, page, page_route
from monitoring.web.route import RequestContext


def silence_list(context: RequestContext) -> Page:
    found = silences.newest(context.database, PER_PAGE)
    stopped = pauses.newest(context.database, PER_PAGE)
    return page(
        "silences.html",
        context,
        here="/silences",
        protocol=shlex.quote(next(iter(readings.protocols(context.database)), "aave")),
        profile=shlex.quote(next((each.schedule.profile for each in schedules.in_force(context.database)), "hourly")),
        holding=[row for row in found if row.starts_at <= context.now < row.ends_at],
        ended=[row for row in found if row.ends_at <= context.now],
        paused=[row for row in stopped if row.ends_at > context.now],
        resumed=[row for row in stopped if row.ends_at <= context.now],
        drills=context.database.read(people_drills.last_of_each).values(),
    )


ROUTES = (page_route("/silences", silence_list),)
