"""`alerts`: recent alerts, their delivery status and routes; `alerts show ID`: why one was sent or not."""

from __future__ import annotations

import argparse
import sys
import time
from datetime import datetime, timedelta

from automation.cli import zone
from automation.cli.console import json_text, write_exactly, write_json, write_table
from automation.cli.time_arguments import instant
from monitoring.alerts.channels import DIGEST_CHANNEL
from monitoring.alerts.message.model import Severity
from monitoring.base.clock import SystemClock, instant_or_none
from monitoring.base.errors import UsageError
from monitoring.base.settings import Settings
from monitoring.store.db.database import Database
from monitoring.store.db.schema import open_readonly
from monitoring.store.queries.alerts import AlertRow, Filter, newest

HELP = "list recent alerts and their delivery status"
EXAMPLES = """\
python -m automation alerts                               # the newest 20
python -m automation alerts --protocol aave --since 24h   # one protocol, last 24 hours
python -m automation alerts --severity CRITICAL --json    # for programs
python -m automation alerts --follow                      # keep printing new alerts until Ctrl-C
python -m automation alerts --route AAVE                  # show the route of a channel
python -m automation alerts show 5021                     # show why one alert was sent or not"""
_FOLLOW_EVERY_S = 0.5
_MOST = 500  # the API's limit too


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", nargs="?", metavar="show ID", help="show one alert, its deliveries, and why")
    parser.add_argument("id", nargs="?", help=argparse.SUPPRESS)
    parser.add_argument("--protocol", help="only alerts of this protocol")
    parser.add_argument("--severity", help="only alerts of this severity: LOW, MEDIUM, HIGH or CRITICAL")
    parser.add_argument("--source", help="only alerts of this source, such as protocol, crash or automation_digest")
    parser.add_argument("--since", metavar="TIME", help="start: a duration back from now such as 24h, or an ISO time")
    parser.add_argument("--until", metavar="TIME", help="end, in the same form (default: now)")
    parser.add_argument("--limit", type=int, default=20, help="number of alerts (default 20, at most 500)")
    parser.add_argument("--follow", action="store_true", help="keep printing new alerts, oldest first, until Ctrl-C")
    parser.add_argument("--json", action="store_true", help="print JSON; with --follow one object per line")
    parser.add_argument("--route", metavar="CHANNEL", help="show where a channel's alerts go, and why; sends nothing")


def run(args: argparse.Namespace, settings: Settings) -> int:
    if args.action is not None:
        from automation.status.alert_view import show_alert  # the listing needs nothing of delivery

        show_alert(_id_to_show(args.action, args.id), settings, in_json=args.json)
        return 0
    if args.route is not None:
        return _show_route(args.route, settings)
    if not 1 <= args.limit <= _MOST:
        raise UsageError(f"--limit {args.limit}: write a number from 1 to {_MOST}")
    wanted = _filter(args, SystemClock().now())
    with open_readonly(settings.database) as database:
        found = newest(database, wanted, args.limit)
        if args.follow:
            return _follow(database, wanted, found, in_json=args.json)
        if args.json:
            write_json([as_json(alert) for alert in found])
        else:
            write_table(
                ("ID", zone.heading("TIME"), "SEVERITY", "PROTOCOL", "DELIVERY", "TITLE"),
                [_row(each) for each in found],
            )
    return 0


def as_json(alert: AlertRow) -> dict[str, object]:
    """Return the object the API shows, as far as a listing needs it."""
    return {
        "id": alert.id,
        "created_at": alert.created_at,
        "source": alert.source,
        "protocol": alert.protocol,
        "channel": alert.channel,
        "severity": alert.severity,
        "kind": alert.kind,
        "title": alert.title,
        "message": alert.message,
        "silent": alert.silent,
        "delivery_status": alert.delivery_status,
        "delivered_at": alert.delivered_at,
        "delivery_error": alert.delivery_error,
        "run_id": alert.run_id,
        "task": alert.task,
    }


def _filter(args: argparse.Namespace, now: datetime) -> Filter:
    return Filter(
        protocol=args.protocol,
        severity=Severity.parse(args.severity).name if args.severity else None,
        source=args.source,
        since=instant(args.since, now) if args.since else None,
        until=instant(args.until, now) if args.until else None,
    )


def _row(alert: AlertRow) -> tuple[str, ...]:
    """Return the cells of a line; an instant of the replaced system may be none."""
    title = alert.title or alert.message.split("\n", 1)[0]
    created_at, delivered_at = instant_or_none(alert.created_at), instant_or_none(alert.delivered_at)
    took = f" in {(delivered_at - created_at) / timedelta(seconds=1):.1f} s" if created_at and delivered_at else ""
    when = zone.at(created_at, seconds=True) if created_at else "unknown"
    return (str(alert.id), when, alert.severity or "", alert.protocol, alert.delivery_status + took, title)


def _follow(database: Database, wanted: Filter, found: list[AlertRow], *, in_json: bool) -> int:
    """Print what is there and what comes, oldest first, until interrupted."""
    last_id = 0
    while True:
        for alert in reversed(found):
            _print_followed(alert, in_json=in_json)
            last_id = alert.id
        sys.stdout.flush()
        time.sleep(_FOLLOW_EVERY_S)
        found = newest(database, _after(wanted, last_id), _MOST)


def _after(wanted: Filter, last_id: int) -> Filter:
    return Filter(wanted.protocol, wanted.severity, wanted.source, wanted.since, wanted.until, last_id)


def _print_followed(alert: AlertRow, *, in_json: bool) -> None:
    if in_json:
        write_exactly(json_text(as_json(alert)) + "\n")
    else:
        sys.stdout.write("  ".join(_row(alert)) + "\n")


def _show_route(channel: str, settings: Settings) -> int:
    from monitoring.alerts.delivery.routes import plan  # as above

    source = "automation_digest" if channel.lower() == DIGEST_CHANNEL else "protocol"
    sys.stdout.write("\n".join(plan(channel, channel, source, settings.environ).explain()) + "\n")
    return 0


def _id_to_show(action: str, number: str | None) -> int:
    if action != "show" or number is None or not (number.isascii() and number.isdecimal()):
        raise UsageError(
            f"alerts {' '.join(filter(None, (action, number)))}: write alerts show ID, such as alerts show 5021"
        )
    return int(number)
