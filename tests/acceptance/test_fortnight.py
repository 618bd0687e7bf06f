"""Fourteen days on an injected clock, with something planted on each: the audit names every exception and no other.

The days and what must be found stand in tests/support/fortnight.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from monitoring.ledger.audit import Audit, sentence
from monitoring.ledger.findings import ProblemKind
from tests.support.fortnight import DAY, FIRST_DAY, FORTNIGHT, JOBS, Day, found_by, told
from tests.support.simulated_host import Chat, SimulatedHost, state_directory

AFTER_GRACE = timedelta(minutes=3)


@pytest.fixture(scope="module")
def lived() -> Iterator[dict[int, Audit]]:
    """Live through the fortnight; the audit of each day, asked for in the night after it; 0: of the first thirteen."""
    with state_directory() as directory, Chat() as chat:
        host = SimulatedHost(directory, FIRST_DAY, chat, JOBS)
        audits = {}
        for day in FORTNIGHT:
            if day is FORTNIGHT[-1]:
                audits[0] = host.audit(FIRST_DAY, day.begins_at)
            audits[day.number] = live(host, day)
        yield audits


def live(host: SimulatedHost, day: Day) -> Audit:
    for when, act in day.planted:
        hours, minutes = map(int, when.split(":"))
        host.at(day.begins_at + timedelta(hours=hours, minutes=minutes), lambda act=act: act(host))
    host.until(day.begins_at + DAY + AFTER_GRACE)
    return host.audit(day.begins_at, day.begins_at + DAY)


@pytest.mark.parametrize("day", FORTNIGHT, ids=lambda day: f"day {day.number}")
def test_the_audit_of_a_day_names_what_was_planted_and_nothing_else(lived: dict[int, Audit], day: Day) -> None:
    assert found_by(lived[day.number]) == sorted(day.found), day.what


def test_a_day_on_which_nothing_was_planted_is_proved_to_be_quiet(lived: dict[int, Audit]) -> None:
    quiet = lived[13]
    assert quiet.is_ok
    told = "from 2026-09-13 00:00 to 2026-09-14 00:00: 169 ticks due, 169 ran (169 ok); no alerts"
    assert sentence(quiet) == told


def test_one_audit_over_all_days_names_what_the_audits_of_the_days_named(lived: dict[int, Audit]) -> None:
    """Before the database is deleted; alerts and drills are told as they stand at the end, not as they stood."""
    later_is_other = {
        ProblemKind.ALERTS_WAITING,
        ProblemKind.ALERTS_SLOW,
        ProblemKind.ALERTS_UNSENT,
        ProblemKind.NOT_DRILLED,
    }
    of_days = [found for number in range(1, 14) for found in lived[number].findings]
    expected = [told(found) for found in of_days if found.kind not in later_is_other]
    assert sorted(told(found) for found in lived[0].findings if found.kind not in later_is_other) == sorted(expected)


def test_rows_that_went_with_a_damaged_database_are_unknown_and_never_called_missed() -> None:
    with state_directory() as directory, Chat() as chat:
        host = SimulatedHost(directory, FIRST_DAY, chat, JOBS)
        host.start_daemon()
        host.at(FIRST_DAY + timedelta(minutes=30), host.drill)
        host.at(FIRST_DAY + timedelta(hours=3, minutes=1), host.damage_database)
        host.until(FIRST_DAY + timedelta(hours=6))
        found = found_by(host.audit(FIRST_DAY, host.clock.now()))
    why = "the database was damaged and replaced at 2026-09-01 03:05"
    assert found == [
        "1 alarm path not drilled: none is recorded (no break)",
        f"18 ticks unknown of multisig: {why}",
        f"3 ticks unknown of hourly: {why}",
    ]
