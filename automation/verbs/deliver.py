"""`deliver`: send by hand what still waits, and say what is left and why."""

from __future__ import annotations

import argparse

from automation.console import write_json
from monitoring.alerts.delivery import Delivery
from monitoring.alerts.delivery_loop import Drained
from monitoring.alerts.unstored import store_kept
from monitoring.clock import SystemClock, parse_duration, to_text
from monitoring.settings import Settings
from monitoring.store import deliveries
from monitoring.store.schema import open_database

EXAMPLES = """\
python -m automation deliver               # try for half a minute; exit 1 if something is left
python -m automation deliver --within 5m   # try for longer"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--within", metavar="TIME", default="30s", help="how long to try (default 30s)")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace, settings: Settings) -> int:
    clock = SystemClock()
    limit = parse_duration(args.within)
    with open_database(settings.database) as database:
        store_kept(database, clock.now())
    drained = Delivery(settings, settings.database, clock).drain(clock.now() + limit)
    with open_database(settings.database) as database:
        left: list[dict[str, object]] = [
            {"destination": kind.split(" ", 1)[0], "channel": channel, "status": status, "count": count, "why": why}
            for kind, channel, status, why, count in deliveries.why_waiting(database)
        ]
    if args.json:
        write_json({**_figures(drained), "left": left})
    else:
        _print(drained, left, debug=settings.debug)
    return 1 if left or drained.failed else 0


def _figures(drained: Drained) -> dict[str, object]:
    next_at = drained.next_attempt_at
    return {
        "delivered": drained.delivered,
        "failed": drained.failed,
        "waiting": drained.waiting,
        "next_attempt_at": to_text(next_at) if next_at else None,
    }


def _print(drained: Drained, left: list[dict[str, object]], *, debug: bool) -> None:
    print(f"{drained.delivered} delivered, {drained.failed} failed, {drained.waiting or 0} waiting")
    if debug and left:
        print("LOG_LEVEL=DEBUG: nothing is sent")
    for each in left:
        print(f"  {each['count']} to {each['destination']} of {each['channel']}: {each['why'] or each['status']}")
    if drained.next_attempt_at:
        print(f"  next attempt at {drained.next_attempt_at:%Y-%m-%d %H:%M:%S} UTC")
