"""Reads the single values of jobs.yaml: each function takes what stands there and returns what it means.

jobs_file.py hangs these on its models. A ValueError says what to write instead; what YAML would make of a
text (`off`, `0x10`, `1e3`) plays no part, except that `true` and `false` are the two booleans.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from automation.jobs.nodes import Mapping, Scalar, Sequence
from monitoring.base.clock import parse_duration
from monitoring.base.errors import UsageError
from monitoring.ledger.cron import Cron

NAME = r"[a-z0-9][a-z0-9_-]*"
VARIABLE = r"[A-Za-z_][A-Za-z0-9_]*"
ARGUMENT = r"[A-Za-z0-9][A-Za-z0-9_.-]*"
DURATION = r"[0-9]+[smhd]?"
MAX_NAME_LENGTH = 64  # it becomes part of file names, which Linux bounds at 255 bytes
MAX_DURATION_S = 30 * 86400
# Set by the runner for its children, or kept from them because they are the senders' secrets.
RESERVED_VARIABLES = ("CACHE_DIR", "TMPDIR")
RESERVED_PREFIXES = ("AUTOMATION_", "MONITORING_", "TELEGRAM_", "NOTIFY_URLS", "WEBHOOK_", "LLM_")
_YES = {"true", "yes", "on", "y", "1"}
_NO = {"false", "no", "off", "n", "0"}


def read_text(value: object) -> str:
    """Return the characters as they are written; a null is no text."""
    if isinstance(value, Scalar) and value.kind == "null":
        raise ValueError('there is no value: write one, or "" for an empty text')
    return _characters(value)


def _characters(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{describe(value)} cannot stand here: write one value")  # noqa: TRY004 - pydantic wants it
    if "\0" in value:
        raise ValueError("a NUL character cannot be passed to a program: remove it")
    return str(value)


def read_flag(value: object) -> bool:
    text = _characters(value)
    if text in ("true", "false"):
        _refuse_quotes(value, "bool")
        return text == "true"
    word = "true" if text.lower() in _YES else "false" if text.lower() in _NO else "true or false"
    raise ValueError(f"{text!r} is no boolean: write {word}")


def number_between(low: int, high: int) -> Callable[[object], int]:
    """Return a reader of whole numbers from `low` to `high`."""

    def read_number(value: object) -> int:
        text = _characters(value)
        if not re.fullmatch(r"0|[1-9][0-9]{0,8}", text) or not low <= int(text) <= high:
            raise ValueError(f"{text!r} does not fit: write a whole number from {low} to {high}")
        _refuse_quotes(value, "int")
        return int(text)

    return read_number


def _refuse_quotes(value: object, kind: str) -> None:
    if isinstance(value, Scalar) and value.kind != kind:
        raise ValueError(f"{str(value)!r} in quotes is a text: write {value} without them")


def read_duration_s(value: object) -> int:
    text = _characters(value)
    try:
        seconds = int(parse_duration(text).total_seconds())
    except UsageError as error:
        if not re.fullmatch(DURATION, text):
            raise ValueError(str(error)) from error
        seconds = MAX_DURATION_S + 1
    if not 1 <= seconds <= MAX_DURATION_S:
        raise ValueError(f"{text!r} does not fit: write at least 1s and at most 30d")
    return seconds


def read_cron(value: object) -> Cron:
    try:
        return Cron.parse(_characters(value))
    except UsageError as error:
        raise ValueError(str(error)) from error


def read_name(value: object) -> str:
    text = _characters(value)  # `null` and `off` are names too
    if not text:
        raise ValueError("there is no name: write one, as in my-task")
    if not re.fullmatch(NAME, text):
        safe = re.sub(r"[^a-z0-9_]+", "-", text.lower()).strip("-_")
        raise ValueError(
            f"{text!r} is no safe name: write lower-case letters, digits, - and _, as in {safe or 'my-task'}"
        )
    if len(text) > MAX_NAME_LENGTH:
        raise ValueError(f"the name has {len(text)} characters: write at most {MAX_NAME_LENGTH}")
    return text


def read_variable(value: object) -> str:
    """Return the name of an environment variable."""
    text = _characters(value)
    if not re.fullmatch(VARIABLE, text):
        raise ValueError(f"{text!r} is no name of a variable: write letters, digits and _, no digit first")
    return text


def read_task_variable(value: object) -> str:
    """Return the name of a variable that a profile or task may set for its scripts."""
    name = read_variable(value)
    if name in RESERVED_VARIABLES or name.startswith(RESERVED_PREFIXES):
        raise ValueError(f"{name} is reserved for the runner: set it in the env file, not here")
    return name


def read_argument(value: object) -> str:
    text = _characters(value)
    if not re.fullmatch(ARGUMENT, text):
        bare = text.lstrip("-")
        hint = (
            f"write {bare}: the dashes are added"
            if re.fullmatch(ARGUMENT, bare)
            else "write letters, digits, . - and _"
        )
        raise ValueError(f"{text!r} is no name of an argument: {hint}")
    return text


def describe(value: object) -> str:
    """Say in a word what stands there."""
    if isinstance(value, Mapping):
        return "a mapping"
    return "a list" if isinstance(value, Sequence) else f"the text {str(value)!r}"
