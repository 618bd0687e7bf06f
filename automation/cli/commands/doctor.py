"""`doctor`: looks at this host's configuration and environment, and says for each fault what to do."""

from __future__ import annotations

import argparse

from automation.cli.console import write_json
from automation.schedule import unit_environment
from automation.status.doctor import DoctorContext, Finding, FindingLevel, examine
from monitoring.base.clock import SystemClock
from monitoring.base.settings import Settings

HELP = "diagnose this host and suggest fixes"
EXAMPLES = """\
python -m automation doctor           # what is wrong and the remedy; exit 1 if anything is
python -m automation doctor --all     # what is fine, too
python -m automation doctor --json    # everything, for programs"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--all", action="store_true", help="show what is fine, too")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace, settings: Settings) -> int:
    found = list(examine(DoctorContext(settings, args.config, SystemClock().now(), unit_environment.look(settings))))
    faults = [each for each in found if each.level is FindingLevel.WRONG]
    if args.json:
        write_json([_object(each) for each in found])
    else:
        for each in found:
            if args.all or each.level is not FindingLevel.FINE:
                print(each)
        print(_summary(len(found), len(faults)))
    return 1 if faults else 0


def _object(each: Finding) -> dict[str, object]:
    return {"subject": each.subject, "level": each.level.name.lower(), "text": each.text, "remedy": each.remedy or None}


def _summary(looked_at: int, faults: int) -> str:
    return f"looked at {looked_at} things: {f'{faults} wrong' if faults else 'nothing is wrong'}"
