"""Business hours between two instants: weekends, nights, and days on which the clock changes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.base.business_hours import business_time, zone_of

BERLIN = ZoneInfo("Europe/Berlin")
NEW_YORK = ZoneInfo("America/New_York")
KOLKATA = ZoneInfo("Asia/Kolkata")
instants = st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - given a zone


def hours(start: str, end: str, zone: object = UTC) -> float:
    left = business_time(datetime.fromisoformat(start), datetime.fromisoformat(end), zone)  # type: ignore[arg-type]
    return left.total_seconds() / 3600


@pytest.mark.parametrize(
    ("start", "end", "left"),
    [
        ("2026-11-27T17:00Z", "2026-11-30T09:00Z", 0),  # Friday evening to Monday morning
        ("2026-11-27T16:00Z", "2026-11-30T10:30Z", 2.5),
        ("2026-11-23T00:00Z", "2026-11-30T00:00Z", 40),
        ("2026-11-25T10:00Z", "2026-11-25T12:00Z", 2),
        ("2026-11-25T12:00Z", "2026-11-25T10:00Z", 0),
        ("2026-11-25T12:00Z", "2026-11-25T12:00Z", 0),
        ("2026-11-29T12:00Z", "2026-11-29T20:00Z", 0),  # Sunday
    ],
)
def test_only_weekdays_from_nine_to_five_count(start: str, end: str, left: float) -> None:
    assert hours(start, end) == left


def test_a_zone_moves_the_day_and_the_week() -> None:
    assert hours("2026-11-30T00:00Z", "2026-11-30T09:00Z", KOLKATA) == 5.5, "09:00 there is 03:30 UTC"
    assert hours("2026-11-27T22:00Z", "2026-11-28T00:00Z", NEW_YORK) == 0
    assert hours("2026-11-27T20:00Z", "2026-11-28T00:00Z", NEW_YORK) == 2, "Friday afternoon there"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("2026-03-27T16:00Z", "2026-03-30T07:30Z"),  # 17:00 CET on Friday to 09:30 CEST on Monday
        ("2026-10-23T15:00Z", "2026-10-26T08:30Z"),  # 17:00 CEST on Friday to 09:30 CET on Monday
    ],
)
def test_where_the_clock_changes_on_sunday_monday_still_begins_at_nine(before: str, after: str) -> None:
    assert hours(before, after, BERLIN) == 0.5


@pytest.mark.parametrize("zone", [ZoneInfo("Asia/Tokyo"), NEW_YORK, UTC])
def test_an_instant_at_the_end_of_the_calendar_is_counted_as_far_as_anybody_waits(zone: object) -> None:
    assert 20_000 < hours("2026-05-04T00:00Z", "9999-12-31T23:59:59Z", zone) < 22_000


def test_a_day_on_which_the_clock_changes_at_work_has_the_hours_that_passed() -> None:
    cairo = ZoneInfo("Africa/Cairo")  # its clock changed in a night to Friday: the days around it have eight hours
    assert hours("2026-04-22T22:00Z", "2026-04-24T21:00Z", cairo) == 16


@given(instants, instants, instants)
def test_time_is_never_counted_twice_and_never_exceeds_what_passes(a: datetime, b: datetime, c: datetime) -> None:
    first, second, third = sorted((a, b, c))
    parts = business_time(first, second, BERLIN) + business_time(second, third, BERLIN)
    assert parts == business_time(first, third, BERLIN)
    assert timedelta(0) <= parts <= third - first


def test_the_zone_is_that_of_the_environment_where_it_names_one() -> None:
    assert zone_of({"TZ": "Europe/Berlin"}) == BERLIN
    assert zone_of({"TZ": ":Europe/Berlin"}) == BERLIN
    assert [zone_of(environ) for environ in ({}, {"TZ": ""}, {"TZ": "Mars/Base"}, {"TZ": "../etc/passwd"})] == [UTC] * 4
