"""The way out: credentials of the channels in use, settings that keep alerts in, heartbeats, what waits."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from automation.jobs.load import load_jobs
from automation.runner.heartbeat import fault_of
from automation.status.collect import mute_warnings
from automation.status.doctor import DoctorContext, Examination, Finding, fail, ok, warn
from monitoring.alerts.delivery.routing import DIGEST_CHANNEL, ChannelRoutes, RouteReason, plan
from monitoring.base.errors import ConfigError
from monitoring.base.http.proxies import proxy_problems
from monitoring.ledger import reach
from monitoring.ledger.reach import Cause
from monitoring.store.db.schema import open_readonly
from monitoring.store.tables import alerts, deliveries

_IN_USE = timedelta(days=30)


def settings_that_mute(patient: DoctorContext) -> Iterator[Finding]:
    for warning in mute_warnings(patient.settings, patient.held):
        yield fail("settings", warning, "unset it once you are done testing")


def credentials(patient: DoctorContext) -> Iterator[Finding]:
    """A channel is in use if something was told on it lately; the digest's always is."""
    plans = {found.channel: found for found in _plans(patient)}
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
        yield ok("credentials", f"every channel in use has its way: {', '.join(sorted(plans))}")


def _plans(patient: DoctorContext) -> Iterator[ChannelRoutes]:
    environ = patient.in_force.environ
    yield plan("", DIGEST_CHANNEL, "automation_digest", environ)
    if patient.settings.database.exists():
        with open_readonly(patient.settings.database) as database:
            for channel, protocol, source in alerts.channels_in_use(database, patient.now - _IN_USE):
                yield plan(channel, protocol, source, environ)


def heartbeats(patient: DoctorContext) -> Iterator[Finding]:
    try:
        jobs = load_jobs(patient.config, patient.settings.checkout)
    except ConfigError:
        return  # told by the checkout's examination
    enabled = [profile for profile in jobs.profiles.values() if profile.enabled]
    for profile in enabled:
        variable = profile.heartbeat_env
        fault = fault_of(patient.in_force.environ, variable) if variable else None
        if fault:
            remedy = "set it in the env file, or take heartbeat_env out of jobs.yaml"
            yield fail("heartbeat", f"{profile.name} pings nobody: {fault}", remedy)
    if not any(profile.heartbeat_env for profile in enabled):
        remedy = "set heartbeat_env of a profile: the last link of a watch must be off the host"
        yield warn("heartbeat", "no profile pings a watcher off this host", remedy)
    elif not any(fault_of(patient.in_force.environ, each.heartbeat_env) for each in enabled if each.heartbeat_env):
        yield ok("heartbeat", "every address that jobs.yaml names can be pinged")


def proxies(patient: DoctorContext) -> Iterator[Finding]:
    for problem in proxy_problems(patient.in_force.environ):
        what, _, remedy = problem.partition(": ")
        yield fail("proxy", f"{what}, so nothing leaves this host", remedy)


def outbox(patient: DoctorContext) -> Iterator[Finding]:
    """What waits is no fault before `/healthz` calls it one."""
    if not patient.settings.database.exists():
        found = reach.reach_problems_without_database(patient.settings.cache_dir, patient.now)
        yield from (fail("outbox", str(reason), _REMEDIES[reason.cause]) for reason in found)
        return
    with open_readonly(patient.settings.database) as database:
        found = reach.reach_problems(database, patient.now)
        waiting = deliveries.why_waiting(database)
    yield from (fail("outbox", str(reason), _REMEDIES[reason.cause]) for reason in found)
    for destination, channel, status, error, count in waiting:
        yield warn("outbox", f"{count} to {destination.partition(' ')[0]} of {channel} wait: {error or status}")
    if not waiting and not found:
        yield ok("outbox", "nothing waits")


_REMEDIES = {
    Cause.WAITING: "python -m automation deliver",
    Cause.CREDENTIALS: "set or correct the token and the chat in the env file, then: python -m automation deliver",
    Cause.REFUSED: (
        "Telegram: let the bot into the chat again, or correct the chat id. Webhook or Apprise: correct its address. "
        "Then: python -m automation deliver"
    ),
    Cause.GIVEN_UP: "read them: python -m automation alerts --since 31d --limit 500; their status is `failed`",
    Cause.UNSTORED: "free disk space or correct the owner of the state directory; the next run stores and sends them",
}
EXAMINATIONS: tuple[Examination, ...] = (settings_that_mute, credentials, proxies, heartbeats, outbox)
