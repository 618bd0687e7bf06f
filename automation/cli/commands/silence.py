"""`silence`: mutes the alerts of a known problem for a limited time. Recoveries are still sent."""

from __future__ import annotations

import argparse
import getpass
import sys
from datetime import datetime, timedelta

from automation.cli.console import write_json, write_table
from automation.cli.time_arguments import later
from monitoring.base.clock import SystemClock, parse_duration, to_text
from monitoring.base.errors import UsageError
from monitoring.base.formatting import format_duration
from monitoring.base.settings import Settings
from monitoring.store.db.schema import open_database, open_readonly
from monitoring.store.tables import silences
from monitoring.store.tables.silences import Silence

HELP = "mute alerts for a limited time"
EXAMPLES = """\
python -m automation silence --protocol aave --for 2h --reason "upgrade at 14:00"
python -m automation silence --protocol aave --key 'utilisation/*' --until 2026-12-01T08:00Z --reason "known"
python -m automation silence --list      # silences and how many alerts each held back
python -m automation silence --end 3     # end one early; what still fires is sent then"""
_LONGEST = timedelta(days=30)  # our choice: a longer silence has usually been forgotten
_SHOWN = 100
_LARGEST_ID = 2**63 - 1  # SQLite holds no larger integer


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--protocol", help="protocol whose alerts to mute; automation for digests")
    parser.add_argument("--key", help="only this condition; * matches anything")
    parser.add_argument("--for", dest="duration", metavar="TIME", help="how long, such as 90m or 2h; at most 30d")
    parser.add_argument("--until", metavar="TIME", help="end time instead, such as 2026-12-01T08:00Z")
    parser.add_argument("--reason", help="why; shown to the others on call")
    parser.add_argument("--list", action="store_true", help="list silences, newest first")
    parser.add_argument("--end", type=int, metavar="ID", help="end this silence now")
    parser.add_argument("--json", action="store_true", help="with --list: print JSON")


def run(args: argparse.Namespace, settings: Settings) -> int:
    if args.list:
        return _list(settings, as_json=args.json)
    if args.end is not None:
        return _end(args.end, settings)
    return _add(args, settings)


def _add(args: argparse.Namespace, settings: Settings) -> int:
    now = SystemClock().now()
    if not args.protocol or not args.reason:
        raise UsageError("a silence needs --protocol, --reason, and --for or --until: everyone on call must know why")
    ends_at = _ends_at(args, now)
    with open_database(settings.database) as database, database.write() as tx:
        silence_id = silences.add(
            tx, args.protocol, args.key, now=now, ends_at=ends_at, reason=args.reason, created_by=getpass.getuser()
        )
    what = f"{args.protocol} {args.key}" if args.key else args.protocol
    print(f"silence {silence_id}: {what} for {format_duration(ends_at - now)}, until {ends_at:%Y-%m-%d %H:%M} UTC")
    return 0


def _ends_at(args: argparse.Namespace, now: datetime) -> datetime:
    if (args.duration is None) == (args.until is None):
        raise UsageError("a silence always ends: say when with --for TIME or --until TIME, one of them")
    ends_at = now + parse_duration(args.duration) if args.duration else later(args.until, now)
    if not now < ends_at <= now + _LONGEST:
        raise UsageError(f"a silence ends within {_LONGEST.days} days from now, not at {ends_at:%Y-%m-%d %H:%M} UTC")
    return ends_at


def _end(silence_id: int, settings: Settings) -> int:
    with open_database(settings.database) as database, database.write() as tx:
        ended = silence_id <= _LARGEST_ID and silences.end(tx, silence_id, SystemClock().now())
    if not ended:
        print(f"there is no silence {silence_id} that still holds", file=sys.stderr)
        return 1
    print(f"silence {silence_id} has ended; what still fires is sent with the next delivery")
    return 0


def _list(settings: Settings, *, as_json: bool) -> int:
    now = SystemClock().now()
    with open_readonly(settings.database) as database:
        found = silences.newest(database, _SHOWN)
    if as_json:
        write_json([_object(each, now) for each in found])
    else:
        headers = ("ID", "PROTOCOL", "KEY", "ENDS (UTC)", "STATE", "HELD BACK", "BY", "REASON")
        write_table(headers, [_row(each, now) for each in found])
    return 0


def _object(silence: Silence, now: datetime) -> dict[str, object]:
    return {
        "id": silence.id,
        "protocol": silence.protocol,
        "key": silence.key,
        "starts_at": to_text(silence.starts_at),
        "ends_at": to_text(silence.ends_at),
        "active": silence.ends_at > now,
        "silenced": silence.silenced,
        "created_by": silence.created_by,
        "reason": silence.reason,
    }


def _row(silence: Silence, now: datetime) -> tuple[str, ...]:
    left = f"{format_duration(silence.ends_at - now)} left" if silence.ends_at > now else "ended"
    return (
        str(silence.id), silence.protocol, silence.key or "(all)", f"{silence.ends_at:%Y-%m-%d %H:%M}", left,
        str(silence.silenced), silence.created_by, silence.reason,
    )  # fmt: skip
