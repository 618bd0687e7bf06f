"""`/v1/runs` and `/v1/profiles`: what ran, and what runs next."""

from __future__ import annotations

from monitoring.base.clock import to_text
from monitoring.store.queries import alerts as alert_queries
from monitoring.store.queries import runs as run_queries
from monitoring.store.tables import runs
from monitoring.web import overview, parameters, serializers
from monitoring.web.api.paging import DEFAULT_LIMIT, PAGE, as_data, as_page, row_id
from monitoring.web.http import not_found
from monitoring.web.parameters import one_of
from monitoring.web.route import RequestContext, Route
from monitoring.web.serializers import Json

RUN_STATUSES = ("running", "ok", "failed", "aborted", "skipped", "missed")


def profiles(context: RequestContext) -> Json:
    found = overview.profiles(context.database, context.now, context.boot, recent=20)
    return as_data(
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


def run_list(context: RequestContext) -> Json:
    limit = context.query.get("limit", DEFAULT_LIMIT)
    found = run_queries.run_page(
        context.database,
        profile=context.query.get("profile"),
        status=context.query.get("status"),
        before_id=context.query.get("cursor"),
        limit=limit + 1,
    )
    return as_page([serializers.run(row) for row in found], limit)


def one_run(context: RequestContext) -> Json:
    run_id = row_id(context)
    found = runs.get(context.database, run_id)
    if found is None:
        raise not_found(f"there is no run {run_id}")
    tasks = [serializers.task(task) for task in runs.tasks(context.database, run_id)]
    raised = [row.id for row in alert_queries.alerts_of_run(context.database, run_id, parameters.MAX_LIMIT)]
    return {**serializers.run(found), "tasks": tasks, "alert_ids": raised}


ROUTES = (
    Route("/v1/profiles", profiles, fresh_s=5),
    Route(
        "/v1/runs",
        run_list,
        {**PAGE, "profile": parameters.text, "status": one_of(*RUN_STATUSES)},
        quick=True,
    ),
    Route("/v1/runs/{id}", one_run, quick=True),
)
