"""`validate`: every mistake of a jobs.yaml and of the files it names, at once; nothing is imported or run."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from automation.jobs.load import Jobs, read_jobs
from automation.jobs.nodes import Document, Mistake
from automation.jobs.reader import read_document
from automation.jobs.referenced_files import NamedFile, faults_of, named_files
from automation.runner.heartbeat import fault_of
from monitoring.base.errors import ConfigError
from monitoring.base.settings import Settings

EXAMPLES = """\
python -m automation validate                # automation/jobs.yaml
python -m automation validate other.yaml     # another file; its scripts are those of this checkout"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "file", nargs="?", type=Path, metavar="FILE", help="the file to check (default: that of --config)"
    )


def run(args: argparse.Namespace, settings: Settings) -> int:
    path: Path = args.file or args.config
    document = read_document(path)
    files = named_files(document, settings.checkout)
    mistakes = faults_of(files, settings.checkout)
    try:
        jobs = read_jobs(document, settings.checkout)
    except ConfigError as error:
        raise ConfigError(error.mistakes + mistakes) from error
    mistakes += list(_heartbeats(document, jobs, settings))
    if mistakes:
        raise ConfigError(mistakes)
    sys.stdout.write(f"{path}: no mistakes in {summary(jobs, files)}\n")
    return 0


def _heartbeats(document: Document, jobs: Jobs, settings: Settings) -> Iterator[str]:
    """Check the addresses that are set here; others may be set on the host that runs the file."""
    for profile in jobs.profiles.values():
        variable = profile.heartbeat_env
        if variable and settings.environ.get(variable, "").strip():
            steps = ("profiles", profile.name, "heartbeat_env")
            if fault := fault_of(settings.environ, variable):
                yield Mistake(document.place(steps), steps, fault).render(document.file)


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
