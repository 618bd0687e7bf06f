"""`drill`: sends a labelled alert down the real path and says how long it took.

The path is the running scheduler's: what this shell holds proves nothing of the alerts to come.
"""

from __future__ import annotations

import argparse

from automation.cli.console import write_json
from automation.schedule import unit_environment
from automation.schedule.unit_environment import UnitEnvironment
from monitoring.alerts.conditions.store_alert import AlertOrigin
from monitoring.alerts.delivery.routing import RouteReason, plan
from monitoring.alerts.drill import CHANNEL, drill
from monitoring.base.clock import SystemClock, parse_duration
from monitoring.base.errors import UsageError
from monitoring.base.settings import Settings

HELP = "send a test alert by the real route and time it"
EXAMPLES = """\
python -m automation drill                  # by the route of the digests; exit 1 if it does not arrive
python -m automation drill --channel aave   # by the route of a protocol's alerts
python -m automation drill --here           # with the env file as it is now, before a restart
python -m automation drill --timeout 5m     # wait for longer"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--channel", default=CHANNEL, metavar="CH", help=f"channel whose route it takes (default {CHANNEL})"
    )
    whose = parser.add_mutually_exclusive_group()
    whose.add_argument(
        "--unit", action="store_true", help="only with the environment of the running scheduler; exit 2 if none runs"
    )
    whose.add_argument("--here", action="store_true", help="with the environment and env file of this shell")
    parser.add_argument("--timeout", default="60s", metavar="TIME", help="how long it may take (default 60s)")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace, settings: Settings) -> int:
    held = None if args.here else unit_environment.look(settings)
    if args.unit and held is None:
        raise UsageError("no scheduler runs here whose environment this user may read: start it, or drill --here")
    if held is not None:
        settings = held.settings(settings)
    done = drill(
        settings,
        SystemClock(),
        channel=args.channel,
        timeout_s=parse_duration(args.timeout).total_seconds(),
        origin=AlertOrigin(debug=settings.debug),
        delivers=True,
    )
    took_s = done.took.total_seconds() if done.took is not None else None
    route = plan(args.channel, args.channel, "drill", settings.environ)
    if args.json:
        result = {"alert_id": done.alert_id, "status": done.status, "took_s": took_s, "error": done.error or None}
        write_json({**result, "environment": _whose(held), "channel": route.channel, "route": route.route.value})
    else:
        print(f"{done}, with {_whose(held)}")
        if held is not None and held.outdated is not None:
            print(f"{held.outdated}; this drill did not use what it says now. To use it: {held.remedy}")
        if done.took is None or route.route is RouteReason.TEST_CHAT:
            print("\n".join(route.explain()))
    return 0 if done.took is not None else 1


def _whose(held: UnitEnvironment | None) -> str:
    return f"the environment of {held.process}" if held is not None else "the environment of this shell"
