"""Turns what pydantic found in jobs.yaml into mistakes at their place, in words an operator can act on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from automation.jobs.model import JobsFile, ProfileEntry, TaskEntry
from automation.jobs.nodes import Document, Mistake, Scalar, Steps
from automation.jobs.values import describe
from monitoring.base.suggest import nearest

_EXAMPLES = {
    "profiles": "profiles: and under it one name: for each profile",
    "cron": 'cron: "5 * * * *"',
    "tasks": "tasks: and under it one - {name: …, script: …} for each task, or tasks: []",
    "name": "name: my-task",
    "env": "env: {NAME: value}",
    "args": "args: {name: value}",
    "needs": "needs: [other-task]",
    "monitors": "monitors: [protocols/aave/monitor.yaml]",
}
_A_PROFILE = "cron: and tasks: under the name of the profile"
_A_TASK = "{name: my-task, script: protocols/aave/main.py}"
_KEY_MARK = "[key]"  # how pydantic says that a key, not its value, is wrong
_WHOLE_FILE = ("profiles",)


def mistakes_of(error: ValidationError, document: Document) -> Iterator[Mistake]:
    """Yield one mistake for each error; a key that is missing because it is misspelt is told once."""
    details = error.errors(include_url=False)
    misspelt = {(*path[:-1], nearest(str(path[-1]), keys)) for path, keys in _unknown_keys(details)}
    for detail in details:
        path = _path(detail)
        if detail["type"] != "missing" or path not in misspelt:
            yield _mistake(detail, path, document)


def _unknown_keys(details: Iterable[ErrorDetails]) -> Iterator[tuple[Steps, list[str]]]:
    for detail in details:
        if detail["type"] == "extra_forbidden":
            yield detail["loc"], known_keys(detail["loc"])


def known_keys(path: Steps) -> list[str]:
    """Return the keys that may stand where the last step of a path stands."""
    model: type[BaseModel] = JobsFile if len(path) == 1 else TaskEntry if "tasks" in path[2:-1] else ProfileEntry
    return list(model.model_fields)


def _path(detail: ErrorDetails) -> Steps:
    """Return what is wrong by its path; the file as a whole goes by its one key."""
    path = detail["loc"][:-1] if detail["loc"][-1:] == (_KEY_MARK,) else detail["loc"]
    return path or _WHOLE_FILE


def _mistake(detail: ErrorDetails, path: Steps, document: Document) -> Mistake:
    at_key = _KEY_MARK in detail["loc"][-1:] or detail["type"] == "extra_forbidden"
    place = document.key_place(path) if at_key else document.place(path)
    return Mistake(place, path, _message(detail, path, document))


def _message(detail: ErrorDetails, path: Steps, document: Document) -> str:
    kind = detail["type"]
    if kind == "value_error":
        return str(detail["ctx"]["error"])
    if kind == "extra_forbidden":
        return _unknown_key(path)
    if kind == "missing":
        return f"missing: write {_example(path)}"
    value = document.at(detail["loc"])
    if isinstance(value, Scalar) and value.kind == "null":
        return f"there is no value: write {_example(path)}"
    fault = "without anything in it" if kind == "too_short" else "cannot stand here"
    return f"{describe(value)} {fault}: write {_example(path)}"


def _unknown_key(path: Steps) -> str:
    keys = known_keys(path)
    match = nearest(str(path[-1]), keys)
    return f"unknown key: did you mean {match}?" if match else f"unknown key: remove it, known are {', '.join(keys)}"


def _example(path: Steps) -> str:
    if isinstance(path[-1], int):
        return _A_TASK
    return _A_PROFILE if len(path) == 2 else _EXAMPLES[path[-1]]  # noqa: PLR2004 - profiles.<name>
