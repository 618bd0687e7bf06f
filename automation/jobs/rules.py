"""What pydantic cannot see in jobs.yaml because it spans several values: names, needs, one source for a task.

Works on the marked values, not on validated ones, so that every mistake is told at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter

from automation.jobs.nodes import Mapping, Mistake, Scalar, Sequence, Steps, Value
from monitoring.base.suggest import instead_of, nearest

_SOURCES = ("script", "monitors")


def broken_rules(root: Value) -> Iterator[Mistake]:
    """Yield the mistakes of every profile whose tasks can be told apart."""
    profiles = root.get("profiles") if isinstance(root, Mapping) else None
    if isinstance(profiles, Mapping):
        for name, profile in profiles.items():
            tasks = profile.get("tasks") if isinstance(profile, Mapping) else None
            if isinstance(tasks, Sequence):
                yield from _of_tasks(tasks, ("profiles", name, "tasks"))


def _of_tasks(tasks: Sequence, path: Steps) -> Iterator[Mistake]:
    entries = {index: task for index, task in enumerate(tasks) if isinstance(task, Mapping)}
    for index, task in entries.items():
        yield from _source(task, (*path, index))
    yield from _names(entries, path)
    named = {
        str(task["name"]): (index, task) for index, task in entries.items() if isinstance(task.get("name"), Scalar)
    }
    for name, (index, task) in named.items():
        yield from _needs(name, task, named, (*path, index, "needs"))
    yield from _cycles(named, path)


def _source(task: Mapping, path: Steps) -> Iterator[Mistake]:
    if "script" in task and "monitors" in task:
        yield Mistake(task.key_places["monitors"], (*path, "monitors"), "beside a script: keep one of the two")
    if "script" not in task and "monitors" in task and "args" in task:
        message = "arguments are a script's: remove them, monitors have none"
        yield Mistake(task.key_places["args"], (*path, "args"), message)
    neither = "script" not in task and "monitors" not in task
    if neither and not any(nearest(key, _SOURCES) for key in task):
        yield Mistake(task.place, path, "nothing to run: write script: protocols/aave/main.py, or monitors: […]")


def _names(entries: dict[int, Mapping], path: Steps) -> Iterator[Mistake]:
    first: dict[str, Scalar] = {}
    for index, task in entries.items():
        name = task.get("name")
        if not isinstance(name, Scalar):
            continue
        if name in first:
            message = f"{str(name)!r} is taken by the task in line {first[name].place.line}: write another name"
            yield Mistake(name.place, (*path, index, "name"), message)
        first.setdefault(str(name), name)


_Named = dict[str, tuple[int, Mapping]]


def _needs(name: str, task: Mapping, named: _Named, path: Steps) -> Iterator[Mistake]:
    for position, need in enumerate(_listed_needs(task)):
        fault = _fault_of(need, name, task, named) if isinstance(need, Scalar) else None
        if fault is not None:
            yield Mistake(need.place, (*path, position), fault)


def _fault_of(need: str, name: str, task: Mapping, named: _Named) -> str | None:
    if need == name:
        return "a task cannot wait for itself: remove it"
    if need not in named:
        others = [other for other in named if other != name]
        return f"no task of this profile is called {str(need)!r}: {instead_of(need, others)}"
    if _is_disabled(named[need][1]) and not _is_disabled(task):
        return f"{str(need)!r} is disabled and never runs: enable it, or remove it here"
    return None


def _cycles(named: _Named, path: Steps) -> Iterator[Mistake]:
    """Yield each circle once, at the needs of its uppermost task; the circle is then cut to find the next."""
    graph = {name: [str(need) for need in _listed_needs(task) if need != name] for name, (_, task) in named.items()}
    while circle := _circle(graph):
        start = min(range(len(circle)), key=lambda at: named[circle[at]][0])
        ordered = circle[start:] + circle[:start]
        index, task = named[ordered[0]]
        message = f"the tasks wait for each other ({' -> '.join([*ordered, ordered[0]])}): remove one of these needs"
        yield Mistake(task["needs"].place, (*path, index, "needs"), message)
        graph[ordered[0]].remove(ordered[1])


def _circle(graph: dict[str, list[str]]) -> list[str]:
    """Return tasks each of which needs the next, and the last the first."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        nodes: list[str] = error.args[1]  # first and last are the same; each is needed by the next
        return nodes[:0:-1]
    return []


def _listed_needs(task: Mapping) -> list[Value]:
    needs = task.get("needs")
    return list(needs) if isinstance(needs, Sequence) else []


def _is_disabled(task: Mapping) -> bool:
    return task.get("enabled") == "false"
