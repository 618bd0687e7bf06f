"""`doctor`: checks this host's configuration and environment, and suggests a fix for each problem."""

from __future__ import annotations

import argparse

from automation.cli.console import write_json
from automation.schedule import unit_environment
from automation.status.doctor import DoctorContext, Finding, FindingLevel, examine
from monitoring.base.clock import SystemClock
from monitoring.base.plural import counted
from monitoring.base.settings import Settings

HELP = "diagnose this host and suggest fixes"
EXAMPLES = """\
python -m automation doctor            # problems and how to fix them; exit 1 if there is one
python -m automation doctor --all      # also what is ok
python -m automation doctor --offline  # ask nothing outside this host
python -m automation doctor --json     # everything as JSON"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--all", action="store_true", help="also show what is ok")
    parser.add_argument("--offline", action="store_true", help="ask no bot, chat, chain, model or origin")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace, settings: Settings) -> int:
    held, now = unit_environment.look(settings), SystemClock().now()
    found = list(examine(DoctorContext(settings, args.config, now, held, online=not args.offline)))
    faults = [each for each in found if each.level is FindingLevel.FAIL]
    if args.json:
        write_json([_object(each) for each in found])
    else:
        for each in found:
            if args.all or each.level is not FindingLevel.OK:
                print(each)
        print(_summary(len(found), len(faults)))
    return 1 if faults else 0


# Programs read these names since the first release.
_LEVELS_IN_JSON = {FindingLevel.OK: "fine", FindingLevel.WARN: "note", FindingLevel.FAIL: "wrong"}


def _object(each: Finding) -> dict[str, object]:
    return {
        "subject": each.subject,
        "level": _LEVELS_IN_JSON[each.level],
        "text": each.text,
        "why": each.why or None,
        "remedy": each.remedy or None,
        "kind": each.kind or None,
    }


def _summary(looked_at: int, faults: int) -> str:
    return f"{counted(looked_at, 'check')}: {counted(faults, 'problem') if faults else 'no problems'}"
