"""Checks this host: each module looks at one part of it, reports problems and suggests fixes.

Called by the verb `doctor`. Nothing here changes anything.
Tests: tests/acceptance/test_doctor.py, tests/host/test_doctor.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from pathlib import Path

from automation.schedule.unit_environment import UnitEnvironment
from monitoring.base.errors import MonitoringError
from monitoring.base.settings import Settings


class FindingLevel(Enum):
    """Result of one check. Only FAIL makes `doctor` exit 1."""

    OK = "ok"
    WARN = "warn"
    FAIL = "FAIL"


@dataclass(frozen=True, slots=True)
class Finding:
    """What was checked, its state, and the fix where there is one."""

    subject: str
    level: FindingLevel
    text: str
    remedy: str = ""

    def __str__(self) -> str:
        remedy = f"; {self.remedy}" if self.remedy else ""
        return f"{self.level.value:<6} {self.subject}: {self.text}{remedy}"


@dataclass(frozen=True, slots=True)
class DoctorContext:
    """What is checked, and when."""

    settings: Settings
    config: Path
    now: datetime
    held: UnitEnvironment | None = None

    @property
    def in_force(self) -> Settings:
        """The settings in use: the scheduler's where one runs, else those of this shell."""
        return self.held.settings(self.settings) if self.held is not None else self.settings


Examination = Callable[[DoctorContext], Iterator[Finding]]


def ok(subject: str, text: str) -> Finding:
    return Finding(subject, FindingLevel.OK, text)


def warn(subject: str, text: str, remedy: str = "") -> Finding:
    return Finding(subject, FindingLevel.WARN, text, remedy)


def fail(subject: str, text: str, remedy: str) -> Finding:
    return Finding(subject, FindingLevel.FAIL, text, remedy)


def examine(context: DoctorContext) -> Iterator[Finding]:
    """Yield every finding; a check that fails itself is one, and stops no other."""
    from automation.status.doctor import alarms, checkout, environment, host, owners, state, unit  # noqa: PLC0415 - they import what is defined above

    for module in (environment, state, host, unit, checkout, owners, alarms):
        for examination in module.EXAMINATIONS:
            try:
                yield from examination(context)
            except (MonitoringError, OSError) as error:
                name = examination.__name__.replace("_", " ")
                yield fail(name, f"could not be checked: {error}", "fix that first")
