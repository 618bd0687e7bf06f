"""The kinds of single values in jobs.yaml: how each is read, and what editors accept for it.

A ValueError says what to write instead. What YAML would make of a text (`off`, `0x10`, `1e3`) plays no part, except
that `true` and `false` are the two booleans.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from automation.jobs.paths import plain_path
from monitoring.base.clock import parse_duration
from monitoring.base.errors import UsageError
from monitoring.base.secrets.declared import reserved_prefixes
from monitoring.base.yaml.keys import One
from monitoring.base.yaml.marks import Scalar
from monitoring.ledger.cron import Cron

_NAME = r"[a-z0-9][a-z0-9_-]*"
_VARIABLE = r"[A-Za-z_][A-Za-z0-9_]*"
_ARGUMENT = r"[A-Za-z0-9][A-Za-z0-9_.-]*"
_DURATION = r"[0-9]+[smhd]?"
_MAX_NAME_LENGTH = 64  # it becomes part of file names, which Linux bounds at 255 bytes
_MAX_DURATION_S = 30 * 86400
# Set by the runner for its children, or kept from them because senders declare them as theirs.
_RESERVED_VARIABLES = ("CACHE_DIR", "TMPDIR")
_RESERVED_PREFIXES = ("AUTOMATION_", "MONITORING_")
_YES = {"true", "yes", "on", "y", "1"}
_NO = {"false", "no", "off", "n", "0"}


def _text(value: Scalar) -> str:
    """Return the characters as they are written; a null is not a text."""
    if value.is_null:
        raise ValueError('there is no value: write one, or "" for an empty text')
    return _characters(value)


def _characters(value: Scalar) -> str:
    if "\0" in value.text:
        raise ValueError("a NUL character cannot be passed to a program: remove it")
    return value.text


def _flag(value: Scalar) -> bool:
    text = _characters(value)
    if text in ("true", "false"):
        _refuse_quotes(value)
        return text == "true"
    word = "true" if text.lower() in _YES else "false" if text.lower() in _NO else "true or false"
    raise ValueError(f"{text!r} is no boolean: write {word}")


def _number_between(low: int, high: int) -> Callable[[Scalar], int]:
    """Return a reader of whole numbers from `low` to `high`."""

    def read_number(value: Scalar) -> int:
        text = _characters(value)
        if not re.fullmatch(r"0|[1-9][0-9]{0,8}", text) or not low <= int(text) <= high:
            raise ValueError(f"{text!r} does not fit: write a whole number from {low} to {high}")
        _refuse_quotes(value)
        return int(text)

    return read_number


def _refuse_quotes(value: Scalar) -> None:
    if value.quoted:
        raise ValueError(f"{value.text!r} in quotes is a text: write {value.text} without them")


def _duration_s(value: Scalar) -> int:
    text = _characters(value)
    try:
        seconds = int(parse_duration(text).total_seconds())
    except UsageError as error:
        if not re.fullmatch(_DURATION, text):
            raise ValueError(str(error)) from error
        seconds = _MAX_DURATION_S + 1
    if not 1 <= seconds <= _MAX_DURATION_S:
        raise ValueError(f"{text!r} does not fit: write at least 1s and at most 30d")
    return seconds


def _cron(value: Scalar) -> Cron:
    try:
        return Cron.parse(_characters(value))
    except UsageError as error:
        raise ValueError(str(error)) from error


def _name(value: Scalar) -> str:
    text = _characters(value)  # `null` and `off` are names too
    if not text:
        raise ValueError("there is no name: write one, as in my-task")
    if not re.fullmatch(_NAME, text):
        safe = re.sub(r"[^a-z0-9_]+", "-", text.lower()).strip("-_")
        raise ValueError(
            f"{text!r} is no safe name: write lower-case letters, digits, - and _, as in {safe or 'my-task'}"
        )
    if len(text) > _MAX_NAME_LENGTH:
        raise ValueError(f"the name has {len(text)} characters: write at most {_MAX_NAME_LENGTH}")
    return text


def _variable(value: Scalar) -> str:
    """Return the name of an environment variable."""
    text = _characters(value)
    if not re.fullmatch(_VARIABLE, text):
        raise ValueError(f"{text!r} is no name of a variable: write letters, digits and _, no digit first")
    return text


def _task_variable(value: Scalar) -> str:
    """Return the name of a variable that a profile or task may set for its scripts."""
    name = _variable(value)
    if name in _RESERVED_VARIABLES or name.startswith(_reserved_prefixes()):
        raise ValueError(f"{name} is reserved for the runner: set it in the env file, not here")
    return name


def _reserved_prefixes() -> tuple[str, ...]:
    return (*_RESERVED_PREFIXES, *reserved_prefixes())


class _TaskVariable(One[str]):
    """The files of the senders are read for it where a name or the schema needs them, not at each start."""

    def __init__(self) -> None:
        super().__init__("NAME", _task_variable, {})

    def schema(self) -> dict[str, object]:
        reserved = rf"(?!({'|'.join(_RESERVED_VARIABLES)})$|{'|'.join(_reserved_prefixes())})"
        return _pattern(reserved + _VARIABLE)


def _argument(value: Scalar) -> str:
    text = _characters(value)
    if not re.fullmatch(_ARGUMENT, text):
        bare = text.lstrip("-")
        hint = (
            f"write {bare}: the dashes are added"
            if re.fullmatch(_ARGUMENT, bare)
            else "write letters, digits, . - and _"
        )
        raise ValueError(f"{text!r} is no name of an argument: {hint}")
    return text


_AS_WRITTEN = ["string", "number", "boolean"]  # whatever YAML takes the characters for


def _pattern(pattern: str, **more: object) -> dict[str, object]:
    return {"type": _AS_WRITTEN, "pattern": f"^{pattern}$", **more}


def _path(value: Scalar) -> str:
    return plain_path(_text(value))


def whole_number(low: int, high: int) -> One[int]:
    schema = {"type": "integer", "minimum": low, "maximum": high}
    return One(f"number, {low} to {high}", _number_between(low, high), schema)


def one_of(*words: str) -> One[str]:
    def read_word(value: Scalar) -> str:
        text = _text(value)
        if text not in words:
            raise ValueError(f"{text!r} is unknown: write {' or '.join(words)}")
        return text

    return One(" or ".join(f"`{word}`" for word in words), read_word, {"enum": list(words)})


def _time_or_off(value: Scalar) -> str:
    text = _text(value)
    if text != "off" and not re.fullmatch(_TIME, text):
        raise ValueError(f"{text!r} is no time of day: write HH:MM in UTC, as in 07:00, or off")
    return text


_TIME = r"([01][0-9]|2[0-3]):[0-5][0-9]"
_CRON = r"^\s*(@[a-zA-Z]+|[0-9a-zA-Z*/,?-]+([ \t]+[0-9a-zA-Z*/,?-]+){4})\s*$"
TEXT = One("text", _text, {"type": _AS_WRITTEN})
FLAG = One("`true` or `false`", _flag, {"type": "boolean"})
TIME_OR_OFF = One("HH:MM or `off`", _time_or_off, {"type": "string", "pattern": rf"^({_TIME}|off)$"})
NAME = One("name", _name, _pattern(_NAME, maxLength=_MAX_NAME_LENGTH))
VARIABLE = One("name of a variable", _variable, _pattern(_VARIABLE))
TASK_VARIABLE = _TaskVariable()
ARGUMENT = One("name", _argument, _pattern(_ARGUMENT))
FILE = One("path", _path, {"type": "string", "pattern": r"^(?!/)(?!(.*/)?\.\.(/|$)).*\S"})
CRON = One("cron", _cron, {"type": "string", "pattern": _CRON, "examples": ["5 * * * *", "0/10 * * * *", "@daily"]})
SECONDS = One(
    "duration",
    _duration_s,
    {
        "anyOf": [
            {"type": "integer", "minimum": 1, "maximum": _MAX_DURATION_S},
            {"type": "string", "pattern": f"^0*[1-9]{_DURATION.replace('+', '*', 1)}$"},
        ]
    },
)
