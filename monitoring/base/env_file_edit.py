"""Changes single variables of a systemd `EnvironmentFile` and leaves every other line as it is.

Pure but for `write_env_file`. The writer of what `env_file.py` reads: quoting by the rules of systemd.exec(5).
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path

from monitoring.base.env_file import assignments, parse_env_file
from monitoring.base.errors import UsageError

_PLAIN = re.compile(r"[A-Za-z0-9_./:@%+,=~?&-]+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_OWN_MODE = 0o600
SHARED_MODE = 0o640


def assignment(name: str, value: str) -> str:
    """Return the line that sets a variable.

    Raises:
        UsageError: the value has a line end or another control character in it.
    """
    if _CONTROL.search(value):
        raise UsageError(f"{name}: the value has a control character or a line end in it: copy it again")
    if not value or _PLAIN.fullmatch(value):
        return f"{name}={value}"
    return f'{name}="' + re.sub(r'(["\\`$])', r"\\\1", value) + '"'


def with_values(text: str, changes: Mapping[str, str]) -> str:
    """Return the text of an env file with these variables set; all other lines are kept.

    A variable that is set keeps its place (the last one, which is in force). A new one is put below its commented-out
    example (`#NAME=`) if there is one, else at the end.

    Raises:
        UsageError: a value cannot be written, or a quote that is left open would take it in.
    """
    for name, value in changes.items():
        line = assignment(name, value)
        places = [(start, end) for found, start, end in assignments(text) if found == name]
        if places:
            start, end = places[-1]
            text = text[:start] + line + text[end:]
            continue
        example = re.search(rf"^#[ \t]*{name}=.*$", text, re.MULTILINE)
        if example:
            text = f"{text[: example.end()]}\n{line}{text[example.end() :]}"
        else:
            text = text + ("" if not text or text.endswith("\n") else "\n") + line + "\n"
    found = parse_env_file(text.encode("utf-8", "surrogateescape"))
    if lost := [name for name, value in changes.items() if found.values.get(name) != value]:
        mistakes = "; ".join(f"line {line}: {words}" for line, words in found.mistakes)
        raise UsageError(f"{', '.join(lost)} cannot be set in this file: correct it first ({mistakes})")
    return text


def write_env_file(path: Path, text: str, *, group: int | None = None) -> None:
    """Write an env file atomically: for its owner alone (0600), or with `group` 0640 and that group.

    Raises:
        OSError: the directory cannot be written, or the group cannot be set.
    """
    path = path.resolve()  # a link stays a link
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mode 0600 from its first moment
    try:
        with os.fdopen(handle, "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write(text)
            if group is not None:
                os.fchown(handle, -1, group)
            os.fchmod(handle, _OWN_MODE if group is None else SHARED_MODE)
            file.flush()
            os.fsync(handle)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
