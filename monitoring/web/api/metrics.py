"""`/metrics` for Prometheus, computed from the store when scraped: nothing is counted in this process."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import Collector

from monitoring.ledger import reach
from monitoring.store.queries import runs
from monitoring.store.readings.watched import count as count_checks
from monitoring.store.readings.watched import watched
from monitoring.store.tables import conditions
from monitoring.store.tables.alerts import SEVERITIES
from monitoring.web import overview, serializers
from monitoring.web.overview import ProfileView
from monitoring.web.route import RequestContext
from monitoring.web.serializers import as_float

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
MOST_CHECKS = 2000  # ours: what a Prometheus takes from one target without a thought
_CHECK = ("monitor", "check", "chain", "subject")
_FATES = ("ok", "failed", "aborted", "skipped", "missed", "going")


def exposition(context: RequestContext) -> bytes:
    """Return all metrics as they stand now."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_FromStore(context))
    return generate_latest(registry)


class _FromStore(Collector):
    def __init__(self, context: RequestContext) -> None:
        self._context = context

    def collect(self) -> Iterable[Metric]:
        yield from _audit(self._context)
        yield from _profiles(self._context)
        yield from _alerts(self._context)
        yield from _checks(self._context)

    def describe(self) -> Iterable[Metric]:
        return ()


def _audit(context: RequestContext) -> Iterator[Metric]:
    found = overview.audit(context.database, context.now, context.boot)
    yield _gauge(
        "monitoring_audit_ok", "1 if silence over the last 24 hours means that all was well.", int(found.is_ok)
    )
    ticks = GaugeMetricFamily(
        "monitoring_ticks", "Due ticks of the last 24 hours by what became of them.", labels=["fate"]
    )
    for fate in _FATES:
        ticks.add_metric([fate], found.ticks[fate])
    yield ticks


def _profiles(context: RequestContext) -> Iterator[Metric]:
    found = overview.profiles(context.database, context.now, context.boot, recent=20)
    enabled = _of_profile("monitoring_profile_enabled", "1 if the schedule of the profile is in force and enabled.")
    overdue = _of_profile("monitoring_profile_overdue", "1 if the newest due tick of the profile was missed.")
    started = _of_profile("monitoring_profile_last_start_timestamp_seconds", "When the newest run started.")
    succeeded = _of_profile("monitoring_profile_last_success_timestamp_seconds", "When a run last ended ok.")
    took = _of_profile("monitoring_profile_last_duration_seconds", "How long the newest finished run took.")
    following = _of_profile("monitoring_profile_next_tick_timestamp_seconds", "When the next tick is due.")
    for profile in found:
        enabled.add_metric([profile.name], int(profile.enabled))
        overdue.add_metric([profile.name], int(bool(profile.overdue)))
        if profile.last is not None:
            started.add_metric([profile.name], profile.last.started_at.timestamp())
        if (ended_at := runs.last_ended(context.database, profile.name, "ok")) is not None:
            succeeded.add_metric([profile.name], ended_at.timestamp())
        if (duration_s := _newest_duration_s(profile)) is not None:
            took.add_metric([profile.name], duration_s)
        if profile.next_tick is not None:
            following.add_metric([profile.name], profile.next_tick.timestamp())
    yield from (enabled, overdue, started, succeeded, took, following)


def _newest_duration_s(profile: ProfileView) -> float | None:
    known = (serializers.duration_s(run) for run in profile.recent)
    return next((seconds for seconds in known if seconds is not None), None)


def _alerts(context: RequestContext) -> Iterator[Metric]:
    yield CounterMetricFamily(
        "monitoring_alerts_stored", "Alerts ever stored.", value=runs.alerts_stored(context.database)
    )
    (today,) = runs.volume(context.database, context.now - overview.DAY, overview.DAY, 1)
    recent = GaugeMetricFamily("monitoring_alerts_recent", "Alerts of the last 24 hours.", labels=["severity"])
    for severity, count in today.items():
        recent.add_metric([severity], count)
    yield recent
    yield from _waiting(context)
    yield from _reach(context)
    yield _incidents(context)
    yield _gauge("monitoring_database_bytes", "Size of the database.", runs.file_bytes(context.database))


def _waiting(context: RequestContext) -> Iterator[Metric]:
    found = runs.waiting(context.database)
    counts = GaugeMetricFamily(
        "monitoring_deliveries_waiting", "Deliveries that have not ended.", labels=["destination", "status"]
    )
    for group in found:
        counts.add_metric([group.destination, group.status], group.count)
    yield counts
    oldest_s = max(((context.now - group.oldest_at).total_seconds() for group in found), default=0.0)
    yield _gauge("monitoring_delivery_oldest_waiting_seconds", "Age of the oldest delivery that waits.", oldest_s)


def _reach(context: RequestContext) -> Iterator[Metric]:
    found = reach.reach_problems(context.database, context.now)
    yield _gauge("monitoring_people_reached", "1 if alerts reach people, as /healthz sees it.", int(not found))
    counts = GaugeMetricFamily("monitoring_alerts_unreached", "Alerts by why they reach nobody.", labels=["cause"])
    for cause in reach.Cause:
        counts.add_metric([cause.value], sum(reason.count for reason in found if reason.cause is cause))
    yield counts


def _incidents(context: RequestContext) -> Metric:
    with context.database.snapshot() as tx:
        firing = Counter(condition.severity.name for condition in conditions.incidents(tx, context.now))
    family = GaugeMetricFamily(
        "monitoring_incidents_firing", "Conditions that fire now, or happened within a day.", labels=["severity"]
    )
    for severity in SEVERITIES:
        family.add_metric([severity], firing[severity])
    return family


def _checks(context: RequestContext) -> Iterator[Metric]:
    """Yield the last value and the limits of each check, of a bounded number; without data there is no value."""
    with context.database.snapshot() as tx:
        states, found = count_checks(tx), watched(tx, limit=MOST_CHECKS)
    counts = GaugeMetricFamily("monitoring_checks", "Checks that are watched, by state.", labels=["state"])
    for state, number in states.items():
        counts.add_metric([state], number)
    yield counts
    left_out = max(0, sum(states.values()) - MOST_CHECKS)
    yield _gauge("monitoring_checks_without_gauges", "Checks beyond the number that has gauges here.", left_out)
    values = GaugeMetricFamily("monitoring_check_value", "The last reading, in the check's unit.", labels=_CHECK)
    limits = GaugeMetricFamily("monitoring_check_limit", "A limit of the check.", labels=[*_CHECK, "side", "severity"])
    for check in found:
        labels = list(check.key.named.values())
        if (value := as_float(check.value)) is not None:
            values.add_metric(labels, value)
        for side, bounds in (("lower", check.limits.lower), ("upper", check.limits.upper)):
            for bound in {bound.severity: bound for bound in reversed(bounds)}.values():
                if (limit := as_float(bound.at)) is not None:
                    limits.add_metric([*labels, side, bound.severity.name], limit)
    yield from (values, limits)


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=value)


def _of_profile(name: str, text: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, text, labels=["profile"])
