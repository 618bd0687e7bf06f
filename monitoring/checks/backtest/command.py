"""The verb `backtest` of `python -m monitoring.checks`: loads files, plays the steps, prints what would have gone out.

Exit codes: 0 complete; 1 some steps are missing; 2 a file with mistakes, or a wrong command line; 130 Ctrl-C.
"""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import orjson

from monitoring.base import log
from monitoring.base.clock import from_text
from monitoring.base.errors import UsageError
from monitoring.base.http.client import HttpClient
from monitoring.base.secrets.redact import Redactor
from monitoring.base.settings import Settings, load_settings
from monitoring.base.terminal import visible
from monitoring.checks.backtest.kept_answers import trim
from monitoring.checks.backtest.past import PastWorld, StopNotice, StopReason
from monitoring.checks.backtest.playing import Played, Progress, play, steps_between
from monitoring.checks.backtest.report import as_data, as_lines
from monitoring.checks.backtest.steps import PastRun, PastScript, past_run, private_store
from monitoring.checks.backtest.stored import StoredMonitor, StoredRun, is_enough, stored_series
from monitoring.checks.builtin import TYPES
from monitoring.checks.config.load_all import load_all
from monitoring.checks.engine.monitor import Monitor
from monitoring.store.db.handle import ReadOnlyStore

PRESENT = "now"
FOLDER = "backtest"
MOST_REQUESTS = 5_000
_INTERRUPTED = 130
_CLEAR_LINE = "\r\x1b[K"


def parsed(argv: Sequence[str]) -> argparse.Namespace:
    """Read what `python -m automation backtest` passes on: instants as ISO texts, spans in seconds."""
    parser = argparse.ArgumentParser(prog="python -m monitoring.checks backtest", allow_abbrev=False)
    parser.add_argument("files", nargs="+", metavar="FILE")
    parser.add_argument("--since", type=from_text, required=True)
    parser.add_argument("--until", type=from_text, required=True)
    parser.add_argument("--every", type=int, default=3600, metavar="SECONDS")
    parser.add_argument("--requests", type=int, default=MOST_REQUESTS)
    parser.add_argument("--before", action="append", default=[], metavar="FILE", help="the file as it was")
    parser.add_argument("--before-name", default="before")
    parser.add_argument("--stored", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--html", type=Path)
    return parser.parse_args(argv)


@dataclass(frozen=True, slots=True)
class PastVersion:
    """The files as they are, or were: `name` is how people call that."""

    name: str
    monitors: Sequence[Monitor]
    scripts: Sequence[PastScript] = ()


def no_scripts(files: Sequence[str], settings: Settings) -> Sequence[PastScript]:  # noqa: ARG001 - the form of a loader
    """Load the scripts among files: the library knows none, the toolkit of scripts does."""
    return ()


def backtest_files(
    options: argparse.Namespace, load_scripts: Callable[[Sequence[str], Settings], Sequence[PastScript]] = no_scripts
) -> int:
    """Play the files and print what came of it.

    Raises:
        UsageError: a file has mistakes, or there is no step.
    """
    settings = load_settings()
    log.set_up(settings.environ)

    def version(name: str, files: Sequence[str], said: str = "") -> PastVersion:
        scripts = [file for file in files if file.endswith(".py")]
        monitors = _loaded([file for file in files if file not in scripts], said)
        return PastVersion(name, monitors, load_scripts(scripts, settings))

    versions = [version(PRESENT, options.files)]
    if options.before:
        versions.append(version(options.before_name, options.before, options.before_name))
    steps = steps_between(options.since, options.until, timedelta(seconds=options.every))
    played = _play(settings, versions, steps, options)
    return _exit_code(played)


def _loaded(files: Sequence[str], name: str = "") -> list[Monitor]:
    monitors, mistakes = load_all(files, TYPES)
    if mistakes:
        head = [f"{name}: the files as they were then have mistakes:"] if name else []
        raise UsageError("\n".join([*head, *map(visible, mistakes)]))
    return monitors


def _play(
    settings: Settings,
    versions: Sequence[PastVersion],
    steps: Sequence[datetime],
    options: argparse.Namespace,
) -> Played:
    progress, folder = _progress(), settings.cache_dir / FOLDER
    trim(folder)
    fetch, ended = HttpClient(settings.environ), threading.Event()
    world = PastWorld(
        settings.environ, folder, steps, options.requests, fetch,
        real_sleep=ended.wait, say=progress.line,
    )  # fmt: skip
    with ExitStack() as stack:
        stack.callback(fetch.close)
        every = timedelta(seconds=options.every)
        runs: list[PastRun] = [*_stored_runs(stack, settings, versions, steps, options)]
        is_stored = bool(runs)
        if not is_stored:
            runs += [stack.enter_context(past_run(one.name, one.monitors, steps[0], one.scripts)) for one in versions]
        with _stopping(world, ended):
            played = play(world, runs, every, Redactor(settings.environ), progress)
        played.is_stored = is_stored
        _show(played, options)
    trim(folder)
    return played


def _stored_runs(
    stack: ExitStack,
    settings: Settings,
    versions: Sequence[PastVersion],
    steps: Sequence[datetime],
    options: argparse.Namespace,
) -> Sequence[StoredRun]:
    """Return runs on stored readings if that was asked for, or if they are enough for all checks of all versions."""
    every = timedelta(seconds=options.every)
    if not options.stored and any(one.scripts for one in versions):
        return ()
    names = [each.name for one in versions for each in one.monitors]
    series = stored_series(ReadOnlyStore(settings.database), names, steps[0] - every, steps[-1])
    found = [(one.name, [StoredMonitor(each, series=series) for each in one.monitors]) for one in versions]
    if not options.stored and not all(is_enough(monitors, steps[0], every) for _, monitors in found):
        return ()
    stores = [stack.enter_context(private_store(steps[0])) for _ in found]
    return [
        StoredRun(name, monitors, store, clock, every=every)
        for (name, monitors), (store, clock) in zip(found, stores, strict=True)
    ]


def _show(played: Played, options: argparse.Namespace) -> None:
    if options.json:
        data = orjson.dumps(as_data(played), option=orjson.OPT_INDENT_2)
        sys.stdout.write(data.decode() + "\n")
    else:
        sys.stdout.writelines(visible(line) + "\n" for line in as_lines(played))
    sys.stdout.flush()
    if options.html is not None:
        from monitoring.checks.backtest.page import as_page  # noqa: PLC0415 - only who asks for the page pays for it

        try:
            options.html.write_text(as_page(played), encoding="utf-8")
        except OSError as error:
            raise UsageError(f"--html {options.html} cannot be written: {error.strerror}") from None
        if not options.json:
            sys.stdout.write(f"The page is {options.html}.\n")
            sys.stdout.flush()


def _exit_code(played: Played) -> int:
    if played.stopped is not None and played.stopped.reason is StopReason.INTERRUPTED:
        return _INTERRUPTED
    return int(not played.is_complete)


@contextmanager
def _stopping(world: PastWorld, ended: threading.Event) -> Iterator[None]:
    """Let Ctrl-C end the backtest after the request under way; a second one ends it at once."""

    def stop(*_: Any) -> None:  # noqa: ANN401 - a signal handler
        world.stopped = world.stopped or StopNotice(
            StopReason.INTERRUPTED, "interrupted. What was answered is kept: the same command continues there"
        )
        ended.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _progress() -> Progress:
    """Return a live line on a terminal; elsewhere nothing moves."""
    stream = sys.stderr
    is_terminal = stream.isatty()
    width = 79

    def line(text: str) -> None:
        if is_terminal:
            stream.write(_CLEAR_LINE + visible(text)[:width])
            stream.flush()

    def say(text: str) -> None:
        stream.write((_CLEAR_LINE if is_terminal else "") + visible(text) + "\n")
        stream.flush()

    return Progress(line, say)
