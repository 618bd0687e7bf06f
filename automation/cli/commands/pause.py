"""`pause`: stops a profile, a task or checks for a limited time, and says so in the chat."""

from __future__ import annotations

import argparse
import getpass
from datetime import datetime, timedelta

from automation.cli import zone
from automation.cli.console import write_json, write_table
from automation.cli.time_arguments import later
from automation.jobs.load import load_jobs
from automation.on_call.pausing import announce_begin, covered
from monitoring.base.clock import SystemClock, parse_duration, to_text
from monitoring.base.errors import UsageError
from monitoring.base.formatting import format_duration
from monitoring.base.plural import counted
from monitoring.base.settings import Settings
from monitoring.base.suggest import instead_of
from monitoring.conditions.condition import Owner
from monitoring.store.db.database import Database
from monitoring.store.db.schema import open_database, open_readonly
from monitoring.store.people import pauses
from monitoring.store.people.pauses import Pause, PauseKind
from monitoring.store.tables import conditions

HELP = "stop a profile, a task or checks for a limited time"
EXAMPLES = """\
python -m automation pause --profile hourly --for 2h --reason "provider moves"
python -m automation pause --task hourly/aave --until 2026-12-01T08:00Z --reason "new market"
python -m automation pause --check 'aave/utilisation/*' --for 6h --reason "known"
python -m automation pause --list       # pauses and what each held back; `resume ID` ends one"""
_LONGEST = timedelta(days=7)  # ours: what is not wanted for longer is disabled in jobs.yaml
_SHOWN = 100


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--profile", metavar="NAME", help="profile whose ticks are skipped")
    parser.add_argument("--task", metavar="PROFILE/NAME", help="task that is not started, nor what needs it")
    parser.add_argument("--check", metavar="MONITOR/KEY", help="checks that are not judged; * matches anything")
    parser.add_argument("--for", dest="duration", metavar="TIME", help="how long, such as 90m or 2h; at most 7d")
    parser.add_argument("--until", metavar="TIME", help="end time instead, such as 2026-12-01T08:00Z")
    parser.add_argument("--reason", help="why; shown to the others on call")
    parser.add_argument("--list", action="store_true", help="list pauses, newest first")
    parser.add_argument("--json", action="store_true", help="with --list: print JSON")


def run(args: argparse.Namespace, settings: Settings) -> int:
    if args.list:
        return _list(settings, as_json=args.json)
    now = SystemClock().now()
    kind, name = _named(args)
    if not args.reason:
        raise UsageError("a pause needs --reason: everyone on call must know why")
    ends_at = _ends_at(args, now)
    with open_database(settings.database) as database:
        _refuse_unknown(Pause(0, kind, name, now, ends_at, args.reason, ""), args, settings, database)
        with database.write() as tx:
            pause = pauses.add(
                tx, kind, name, now=now, ends_at=ends_at, reason=args.reason, created_by=getpass.getuser()
            )
            announce_begin(tx, pause, now)
            checks = len(covered(tx, pause))
    print(f"pause {pause.id}: {pause.what} for {format_duration(ends_at - now)}, until {zone.named(ends_at)}")
    if kind is PauseKind.CHECK:
        print(f"it covers {counted(checks, 'check')}")
    print("it is announced with the next delivery: the next run, or `deliver`")
    return 0


def _named(args: argparse.Namespace) -> tuple[PauseKind, str]:
    given = [(kind, getattr(args, kind.value)) for kind in PauseKind if getattr(args, kind.value)]
    if len(given) != 1:
        raise UsageError("say what to pause: --profile NAME, --task PROFILE/NAME or --check MONITOR/KEY, one of them")
    return given[0]


def _refuse_unknown(pause: Pause, args: argparse.Namespace, settings: Settings, database: Database) -> None:
    """Refuse what is most likely mistyped: a pause of it would stop nothing.

    Raises:
        UsageError: there is no such profile, task or check.
    """
    if pause.kind is PauseKind.CHECK:
        _refuse_unknown_check(pause, database)
        return
    profiles = load_jobs(args.config, settings.checkout).profiles
    tasks = [f"{profile.name}/{task.name}" for profile in profiles.values() for task in profile.tasks]
    known = list(profiles) if pause.kind is PauseKind.PROFILE else tasks
    if pause.name not in known:
        raise UsageError(f"there is no {pause.what}: {instead_of(pause.name, known)}")


def _refuse_unknown_check(pause: Pause, database: Database) -> None:
    monitor = pause.name.partition("/")[0]
    with database.snapshot() as tx:
        rows = conditions.of_monitor(tx, monitor)
    if not rows:
        raise UsageError(
            f"no monitor is called {monitor}: {instead_of(monitor, conditions.declared_monitors(database))}"
        )
    checks = [row for row in rows if row.owner is not Owner.RAISED]
    if not any(pause.covers_check(row.key) for row in checks):
        if any(pause.covers_check(row.key) for row in rows):
            raise UsageError(f"{pause.name} is raised by a script: pause its task, or silence it")
        keys = [f"{monitor}/{row.key.text}" for row in checks]
        raise UsageError(f"there is no {pause.what}: {instead_of(pause.name, keys)}")


def _ends_at(args: argparse.Namespace, now: datetime) -> datetime:
    if (args.duration is None) == (args.until is None):
        raise UsageError("a pause always ends: say when with --for TIME or --until TIME, one of them")
    ends_at = now + parse_duration(args.duration) if args.duration else later(args.until, now)
    if not now < ends_at <= now + _LONGEST:
        raise UsageError(f"a pause ends within {_LONGEST.days} days from now, not at {zone.named(ends_at)}")
    return ends_at


def _list(settings: Settings, *, as_json: bool) -> int:
    now = SystemClock().now()
    with open_readonly(settings.database) as database:
        found = pauses.newest(database, _SHOWN)
    if as_json:
        write_json([_object(each, now) for each in found])
    else:
        headers = ("ID", "WHAT", zone.heading("ENDS"), "STATE", "HELD BACK", "BY", "REASON")
        write_table(headers, [_row(each, now) for each in found])
    return 0


def _object(pause: Pause, now: datetime) -> dict[str, object]:
    return {
        "id": pause.id, "kind": pause.kind.value, "name": pause.name, "starts_at": to_text(pause.starts_at),
        "ends_at": to_text(pause.ends_at), "active": pause.ends_at > now, "held_back": pause.held_back,
        "created_by": pause.created_by, "ended_by": pause.ended_by, "reason": pause.reason,
    }  # fmt: skip


def _row(pause: Pause, now: datetime) -> tuple[str, ...]:
    left = f"{format_duration(pause.ends_at - now)} left" if pause.ends_at > now else "ended"
    state = f"ended by {pause.ended_by}" if pause.ended_by else left
    ends = zone.at(pause.ends_at)
    return str(pause.id), pause.what, ends, state, str(pause.held_back), pause.created_by, pause.reason
