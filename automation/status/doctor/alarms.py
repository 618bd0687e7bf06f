"""Delivery: credentials of the channels in use, settings that hold alerts back, heartbeats, what waits."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from automation.jobs.load import load_jobs
from automation.runner.heartbeat import fault_of
from automation.status.collect import mute_warnings
from automation.status.doctor import DoctorContext, Examination, Finding, fail, ok, warn
from monitoring.alerts.channels import DIGEST_CHANNEL
from monitoring.alerts.delivery.routes import ChannelRoutes, plan
from monitoring.alerts.senders import RouteReason
from monitoring.base.errors import ConfigError
from monitoring.base.http.proxies import proxy_problems
from monitoring.ledger import reach
from monitoring.ledger.reach import Cause
from monitoring.store.db.schema import open_readonly
from monitoring.store.tables import alerts, deliveries

_IN_USE = timedelta(days=30)


def settings_that_mute(context: DoctorContext) -> Iterator[Finding]:
    for warning in mute_warnings(context.settings, context.held):
        yield fail("settings", warning, "unset it when the test is over")


def credentials(context: DoctorContext) -> Iterator[Finding]:
    """A channel is in use if an alert used it in the last 30 days; the digest's always is."""
    plans = {found.channel: found for found in _plans(context)}
    lacking = {channel: found for channel, found in plans.items() if found.missing}
    if any(found.route is RouteReason.DEBUG for found in plans.values()):
        return
    for channel, found in lacking.items():
        yield fail(
            "credentials", f"alerts of {channel} wait for {' and '.join(found.missing)}", "set it in the env file"
        )
    for remark in dict.fromkeys(remark for found in plans.values() for remark in found.notes):
        yield fail("credentials", remark, "correct it in the env file")
    if not lacking:
        yield ok("credentials", f"every channel in use has a route: {', '.join(sorted(plans))}")


def _plans(context: DoctorContext) -> Iterator[ChannelRoutes]:
    environ = context.in_force.environ
    yield plan("", DIGEST_CHANNEL, "automation_digest", environ)
    if context.settings.database.exists():
        with open_readonly(context.settings.database) as database:
            for channel, protocol, source in alerts.channels_in_use(database, context.now - _IN_USE):
                yield plan(channel, protocol, source, environ)


def heartbeats(context: DoctorContext) -> Iterator[Finding]:
    try:
        jobs = load_jobs(context.config, context.settings.checkout)
    except ConfigError:
        return  # reported by the check of the checkout
    enabled = [profile for profile in jobs.profiles.values() if profile.enabled]
    for profile in enabled:
        variable = profile.heartbeat_env
        fault = fault_of(context.in_force.environ, variable) if variable else None
        if fault:
            remedy = "set it in the env file, or remove heartbeat_env from jobs.yaml"
            yield fail("heartbeat", f"{profile.name} sends no ping: {fault}", remedy)
    if not any(profile.heartbeat_env for profile in enabled):
        remedy = "set heartbeat_env of a profile: only a watcher on another host can report that this one is down"
        yield warn("heartbeat", "no profile pings a watcher on another host", remedy)
    elif not any(fault_of(context.in_force.environ, each.heartbeat_env) for each in enabled if each.heartbeat_env):
        yield ok("heartbeat", "every heartbeat address in jobs.yaml is valid")


def proxies(context: DoctorContext) -> Iterator[Finding]:
    for problem in proxy_problems(context.in_force.environ):
        what, _, remedy = problem.partition(": ")
        yield fail("proxy", f"{what}, so nothing leaves this host", remedy)


def outbox(context: DoctorContext) -> Iterator[Finding]:
    """A waiting alert is a problem only once `/healthz` reports it."""
    if not context.settings.database.exists():
        found = reach.reach_problems_without_database(context.settings.cache_dir, context.now)
        yield from (fail("outbox", str(reason), _REMEDIES[reason.cause]) for reason in found)
        return
    with open_readonly(context.settings.database) as database:
        found = reach.reach_problems(database, context.now)
        waiting = deliveries.why_waiting(database)
    yield from (fail("outbox", str(reason), _REMEDIES[reason.cause]) for reason in found)
    for destination, channel, status, error, count in waiting:
        yield warn("outbox", f"{count} to {destination.partition(' ')[0]} of {channel} wait: {error or status}")
    if not waiting and not found:
        yield ok("outbox", "no alert waits")


_REMEDIES = {
    Cause.WAITING: "python -m automation deliver",
    Cause.CREDENTIALS: "set or correct the token and the chat in the env file, then: python -m automation deliver",
    Cause.REFUSED: (
        "Telegram: add the bot to the chat again, or correct the chat id. Webhook or Apprise: correct its address. "
        "Then: python -m automation deliver"
    ),
    Cause.GIVEN_UP: "list them (status `failed`): python -m automation alerts --since 31d --limit 500",
    Cause.UNSTORED: "free disk space or correct the owner of the state directory; the next run stores and sends them",
}
EXAMINATIONS: tuple[Examination, ...] = (settings_that_mute, credentials, proxies, heartbeats, outbox)
