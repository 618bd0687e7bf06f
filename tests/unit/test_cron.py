"""Cron expressions: what is read, what is refused with which words, and the ticks at the edges."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta, timezone

import pytest

from monitoring.base.errors import UsageError
from monitoring.ledger.cron import Cron


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    "text", ["5 * * * *", "19 8 * * *", "0/10 * * * *", "*/10 * * * *", "0 9-17 * * 1-5", "0 0 1,15 * *"]
)
def test_what_every_cron_reads_alike_stays_as_written(text: str) -> None:
    assert Cron.parse(text).canonical == text


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("@yearly", "0 0 1 1 *"),
        ("@annually", "0 0 1 1 *"),
        ("@monthly", "0 0 1 * *"),
        ("@weekly", "0 0 * * 0"),
        ("@daily", "0 0 * * *"),
        ("@HOURLY", "0 * * * *"),
        ("  05\t08  * * *  ", "5 8 * * *"),
        ("0 9 * JAN-mar Mon-FRI", "0 9 * 1-3 1-5"),
        ("0 0 * * 7", "0 0 * * 0"),
        ("0 0 * * 7,sat", "0 0 * * 0,6"),
        ("45,15,30,15 * * * *", "15,30,45 * * * *"),
        ("0 0 ? * ?", "0 0 * * *"),
        ("*/1 0-23 1-31 1-12 0-6", "* * * * *"),
        ("9-9/15 * * * *", "9 * * * *"),
        ("50/20 * * * *", "50 * * * *"),
        ("5-50/15 2/06 * * *", "5-50/15 2/6 * * *"),
        ("0 0 1/10 */5 *", "0 0 1,11,21,31 1,6,11 *"),
        ("0 0 */10 * 1", "0 0 1,11,21,31 * 1"),
        ("0 0 * * 5/1", "0 0 * * 5-6"),
    ],
)
def test_what_crons_could_read_differently_is_spelled_out(written: str, canonical: str) -> None:
    cron = Cron.parse(written)
    assert cron.canonical == canonical
    assert cron.text == written
    assert cron == Cron.parse(canonical)


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("0 0 1 * 1", "0 0 1 * 1"),  # both restricted: the first of the month or a Monday
        ("0 0 *,5 * 1", "0 0 * * 1"),  # a star in the list frees the field
        ("0 0 5 * ?,1", "0 0 5 * *"),
        ("0 0 */1 * 1", "0 0 * * *"),  # `*/1` restricts, so OR: every day
        ("0 0 5 * 0-6", "0 0 * * *"),
    ],
)
def test_the_two_day_fields_join_as_supercronic_joins_them(written: str, canonical: str) -> None:
    assert Cron.parse(written).canonical == canonical


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "'' has 0 fields: write five, minute hour day month weekday, as in \"5 * * * *\""),
        ("5 * * *", "'5 * * *' has 4 fields: write five, minute hour day month weekday, as in \"5 * * * *\""),
        (
            "0 5 * * * *",
            "'0 5 * * * *' has 6 fields: write five, minute hour day month weekday, as in \"5 * * * *\"",
        ),
        ("@midnight", "@midnight is not known to supercronic: write @daily"),
        (
            "@reboot",
            (
                "'@reboot' is unknown: write @yearly, @annually, @monthly, @weekly, @daily, @hourly or five fields,"
                ' as in "5 * * * *"'
            ),
        ),
        ("60 * * * *", "the minute '60' is unknown: write 0 to 59"),
        ("0 24 * * *", "the hour '24' is unknown: write 0 to 23"),
        ("0 0 0 * *", "the day of the month '0' is unknown: write 1 to 31"),
        ("0 0 1 foo *", "the month 'foo' is unknown: write 1 to 12 or jan to dec"),
        ("0 0 * * 8", "the weekday '8' is unknown: write 0 to 6 or sun to sat"),
        ("0 0 * * 05", "supercronic reads the weekday '05' as Sunday: write it without the leading zero"),
        ("0 0 * * 1-7", "supercronic misreads '1-7', a range that ends at 7: list the days, Sunday being 0"),
        (
            "30-10/5 * * * *",
            "the minute range '30-10/5' runs backwards: write two ranges, with a comma between",
        ),
        ("*/0 * * * *", "the minute step 0 is out of range: write 1 to 59"),
        ("0 */24 * * *", "the hour step 24 is out of range: write 1 to 23"),
        ("0 0 L * *", "the day of the month 'l' uses L, W or #, which not every cron knows: list the days"),
        ("0 0 15W * *", "the day of the month '15w' uses L, W or #, which not every cron knows: list the days"),
        ("0 0 * * 5#2", "the weekday '5#2' uses L, W or #, which not every cron knows: list the days"),
        (
            "monday * * * *",
            "the minute 'monday' cannot be read: write a number, a range a-b, a step a/n or */n, or a list of them",
        ),
        (
            "1,,2 * * * *",
            "the minute '' cannot be read: write a number, a range a-b, a step a/n or */n, or a list of them",
        ),
        (
            "٣ * * * *",
            "the minute '٣' cannot be read: write a number, a range a-b, a step a/n or */n, or a list of them",
        ),
        ("0 0 30 feb *", "no month named has a day 30: it would never run; write a day up to 29"),
        ("0 0 31 2,4,6,9,11 *", "no month named has a day 31: it would never run; write a day up to 30"),
    ],
)
def test_a_refusal_says_what_to_write(text: str, message: str) -> None:
    with pytest.raises(UsageError) as refused:
        Cron.parse(text)
    assert str(refused.value) == message


def test_a_day_that_only_leap_years_have_is_found() -> None:
    assert Cron.parse("0 0 29 2 *").next_after(at("2026-11-23T00:00")) == at("2028-02-29T00:00")
    assert Cron.parse("0 0 29 2 *").previous_at_or_before(at("2026-11-23T00:00")) == at("2024-02-29T00:00")


def test_an_impossible_date_is_possible_when_the_weekday_may_match_instead() -> None:
    assert Cron.parse("0 0 30 2 1").next_after(at("2026-02-01T00:00")) == at("2026-02-02T00:00")


def test_ticks_leave_out_the_start_and_take_in_the_end() -> None:
    cron = Cron.parse("0/10 * * * *")
    ticks = list(cron.ticks(at("2026-11-23T08:00"), at("2026-11-23T08:30")))
    assert ticks == [at("2026-11-23T08:10"), at("2026-11-23T08:20"), at("2026-11-23T08:30")]
    assert list(cron.ticks(at("2026-11-23T08:00"), at("2026-11-23T08:09:59"))) == []
    assert list(cron.ticks(at("2026-11-23T09:00"), at("2026-11-23T08:00"))) == []


def test_the_next_tick_is_later_and_the_previous_one_is_not() -> None:
    cron = Cron.parse("5 * * * *")
    tick, instant = at("2026-11-23T08:05"), timedelta(microseconds=1)
    assert cron.next_after(tick) == at("2026-11-23T09:05")
    assert cron.next_after(tick - instant) == tick
    assert cron.previous_at_or_before(tick) == tick
    assert cron.previous_at_or_before(tick - instant) == at("2026-11-23T07:05")


def test_the_turn_of_the_day_and_of_the_year_lose_no_tick() -> None:
    cron = Cron.parse("0 0 * * *")
    assert cron.next_after(at("2026-12-31T23:59:59")) == at("2027-01-01T00:00")
    assert cron.previous_at_or_before(at("2027-01-01T00:00")) == at("2027-01-01T00:00")
    late = Cron.parse("59 23 31 12 *")
    assert late.previous_at_or_before(at("2027-01-01T00:00")) == at("2026-12-31T23:59")


def test_other_zones_come_in_and_utc_comes_out() -> None:
    local = datetime(2026, 3, 29, 1, 30, tzinfo=timezone(timedelta(hours=2)))  # 23:30 UTC of the day before
    tick = Cron.parse("0 0 * * *").next_after(local)
    assert tick == at("2026-03-29T00:00")
    assert tick.tzinfo is UTC


def test_a_year_of_ticks_every_ten_minutes_is_quick() -> None:
    started_s = time.perf_counter()
    ticks = list(Cron.parse("*/10 * * * *").ticks(at("2025-12-31T23:59"), at("2026-12-31T23:59")))
    assert len(ticks) == 365 * 24 * 6
    assert time.perf_counter() - started_s < 1
