"""`silence`: mutes the alerts of a known problem for a limited time. Recoveries are still sent."""

from __future__ import annotations

import argparse
import getpass
import sys
from datetime import datetime, timedelta

from automation.cli import zone
from automation.cli.console import write_json, write_table
from automation.cli.time_arguments import later
from automation.jobs.known_protocols import protocols_of
from monitoring.base.clock import SystemClock, parse_duration, to_text
from monitoring.base.errors import UsageError
from monitoring.base.formatting import format_duration
from monitoring.base.plural import counted
from monitoring.base.settings import Settings
from monitoring.base.suggest import did_you_mean
from monitoring.store.db.database import Database, Tx
from monitoring.store.db.schema import open_database, open_readonly
from monitoring.store.queries import names
from monitoring.store.tables import conditions, silences
from monitoring.store.tables.silences import Silence, matches

HELP = "mute alerts for a limited time"
EXAMPLES = """\
python -m automation silence --protocol aave --for 2h --reason "upgrade at 14:00"
python -m automation silence --protocol aave --key 'utilisation/*' --until 2026-12-01T08:00Z --reason "known"
python -m automation silence --list      # silences and how many alerts each held back
python -m automation silence --end 3     # end one early; what it held back is sent then"""
_LONGEST = timedelta(days=30)  # our choice: a longer silence has usually been forgotten
_SHOWN = 100
_LARGEST_ID = 2**63 - 1  # SQLite holds no larger integer


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--protocol", help="protocol whose alerts to mute; automation for digests")
    parser.add_argument("--key", help="only this condition; * matches anything")
    parser.add_argument("--for", dest="duration", metavar="TIME", help="how long, such as 90m or 2h; at most 30d")
    parser.add_argument("--until", metavar="TIME", help="end time instead, such as 2026-12-01T08:00Z")
    parser.add_argument("--reason", help="why; shown to the others on call")
    parser.add_argument("--force", action="store_true", help="also mute a protocol or key that is not known here yet")
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
    key = args.key and args.key.replace("…", "*")  # as a terminal shortens ids
    with open_database(settings.database) as database:
        if not args.force:
            _refuse_unknown(args.protocol, key, settings, database)
        with database.write() as tx:
            silence_id = silences.add(
                tx, args.protocol, key, now=now, ends_at=ends_at, reason=args.reason, created_by=getpass.getuser()
            )
            added = Silence(silence_id, args.protocol, key, now, ends_at, args.reason, "")
            covered = sum(added.covers(each.names, each.key.text) for each in conditions.incidents(tx, now))
    what = f"{args.protocol} {key}" if key else args.protocol
    print(f"silence {silence_id}: {what} for {format_duration(ends_at - now)}, until {zone.named(ends_at)}")
    print(f"it covers {counted(covered, 'incident')} now" if covered else "it covers no incident now")
    return 0


def _refuse_unknown(protocol: str, key: str | None, settings: Settings, database: Database) -> None:
    """Refuse what is most likely mistyped: a silence of it would hold back nothing.

    Raises:
        UsageError: no monitor and no stored alert is of this protocol, or none of its conditions has such a key.
    """
    known = {name.lower(): name for name in protocols_of(settings.checkout) | names.protocols(database)}
    if protocol.lower() not in known:
        instead = did_you_mean(protocol, known.values())
        raise UsageError(f"no protocol is called {protocol}{instead}; write --force to mute it all the same")
    if key is None:
        return
    with database.snapshot() as tx:
        keys = names.keys(tx, protocol)
    if keys and not any(matches(key, each) for each in keys):
        instead = did_you_mean(key, keys)
        raise UsageError(f"{protocol} has no condition {key}{instead}; write --force to mute it all the same")


def _ends_at(args: argparse.Namespace, now: datetime) -> datetime:
    if (args.duration is None) == (args.until is None):
        raise UsageError("a silence always ends: say when with --for TIME or --until TIME, one of them")
    ends_at = now + parse_duration(args.duration) if args.duration else later(args.until, now)
    if not now < ends_at <= now + _LONGEST:
        raise UsageError(f"a silence ends within {_LONGEST.days} days from now, not at {zone.named(ends_at)}")
    return ends_at


def _end(silence_id: int, settings: Settings) -> int:
    now = SystemClock().now()
    with open_database(settings.database) as database, database.write() as tx:
        is_ended = silence_id <= _LARGEST_ID and silences.end(tx, silence_id, now)
        ended = next((each for each in silences.ended(tx, now) if each.id == silence_id), None)
        to_send = _released_by(tx, ended, now) if ended else 0
    if not is_ended:
        print(f"there is no silence {silence_id} that still holds", file=sys.stderr)
        return 1
    held_back = counted(ended.silenced, "alert") if ended else "no alert"
    sent = f"; {to_send or 'none'} of them will be sent with the next delivery" if ended else ""
    print(f"silence {silence_id} has ended; it held back {held_back}{sent}")
    if to_send:
        print("sent is the last alert of what still fires, and all that happened once")
    return 0


def _released_by(tx: Tx, ended: Silence, now: datetime) -> int:
    # The messages and their senders are needed by this verb alone.
    from monitoring.alerts.recording.release_silenced import waiting

    released = [found for each, found in waiting(tx, now) if ended.covers(each.names, each.key.text)]
    return sum(map(len, released))


def _list(settings: Settings, *, as_json: bool) -> int:
    now = SystemClock().now()
    with open_readonly(settings.database) as database:
        found = silences.newest(database, _SHOWN)
    if as_json:
        write_json([_object(each, now) for each in found])
    else:
        headers = ("ID", "PROTOCOL", "KEY", zone.heading("ENDS"), "STATE", "HELD BACK", "BY", "REASON")
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
        str(silence.id), silence.protocol, silence.key or "(all)", zone.at(silence.ends_at), left,
        str(silence.silenced), silence.created_by, silence.reason,
    )  # fmt: skip
