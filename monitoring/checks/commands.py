"""The verbs of `python -m monitoring.checks`. Results go to stdout, everything else to stderr.

Exit codes: 0 ok; 1 a check crashed, the store failed, or more than half of the checks had no data; 2 a file with
mistakes, or a wrong command line.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import orjson

from monitoring.alerts.task_context import open_frame
from monitoring.base import log
from monitoring.base.clock import Clock, SystemClock
from monitoring.base.errors import UsageError
from monitoring.base.plural import counted
from monitoring.base.secrets.redact import Redactor
from monitoring.base.settings import CHECKOUT, Settings, load_settings
from monitoring.base.terminal import visible, write_whatever_comes
from monitoring.chains.networks import own_mistakes
from monitoring.checks.builtin import TYPES
from monitoring.checks.config.describe import describe
from monitoring.checks.config.load_all import load_all
from monitoring.checks.engine.explain import as_data, as_lines, explain, last_readings
from monitoring.checks.engine.listing import brief_lines_of, lines_of, summary_of
from monitoring.checks.engine.point import EvaluationPoint
from monitoring.checks.engine.runner import no_data, run
from monitoring.checks.state.load import StoredMemory
from monitoring.store.db.handle import ReadOnlyStore, SteadyStore

_EPILOG = """\
examples:
  python -m monitoring.checks validate protocols/aave/monitor.yaml
  python -m monitoring.checks explain protocols/aave/monitor.yaml --check backing
  python -m monitoring.checks test protocols/aave/monitor.yaml     # its drill
  python -m monitoring.checks run protocols/aave/monitor.yaml      # stores and delivers"""


def main(argv: Sequence[str]) -> int:
    """Parse the command line and do what it says."""
    write_whatever_comes()
    try:
        if argv[:1] == ["backtest"]:
            return _backtest(argv[1:])
        options = _parser().parse_args(argv)
        code: int = options.act(options)
    except UsageError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m monitoring.checks", description="Run monitor files, and look at them.",
        epilog=_EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for name, act, what in (
        ("run", _run, "read, judge and record; started by hand it also delivers"),
        ("explain", _explain, "show value, bound, state and what would be said now; stores and sends nothing"),
        ("validate", _validate, "report every mistake at once, without a network"),
        ("test", _test, "run the drills of monitors: what each check must fire on and on what not; no network"),
        ("record", _record, "write what services answer now into the recorded answers of monitors"),
        ("describe", _describe, "list what is watched, as JSON, without a network"),
    ):
        verb = verbs.add_parser(name, help=what, description=f"{what[0].upper()}{what[1:]}.")
        what_file = (
            "a monitor.yaml, or a script" if name in ("test", "explain", "validate", "record") else "a monitor.yaml"
        )
        verb.add_argument("files", nargs="+", metavar="FILE", help=what_file)
        verb.set_defaults(act=act)
        if name in ("explain", "validate", "describe"):
            verb.add_argument("--json", action="store_true", help="machine-readable, on stdout")
        if name == "explain":
            verb.add_argument("--check", metavar="ID", help="only this check")
    return parser


def _backtest(argv: Sequence[str]) -> int:
    from monitoring.checks.backtest.command import backtest_files, parsed  # noqa: PLC0415 - a run looks at no past

    options = parsed(argv)
    if any(file.endswith(".py") for file in options.files):
        return _of_scripts("utils.backtest", *argv).returncode
    return backtest_files(options)


def _run(options: argparse.Namespace) -> int:
    """Run every sound file; mistakes in the others are said first and make the exit code 2."""
    frame = open_frame(os.environ)
    log.set_up(frame.settings.environ)
    monitors, mistakes = load_all(options.files, TYPES)
    _complain(mistakes)
    clock = SystemClock()
    store = SteadyStore(frame.settings.database, clock)
    try:
        outcome = run(monitors, _point(frame.settings, store, clock), store, frame.origin)
    finally:
        store.close()
    shown = brief_lines_of(outcome.seen) if frame.is_brief else lines_of(outcome.seen)
    _write(visible(line) for entry in shown for line in entry.split("\n"))
    if frame.counts and outcome.seen:
        _write([summary_of(outcome.seen)])
    nothing = no_data(outcome.seen)
    _complain([nothing] if nothing else [])
    if frame.by_hand and outcome.stored:
        frame.deliver()
    return 2 if mistakes else int(outcome.trouble or bool(nothing))


def _explain(options: argparse.Namespace) -> int:
    scripts = [file for file in options.files if file.endswith(".py")]
    codes = [_explain_script(script, as_json=options.json) for script in scripts]
    options.files = [file for file in options.files if file not in scripts]
    return max(codes + ([_explain_files(options)] if options.files else []))


def _explain_script(script: str, *, as_json: bool) -> int:
    """Have a script explained in a process of its own: what it imports and changes stays there.

    Raises:
        UsageError: it is not there.
    """
    if not Path(script).is_file():
        raise UsageError(f"{script} is not there: correct the path")
    return _of_scripts("utils.explain", *(["--json"] if as_json else []), script).returncode


def _of_scripts(module: str, *arguments: str, stdout: int | None = None) -> subprocess.CompletedProcess[bytes]:
    """Ask the toolkit of scripts, on which this library does not depend."""
    environ = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    return subprocess.run([sys.executable, "-m", module, *arguments], env=environ, stdout=stdout, check=False)


def _explain_files(options: argparse.Namespace) -> int:
    settings = load_settings()
    log.set_up(settings.environ)
    monitors, mistakes = load_all(options.files, TYPES)
    _complain([*mistakes, *(line for monitor in monitors for line in monitor.warnings)])
    store = ReadOnlyStore(settings.database)
    found, crashed = explain(monitors, _point(settings, store, SystemClock()), store, options.check)
    if options.check and not found and not mistakes:
        raise UsageError(f"no check is called {options.check}")
    last = last_readings((entry.seen.outcome.condition for entry in found), store)
    data = orjson.dumps(as_data(found, last), option=orjson.OPT_INDENT_2).decode() if options.json else ""
    _write([data] if data else map(visible, as_lines(found, SystemClock().now(), last)))
    return 2 if mistakes else int(crashed)


def _point(settings: Settings, store: SteadyStore | ReadOnlyStore, clock: Clock) -> EvaluationPoint:
    environ = settings.environ
    memory, redact = StoredMemory(store, clock), Redactor(environ)
    return EvaluationPoint(environ, clock, memory=memory, redact=redact, monitors=CHECKOUT / "protocols")


def _validate(options: argparse.Namespace) -> int:
    scripts = [file for file in options.files if file.endswith(".py")]
    monitors, mistakes = load_all([file for file in options.files if file not in scripts], TYPES)
    if scripts:
        mistakes += orjson.loads(_of_scripts("utils.mistakes", "--json", *scripts, stdout=subprocess.PIPE).stdout)
    from monitoring.chains.sentences.own import descriptor_mistakes  # noqa: PLC0415 - only `validate` reads them

    mistakes = [*own_mistakes(), *descriptor_mistakes(), *mistakes]
    warnings = [line for monitor in monitors for line in monitor.warnings]
    if options.json:
        _write([orjson.dumps({"mistakes": mistakes, "warnings": warnings}).decode()])
        return 2 if mistakes else 0
    _complain([*mistakes, *warnings])
    if not mistakes:
        parts = sum(len(monitor.parts()) for monitor in monitors)
        found = [f"{counted(len(monitors), 'monitor')} with {counted(parts, 'check')}"] if monitors else []
        found += [counted(len(scripts), "script")] if scripts else []
        _write([f"no mistakes in {', '.join(found)}"])
    return 2 if mistakes else 0


def _test(options: argparse.Namespace) -> int:
    from monitoring.checks.drill.command import test_files  # noqa: PLC0415 - a run needs no drill

    return test_files(options.files)


def _record(options: argparse.Namespace) -> int:
    from monitoring.checks.recorded.record import record_files  # noqa: PLC0415 - a run records nothing

    settings = load_settings()
    log.set_up(settings.environ)
    return record_files(options.files, settings.environ)


def _describe(options: argparse.Namespace) -> int:
    monitors, mistakes = load_all(options.files, TYPES)
    _complain(mistakes)
    _write([orjson.dumps(describe(monitors), option=orjson.OPT_INDENT_2).decode()])
    return 2 if mistakes else 0


def _complain(lines: Iterable[str]) -> None:
    for line in lines:
        sys.stderr.write(visible(line) + "\n")


def _write(lines: Iterable[str]) -> None:
    for line in lines:
        sys.stdout.write(line + "\n")
    sys.stdout.flush()
