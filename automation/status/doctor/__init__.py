"""Checks this host: each module looks at one part of it and declares the problems it knows.

Called by the verb `doctor`. Nothing here changes anything. docs/troubleshooting.md lists every problem.
Tests: tests/acceptance/test_doctor.py, tests/acceptance/test_doctor_problems.py, tests/host/test_doctor.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from importlib import import_module
from pathlib import Path
from types import ModuleType

from automation.schedule.unit_environment import UnitEnvironment
from monitoring.base.errors import MonitoringError, StoreError
from monitoring.base.settings import Settings
from monitoring.store.db.database import Database
from monitoring.store.db.schema import open_readonly


class FindingLevel(Enum):
    """Result of one check. Only FAIL makes `doctor` exit 1."""

    OK = "ok"
    WARN = "warn"
    FAIL = "FAIL"


@dataclass(frozen=True, slots=True)
class Finding:
    """What was checked and its state; of a problem also why it matters, what to do, and its kind."""

    subject: str
    level: FindingLevel
    text: str
    why: str = ""
    remedy: str = ""
    kind: str = ""

    def __str__(self) -> str:
        more = (f"\n       {name}: {text}" for name, text in (("why", self.why), ("fix", self.remedy)) if text)
        return f"{self.level.value:<6} {self.subject}: {self.text}{''.join(more)}"


@dataclass(frozen=True, slots=True)
class Problem:
    """A kind of problem that `doctor` knows.

    `symptom` is what an operator sees of it, `cause` the problem in general words, `why` the harm it does, `remedy`
    what to type; where it is found both texts may be more precise.
    """

    kind: str
    subject: str
    symptom: str
    cause: str
    why: str
    remedy: str
    level: FindingLevel = FindingLevel.FAIL

    def found(self, text: str, remedy: str = "") -> Finding:
        return Finding(self.subject, self.level, text, self.why, remedy or self.remedy, self.kind)


@dataclass(frozen=True, slots=True)
class DoctorContext:
    """What is checked, and when. Without `online` nothing outside this host is asked."""

    settings: Settings
    config: Path
    now: datetime
    held: UnitEnvironment | None = None
    online: bool = True

    @contextmanager
    def database(self) -> Iterator[Database | None]:
        """Open the database; none where it is missing or cannot be opened, which the check of it reports."""
        try:
            found = open_readonly(self.settings.database) if self.settings.database.exists() else None
        except StoreError:
            found = None
        try:
            yield found
        finally:
            if found is not None:
                found.close()

    @property
    def in_force(self) -> Settings:
        """The settings in use: the scheduler's where one runs, else those of this shell."""
        return self.held.settings(self.settings) if self.held is not None else self.settings


_MODULES = (
    "environment", "variables", "state", "host", "schedule", "unit", "limits", "checkout", "owners", "alarms", "outbox",
    "queues", "network", "chat", "explainer",
)  # fmt: skip
Examination = Callable[[DoctorContext], Iterator[Finding]]

UNCHECKED = Problem(
    "unchecked",
    "doctor",
    "`could not be checked` in `doctor`",
    "a file or program that a check needs cannot be read",
    "what cannot be looked at is not known to be well",
    "fix what the message names, then: python -m automation doctor",
)


def ok(subject: str, text: str) -> Finding:
    return Finding(subject, FindingLevel.OK, text)


def examine(context: DoctorContext) -> Iterator[Finding]:
    """Yield every finding; a check that fails itself is one, and stops no other."""
    for module in modules():
        for examination in module.EXAMINATIONS:
            try:
                yield from examination(context)
            except (MonitoringError, OSError) as error:
                name = examination.__name__.replace("_", " ")
                yield UNCHECKED.found(f"{name} could not be checked: {error}")


def problems() -> list[Problem]:
    """Return every kind of problem, in the order in which they are looked for."""
    found = [value for module in modules() for value in vars(module).values() if isinstance(value, Problem)]
    return [UNCHECKED, *found]


def modules() -> tuple[ModuleType, ...]:
    """Return the modules that look, in their order. They import what is defined here, so they are imported late."""
    return tuple(import_module(f"{__name__}.{name}") for name in _MODULES)
