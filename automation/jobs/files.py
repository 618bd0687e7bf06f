"""jobs.yaml and the files of jobs.d read together, as one tree of nodes, in which each node reports to its own file.

A team's own profiles and tasks are in files of its own, so that an upstream merge never conflicts with them, and one
line there (`examples: off`) leaves the tasks out that jobs.yaml marks as examples.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import reduce
from pathlib import Path
from typing import TypeAlias

from automation.jobs.model import JOBS
from monitoring.base.yaml.marks import START, Grafted, Mapping, Mistakes, Node, Scalar, Sequence, YamlNode
from monitoring.base.yaml.reader import read_yaml

FOLDER = "jobs.d"
_SUFFIX = ".yaml"
# What makes a profile one; a second file that has it means another profile by the same name.
_CRON = "cron"
_Join: TypeAlias = Callable[[str, YamlNode, YamlNode], YamlNode | Node | None]


def open_jobs(path: Path) -> YamlNode:
    """Return the root of a jobs.yaml and of its jobs.d, with the mistakes of form that did not stop the reading.

    Raises:
        ConfigError: a file cannot be opened, is not UTF-8, is not YAML, or is beyond the limits of the reader.
    """
    root = open_file(path)
    found = Mistakes(str(path.with_name(FOLDER)))
    more = [_open_further(file) for file in _further(path.with_name(FOLDER), found)]
    found.raise_any()
    if isinstance(root.node, Mapping):
        root.mistakes.included.extend(other.mistakes for other in more)
        root = reduce(lambda one, other: replace(one, node=_united(one, other, _join_top)), more, root)
    return _without_examples(root)


def open_file(path: Path) -> YamlNode:
    """Return the root of one file alone.

    Raises:
        ConfigError: as open_jobs.
    """
    mistakes = Mistakes(str(path))
    node = read_yaml(path, mistakes, aliases=True)
    if node is None:
        mistakes.raise_any()
        raise AssertionError(path)
    # The file as a whole goes by its one key.
    return YamlNode(node, "" if isinstance(node, Mapping) else "profiles", mistakes)


def _open_further(path: Path) -> YamlNode:
    root = open_file(path)
    if not isinstance(root.node, Mapping):
        root.wrong(f"{root.node} is not possible here: write {JOBS.example}")
        root.mistakes.raise_any()
    return root


def replaced(shipped: YamlNode, whole: YamlNode) -> Iterator[str]:
    """Yield a line for each value of `shipped`, a jobs.yaml alone, that the `whole` has from another file."""
    known = {name.text: child for name, child in shipped.children()}
    for name, child in whole.children():
        before = known.get(name.text)
        if before is None:
            continue
        if _are(Scalar, before, child) and child.mistakes.file != before.mistakes.file:
            here, there = (f"{one.mistakes.file}:{one.node.at}" for one in (child, before))
            yield f"{here} {child.path}: in place of {there}"
        yield from replaced(before, child)


def main_file(path: Path) -> Path:
    """Return the jobs.yaml that a file of jobs.d extends; of any other file the file itself."""
    above = path.absolute().parent
    first = above.parent / "jobs.yaml"
    if above.name != FOLDER or not first.is_file():
        return path
    return first if path.is_absolute() else Path(os.path.relpath(first))


def _further(folder: Path, found: Mistakes) -> Iterator[Path]:
    """Yield the files of jobs.d by name; one that would be overlooked because of its suffix is a mistake."""
    if not folder.is_dir():
        if folder.exists():
            found.add(START, "", "not a directory: make it one, with files NAME.yaml in it")
        return
    try:
        names = sorted(path.name for path in folder.iterdir())
    except OSError as error:
        found.add(START, "", f"the directory cannot be read ({error.strerror}): correct its permissions")
        return
    for name in names:
        if not name.startswith("."):
            if name.endswith(_SUFFIX):
                yield folder / name
            elif name.endswith(".yml"):
                found.add(START, "", f"{name} is not read: rename it to {name.removesuffix('.yml')}{_SUFFIX}")


def _united(one: YamlNode, two: YamlNode, join: _Join) -> Node:
    """Return a mapping with the keys of both. `join` unites what both have; None from it: only one may have the key."""
    found = {name.text: (name, child) for name, child in one.children()}
    for name, child in two.children():
        first, before = found.setdefault(name.text, (name, child))
        if before is child:
            continue
        node = join(name.text, before, child)
        if isinstance(node, YamlNode):
            found[name.text] = (name, node)
        elif node is not None:
            found[name.text] = (first, replace(before, node=node))
        else:
            child.mistakes.add(name.at, child.path, _one_too_many(before, child, f"{before.mistakes.file}:{first.at}"))
    return Mapping(tuple((name, Grafted(child)) for name, child in found.values()), one.node.at)


def _one_too_many(one: YamlNode, two: YamlNode, place: str) -> str:
    if type(one.node) is not type(two.node):
        return f"{two.node} cannot be added to {one.node} in {place}: correct one of the two"
    return f"this key is also in {place}: remove one of the two"


def _join_top(name: str, one: YamlNode, two: YamlNode) -> YamlNode | Node | None:
    are_profiles = name == "profiles" and _are(Mapping, one, two)
    return _united(one, two, _join_profile) if are_profiles else _join_value(name, one, two)


def _join_profile(_name: str, one: YamlNode, two: YamlNode) -> Node | None:
    return _united(one, two, _join_key) if _are(Mapping, one, two) else None


def _join_key(name: str, one: YamlNode, two: YamlNode) -> YamlNode | Node | None:
    """Unite a key of a profile: tasks and variables are added, and only one file may say when it runs."""
    if name == "tasks" and _are(Sequence, one, two):
        return Sequence(tuple(Grafted(item) for item in (*one.elements(), *two.elements())), one.node.at)
    if name == "env" and _are(Mapping, one, two):
        return _united(one, two, _join_value)
    return None if name == _CRON else _join_value(name, one, two)


def _join_value(_name: str, one: YamlNode, two: YamlNode) -> YamlNode | None:
    """Return what the host says: its files go before jobs.yaml, and none of them before another."""
    is_of_host = Path(one.mistakes.file).parent.name == FOLDER
    return two if _are(Scalar, one, two) and not is_of_host else None


def _are(shape: type[Node], one: YamlNode, two: YamlNode) -> bool:
    return isinstance(one.node, shape) and isinstance(two.node, shape)


def _without_examples(root: YamlNode) -> YamlNode:
    """Leave out the tasks that are marked as examples, if a file says `examples: off`."""
    switch, profiles = root.get("examples"), root.get("profiles")
    is_off = switch is not None and isinstance(switch.node, Scalar) and switch.node.text == "off"
    if not is_off or profiles is None or not isinstance(profiles.node, Mapping):
        return root
    kept = Mapping(tuple((name, Grafted(_own(profile))) for name, profile in profiles.children()), profiles.node.at)
    return _with(root, "profiles", kept)


def _own(profile: YamlNode) -> YamlNode:
    tasks = profile.get("tasks")
    if tasks is None or not isinstance(tasks.node, Sequence):
        return profile
    # Grafted, so that the path of a task still counts those that are left out before it.
    own = tuple(Grafted(task) for task in tasks.elements() if not _is_example(task))
    return _with(profile, "tasks", Sequence(own, tasks.node.at))


def _is_example(task: YamlNode) -> bool:
    mark = task.get("example")
    return mark is not None and isinstance(mark.node, Scalar) and mark.node.text == "true"


def _with(at: YamlNode, key: str, node: Node) -> YamlNode:
    """Return a mapping with another value of one of its keys."""
    children = ((name, replace(child, node=node) if name.text == key else child) for name, child in at.children())
    entries = tuple((name, Grafted(child)) for name, child in children)
    return replace(at, node=Mapping(entries, at.node.at))
