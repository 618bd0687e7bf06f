"""`silence`: mutes the alerts of a known problem for a limited time. Recoveries are still sent."""

from __future__ import annotations

import argparse
import getpass
import sys
from dataclasses import replace
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
from monitoring.conditions.condition import Condition
from monitoring.conditions.severity import Severity
from monitoring.conditions.silence import Silence, SilenceWindow, covered_now, matches, subject_of
from monitoring.store.db.database import Database, Tx
from monitoring.store.db.schema import open_database, open_readonly
from monitoring.store.queries import names
from monitoring.store.tables import conditions, silences

HELP = "mute alerts for a limited time"
EXAMPLES = """\
python -m automation silence --protocol aave --for 2h --reason "upgrade at 14:00"
python -m automation silence --protocol aave --key 'utilisation/*' --until 2026-12-01T08:00Z --reason "known"
python -m automation silence --chain base --for 3h --reason "upgrade of the chain"
python -m automation silence --protocol aave --severity medium --window 'mon-fri 22:00-07:00 Europe/Berlin' \\
    --for 60d --reason "read in the morning"
python -m automation silence --list      # silences and how many alerts each held back
python -m automation silence --end 3     # end one early; what it held back is sent then"""
_LONGEST = timedelta(days=30)  # our choice: a longer silence has usually been forgotten
_LONGEST_RECURRING = timedelta(days=90)  # ours: a quarter, after which a team looks at its habits again
_SHOWN, _MOST = 100, 5
_LARGEST_ID = 2**63 - 1  # SQLite holds no larger integer


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--protocol", help="protocol whose alerts to mute; automation for digests")
    parser.add_argument("--key", help="only this condition; * matches anything")
    parser.add_argument("--severity", help="only what is at most as bad: low, medium, high or critical")
    parser.add_argument("--chain", help="only this chain, by name or id; of every protocol unless one is named")
    parser.add_argument("--window", metavar="HOURS", help="only in these hours, such as 'mon-fri 22:00-07:00 UTC'")
    parser.add_argument(
        "--for", dest="duration", metavar="TIME", help="how long, such as 90m or 2h; at most 30d, with --window 90d"
    )
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
    wanted = _wanted(args, now)
    with open_database(settings.database) as database:
        if not args.force and wanted.protocol:
            _refuse_unknown(wanted.protocol, wanted.key, settings, database)
        with database.write() as tx:
            added = replace(wanted, id=silences.put(tx, wanted))
            covered = covered_now(added, conditions.incidents(tx, now), now)
            is_announced = bool(covered) and _announce(tx, added, covered, now)
    lasts = f"{format_duration(added.ends_at - now)}, until {zone.named(added.ends_at)}"
    print(f"silence {added.id}: {added.what} for {lasts}")
    print(f"it covers {counted(len(covered), 'incident')} now" if covered else "it covers no incident now")
    for row in covered[:_MOST]:
        print(f"  {row.severity.name} {row.key}")
    if len(covered) > _MOST:
        print(f"  and {len(covered) - _MOST} more: `incidents` lists them all")
    if is_announced:
        print("some are CRITICAL: the next delivery announces this silence in the chat, with your name")
    return 0


def _announce(tx: Tx, added: Silence, covered: list[Condition], now: datetime) -> bool:
    # The messages and their senders are needed where something is covered alone.
    from automation.on_call.silencing import announce_silence

    return announce_silence(tx, added, covered, now)


def _wanted(args: argparse.Namespace, now: datetime) -> Silence:
    """Read what is asked for.

    Raises:
        UsageError: something is missing or cannot be; the words say what to write.
    """
    if not (args.protocol or args.chain) or not args.reason:
        raise UsageError(
            "a silence needs --protocol or --chain, --reason, and --for or --until: everyone on call must know why"
        )
    if args.key and not args.protocol:
        raise UsageError("--key is a condition of one protocol: write --protocol too")
    severity = Severity.parse(args.severity) if args.severity is not None else None
    window = SilenceWindow.parse(args.window) if args.window is not None else None
    if window is not None and severity is None:
        raise UsageError(
            "a silence that recurs needs --severity, the worst that it holds back: with --severity high every CRITICAL "
            "is sent"
        )
    key = args.key and args.key.replace("…", "*")  # as a terminal shortens ids
    return Silence(
        0, args.protocol or "", key, now, _ends_at(args, now, recurs=window is not None), args.reason,
        getpass.getuser(), severity=severity, chain=_chain(args.chain), window=window,
    )  # fmt: skip


def _chain(name: str | None) -> int | None:
    if name is None:
        return None
    from monitoring.chains.networks import network  # the table of chains is read where one is named

    return network(name).id


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


def _ends_at(args: argparse.Namespace, now: datetime, *, recurs: bool) -> datetime:
    if (args.duration is None) == (args.until is None):
        raise UsageError("a silence always ends: say when with --for TIME or --until TIME, one of them")
    ends_at = now + parse_duration(args.duration) if args.duration else later(args.until, now)
    longest = _LONGEST_RECURRING if recurs else _LONGEST
    if not now < ends_at <= now + longest:
        what = "a silence that recurs" if recurs else "a silence"
        raise UsageError(f"{what} ends within {longest.days} days from now, not at {zone.named(ends_at)}")
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
        print("of what still fires the last alert is sent, and each event that happened once")
    return 0


def _released_by(tx: Tx, ended: Silence, now: datetime) -> int:
    # The messages and their senders are needed by this verb alone.
    from monitoring.alerts.recording.release_silenced import waiting

    released = [found for each, found in waiting(tx, now) if ended.is_about(subject_of(each))]
    return sum(map(len, released))


def _list(settings: Settings, *, as_json: bool) -> int:
    now = SystemClock().now()
    with open_readonly(settings.database) as database:
        found = silences.newest(database, _SHOWN)
    if as_json:
        write_json([_object(each, now) for each in found])
    else:
        headers = ("ID", "PROTOCOL", "KEY", "ONLY", zone.heading("ENDS"), "STATE", "HELD BACK", "BY", "REASON")
        write_table(headers, [_row(each, now) for each in found])
    return 0


def _object(silence: Silence, now: datetime) -> dict[str, object]:
    return {
        "id": silence.id,
        "protocol": silence.protocol,
        "key": silence.key,
        "starts_at": to_text(silence.starts_at),
        "severity": silence.severity.name if silence.severity is not None else None,
        "chain": silence.chain,
        "window": str(silence.window) if silence.window else None,
        "ends_at": to_text(silence.ends_at),
        "active": silence.holds(now),
        "silenced": silence.silenced,
        "created_by": silence.created_by,
        "reason": silence.reason,
    }


def _row(silence: Silence, now: datetime) -> tuple[str, ...]:
    left = f"{format_duration(silence.ends_at - now)} left" if silence.ends_at > now else "ended"
    if silence.ends_at > now and silence.window is not None:
        left += ", holds now" if silence.holds(now) else ", outside its hours"
    return (
        str(silence.id), silence.protocol or "(all)", silence.key or "(all)", silence.only, zone.at(silence.ends_at),
        left, str(silence.silenced), silence.created_by, silence.reason,
    )  # fmt: skip
