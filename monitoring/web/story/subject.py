"""All that the pages *Incident* and *Check* share of one condition, read at once. Each part is bounded and indexed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from monitoring.alerts.recording.incident import thread_of
from monitoring.conditions.condition import Condition
from monitoring.store.queries import alerts as alert_queries
from monitoring.store.queries.alerts import AlertRow
from monitoring.store.readings.against_limit import Measured, is_bad, measure, unit_of
from monitoring.store.readings.history import ReadingSpan, history
from monitoring.store.readings.inputs import inputs
from monitoring.store.readings.watched import WatchedCheck, one
from monitoring.web.charts.series import LineChart
from monitoring.web.route import RequestContext
from monitoring.web.story import timeline
from monitoring.web.story.declared import DeclaredPlace, declared
from monitoring.web.story.episodes import Episode, episodes
from monitoring.web.story.formula import FilledFormula, filled_formula
from monitoring.web.story.timeline import Happening
from monitoring.web.story.value_chart import value_chart

POINTS = 240
_ALERTS = 200


@dataclass(frozen=True, slots=True)
class Story:
    """`seen` is none of a condition of which no reading is kept: one of a script's alerts, or of an earlier release.

    `alerts` are the newest of the condition, newest first, `happened` is the timeline of the time that was asked for.
    """

    condition: Condition
    alerts: Sequence[AlertRow]
    episodes: Sequence[Episode]
    declared: DeclaredPlace
    happened: Sequence[Happening]
    seen: WatchedCheck | None = None
    measured: Measured | None = None
    chart: LineChart | None = None
    formula: FilledFormula | None = None


def story_of(
    context: RequestContext, condition: Condition, since: datetime, until: datetime, *, episode_from: datetime | None
) -> Story:
    """Read what there is of a condition from `since` to `until`; `episode_from`: since when it is bad, if it is."""
    database = context.database
    alerts = _alerts(context, condition)
    where = declared(database, condition, context.settings.checkout)
    happened = timeline.happenings(database, condition, alerts, since, until, where)
    story = Story(condition, alerts, episodes(alerts, condition), where, happened)
    seen = one(database, condition.key)
    if seen is None:
        return story
    spans = history(database, condition.key, since, until, POINTS)
    episode = [span for span in spans if is_bad(span) and episode_from and span.last_at >= episode_from - _ROUNDED]
    deploys = timeline.deployed(database, where.profile, since, until) if where.profile else []
    made_of = inputs(database, condition.key)
    return Story(
        condition, alerts, story.episodes, where, happened, seen, measure(seen, episode),
        _chart(seen, spans, [*happened, *deploys], since, until),
        filled_formula(made_of) if made_of else None,
    )  # fmt: skip


_ROUNDED = timedelta(seconds=1)  # readings are kept by the second


def _alerts(context: RequestContext, condition: Condition) -> list[AlertRow]:
    """Return the alerts of the condition, and what else its incident asked people."""
    by_key = alert_queries.alerts_of_key(context.database, condition.names, condition.key.text, _ALERTS)
    by_thread = alert_queries.alerts_of_thread(context.database, thread_of(condition), _ALERTS)
    return sorted({row.id: row for row in (*by_key, *by_thread)}.values(), key=lambda row: -row.id)


def _chart(
    seen: WatchedCheck, spans: Sequence[ReadingSpan], found: Sequence[Happening], since: datetime, until: datetime
) -> LineChart | None:
    """A check that never had a number has no chart."""
    if not any(span.last is not None for span in spans) and seen.value is None:
        return None
    return value_chart(seen.path, spans, timeline.marks(found), unit_of(seen), since, until)
