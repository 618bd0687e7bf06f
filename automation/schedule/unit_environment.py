"""The environment of the running scheduler: it is in use until the scheduler is restarted.

The kernel keeps the environment that a process was started with; the owner of the process may read it. For `status`,
`doctor`, `audit` and `drill`. Only names are ever shown, never values.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from automation.schedule.scheduler_liveness import (
    UNIT,
    SchedulerProcess,
    ask_systemd,
    ask_systemd_all,
    environment_of,
    find_scheduler,
    restart_command,
)
from monitoring.base.env_file import read_env_file
from monitoring.base.settings import Settings

# What systemd gives every service by itself (systemd.exec(5), "Environment Variables Set or Propagated").
_OF_SYSTEMD = re.compile(
    r"(PATH|LANG|USER|LOGNAME|HOME|SHELL|TERM|INVOCATION_ID|JOURNAL_STREAM|SYSTEMD_EXEC_PID|MANAGERPID|NOTIFY_SOCKET"
    r"|MAINPID|PIDFILE|WATCHDOG_\w+|MEMORY_PRESSURE_\w+|LISTEN_\w+|TRIGGER_\w+|MONITOR_\w+|DEBUG_INVOCATION"
    r"|(RUNTIME|STATE|CACHE|LOGS|CONFIGURATION|CREDENTIALS)_DIRECTORY)"
)
_MOST_NAMES = 6


@dataclass(frozen=True, slots=True)
class Differences:
    """Names of variables that differ between the env file and the scheduler, which read it at its start."""

    new: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.new or self.changed or self.gone)

    def __str__(self) -> str:
        kinds = (("new", self.new), ("changed", self.changed), ("removed", self.gone))
        return "; ".join(f"{kind}: {_names(names)}" for kind, names in kinds if names)


@dataclass(frozen=True, slots=True)
class UnitEnvironment:
    """The environment a scheduler was started with. `differences` of the env file; `written_since` without names."""

    process: SchedulerProcess
    environ: Mapping[str, str]
    differences: Differences
    written_since: bool = False

    def settings(self, here: Settings) -> Settings:
        """Return the settings as the scheduler has them."""
        return replace(here, environ=self.environ)

    @property
    def outdated(self) -> str | None:
        """Return that the scheduler does not use the env file's current values, None if it does."""
        if self.differences:
            return f"the env file changed since the scheduler started ({self.differences})"
        return "the env file was written since the scheduler started" if self.written_since else None

    @property
    def remedy(self) -> str:
        return restart_command(self.process)


def look(settings: Settings) -> UnitEnvironment | None:
    """Read the running scheduler's environment; None if none runs, or this user may not read it."""
    return look_at(find_scheduler(settings), settings)


def look_at(process: SchedulerProcess | None, settings: Settings) -> UnitEnvironment | None:
    """Read the environment of a scheduler that was found before."""
    if process is None:
        return None
    try:
        started_with = environment_of(process.pid)
    except OSError:
        return None
    if process.kind == "up" or "AUTOMATION_TRIGGER" not in started_with:
        # `up` read the file itself, and what it found is in its memory alone.
        return UnitEnvironment(
            process, settings.environ, Differences(), written_since=_written_since(settings, process)
        )
    start = _start_of(process) or Start(files=(settings.env_file,) if settings.env_file else ())
    try:
        wanted = start.environ()
    except OSError:
        return UnitEnvironment(process, started_with, Differences())
    return UnitEnvironment(process, started_with, compare(started_with, wanted, start.by_itself))


@dataclass(frozen=True, slots=True)
class Start:
    """What a start gives the scheduler: the unit's own variables, its env files, and names that come by themselves."""

    given: Mapping[str, str] = field(default_factory=dict)
    files: tuple[Path, ...] = ()
    by_itself: frozenset[str] | None = None

    def environ(self) -> dict[str, str]:
        """Return what it would be given now.

        Raises:
            OSError: an env file cannot be read.
        """
        found = dict(self.given)
        for file in self.files:
            found |= read_env_file(file).values
        return found


def compare(held: Mapping[str, str], wanted: Mapping[str, str], by_itself: frozenset[str] | None) -> Differences:
    """Compare what the scheduler holds with what a start would give it now.

    `by_itself` are names that a start brings along in any case; None if that is not known, and then nothing is said
    of variables that only the process has.
    """
    gone = () if by_itself is None else (held.keys() - wanted.keys()) - by_itself
    return Differences(
        new=tuple(sorted(wanted.keys() - held.keys())),
        changed=tuple(sorted(name for name in held.keys() & wanted.keys() if held[name] != wanted[name])),
        gone=tuple(sorted(name for name in gone if not _OF_SYSTEMD.fullmatch(name))),
    )


def judged(here: Iterator[str], in_force: Iterator[str], held: UnitEnvironment | None) -> Iterator[str]:
    """Merge warnings about this shell's settings with those of the scheduler: each says where it applies."""
    found = list(here)
    if held is None:
        yield from found
        return
    holds = list(in_force)
    for warning in holds:
        if warning in found:
            yield warning
        else:
            yield f"STILL IN USE, although the env file has changed: {warning}. To apply the change: {held.remedy}"
    for warning in found:
        if warning not in holds:
            yield f"only in this shell, not in the running scheduler: {warning}"


def _names(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - _MOST_NAMES} more" if names[_MOST_NAMES:] else ""
    return ", ".join(names[:_MOST_NAMES]) + more


def _written_since(settings: Settings, process: SchedulerProcess) -> bool:
    if settings.env_file is None or process.since is None:
        return False
    return datetime.fromtimestamp(settings.env_file.stat().st_mtime, UTC) > process.since


def _start_of(process: SchedulerProcess) -> Start | None:
    """Ask systemd what it starts the unit with; None if it does not run this process."""
    if ask_systemd("show", "--property=MainPID", "--value", UNIT) != str(process.pid):
        return None
    said = [
        line.partition("=")[::2] for line in ask_systemd_all("show", "--property=Environment,EnvironmentFiles", UNIT)
    ]
    given = [entry.partition("=")[::2] for name, words in said if name == "Environment" for entry in shlex.split(words)]
    files = [Path(words.partition(" (")[0]) for name, words in said if name == "EnvironmentFiles"]
    manager = frozenset(line.partition("=")[0] for line in ask_systemd_all("show-environment"))
    return Start(dict(given), tuple(files), manager)
