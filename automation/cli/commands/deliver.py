"""`deliver`: send waiting alerts now, or drop an alert, and show what is left and why."""

from __future__ import annotations

import argparse
import getpass
from collections.abc import Sequence

from automation.cli import zone
from automation.cli.console import write_json
from automation.on_call.chats import with_people
from monitoring.alerts.delivery.loop import Delivery, Drained
from monitoring.alerts.delivery.outbox import drop
from monitoring.alerts.delivery.spooled import store_kept
from monitoring.base.clock import SystemClock, parse_duration, to_text
from monitoring.base.errors import UsageError
from monitoring.base.plural import counted
from monitoring.base.secrets.redact import Redactor
from monitoring.base.settings import TEST_CHAT, Settings
from monitoring.store.db.schema import open_database
from monitoring.store.tables import deliveries

HELP = "send waiting alerts now and show what is left"
EXAMPLES = """\
python -m automation deliver               # try for 30 s; exit 1 if something is left
python -m automation deliver --within 5m   # try for 5 minutes
python -m automation deliver --drop 5021 --reason "chat was deleted on purpose"   # drop an alert; sends nothing"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--within", metavar="TIME", default="30s", help="how long to try (default 30s)")
    parser.add_argument(
        "--drop",
        metavar="ID",
        type=int,
        nargs="+",
        help="drop these waiting alerts undelivered; needs --reason",
    )
    parser.add_argument("--reason", metavar="TEXT", help="why they are dropped; shown to everyone on call")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace, settings: Settings) -> int:
    if args.drop is not None:
        return _drop(args.drop, args.reason, settings, as_json=args.json)
    if args.reason is not None:
        raise UsageError("--reason belongs to --drop ID")
    clock = SystemClock()
    limit = parse_duration(args.within)
    with open_database(settings.database) as database:
        store_kept(database, clock.now())
    settings = with_people(settings, args.config)
    drained = Delivery(settings, settings.database, clock, at_once=True).drain(clock.now() + limit)
    with open_database(settings.database) as database:
        left: list[dict[str, object]] = [
            {"destination": kind.split(" ", 1)[0], "channel": channel, "status": status, "count": count, "why": why}
            for kind, channel, status, why, count in deliveries.why_waiting(database)
        ]
    if args.json:
        write_json({**_figures(drained), "left": left})
    else:
        _print(drained, left, settings)
    return 1 if left or drained.failed else 0


def _drop(alert_ids: Sequence[int], reason: str | None, settings: Settings, *, as_json: bool) -> int:
    if not reason or not reason.strip():
        raise UsageError("--drop needs --reason TEXT: everyone on call sees why the alert was not sent")
    who, why = getpass.getuser(), Redactor(settings.environ)(reason.strip())
    with open_database(settings.database) as database, database.write() as tx:
        dropped = drop(tx, list(dict.fromkeys(alert_ids)), who=who, reason=why, now=SystemClock().now())
    if as_json:
        write_json({"dropped": sorted(set(alert_ids)), "deliveries": dropped, "by": who, "reason": why})
    else:
        print(f"{counted(len(set(alert_ids)), 'alert')} dropped; the audit and the chat show the reason: {why}")
    return 0


def _figures(drained: Drained) -> dict[str, object]:
    next_at = drained.next_attempt_at
    return {
        "delivered": drained.delivered,
        "failed": drained.failed,
        "waiting": drained.waiting,
        "next_attempt_at": to_text(next_at) if next_at else None,
    }


def _print(drained: Drained, left: list[dict[str, object]], settings: Settings) -> None:
    print(f"{drained.delivered} delivered, {drained.failed} failed, {drained.waiting or 0} waiting")
    if settings.debug and left:
        print("LOG_LEVEL=DEBUG: nothing is sent")
    elif settings.in_test_mode and left:
        print(f"{TEST_CHAT} is set: alerts of other processes are not sent; {drained.waiting or 0} of them wait")
    for each in left:
        print(f"  {each['count']} to {each['destination']} of {each['channel']}: {each['why'] or each['status']}")
    if drained.next_attempt_at:
        print(f"  next attempt at {zone.named(drained.next_attempt_at, seconds=True)}")
