"""*Runs*: what ran, one run with its tasks, and a profile with the state of its tasks."""

from __future__ import annotations

from urllib.parse import quote

from monitoring.base.clock import to_text
from monitoring.store.queries import alerts as alert_queries
from monitoring.store.queries import no_data
from monitoring.store.queries import runs as run_queries
from monitoring.store.queries.no_data import NoDataSource
from monitoring.store.readings import asked
from monitoring.store.tables import no_data_periods, runs
from monitoring.store.tables.runs import RunRow
from monitoring.web import overview, parameters
from monitoring.web.api.paging import row_id
from monitoring.web.api.runs import RUN_STATUSES
from monitoring.web.charts import bars
from monitoring.web.charts.lanes import lanes
from monitoring.web.http import not_found
from monitoring.web.pages.page import PER_PAGE, Page, chain_name, here, page, page_route
from monitoring.web.parameters import one_of
from monitoring.web.route import RequestContext


def run_list(context: RequestContext) -> Page:
    query = context.query
    found = run_queries.run_page(
        context.database,
        profile=query.get("profile"),
        status=query.get("status"),
        before_id=query.get("cursor"),
        limit=PER_PAGE + 1,
    )
    filters = {name: query[name] for name in ("profile", "status") if name in query}
    return page(
        "runs.html",
        context,
        here=here("/runs", {**filters, **({"cursor": str(query["cursor"])} if "cursor" in query else {})}),
        runs=found[:PER_PAGE],
        older=here("/runs", {**filters, "cursor": str(found[PER_PAGE - 1].id)}) if len(found) > PER_PAGE else "",
        newest=here("/runs", filters) if "cursor" in query else "",
        filters=filters,
        profiles=[profile.name for profile in overview.profiles(context.database, context.now, context.boot, recent=1)],
        statuses=RUN_STATUSES,
    )


def one_run(context: RequestContext) -> Page:
    found = runs.get(context.database, row_id(context))
    if found is None:
        raise not_found(f"There is no run {row_id(context)}: it may have been pruned.")
    before, after = run_queries.neighbours(context.database, found)
    tasks = runs.tasks(context.database, found.id)
    return page(
        "run.html",
        context,
        here=f"/runs/{found.id}",
        run=found,
        tasks=tasks,
        lanes=lanes(found, tasks, context.now),
        unread=_unread(context, found),
        asked=[(each, chain_name(each.chain)) for each in asked.of_run(context.database, found.id)],
        alerts=alert_queries.alerts_of_run(context.database, found.id, PER_PAGE),
        before=before,
        after=after,
    )


def _unread(context: RequestContext, run: RunRow) -> list[NoDataSource]:
    """Return what could not be read while a run went, what is unread still included; the most checks first."""
    until = run.ended_at or context.now
    if run.status in ("skipped", "missed"):
        return []
    with context.database.snapshot() as tx:
        found = [each for each in no_data.by_source(tx) if each.since <= to_text(until)]
    over = no_data_periods.between(context.database, run.started_at, until)
    found += [NoDataSource(source, "", to_text(since), checks, ()) for source, since, _, checks in over]
    return sorted(found, key=lambda each: -each.checks)


def profile(context: RequestContext) -> Page:
    name = context.path_values["name"]
    known = {view.name: view for view in overview.profiles(context.database, context.now, context.boot, recent=60)}
    if name not in known:
        raise not_found(f"No schedule of a profile {name[:100]!r} is in force.")
    return page(
        "profile.html",
        context,
        here=f"/profiles/{quote(name)}",
        profile=known[name],
        chart=bars.run_durations(known[name].recent),
        tasks=run_queries.task_standings(context.database, name),
    )


ROUTES = (
    page_route("/runs", run_list, cursor=parameters.cursor, profile=parameters.text, status=one_of(*RUN_STATUSES)),
    page_route("/runs/{id}", one_run),
    page_route("/profiles/{name}", profile),
)
