"""The text of a YAML file that an operator wrote, and in plain words why and where it is not YAML."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from monitoring.base.yaml.marks import START, Place

# Far above any real file (the longest known has 40 tasks), far below what hurts.
MAX_BYTES = 1_000_000


class YamlError(Exception):
    """The text is not YAML that we read; `place` says where."""

    def __init__(self, place: Place, message: str) -> None:
        self.place = place
        super().__init__(message)


def read_text(path: Path) -> str:
    """Return what a file says.

    Raises:
        YamlError: it cannot be opened, is too large, or is not UTF-8.
    """
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError as error:
        reason = f"the file cannot be read ({error.strerror}): correct its path or its permissions"
        raise YamlError(START, reason) from error
    if len(data) > MAX_BYTES:
        raise YamlError(START, f"the file is larger than {MAX_BYTES} bytes: nobody wrote that by hand")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        place = _end_of(data[: error.start].decode("utf-8-sig"))
        raise YamlError(place, f"the byte 0x{data[error.start]:02x} is not UTF-8: save the file as UTF-8") from error


_NO_SPACE = re.compile(r"\s*(?:- +)*[A-Za-z_][\w-]*(?=:[^\s:/])")
_AFTER_MERGE = re.compile(r"^(<{7}|={7}|>{7})( |$)", re.MULTILINE)
_STARTS_NO_VALUE = {
    "\t": "a tab cannot indent: use spaces",
    "@": 'a value that begins with @ needs quotes, as in cron: "@daily"',
    "%": "a value that begins with % needs quotes",
    "`": "a value that begins with ` needs quotes",
}
# Reported where libyaml noticed them.
_NOTICED_THERE = {
    "mapping values are not allowed in this context": "a colon is not possible here: put the value in quotes,"
    " or correct the indentation",
    "did not find expected key": "the indentation does not fit the lines above: align the keys",
    "did not find expected '-' indicator": "the indentation does not fit the list above: align its dashes,"
    " and the keys of each entry",
}
# Reported where they began, which is where they are fixed.
_BEGAN_EARLIER = {
    "could not find expected ':'": "a colon is missing: write key: value",
    "did not find expected ',' or ']'": "the list that opens here is not closed: write a comma or ], and quote"
    " a text that holds [ ] { } or ,",
    "did not find expected ',' or '}'": "the mapping that opens here is not closed: write a comma or }, and quote"
    " a text that holds [ ] { } or ,",
    "did not find expected alphabetic or numeric character": "a value that begins with * or & needs quotes,"
    ' as in cron: "*/10 * * * *"',
    "found unexpected end of stream": "the text that opens here is not closed: write its second quote",
}


def explain(error: yaml.YAMLError, text: str) -> YamlError:
    """Return the place of what the parser stumbled over, and what to do about it."""
    conflict = _AFTER_MERGE.search(text)
    if conflict:
        line = text.count("\n", 0, conflict.start()) + 1
        return YamlError(Place(line, 1), "a merge left its conflict here: keep one side and remove the marker lines")
    if isinstance(error, yaml.reader.ReaderError):
        before = text.encode()[: error.position].decode(errors="ignore")  # libyaml counts bytes here
        return YamlError(_end_of(before), f"the control character U+{error.character:04X} is not allowed in YAML")
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return YamlError(START, f"not YAML: {error}")
    problem, mark = error.problem or "cannot be read", error.problem_mark
    if problem in _NOTICED_THERE and (missing := _missing_space(text, mark.line)):
        return YamlError(missing, "a space is missing after this colon: write key: value")
    if problem in _BEGAN_EARLIER:
        mark = error.context_mark or mark
    words = _in_plain_words(problem, error.context, text[mark.index : mark.index + 1])
    return YamlError(Place(mark.line + 1, mark.column + 1), words)


def _missing_space(text: str, line: int) -> Place | None:
    """Return the colon of `key:value` in the line before the one that does not fit."""
    before = text.split("\n")[line - 1] if line else ""
    found = _NO_SPACE.match(before)
    return Place(line, found.end() + 1) if found else None


def _in_plain_words(problem: str, context: str | None, character: str) -> str:
    if problem == "found character that cannot start any token":
        return _STARTS_NO_VALUE.get(character, f"a value cannot begin with {character!r}: put it in quotes")
    known = _NOTICED_THERE.get(problem) or _BEGAN_EARLIER.get(problem)
    return known or (f"{problem}, {context}" if context else problem)


def _end_of(text: str) -> Place:
    return Place(text.count("\n") + 1, len(text) - text.rfind("\n"))
