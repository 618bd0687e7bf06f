"""`validate`: every mistake of a jobs.yaml and of the files it names, at once; nothing is imported or run."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from automation.cli.checks_child import is_monitor, run_checks
from automation.jobs.described import described, has_webhook, uncalled
from automation.jobs.files import FOLDER, main_file, open_file, open_jobs, replaced
from automation.jobs.load import read_jobs
from automation.jobs.model import Jobs
from automation.jobs.referenced_files import NamedFile, named_files, report_of
from automation.jobs.referenced_monitors import own_monitors
from automation.on_call import FILE_NAME, path_of
from automation.on_call.load import load_on_call
from automation.on_call.model import OnCall
from automation.runner.heartbeat import fault_of
from monitoring.base.errors import ConfigError
from monitoring.base.settings import Settings
from monitoring.base.yaml.marks import YamlNode

_SHOWN = 5
HELP = "report every mistake in jobs.yaml, jobs.d and the files they name"
EXAMPLES = """\
python -m automation validate                # automation/jobs.yaml with automation/jobs.d
python -m automation validate other.yaml     # another file; its scripts are those of this checkout
python -m automation validate protocols/cap/monitor.yaml    # one monitor, file or script"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "file", nargs="?", type=Path, metavar="FILE", help="the file to check (default: that of --config)"
    )


def run(args: argparse.Namespace, settings: Settings) -> int:
    if args.file and is_monitor(args.file):
        return run_checks(settings, "validate", str(args.file))
    path = main_file(args.file or args.config)
    root = open_jobs(path)
    files = named_files(root, settings.checkout)
    report = report_of(files, settings.checkout)
    unused = _in_no_task(path, [named.file for named in files], settings.checkout)
    sys.stderr.writelines(f"{line}\n" for line in [*report.warnings, *unused])
    try:
        jobs = read_jobs(root, settings.checkout)
    except ConfigError as error:
        raise ConfigError(error.mistakes + report.mistakes) from error
    _check_heartbeats(root, jobs, settings)
    team = None
    try:
        team = load_on_call(path_of(path))
    except ConfigError as error:
        report.mistakes.extend(error.mistakes)
    sys.stderr.writelines(_misnamed_on_call(path_of(path)))
    if lines := [*report.mistakes, *root.mistakes.lines()]:
        raise ConfigError(lines)
    sys.stderr.writelines(
        f"warning: {name} is set, and no check of its channel calls it\n" for name in _uncalled(jobs, settings)
    )
    sys.stdout.writelines(f"{line}\n" for line in replaced(open_file(path), root))
    sys.stdout.write(f"{path}{_further(root)}: no mistakes in {summary(jobs, files)}{_people(team)}{_examples(jobs)}\n")
    return 0


def _people(team: OnCall | None) -> str:
    count = len(team.people) if team else 0
    return f"; {FILE_NAME}: {count} {'person' if count == 1 else 'people'}" if count else ""


def _misnamed_on_call(path: Path) -> list[str]:
    """Return a warning for a file that looks like on_call.yaml and that nothing reads: nobody would be asked."""
    other = path.with_suffix(".yml")
    return [f"warning: {other} is not read: rename it to {path.name}\n"] if other.exists() else []


def _uncalled(jobs: Jobs, settings: Settings) -> list[str]:
    """Return the webhooks of this environment that no check calls."""
    if not has_webhook(settings.environ):
        return []
    return uncalled(settings.environ, described(jobs, settings.checkout, settings.cache_dir).machines)


def _in_no_task(path: Path, named: Sequence[str], checkout: Path) -> list[str]:
    """Return a warning for each monitor of the team's own that nothing runs; of another jobs.yaml nothing is said."""
    if path.resolve() != (checkout / "automation" / "jobs.yaml").resolve():
        return []
    unused = [file for file in own_monitors(path, checkout) if file not in named]
    more = [f"warning: {len(unused) - _SHOWN} more monitors are in no task"] if len(unused) > _SHOWN else []
    return [f"warning: {file} is in no task: nothing runs it" for file in unused[:_SHOWN]] + more


def _further(root: YamlNode) -> str:
    """Name the files of jobs.d that were read with it."""
    names = [f"{FOLDER}/{Path(mistakes.file).name}" for mistakes in root.mistakes.included]
    return f" with {', '.join(names)}" if names else ""


def _examples(jobs: Jobs) -> str:
    return "; the examples are switched off" if jobs.examples == "off" else ""


def _check_heartbeats(root: YamlNode, jobs: Jobs, settings: Settings) -> None:
    """Check the addresses that are set here; others may be set on the host that runs the file."""
    profiles = root.get("profiles")
    for name, node in profiles.children() if profiles else ():
        variable, at = jobs.profiles[name.text].heartbeat_env, node.get("heartbeat_env")
        is_set = variable and settings.environ.get(variable, "").strip()
        if at and variable and is_set and (fault := fault_of(settings.environ, variable)):
            at.wrong(fault)


def summary(jobs: Jobs, files: list[NamedFile]) -> str:
    """Return what was checked, in numbers."""
    tasks = sum(len(profile.tasks) for profile in jobs.profiles.values())
    monitors = sum(named.is_monitor for named in files)
    counts = (
        (len(jobs.profiles), "profile"),
        (tasks, "task"),
        (len(files) - monitors, "script"),
        (monitors, "monitor"),
    )
    return ", ".join(f"{count} {noun}{'' if count == 1 else 's'}" for count, noun in counts)
