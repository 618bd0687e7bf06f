"""`backtest`: the alerts that monitor files would have sent over past blocks; it stores and sends nothing."""

from __future__ import annotations

import argparse
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from automation.cli.checks_child import is_monitor, run_checks
from automation.cli.time_arguments import instant
from monitoring.base.clock import SystemClock, parse_duration, to_text
from monitoring.base.errors import UsageError
from monitoring.base.settings import Settings

HELP = "show the alerts a monitor would have sent over past blocks"
EXAMPLES = """\
python -m automation backtest protocols/cap/monitor.yaml --since 30d   # hourly, from an archive endpoint
python -m automation backtest protocols/cap/monitor.yaml --since 30d --against HEAD   # next to the committed file
python -m automation backtest protocols/cap/monitor.yaml --since 2026-09-01T00:00Z --until 2026-10-01T00:00Z
python -m automation backtest protocols/cap/monitor.yaml --since 7d --every 10m --requests 10000
python -m automation backtest protocols/cap/monitor.yaml --since 30d --html cap.html   # a page with charts"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", nargs="+", metavar="FILE", help="a monitor.yaml")
    parser.add_argument(
        "--since", required=True, metavar="TIME", help="where to begin: a duration ago such as 30d, or an instant"
    )
    parser.add_argument("--until", metavar="TIME", help="where to end (default: now)")
    parser.add_argument("--every", default="1h", metavar="TIME", help="how often the checks run (default 1h)")
    parser.add_argument("--against", metavar="REV", help="also play the files of this git revision, and compare")
    parser.add_argument(
        "--requests", type=int, default=5000, metavar="N", help="the most requests to send (default 5000)"
    )
    parser.add_argument(
        "--stored", action="store_true", help="judge what runs of this host have stored, without network"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--html", type=Path, metavar="OUT", help="also write a page with charts, which needs no network"
    )


def run(args: argparse.Namespace, settings: Settings) -> int:
    now = SystemClock().now()
    since, until = instant(args.since, now), instant(args.until, now) if args.until else now
    every = parse_duration(args.every)
    _check(args, since, until, every.total_seconds(), now)
    options = ["--since", to_text(since), "--until", to_text(until), "--every", str(int(every.total_seconds()))]
    options += ["--requests", str(args.requests), *(["--json"] if args.json else [])]
    options += ["--stored"] if args.stored else []
    options += ["--html", str(args.html.absolute())] if args.html else []
    with _as_it_was(args.files, args.against) as before, _child_ends_first():
        return run_checks(settings, "backtest", *options, *before, *args.files, shows_progress=True)


def _check(args: argparse.Namespace, since: datetime, until: datetime, every_s: float, now: datetime) -> None:
    for file in args.files:
        if not Path(file).is_file():
            raise UsageError(f"{file} is not there: correct the path")
        if not is_monitor(Path(file)):
            raise UsageError(f"{file} is no monitor file: it has no key `monitor`")
    if until > now:
        raise UsageError(f"--until {args.until} is in the future: leave it out to end now")
    if since >= until:
        raise UsageError(f"--since {args.since} is not before the end: give an earlier time, such as 30d")
    if not every_s:
        raise UsageError("--every 0 is no time between two runs: write a duration such as 1h")
    if args.requests < 1:
        raise UsageError(f"--requests {args.requests} allows none: write how many may be sent, such as 5000")
    if args.html and not args.html.absolute().parent.is_dir():
        raise UsageError(f"--html {args.html}: there is no folder {args.html.parent}: make it first")
    if args.html and args.html.is_dir():
        raise UsageError(f"--html {args.html} is a folder: name a file in it, such as {args.html / 'backtest.html'}")


@contextmanager
def _as_it_was(files: Sequence[str], revision: str | None) -> Iterator[Sequence[str]]:
    """Give the options for the files of a revision, laid out in a folder for as long as this lasts."""
    if revision is None:
        yield ()
        return
    from automation.cli.past_files import files_at  # only this option needs git

    with files_at(revision, [Path(file) for file in files]) as (name, found):
        yield ["--before-name", name, *(word for file in found for word in ("--before", str(file)))]


@contextmanager
def _child_ends_first() -> Iterator[None]:
    """Leave Ctrl-C to the child, which prints what it knows; it does not inherit a handler, only an ignored signal."""
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
