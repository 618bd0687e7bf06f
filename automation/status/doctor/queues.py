"""How often the queues of Safes are read: the quota of their service, and what another key changes."""

from __future__ import annotations

import re
from collections.abc import Iterator

from automation.status.doctor import DoctorContext, Examination, Finding, ok
from automation.status.doctor.watched import watched
from monitoring.base.plural import counted

_KEY = re.compile(r"SAFE_API_KEY(_\d)?")


def safe_queues(context: DoctorContext) -> Iterator[Finding]:
    """Say it for the Safes that the enabled tasks watch; those of several files share one quota."""
    keys = sum(bool(value.strip()) for name, value in context.in_force.environ.items() if _KEY.fullmatch(name))
    given = f"{counted(keys, 'SAFE_API_KEY')} set" if keys else "no SAFE_API_KEY is set; free keys: docs/how-to/safe.md"
    for cadence, number in sorted(watched(context).cadences.items()):
        yield ok("safes", f"{counted(number, 'queue')}, each {cadence}: {given}")


EXAMINATIONS: tuple[Examination, ...] = (safe_queues,)
