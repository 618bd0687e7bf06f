"""Where alerts go: credentials of the channels in use, settings that hold alerts back, heartbeats, drills, proxies."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from datetime import timedelta

from automation.jobs.described import has_webhook, uncalled
from automation.jobs.load import load_jobs
from automation.runner.heartbeat import fault_of
from automation.status.collect import mute_warnings
from automation.status.doctor import DoctorContext, Examination, Finding, FindingLevel, Problem, ok
from automation.status.doctor.watched import watched
from monitoring.alerts.channels import DIGEST_CHANNEL
from monitoring.alerts.delivery.routes import ChannelRoutes, plan
from monitoring.alerts.senders import RouteReason
from monitoring.base.errors import ConfigError
from monitoring.base.formatting import format_duration
from monitoring.base.http.proxies import proxy_problems
from monitoring.ledger.audit import DRILL_OLDER_THAN
from monitoring.store.queries.audit import last_drill
from monitoring.store.tables import alerts

_IN_USE = timedelta(days=30)
_MOST_NAMES = 5

MUTED = Problem(
    "alerts-muted",
    "settings",
    "Telegram is suddenly quiet",
    "LOG_LEVEL=DEBUG, a test chat, or a level that is none is set in the environment",
    "alerts do not reach the people they are for",
    "unset it when the test is over",
)
NO_ROUTE = Problem(
    "route-missing",
    "credentials",
    "alerts wait: `skipped_missing_credentials`",
    "a channel in use has no chat, or its bot no token",
    "its alerts wait and reach nobody",
    "set it in the env file; python -m automation alerts --route CHANNEL shows what is used",
)
UNCALLED = Problem(
    "webhook-uncalled",
    "webhooks",
    "a machine that is never called",
    "WEBHOOK_URL_<CHANNEL> is set, and no check of that channel says `machine: true`",
    "the machine does not act, however bad an alert is",
    "write machine: true in the checks that it must act on (machine=True in Python), or remove the variable",
    FindingLevel.WARN,
)
BAD_ROUTE = Problem(
    "route-malformed",
    "credentials",
    "alerts in the wrong chat",
    "a chat id, topic id or address in the environment cannot be used",
    "another destination is used in its place, or none",
    "correct it in the env file",
)
NO_APPRISE = Problem(
    "apprise-missing",
    "credentials",
    "alerts to Apprise wait: `apprise is not installed`",
    "NOTIFY_URLS_… is set, and the extra `notify` is not installed",
    "its alerts wait and reach nobody",
    "make sync EXTRAS=notify, then: sudo systemctl restart monitoring",
)
PROXY = Problem(
    "proxy",
    "proxy",
    "no alert arrives and no chain is read: `names a SOCKS proxy`",
    "a proxy variable of the environment cannot be used",
    "nothing leaves this host",
    "set it to the address of an HTTP proxy, or list the hosts to reach directly in NO_PROXY",
)
PING = Problem(
    "heartbeat-wrong",
    "heartbeat",
    "your watcher reports this host as down, or has never heard of it",
    "the variable that `heartbeat_env` names is not set, or no address that can be pinged",
    "nobody outside is informed of the runs of this profile",
    "set it in the env file, or remove heartbeat_env from jobs.yaml",
)
NO_PING = Problem(
    "heartbeat-none",
    "heartbeat",
    "a dead host that nobody notices",
    "no profile pings a watcher on another host",
    "a host that is down cannot report it",
    "set heartbeat_env of a profile: only a watcher on another host can report that this one is down",
    FindingLevel.WARN,
)
NO_DRILL = Problem(
    "drill-none",
    "drill",
    "`alarm path not drilled` in `audit`",
    "no test alert has arrived yet",
    "whether alerts reach people is not tried",
    "python -m automation drill",
    FindingLevel.WARN,
)
OLD_DRILL = Problem(
    "drill-old",
    "drill",
    "`alarm path not drilled` in `audit`",
    "the last test alert that arrived is older than eight days",
    "a broken alarm path is noticed only when it is needed",
    "python -m automation drill; check the profile weekly: python -m automation list",
    FindingLevel.WARN,
)


def settings_that_mute(context: DoctorContext) -> Iterator[Finding]:
    for warning in mute_warnings(context.settings, context.held):
        yield MUTED.found(warning)


def credentials(context: DoctorContext) -> Iterator[Finding]:
    """A channel is in use if an alert used it in the last 30 days, or an enabled task may; the digest's always is."""
    plans = routes(context)
    if any(found.route is RouteReason.DEBUG for found in plans.values()):
        return
    lacking: dict[tuple[str, ...], list[str]] = {}
    for channel, found in plans.items():
        if found.missing:
            lacking.setdefault(found.missing, []).append(channel)
    for missing, channels in lacking.items():
        yield NO_ROUTE.found(f"alerts of {_names(channels)} wait for {' and '.join(missing)}", "set it in the env file")
    for remark in dict.fromkeys(remark for found in plans.values() for remark in found.notes):
        yield BAD_ROUTE.found(remark)
    if not lacking:
        yield ok("credentials", f"every channel in use has a route: {_names(sorted(plans))}")
    uses_apprise = any(destination.kind == "apprise" for found in plans.values() for destination in found.destinations)
    if uses_apprise and importlib.util.find_spec("apprise") is None:
        yield NO_APPRISE.found("NOTIFY_URLS_… is set, and apprise is not installed")


def webhooks(context: DoctorContext) -> Iterator[Finding]:
    environ = context.in_force.environ
    if not has_webhook(environ):
        return
    lost = uncalled(environ, watched(context).machines)
    for name in lost:
        yield UNCALLED.found(f"{name} is set, and no check of its channel calls it")
    if not lost:
        yield ok("webhooks", "every webhook is called by a check of its channel; drill --webhook shows what it gets")


def routes(context: DoctorContext) -> dict[str, ChannelRoutes]:
    """Return the destinations of every channel in use; the digest's come first."""
    environ = context.in_force.environ
    found = [plan("", DIGEST_CHANNEL, "automation_digest", environ)]
    with context.database() as database:
        used = alerts.channels_in_use(database, context.now - _IN_USE) if database else []
        found += [plan(channel, protocol, source, environ) for channel, protocol, source in used]
    found += [plan(channel, "", "protocol", environ) for channel in sorted(watched(context).channels)]
    by_channel: dict[str, ChannelRoutes] = {}
    for each in found:
        by_channel.setdefault(each.channel, each)
    return by_channel


def _names(channels: list[str]) -> str:
    more = f" and {len(channels) - _MOST_NAMES} more" if channels[_MOST_NAMES:] else ""
    return ", ".join(channels[:_MOST_NAMES]) + more


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
            yield PING.found(f"{profile.name} sends no ping: {fault}")
    if not any(profile.heartbeat_env for profile in enabled):
        yield NO_PING.found("no profile pings a watcher on another host")
    elif not any(fault_of(context.in_force.environ, each.heartbeat_env) for each in enabled if each.heartbeat_env):
        yield ok("heartbeat", "every heartbeat address in jobs.yaml is valid")


def proxies(context: DoctorContext) -> Iterator[Finding]:
    for problem in proxy_problems(context.in_force.environ):
        what, _, remedy = problem.partition(": ")
        yield PROXY.found(f"{what}, so nothing leaves this host", remedy)


def drills(context: DoctorContext) -> Iterator[Finding]:
    with context.database() as database:
        found = last_drill(database, context.now) if database else None
    if database is None:
        return
    if found is None:
        yield NO_DRILL.found("no drill of the alarm path has arrived yet")
        return
    age = context.now - found[0]
    text = f"the last one arrived {format_duration(age)} ago"
    yield OLD_DRILL.found(text) if age > DRILL_OLDER_THAN else ok("drill", text)


EXAMINATIONS: tuple[Examination, ...] = (settings_that_mute, credentials, webhooks, proxies, heartbeats, drills)
