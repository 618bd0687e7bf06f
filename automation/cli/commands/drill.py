"""`drill`: sends a labelled test alert by the real route and measures how long it takes.

The environment is the running scheduler's: this shell's may differ from what sends the next alert.
"""

from __future__ import annotations

import argparse
import getpass
from datetime import timedelta

from automation.cli.console import write_json, write_table
from automation.schedule import unit_environment
from automation.schedule.unit_environment import UnitEnvironment
from monitoring.alerts.delivery.routes import plan
from monitoring.alerts.drill import CHANNEL, drill
from monitoring.alerts.recording.store_alert import AlertOrigin
from monitoring.alerts.senders import RouteReason
from monitoring.base.clock import SystemClock, parse_duration
from monitoring.base.errors import UsageError
from monitoring.base.settings import Settings

_SHORTEST_ANSWER = timedelta(minutes=5)
_NO_BUTTON = (
    "Nobody could tap a button: nothing reads the chat on this host (start `listen`), or nobody has an account."
)
HELP = "send a test alert by the real route and time it"
EXAMPLES = """\
python -m automation drill                  # by the route of the digest; exit 1 if it does not arrive
python -m automation drill --channel aave   # by the route of a channel
python -m automation drill --here           # with this shell's env file, before a restart
python -m automation drill --timeout 5m     # wait for up to 5 minutes
python -m automation drill --people         # ask everybody of on_call.yaml for a tap; or name them
python -m automation drill --channel cap --webhook   # show what the machine of a channel would get; sends nothing"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--channel", default=CHANNEL, metavar="CH", help=f"channel whose route to use (default {CHANNEL})"
    )
    environments = parser.add_mutually_exclusive_group()
    environments.add_argument(
        "--unit", action="store_true", help="use the running scheduler's environment; exit 2 if none runs"
    )
    environments.add_argument("--here", action="store_true", help="use the environment and env file of this shell")
    parser.add_argument(
        "--webhook", action="store_true", help="print the signed request to the channel's webhook, and send nothing"
    )
    parser.add_argument(
        "--people",
        nargs="*",
        metavar="NAME",
        help="drill the people of on_call.yaml, or these: each gets a button to tap",
    )
    parser.add_argument(
        "--within", default="24h", metavar="TIME", help="when who did not tap is reported; at least 5m (default 24h)"
    )
    parser.add_argument("--timeout", default="60s", metavar="TIME", help="time limit (default 60s)")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace, settings: Settings) -> int:
    held = None if args.here else unit_environment.look(settings)
    if args.unit and held is None:
        raise UsageError("no scheduler whose environment this user may read is running: start it, or use drill --here")
    if held is not None:
        settings = held.settings(settings)
    if args.people is not None:
        return _drill_people(args, settings)
    if args.webhook:
        return _show_webhook(args.channel, settings, as_json=args.json)
    done = drill(
        settings,
        SystemClock(),
        channel=args.channel,
        timeout_s=parse_duration(args.timeout).total_seconds(),
        origin=AlertOrigin(debug=settings.debug),
        delivers=True,
    )
    took_s = done.took.total_seconds() if done.took is not None else None
    route = plan(args.channel, args.channel, "drill", settings.environ)
    if args.json:
        result = {"alert_id": done.alert_id, "status": done.status, "took_s": took_s, "error": done.error or None}
        write_json(
            {**result, "environment": _environment_name(held), "channel": route.channel, "route": route.route.value}
        )
    else:
        print(f"{done}, with {_environment_name(held)}")
        if held is not None and held.outdated is not None:
            print(f"{held.outdated}; this drill did not use the new values. To use them: {held.remedy}")
        if done.took is None or route.route is RouteReason.TEST_CHAT:
            print("\n".join(route.explain()))
    return 0 if done.took is not None else 1


def _drill_people(args: argparse.Namespace, settings: Settings) -> int:
    """Ask people; 1 where a destination did not accept the message in time. Answers come later."""
    from automation.drills import now as drills

    within = parse_duration(args.within)
    if within < _SHORTEST_ANSWER:
        raise UsageError(f"--within {args.within} is too short for a person: write at least 5m")
    team, names = drills.people_named(args.config, args.people)
    found = drills.drill_people(
        settings, args.config, team, names, SystemClock(),
        by=getpass.getuser(), within=within, timeout_s=parse_duration(args.timeout).total_seconds(),
    )  # fmt: skip
    if args.json:
        write_json([each.as_json() for each in found])
    else:
        write_table(("PERSON", "DESTINATION", "RESULT"), list(drills.lines(found, within)))
        if not any(each.has_button for each in found):
            print(_NO_BUTTON)
    return 0 if all(each.is_accepted for each in found) else 1


def _show_webhook(channel: str, settings: Settings, *, as_json: bool) -> int:
    """Print the request; 1 where no machine would get it."""
    # The HTTP client is loaded by nobody else here.
    from monitoring.alerts.dry_run import webhook_request

    shown = webhook_request(channel, settings.environ, SystemClock())
    if as_json:
        write_json(shown.as_data())
    else:
        print("\n".join(shown.as_lines()))
    return 0 if shown.would_be_sent else 1


def _environment_name(held: UnitEnvironment | None) -> str:
    return f"the environment of {held.process}" if held is not None else "the environment of this shell"
