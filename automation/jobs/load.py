"""jobs.yaml and jobs.d read into frozen profiles and tasks, defaults applied, or every mistake at once.

Called by every command. Reading is all it does: it starts nothing, and imports no script it names.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from automation.jobs.files import open_jobs
from automation.jobs.model import JOBS, Jobs, Profile
from automation.jobs.rules import check_rules
from monitoring.base.errors import UsageError
from monitoring.base.suggest import nearest
from monitoring.base.yaml.keys import read_value
from monitoring.base.yaml.marks import Mapping, YamlNode


def load_jobs(path: Path, checkout: Path) -> Jobs:
    """Read a jobs.yaml in which everything is right.

    Raises:
        ConfigError: it cannot be read or has mistakes; all of them are listed, sorted by place.
    """
    return read_jobs(open_jobs(path), checkout)


def load_profile(path: Path, checkout: Path, name: str) -> Profile:
    """Read one profile; mistakes in the others are not looked at.

    Raises:
        ConfigError: the file cannot be read, or this profile has mistakes.
        UsageError: there is no such profile; the message names the known ones.
    """
    root = open_jobs(path)
    profiles = root.get("profiles")
    if profiles is not None and isinstance(profiles.node, Mapping):
        names = [key.text for key, _ in profiles.children()]
        if name not in names:
            match = nearest(name, names)
            hint = f"did you mean {match}? The profiles are" if match else "the profiles are"
            raise UsageError(f"{path} has no profile {name!r}: {hint} {', '.join(names)}")
        root = _only(root, profiles.node, name)
    return read_jobs(root, checkout).profiles[name]


def _only(root: YamlNode, profiles: Mapping, name: str) -> YamlNode:
    """Return the root as if it held this profile alone; of the mistakes found so far only its own remain."""
    mine = f"profiles.{name}"
    for each in (root.mistakes, *root.mistakes.included):
        each.found[:] = [
            one for one in each.found if one[1] in ("profiles", mine) or one[1].startswith((f"{mine}.", f"{mine}["))
        ]
    kept = Mapping(tuple(entry for entry in profiles.entries if entry[0].text == name), profiles.at)
    above = root.node.entries if isinstance(root.node, Mapping) else ()
    node = Mapping(tuple((key, kept) for key, _ in above if key.text == "profiles"), root.node.at)
    return replace(root, node=node)


def read_jobs(root: YamlNode, checkout: Path) -> Jobs:
    """Return what a file says.

    Raises:
        ConfigError: as load_jobs.
    """
    check_rules(root, checkout)
    jobs = read_value(JOBS, root)
    root.mistakes.raise_any()
    if jobs is None:
        raise AssertionError(root.mistakes.file)
    profiles = {name: _complete(name, profile) for name, profile in jobs.profiles.items()}
    return replace(jobs, profiles=profiles)


def _complete(name: str, profile: Profile) -> Profile:
    """Give a profile the name it is under, and its tasks the deadline of the profile where they set none."""
    tasks = (replace(task, timeout_s=task.timeout_s or profile.timeout_s) for task in profile.tasks)
    return replace(profile, name=name, tasks=tuple(tasks))
