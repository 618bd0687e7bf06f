"""`ack`: says that somebody has an incident, which stops its reminders for a limited time; `--end` takes it back."""

from __future__ import annotations

import argparse
import getpass

from automation.cli import zone
from automation.cli.commands.incidents import called
from monitoring.alerts.recording.acknowledge import acknowledge_in, end_in
from monitoring.base.clock import SystemClock
from monitoring.base.errors import UsageError
from monitoring.base.settings import Settings
from monitoring.store.db.schema import open_database
from monitoring.store.people import acknowledgements
from monitoring.store.tables import conditions

HELP = "acknowledge an incident: say that you have it"
EXAMPLES = """\
python -m automation ack aave/utilisation --note "on it"   # no reminders while you work: CRITICAL 4 h, else 24 h
python -m automation ack aave/utilisation --end            # take it back
python -m automation incidents                             # what fires, and who has it"""
_LONGEST_NOTE = 200


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("incident", metavar="KEY", help="MONITOR/CONDITION as `incidents` lists it")
    parser.add_argument("--note", metavar="TEXT", default="", help="what the others should know, in 200 characters")
    parser.add_argument("--end", action="store_true", help="end the acknowledgement, yours or that of somebody else")


def run(args: argparse.Namespace, settings: Settings) -> int:
    now, by = SystemClock().now(), getpass.getuser()
    if len(args.note) > _LONGEST_NOTE:
        raise UsageError(f"--note is {len(args.note)} characters long: write at most {_LONGEST_NOTE}")
    with open_database(settings.database) as database, database.write() as tx:
        condition = called(args.incident, conditions.incidents(tx, now))
        name = f"{condition.key.monitor}/{condition.key.text}"
        held = acknowledgements.of(tx, condition, now)
        if not args.end:
            made = acknowledge_in(tx, condition, by=by, note=args.note, now=now)
            said = f"{by} has {name} until {zone.named(made.ends_at)}, or until it is worse; reminders are held back"
        elif held is None:
            raise UsageError(f"{name} is not acknowledged: there is nothing to end")
        else:
            end_in(tx, condition, held, by=by, now=now)
            said = f"{name} is no longer acknowledged by {held.by}; {held.held_back} reminders were held back"
    print(said)
    return 0
