"""jobs.yaml as the runner knows it: frozen profiles and tasks, defaults applied, or every mistake at once.

Called by every verb. Reading is all it does: it starts nothing, and imports no script it names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from automation.jobs.mistakes import mistakes_of
from automation.jobs.model import JobsFile, ProfileEntry, TaskEntry
from automation.jobs.nodes import Document, Mistake, config_error
from automation.jobs.nodes import Mapping as MarkedMapping
from automation.jobs.reader import read_document
from automation.jobs.rules import broken_rules
from monitoring.base.errors import UsageError
from monitoring.base.suggest import nearest
from monitoring.ledger.cron import Cron


@dataclass(frozen=True, slots=True)
class Task:
    """One task of a profile. Either `script` or `monitors` is set; paths are relative to the checkout."""

    name: str
    script: str | None
    monitors: tuple[str, ...]
    args: tuple[tuple[str, str], ...]
    env: Mapping[str, str]
    enabled: bool
    timeout_s: int
    needs: tuple[str, ...]
    retries: int
    isolate: bool
    alert_after: int

    @property
    def argv(self) -> tuple[str, ...]:
        """What the script is given after its name, in the order of the file."""
        return tuple(f"--{key}={value}" for key, value in self.args)


@dataclass(frozen=True, slots=True)
class Profile:
    """Tasks that run together at the ticks of `cron`."""

    name: str
    cron: Cron
    description: str
    enabled: bool
    sync_before_run: bool
    env: Mapping[str, str]
    tasks: tuple[Task, ...]
    parallel: int
    timeout_s: int
    run_timeout_s: int | None
    heartbeat_env: str | None
    catch_up: Literal["none", "latest"]
    max_age_s: int | None

    @property
    def enabled_tasks(self) -> tuple[Task, ...]:
        return tuple(task for task in self.tasks if task.enabled)


@dataclass(frozen=True, slots=True)
class Jobs:
    """A whole jobs.yaml, profiles in the order of the file."""

    profiles: Mapping[str, Profile]


def load_jobs(path: Path, checkout: Path) -> Jobs:
    """Read a jobs.yaml in which everything is right.

    Raises:
        ConfigError: it cannot be read or has mistakes; all of them are listed, sorted by place.
    """
    return read_jobs(read_document(path), checkout)


def load_profile(path: Path, checkout: Path, name: str) -> Profile:
    """Read one profile; mistakes in the others are not looked at.

    Raises:
        ConfigError: the file cannot be read, or this profile has mistakes.
        UsageError: there is no such profile; the message names the known ones.
    """
    document = read_document(path)
    profiles = document.at(("profiles",))
    if isinstance(profiles, MarkedMapping):
        if name not in profiles:
            match = nearest(name, profiles)
            hint = f"did you mean {match}? The profiles are" if match else "the profiles are"
            raise UsageError(f"{document.file} has no profile {name!r}: {hint} {', '.join(profiles)}")
        document = _only(document, profiles, name)
    return read_jobs(document, checkout).profiles[name]


def _only(document: Document, profiles: MarkedMapping, name: str) -> Document:
    """Return the document as if it held this profile alone."""
    root = MarkedMapping(document.root.place)
    root.key_places["profiles"] = profiles.place
    root["profiles"] = kept = MarkedMapping(profiles.place)
    kept[name] = profiles[name]
    kept.key_places[name] = profiles.key_places[name]
    mine = tuple(mistake for mistake in document.mistakes if mistake.path[:2] == ("profiles", name))
    return Document(document.file, root, mine)


def read_jobs(document: Document, checkout: Path) -> Jobs:
    """Return what a document says.

    Raises:
        ConfigError: as load_jobs.
    """
    mistakes: list[Mistake] = [*document.mistakes, *broken_rules(document.root)]
    try:
        entries = JobsFile.model_validate(document.root, context=checkout)
    except ValidationError as error:
        mistakes += mistakes_of(error, document)
    if mistakes:
        raise config_error(document.file, mistakes)
    return Jobs({name: _profile(name, entry) for name, entry in entries.profiles.items()})


def _profile(name: str, entry: ProfileEntry) -> Profile:
    return Profile(
        name=name,
        cron=entry.cron,
        description=entry.description,
        enabled=entry.enabled,
        sync_before_run=entry.sync_before_run,
        env=entry.env,
        tasks=tuple(_task(task, entry.timeout) for task in entry.tasks),
        parallel=entry.parallel,
        timeout_s=entry.timeout,
        run_timeout_s=entry.run_timeout,
        heartbeat_env=entry.heartbeat_env,
        catch_up=entry.catch_up,
        max_age_s=entry.max_age,
    )


def _task(entry: TaskEntry, default_timeout_s: int) -> Task:
    return Task(
        name=entry.name,
        script=entry.script,
        monitors=tuple(entry.monitors or ()),
        args=tuple(entry.args.items()),
        env=entry.env,
        enabled=entry.enabled,
        timeout_s=entry.timeout or default_timeout_s,
        needs=tuple(entry.needs),
        retries=entry.retries,
        isolate=entry.isolate,
        alert_after=entry.alert_after,
    )
