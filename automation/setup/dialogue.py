"""Questions on a terminal. Without one nothing is asked: each question then has its default, or names its flag."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Callable
from dataclasses import dataclass

from monitoring.base.errors import UsageError

_TRIES = 3


@dataclass(frozen=True, slots=True)
class Dialogue:
    """Talks to the person who runs `init`; `is_open` says whether there is one to ask."""

    is_open: bool

    @classmethod
    def on_this_terminal(cls, *, is_wanted: bool) -> Dialogue:
        return cls(is_wanted and sys.stdin.isatty() and sys.stdout.isatty())

    def say(self, text: str = "") -> None:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()

    def ask(self, question: str, default: str = "") -> str:
        """Return the answer, the default for an empty one."""
        if not self.is_open:
            return default
        shown = f" [{default}]" if default else ""
        return self._read(lambda: input(f"{question}{shown}: ")).strip() or default

    def secret(self, question: str) -> str:
        """Return the answer without showing it."""
        return self._read(lambda: getpass.getpass(f"{question} (not shown): ")).strip() if self.is_open else ""

    def confirm(self, question: str, *, default: bool = True) -> bool:
        answer = self.ask(f"{question} {'[Y/n]' if default else '[y/N]'}").lower()
        return default if answer not in ("y", "yes", "n", "no") else answer in ("y", "yes")

    def until_usable(self, read: Callable[[], str], use: Callable[[str], str]) -> str:
        """Return what `use` makes of an answer; ask again while it refuses, at most three times.

        Raises:
            UsageError: refused each time.
        """
        for left in reversed(range(_TRIES)):
            try:
                return use(read())
            except UsageError as error:
                if not left:
                    raise
                self.say(f"  {error}")
        raise AssertionError

    def _read(self, read: Callable[[], str]) -> str:
        try:
            return read()
        except EOFError:
            raise UsageError("the input ended before the last answer: nothing was written") from None
