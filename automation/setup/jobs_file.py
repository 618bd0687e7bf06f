"""A team's own jobs file, `automation/jobs.d/own.yaml`: a task added, or the shipped examples switched. Pure.

Text is inserted and nothing else changes: comments and lines that somebody wrote there stay.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import yaml

from monitoring.base.errors import UsageError

NAME = "own.yaml"
_HEAD = """\
# yaml-language-server: $schema=../jobs.d.schema.json
# What this team watches itself, in addition to jobs.yaml; docs/jobs.md lists the keys. Yours to edit.
"""
_EXAMPLES = re.compile(r"^examples:.*$", re.MULTILINE)
_SWITCH = "examples: {}                    # off leaves out what ships: protocols of other people"


@dataclass(frozen=True, slots=True)
class OwnTask:
    """A task for one monitor file; `cron` where the profile is not in jobs.yaml."""

    profile: str
    name: str
    monitor: str
    cron: str = ""


def with_examples(text: str, switch: str) -> str:
    """Return the file with `examples: on` or `off`."""
    line = _SWITCH.format(switch)
    text = text or _HEAD
    if _EXAMPLES.search(text):
        return _EXAMPLES.sub(line, text, count=1)
    before, mark, after = text.partition("profiles:")
    return f"{before}{line}\n{mark}{after}"


def with_task(text: str, task: OwnTask) -> str:
    """Return the file with a task for a monitor file, unchanged if one of its tasks has that file already.

    Raises:
        UsageError: it is not written in a way that lines can be put into.
    """
    text = text or _HEAD
    profiles = _child(_root(text), "profiles")
    if task.monitor in text:
        return text
    if profiles is None:
        return f"{text}profiles:\n{_profile(task, 2)}"
    profile = _child(profiles, task.profile)
    if profile is None:
        return _after(text, profiles, _profile(task, profiles.start_mark.column))
    tasks = _child(profile, "tasks")
    if tasks is None:
        indent = profile.start_mark.column
        return _after(text, profile, f"{' ' * indent}tasks:\n{_item(task, indent + 2)}")
    return _after(text, tasks, _item(task, tasks.start_mark.column))


def _root(text: str) -> yaml.Node | None:
    try:
        return yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        raise UsageError(f"jobs.d/{NAME} is not YAML: correct it first ({error})") from None


def _child(node: yaml.Node | None, name: str) -> yaml.Node | None:
    """Return the value of a key, None where there is no such key."""
    if not isinstance(node, yaml.MappingNode):
        return None
    return next((value for key, value in node.value if key.value == name), None)


def _after(text: str, node: yaml.Node, lines: str) -> str:
    """Put lines behind the last line of a block."""
    if not isinstance(node, yaml.CollectionNode) or node.flow_style:
        raise UsageError(
            f"jobs.d/{NAME}, line {node.start_mark.line + 1}: nothing can be added here: "
            f"write it in lines of its own, without brackets, and add:\n{lines}"
        )
    kept = text.splitlines(keepends=True)
    place = _last_line(node) + 1
    if not kept[place - 1].endswith("\n"):
        kept[place - 1] += "\n"
    return "".join([*kept[:place], lines, *kept[place:]])


def _last_line(node: yaml.Node) -> int:
    """Return the last line with something of the node: the end of a block itself is behind blank lines and comments."""
    if not isinstance(node, yaml.CollectionNode) or node.flow_style or not node.value:
        return int(node.end_mark.line)
    last = node.value[-1]
    return _last_line(last[1] if isinstance(last, tuple) else last)


def _profile(task: OwnTask, indent: int) -> str:
    pad = " " * indent
    cron = f'{pad}  cron: "{task.cron}"\n' if task.cron else ""
    return f"{pad}{task.profile}:\n{cron}{pad}  tasks:\n{_item(task, indent + 4)}"


def _item(task: OwnTask, indent: int) -> str:
    pad = " " * indent
    return f"{pad}- name: {task.name}\n{pad}  monitors: [{task.monitor}]\n"
