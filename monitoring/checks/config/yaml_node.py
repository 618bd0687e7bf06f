"""A node of a monitor file with its path: reads one kind of thing, or writes down exactly what is wrong and where.

Called by the sections of `load.py` and by built-in types for their own sections. Readers return None after a
mistake; the file is refused as a whole in the end, so what stands in for it never runs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Self, TypeVar

from monitoring.alerts.message.guidance import runbook_problem
from monitoring.alerts.message.model import Severity
from monitoring.base.clock import parse_duration
from monitoring.base.errors import UsageError
from monitoring.base.settings import CHECKOUT
from monitoring.base.suggest import did_you_mean
from monitoring.base.yaml.keys import Key
from monitoring.base.yaml.marks import Mapping, Scalar, Sequence, YamlNode
from monitoring.chains.abi.addresses import address_problem
from monitoring.checks.expression.parse import LanguageError, read_literal
from monitoring.checks.expression.values import Number
from monitoring.checks.rules.steps import Step, ratio
from monitoring.conditions.policy import USUAL, PendingPolicy, Policy

T = TypeVar("T")
_DURATION = re.compile(r"\d+[smhd]")
_RUNS = re.compile(r"(\d+) runs?")
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")
MAX_RUNS = 1000
_SHORTEST_BARE = timedelta(minutes=1)  # less than this without a unit was hardly meant to be seconds


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number as written; `percent` remembers the sign."""

    value: Number
    percent: bool


class Spot(YamlNode):
    """A node of a monitor file, with the kinds of values that only monitors have."""

    __slots__ = ()

    # -- mappings and lists

    def entries(self, what: str = "keys and values") -> list[tuple[Scalar, Self]]:
        """Return the entries of a mapping."""
        if not isinstance(self.node, Mapping):
            self.wrong(f"{what} are needed here")
            return []
        return self.children()

    def items(self, what: str = "a list") -> list[Self]:
        """Return the items of a list."""
        if not isinstance(self.node, Sequence):
            self.wrong(f"{what} is needed here")
            return []
        return self.elements()

    def need(self, key: str, what: str) -> Self | None:
        """Return what stands under a key, and note a mistake when nothing does."""
        found = self.get(key)
        if found is None and isinstance(self.node, Mapping):
            self.wrong(f"{key} is missing: {what}")
        return found

    def value(self, key: Key[T]) -> T | None:
        """Read what a key says, or its default; None where neither is there, and after a mistake."""
        found = self.get(key.name)
        if found is None and key.is_required:
            found = self.need(key.name, key.without)
        elif found is None and key.has_default:
            found = type(self)(Scalar(str(key.default), self.node.at), self.path, self.mistakes)
        return key.kind.read(found) if found else None

    def only(self, keys: Iterable[Key[Any]]) -> None:
        """Refuse keys that are not in the table."""
        known = [key.name for key in keys]
        for key, spot in self.entries():
            if key.text.isdecimal() and isinstance(spot.node, Scalar) and spot.node.is_null:
                spot.mistakes.add(key.at, spot.path, f"a comma ends the value here: write _{key.text}, as in 1_000")
            elif key.text not in known:
                hint = did_you_mean(key.text, known) or f": known are {', '.join(known)}"
                spot.mistakes.add(key.at, spot.path, f"{key.text} is not known here{hint}")

    def below(self, path: str) -> Spot:
        """Return the same node under another path, as a check is named by its id."""
        return Spot(self.node, path, self.mistakes)

    # -- scalars

    def text(self, what: str = "a text") -> str | None:
        if isinstance(self.node, Scalar) and self.node.text.strip():
            return self.node.text
        self.wrong(f"{what} is needed here")
        return None

    def checked(self, what: str, problem: Callable[[str], str]) -> str | None:
        """Read a text with which there is no problem."""
        text = self.text(what)
        if text and (wrong := problem(text)):
            self.wrong(wrong)
            return None
        return text

    def runbook(self) -> str | None:
        """Read a runbook; a path at which nothing lies is no mistake, because no check may stop for its document."""
        text = self.checked("a runbook", runbook_problem)
        if text and "://" not in text and not (CHECKOUT / text.partition("#")[0]).exists():
            self.doubt(f"there is no {text} in the repository, which is where a runbook without :// is")
        return text

    def name(self) -> str | None:
        """Read a name as it may stand in a path or a lock."""
        text = self.text("a name")
        if text is None or _NAME.fullmatch(text):
            return text
        of_row = "." in text or "{" in text
        hint = ": what a row says under this key counts without it" if of_row else ""
        self.wrong(f"{text!r} is not a name: small letters, digits, - and _{hint}")
        return None

    def word(self, words: Iterable[str]) -> str | None:
        """Read one of several words."""
        words, text = list(words), self.text("a word")
        if text is None or text in words:
            return text
        self.wrong(f"{text!r} is none of {', '.join(words)}{did_you_mean(text, words)}")
        return None

    def severity(self) -> Severity | None:
        word = self.word(severity.name.lower() for severity in Severity)
        return Severity[word.upper()] if word else None

    def quantity(self) -> Quantity | None:
        """Read a number, which may be a percentage."""
        text = self.text("a number")
        if text is None:
            return None
        if _DURATION.fullmatch(text):
            self.wrong(f"{text} is a duration, a number is needed here")
            return None
        negative, percent = text.startswith("-"), text.endswith("%")
        try:
            value = read_literal(text.removeprefix("-").removesuffix("%"))
        except LanguageError as error:
            self.wrong(str(error))
            return None
        value = -value if negative else value
        return Quantity(ratio(value, 100) if percent else value, percent)

    def number(self, *, like: bool | None = None) -> Number | None:
        """Read a number; `like` says whether what it is compared with was written with %."""
        found = self.quantity()
        if found is None:
            return None
        if like is not None and found.percent is not like:
            self.wrong("write it with %, as the bound is" if like else "write it without %, as the bound is")
            return None
        return found.value

    def positive(self, *, like: bool | None = None) -> Number | None:
        found = self.number(like=like)
        if found is not None and found <= 0:
            self.wrong("must be more than 0")
            return None
        return found

    def step(self) -> Step | None:
        """Read a size of change: `15%` is relative, a bare number is in the value's own unit."""
        found = self.quantity()
        if found is not None and found.value < 0:
            self.wrong("a size of change is not negative")
            return None
        return Step(found.value, relative=found.percent) if found else None

    def share(self) -> Number | None:
        """Read a percentage, which must be written as one."""
        found = self.quantity()
        if found is None or found.percent:
            return found.value if found else None
        self.wrong("a percentage is needed here, as in 0.5%")
        return None

    def duration(self) -> timedelta | None:
        text = self.text("a duration")
        if text is None:
            return None
        try:
            span = parse_duration(text)
        except UsageError as error:
            self.wrong(str(error))
            return None
        if span <= timedelta(0):
            self.wrong("a duration of nothing says nothing")
            return None
        if text.isdecimal() and span < _SHORTEST_BARE:
            self.doubt(f"{text} without a unit is {text} seconds: write {text}s, {text}m or {text}h")
        return span

    def hold(self) -> PendingPolicy | None:
        """Read `3 runs` or a duration."""
        text = self.text("a number of runs, or a duration,")
        runs = _RUNS.fullmatch(text) if text else None
        if text and runs is None and not re.fullmatch(r"\d+[smhd]?", text):
            self.wrong(f"{text!r} is neither a number of runs, as in 3 runs, nor a duration, as in 30m")
            return None
        if runs is None:
            if text and text.isdecimal() and 0 < int(text[:9]) < _SHORTEST_BARE.total_seconds():
                self.doubt(f"{text} without a unit is {text} seconds: write {text} runs, or {text}m")
                return PendingPolicy(span=timedelta(seconds=int(text)))
            span = self.duration() if text else None
            return PendingPolicy(span=span) if span else None
        if not 1 <= int(runs.group(1)[:9]) <= MAX_RUNS:
            self.wrong(f"from 1 to {MAX_RUNS} runs")
            return None
        return PendingPolicy(runs=int(runs.group(1)))

    def policy(self, severity: Severity) -> Policy:
        """Read `for` and `remind` of what lasts: `remind: never` reports it once, none at all by its severity."""
        held, remind = self.get("for"), self.get("remind")
        never = remind is not None and isinstance(remind.node, Scalar) and remind.node.text == "never"
        return Policy(
            severity=severity,
            hold=(held.hold() if held else None) or PendingPolicy(),
            remind=USUAL if remind is None else None if never else remind.duration(),
        )

    def address(self) -> str | None:
        """Read an address with its checksum; inside it is lower case."""
        text = self.text("an address")
        problem = address_problem(text) if text else None
        if problem:
            self.wrong(problem)
        return text.lower() if text and not problem else None
