"""Says in plain words why a text is no YAML, and where. yaml_marks.py asks."""

from __future__ import annotations

import re

import yaml

_AFTER_MERGE = re.compile(r"^(<{7}|={7}|>{7})( |$)", re.MULTILINE)
_STARTS_NO_VALUE = {
    "\t": "a tab cannot indent: use spaces",
    "@": 'a value that begins with @ needs quotes, as in cron: "@daily"',
    "%": "a value that begins with % needs quotes",
    "`": "a value that begins with ` needs quotes",
}
# Told where libyaml noticed them.
_NOTICED_THERE = {
    "mapping values are not allowed in this context": "a colon cannot stand here: put the value in quotes,"
    " or mend the indentation",
    "did not find expected key": "the indentation does not fit the lines above: align the keys",
    "did not find expected '-' indicator": "the indentation does not fit the list above: align the dashes",
    "but found another document": "a second document begins here: keep one, without the --- between",
    "second occurrence": "an anchor of this name stands above: write another name after the &",
    "found undefined alias": "no anchor of this name stands before it: write the value out, or &name where it is",
}
# Told where they began, which is where they are mended.
_BEGAN_EARLIER = {
    "could not find expected ':'": "a colon is missing: write key: value",
    "did not find expected ',' or ']'": "the list that opens here is not closed: write a comma or ]",
    "did not find expected ',' or '}'": "the mapping that opens here is not closed: write a comma or }",
    "did not find expected alphabetic or numeric character": "a value that begins with * or & needs quotes,"
    ' as in cron: "*/10 * * * *"',
    "found unexpected end of stream": "the text that opens here is not closed: write its second quote",
}


def explain(error: yaml.YAMLError, text: str) -> tuple[int, int, str]:
    """Return the line, the column (both from 1) and what to do about it."""
    conflict = _AFTER_MERGE.search(text)
    if conflict:
        line = text.count("\n", 0, conflict.start()) + 1
        return line, 1, "a merge left its conflict here: keep one side and remove the marker lines"
    if isinstance(error, yaml.reader.ReaderError):
        before = text.encode()[: error.position].decode(errors="ignore")  # libyaml counts bytes here
        return *_end_of(before), f"the control character U+{error.character:04X} cannot stand in YAML"
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return 1, 1, f"not YAML: {error}"
    problem, mark = error.problem or "cannot be read", error.problem_mark
    if problem in _BEGAN_EARLIER:
        mark = error.context_mark or mark
    return mark.line + 1, mark.column + 1, _in_plain_words(problem, error.context, text[mark.index : mark.index + 1])


def _in_plain_words(problem: str, context: str | None, character: str) -> str:
    if problem == "found character that cannot start any token":
        return _STARTS_NO_VALUE.get(character, f"a value cannot begin with {character!r}: put it in quotes")
    known = _NOTICED_THERE.get(problem) or _BEGAN_EARLIER.get(problem)
    return known or (f"{problem}, {context}" if context else problem)


def _end_of(text: str) -> tuple[int, int]:
    return text.count("\n") + 1, len(text) - text.rfind("\n")
