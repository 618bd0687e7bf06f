"""`drill`: sends a labelled alert down the real path and says how long it took."""

from __future__ import annotations

import argparse

from automation.console import write_json
from monitoring.alerts.drill import CHANNEL, drill
from monitoring.alerts.record import Origin
from monitoring.alerts.routing import Route, plan
from monitoring.clock import SystemClock, parse_duration
from monitoring.settings import Settings

EXAMPLES = """\
python -m automation drill                  # by the way of the digests; exit 1 if it does not arrive
python -m automation drill --channel aave   # by the way of a protocol's alerts
python -m automation drill --timeout 5m     # wait for longer"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--channel", default=CHANNEL, metavar="CH", help=f"whose way it goes (default {CHANNEL})")
    parser.add_argument("--timeout", default="60s", metavar="TIME", help="how long it may take (default 60s)")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace, settings: Settings) -> int:
    done = drill(
        settings,
        SystemClock(),
        channel=args.channel,
        timeout_s=parse_duration(args.timeout).total_seconds(),
        origin=Origin(debug=settings.debug),
        delivers=True,
    )
    took_s = done.took.total_seconds() if done.took is not None else None
    route = plan(args.channel, args.channel, "drill", settings.environ)
    if args.json:
        result = {"alert_id": done.alert_id, "status": done.status, "took_s": took_s, "error": done.error or None}
        write_json({**result, "channel": route.channel, "route": route.route.value})
    else:
        print(done)
        if done.took is None or route.route is Route.TEST_CHAT:
            print("\n".join(route.explain()))
    return 0 if done.took is not None else 1
