"""The frame of `python -m automation`: finds the command, loads the settings, turns errors into exit codes.

Exit codes: 0 ok, 1 something failed or was found, or alerts do not reach people, 2 usage or configuration, 75 the
profile is already running.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import re
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from automation.cli import zone
from automation.cli.commands import command_names, help_line, load_command
from automation.cli.screen import DEFAULT_WIDTH, for_people, screen_of
from monitoring.base.drop_privileges import become_owner
from monitoring.base.errors import ConfigError, LockedError, MonitoringError, UsageError
from monitoring.base.invocation import WRITTEN
from monitoring.base.log import SurvivingHandler, set_up
from monitoring.base.settings import CHECKOUT, load_settings
from monitoring.base.suggest import instead_of
from monitoring.base.terminal import write_whatever_comes

PROG = WRITTEN
EX_TEMPFAIL = 75  # sysexits(3), and what flock's callers expect
INTERRUPTED = 130  # a shell's 128 + SIGINT
READER_GONE = 141  # a shell's 128 + SIGPIPE
_PURPOSE = "Run monitoring scripts on a schedule, and verify that they ran."
_EPILOG = f"""\
exit codes:
  0   ok
  1   a task failed, alerts do not reach people, most checks had no data, or
      audit or doctor found a problem
  2   wrong usage or configuration
  75  not run, because the profile is already running

options and examples of a command: {PROG} COMMAND --help"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code."""
    write_whatever_comes()
    with for_people():
        try:
            status = _dispatch(sys.argv[1:] if argv is None else argv)
        except KeyboardInterrupt:
            status = INTERRUPTED
        except BrokenPipeError:
            status = READER_GONE
        _flush_stdout()
    return status


def exit_code(error: MonitoringError) -> int:
    """Return the exit code of an error that ended a command."""
    if isinstance(error, UsageError):
        return 2
    return EX_TEMPFAIL if isinstance(error, LockedError) else 1


def _dispatch(argv: Sequence[str]) -> int:
    parser = _parser(argv)
    args = parser.parse_args(argv)
    if args.version:
        sys.stdout.write(f"monitoring {_version()}\n")
        return 0
    if args.command is None:
        parser.print_help()
        return 0
    log = set_up(os.environ)
    try:
        zone.use(args.tz)
        settings = load_settings()
        log = set_up(settings.environ)
        if owner := become_owner(settings.cache_dir):
            logging.getLogger("automation").info("working as %s, the owner of %s", owner, settings.cache_dir)
        args.config = args.config or _default_config(settings.checkout)
        status: int = args.run(args, settings)
    except MonitoringError as error:
        _report(error, log)
        return exit_code(error)
    except PermissionError as error:
        # Usually a state directory with another owner: suggest a fix and show no traceback.
        log.write_line(f"error: {error.filename or 'a file'} cannot be opened by this user: `doctor` shows its owner")
        return 1
    return status


def _report(error: MonitoringError, log: SurvivingHandler) -> None:
    """Write what a person needs: the mistakes of a file as they are, any other error as one line."""
    if logging.getLogger().isEnabledFor(logging.DEBUG):
        log.write_line(traceback.format_exc().rstrip())
    log.write_line(str(error) if isinstance(error, ConfigError) else f"error: {error}")


def _default_config(checkout: Path) -> Path:
    """Return the checkout's jobs.yaml, as short as it can be named from here."""
    path = checkout / "automation" / "jobs.yaml"
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _version() -> str:
    """Return the version of this checkout, else of the installed package."""
    import importlib.metadata  # noqa: PLC0415 - only this option pays for it
    import tomllib  # noqa: PLC0415

    pyproject = CHECKOUT / "pyproject.toml"
    if pyproject.is_file():
        return str(tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]["version"])
    return importlib.metadata.version("monitoring")


def _flush_stdout() -> None:
    """Write what is left; a reader that closed its end is no error, and Python must not complain about it at exit."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _parser(argv: Sequence[str]) -> argparse.ArgumentParser:
    shape: dict[str, Any] = {"formatter_class": _HelpFormatter, "allow_abbrev": False}
    usage = f"{PROG} [-h] [--version] [--config FILE] [--tz ZONE] COMMAND ..."
    parser = _CommandLine(prog=PROG, usage=usage, description=_PURPOSE, epilog=_EPILOG, **shape)
    parser.add_argument("--version", action="store_true", help="print the version")
    common_options(parser, default=None)
    commands = parser.add_subparsers(
        dest="command", metavar="COMMAND", help=argparse.SUPPRESS, prog=PROG, parser_class=_CommandParser
    )
    # Only for what is typed: to make a parser for each of twenty commands is a fifth of the time of a start.
    for name in (name for name in command_names() if name in argv):
        command = commands.add_parser(name, **shape)
        common_options(command, default=argparse.SUPPRESS)  # not given after the command: one given before it remains
    return parser


def common_options(parser: argparse.ArgumentParser, default: object) -> None:
    """Declare the options that are given before or after any command."""
    help_text = "the jobs.yaml to use (default: automation/jobs.yaml)"
    parser.add_argument("--config", type=Path, metavar="FILE", default=default, help=help_text)
    help_text = "time zone of the times shown, such as Europe/Berlin, or local (default: UTC)"
    parser.add_argument("--tz", metavar="ZONE", default=default, help=help_text)


def _example(line: str) -> str:
    """Return a line of examples; where it does not fit the terminal its comment stands above it."""
    command, mark, comment = line.partition("  # ")
    if not mark or screen_of(sys.stdout).fits(f"  {line}"):
        return f"  {line}\n"
    return f"  # {comment}\n  {command.rstrip()}\n"


class _HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """Knows its width: argparse makes one for each option, and loads three compressors to find out how wide it is."""

    def __init__(self, prog: str) -> None:
        asked = os.environ.get("COLUMNS", "")
        width = int(asked) if asked.isdecimal() and int(asked) else screen_of(sys.stdout).width
        super().__init__(prog, width=(width or DEFAULT_WIDTH) - 2)


class _CommandLine(argparse.ArgumentParser):
    """Lists the commands in its help, and suggests the nearest one to an unknown one."""

    def format_help(self) -> str:
        overview = "\n".join(f"  {name:<16}{help_line(name)}" for name in command_names())
        self.description = f"{_PURPOSE}\n\ncommands:\n{overview}"
        return super().format_help()

    def error(self, message: str) -> NoReturn:
        unknown = re.match(r"argument COMMAND: invalid choice: '([^']*)'", message)
        if unknown:
            message = f"unknown command {unknown[1]!r}: {instead_of(unknown[1], command_names())}"
        super().error(message)


class _CommandParser(argparse.ArgumentParser):
    """The parser of one command, which asks the command's module for its arguments when it is the one called."""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:  # noqa: ANN401 - argparse overloads it
        command = load_command(self.prog.rpartition(" ")[2])
        command.add_arguments(self)
        self.set_defaults(run=command.run)
        self.description = f"{command.HELP[0].upper()}{command.HELP[1:]}."
        self.epilog = "examples:\n" + "".join(map(_example, command.EXAMPLES.splitlines()))
        return super().parse_known_args(args, namespace)
