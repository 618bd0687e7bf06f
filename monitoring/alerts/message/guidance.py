"""What its author says about an alert to the person who is woken by it: the runbook, and a note.

Written at a monitor, a check or a row; the nearest one counts. Both are data of the repository, shown as they are.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from monitoring.alerts.message.sanitize import clean_line
from monitoring.alerts.message.text import Line, code, is_web_address, line, link
from monitoring.base.errors import UsageError

MOST_RUNBOOK, MOST_NOTE = 300, 200  # ours, in characters: an alert is read on a phone
_PATH = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*(?:/[A-Za-z0-9_][A-Za-z0-9._-]*)*(?:#[A-Za-z0-9._-]+)?")


@dataclass(frozen=True, slots=True)
class Guidance:
    """`runbook`: an http(s) URL, or a path in the repository; `note`: one short text. Each may be empty."""

    runbook: str = ""
    note: str = ""

    def within(self, outer: Guidance) -> Guidance:
        """Return it with what only the one around it says."""
        return Guidance(self.runbook or outer.runbook, self.note or outer.note)

    @property
    def link(self) -> str:
        """Return where the runbook is on the web; nothing for a path."""
        return self.runbook if is_web_address(self.runbook) else ""

    def lines(self) -> list[Line]:
        """Return what an alert shows of it."""
        note = [line("Note: ", self.note)] if self.note else []
        where = link(self.runbook, self.runbook) if self.link else code(self.runbook)
        return [*note, line("Runbook: ", where)] if self.runbook else note

    @property
    def texts(self) -> list[str]:
        """Return the same for a terminal."""
        named = (("Note", self.note), ("Runbook", self.runbook))
        return [f"{name}: {text}" for name, text in named if text]


NO_GUIDANCE = Guidance()


def runbook_problem(text: str) -> str:
    """Say why this is no runbook; nothing if it is one."""
    if len(text) > MOST_RUNBOOK:
        return f"a runbook has at most {MOST_RUNBOOK} characters"
    usable = is_web_address(text) if "://" in text else _PATH.fullmatch(text) is not None
    if usable and "@" in urlsplit(text).netloc:
        return "the URL of a runbook holds no password: everybody in the chat reads it"
    example = "https://example.org/runbook or protocols/acme/README.md#exit"
    return "" if usable else f"{text!r} is neither a web address nor a path in the repository, as in {example}"


def note_problem(text: str) -> str:
    """Say why this is no note; nothing if it is one."""
    if len(text) > MOST_NOTE or clean_line(text) != text.strip():
        return f"a note is one line of at most {MOST_NOTE} characters: put more into the runbook"
    return ""


def guidance_of_call(call: str, runbook: str, note: str) -> Guidance:
    """Read `runbook` and `note` of a call, which is named as it is written up to its keyword.

    Raises:
        UsageError: one of them is none.
    """
    for name, text, problem in (("runbook", runbook, runbook_problem), ("note", note, note_problem)):
        wrong = "" if text == "" else problem(text) if isinstance(text, str) else "write a text"
        if wrong:
            raise UsageError(f"{call}{name}={text!r}): {wrong}")
    return Guidance(runbook, note.strip())
