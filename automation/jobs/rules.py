"""The rules of jobs.yaml that span several values or look at the disk: names, needs, one source for a task, its files.

They work on the nodes, not on what was read from them, so that every mistake is reported at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from automation.jobs.paths import file_fault, plain_path
from monitoring.base.suggest import instead_of, nearest
from monitoring.base.yaml.marks import Mapping, Place, Scalar, YamlNode

_SOURCES = ("script", "monitors")


def check_rules(root: YamlNode, checkout: Path) -> None:
    """Note the mistakes of every profile whose tasks can be recognized, and of the files that are named."""
    for tasks in _task_lists(root):
        _check_tasks([task for task in tasks.elements() if isinstance(task.node, Mapping)])
    for at, file in files_named(root):
        if fault := file_fault(file, checkout):
            at.wrong(fault)


def files_named(root: YamlNode) -> Iterator[tuple[YamlNode, str]]:
    """Yield every script and monitor whose path is well formed, where it is written."""
    for tasks in _task_lists(root):
        for task in tasks.elements():
            script, monitors = task.get("script"), task.get("monitors")
            for at in [*([script] if script else []), *(monitors.elements() if monitors else [])]:
                if isinstance(at.node, Scalar) and "\0" not in at.node.text:
                    with suppress(ValueError):  # its table of keys reports it
                        yield at, plain_path(at.node.text)


def _task_lists(root: YamlNode) -> Iterator[YamlNode]:
    profiles = root.get("profiles")
    for _, profile in profiles.children() if profiles else ():
        tasks = profile.get("tasks")
        if tasks is not None:
            yield tasks


_Named = dict[str, tuple[int, YamlNode]]


def _check_tasks(tasks: list[YamlNode]) -> None:
    named: _Named = {}
    for index, task in enumerate(tasks):
        _check_source(task)
        name = task.get("name")
        if name is None or not isinstance(name.node, Scalar):
            continue
        text = name.node.text
        if text in named:
            name.wrong(f"{text!r} is taken by the task in {_place(named[text][1], name)}: write another name")
        else:
            named[text] = (index, task)
    for own, (_, task) in named.items():
        for need in _needs(task):
            fault = _fault_of(need.node.text, own, task, named) if isinstance(need.node, Scalar) else None
            if fault is not None:
                need.wrong(fault)
    _check_cycles(named)


def _place(task: YamlNode, seen_from: YamlNode) -> str:
    """Return where a task has its name."""
    name = task.get("name") or task
    is_near = name.mistakes.file == seen_from.mistakes.file
    return f"line {name.node.at.line}" if is_near else f"{name.mistakes.file}:{name.node.at}"


def _check_source(task: YamlNode) -> None:
    places = {key.text: key.at for key, _ in task.children()}
    if "script" in places and "monitors" in places:
        _at_key(task, "monitors", places, "both script and monitors are here: keep one of the two")
    if "script" not in places and "monitors" in places and "args" in places:
        _at_key(task, "args", places, "arguments are a script's: remove them, monitors have none")
    neither = "script" not in places and "monitors" not in places
    if neither and not any(nearest(key, _SOURCES) for key in places):
        task.wrong("nothing to run: write script: protocols/aave/main.py, or monitors: […]")


def _at_key(task: YamlNode, key: str, places: dict[str, Place], message: str) -> None:
    task.mistakes.add(places[key], f"{task.path}.{key}", message)


def _fault_of(need: str, name: str, task: YamlNode, named: _Named) -> str | None:
    if need == name:
        return "a task cannot wait for itself: remove it"
    if need not in named:
        others = [other for other in named if other != name]
        return f"no task of this profile is called {need!r}: {instead_of(need, others)}"
    if _is_disabled(named[need][1]) and not _is_disabled(task):
        return f"{need!r} is disabled and never runs: enable it, or remove it here"
    return None


def _check_cycles(named: _Named) -> None:
    """Note each circle once, at the needs of its uppermost task; the circle is then cut to find the next."""
    graph = {name: [need for need in _need_names(task) if need != name] for name, (_, task) in named.items()}
    while circle := _circle(graph):
        start = min(range(len(circle)), key=lambda at: named[circle[at]][0])
        ordered = circle[start:] + circle[:start]
        needs = named[ordered[0]][1].get("needs")
        if needs is not None:
            path = " -> ".join([*ordered, ordered[0]])
            needs.wrong(f"the tasks wait for each other ({path}): remove one of these needs")
        graph[ordered[0]].remove(ordered[1])


def _circle(graph: dict[str, list[str]]) -> list[str]:
    """Return tasks each of which needs the next, and the last the first."""
    if not any(graph.values()):
        return []
    from graphlib import CycleError, TopologicalSorter  # noqa: PLC0415 - few profiles have tasks that wait for others

    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        nodes: list[str] = error.args[1]  # first and last are the same; each is needed by the next
        return nodes[:0:-1]
    return []


def _needs(task: YamlNode) -> list[YamlNode]:
    needs = task.get("needs")
    return needs.elements() if needs else []


def _need_names(task: YamlNode) -> list[str]:
    return [need.node.text for need in _needs(task) if isinstance(need.node, Scalar)]


def _is_disabled(task: YamlNode) -> bool:
    enabled = task.get("enabled")
    return enabled is not None and isinstance(enabled.node, Scalar) and enabled.node.text == "false"
