"""Which alerts a silence holds back, and when: severity, chain, key, and hours of a week in any zone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.base.errors import UsageError
from monitoring.conditions.condition import Condition, ConditionKey, State
from monitoring.conditions.severity import Severity
from monitoring.conditions.silence import (
    DAYS,
    FROM_CHAT,
    Silence,
    SilenceSubject,
    SilenceWindow,
    covered_now,
    silence_of,
    subject_of,
)

START = datetime(2026, 3, 1, tzinfo=UTC)
END = START + timedelta(days=90)
BERLIN = ZoneInfo("Europe/Berlin")
severities = st.sampled_from(Severity)
keys = st.sampled_from(["backing", "utilisation/USDC", "utilisation/1/[DAI]", None])
subjects = st.builds(
    SilenceSubject, st.sampled_from([("aave", "pegs", "aave-v3"), ("maker", "", "maker")]), keys, severities,
    st.sampled_from([0, 1, 8453]),
)  # fmt: skip
windows = st.builds(
    SilenceWindow, st.sets(st.integers(0, 6), min_size=1).map(lambda days: tuple(sorted(days))),
    st.integers(0, 700), st.integers(701, 1440), st.sampled_from(["UTC", "Europe/Berlin", "Asia/Kathmandu"]),
)  # fmt: skip


def silence(**more: object) -> Silence:
    values = {"id": 1, "protocol": "aave", "key": None, "starts_at": START, "ends_at": END, "reason": "r"}
    return Silence(**{**values, "created_by": "ana", **more})  # type: ignore[arg-type]


silences = st.builds(
    silence, protocol=st.sampled_from(["aave", "AAVE-V3", "pegs"]), key=st.sampled_from([None, "utilisation/*"]),
    severity=st.none() | severities, chain=st.sampled_from([None, 1, 8453]), window=st.none() | windows,
)  # fmt: skip


@given(silences, subjects)
def test_what_is_worse_than_the_silence_or_on_another_chain_is_never_held_back(
    one: Silence, subject: SilenceSubject
) -> None:
    if one.severity is not None and subject.severity > one.severity:
        assert silence_of([one], subject) is None
    if one.chain is not None and subject.chain != one.chain:
        assert silence_of([one], subject) is None


@given(silences, subjects)
def test_a_narrow_silence_holds_back_no_more_than_the_same_one_without_its_limits(
    one: Silence, subject: SilenceSubject
) -> None:
    wide = silence(protocol=one.protocol, key=one.key)
    assert wide.covers(subject) or not one.covers(subject)
    holds_all = one.severity in {None, Severity.CRITICAL} and one.chain is None and one.window is None
    assert bool(one.only) is not holds_all
    assert one.is_narrow or holds_all
    assert not one.what.endswith(", ")


@given(silences, st.datetimes(datetime(2026, 2, 1), datetime(2026, 7, 1), timezones=st.just(UTC)))  # noqa: DTZ001
def test_a_silence_holds_within_its_time_alone(one: Silence, at: datetime) -> None:
    if one.holds(at):
        assert START <= at < END


@given(windows)
def test_a_window_is_read_as_it_is_written(window: SilenceWindow) -> None:
    if len(window.days) == len(DAYS) and window.end_min - window.start_min == 24 * 60:
        return
    assert SilenceWindow.parse(str(window)) == window


@given(windows, st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
def test_a_window_and_the_one_over_midnight_that_complements_it_are_never_open_together(
    window: SilenceWindow, at: datetime
) -> None:
    if window.end_min == 24 * 60:
        return
    every_day = SilenceWindow(tuple(range(7)), window.start_min, window.end_min, window.zone)
    other = SilenceWindow(tuple(range(7)), window.end_min, window.start_min, window.zone)
    assert every_day.is_open(at) != other.is_open(at)


def test_a_night_belongs_to_the_day_on_which_it_begins() -> None:
    window = SilenceWindow.parse("mon-fri 22:00-07:00 Europe/Berlin")
    saturday = datetime(2026, 5, 9, tzinfo=BERLIN)
    assert window.is_open(saturday.replace(hour=6, minute=59))  # Friday's night
    assert not window.is_open(saturday.replace(hour=7))
    assert not window.is_open(saturday.replace(hour=23))
    monday = datetime(2026, 5, 11, tzinfo=BERLIN)
    assert not window.is_open(monday.replace(hour=6))  # Sunday has none
    assert window.is_open(monday.replace(hour=22))


@pytest.mark.parametrize(
    ("text", "utc", "is_open"),
    [
        # 2026-03-29: 02:00 becomes 03:00 in Berlin, at 01:00 UTC.
        ("sun 02:00-03:00 Europe/Berlin", "2026-03-29T00:59Z", False),
        ("sun 02:00-03:00 Europe/Berlin", "2026-03-29T01:00Z", False),
        ("sun 03:00-04:00 Europe/Berlin", "2026-03-29T01:00Z", True),
        ("sat 22:00-07:00 Europe/Berlin", "2026-03-29T04:59Z", True),
        ("sat 22:00-07:00 Europe/Berlin", "2026-03-29T05:00Z", False),
        # 2026-10-25: 03:00 becomes 02:00, at 01:00 UTC; the hour from two to three comes twice.
        ("sun 02:00-03:00 Europe/Berlin", "2026-10-25T00:30Z", True),
        ("sun 02:00-03:00 Europe/Berlin", "2026-10-25T01:30Z", True),
        ("sun 02:00-03:00 Europe/Berlin", "2026-10-25T02:00Z", False),
        ("sat,sun 00:00-24:00", "2026-10-25T23:59Z", True),
        ("sat,sun 00:00-24:00", "2026-10-26T00:00Z", False),
        ("fri-mon 10:00-11:00 UTC", "2026-10-25T10:00Z", True),
        ("fri-mon 10:00-11:00 UTC", "2026-10-27T10:00Z", False),
    ],
)
def test_hours_are_those_of_the_clock_of_their_zone(text: str, utc: str, *, is_open: bool) -> None:
    assert SilenceWindow.parse(text).is_open(datetime.fromisoformat(utc)) is is_open


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("22:00-07:00", "write days, hours and a zone, as in 'mon-fri 22:00-07:00 Europe/Berlin'"),
        ("mon 22:00-07:00 Europe/Berlin now", "write days, hours and a zone"),
        ("funday 22:00-07:00", "'funday' is no day of a week: write mon, tue, wed, thu, fri, sat or sun"),
        ("mon, 22:00-07:00", "'' is no day of a week"),
        ("mon 22-07", "'22-07' are no hours: write HH:MM-HH:MM, as in 22:00-07:00"),
        ("mon 24:00-07:00", "are no hours"),
        ("mon 08:00-08:00", "begins where it ends: write 00:00-24:00 for a whole day"),
        ("mon-sun 00:00-24:00", "all hours of a week"),
        ("mon 08:00-09:00 Europe/Berlun", "there is no time zone 'Europe/Berlun', did you mean Europe/Berlin?"),
        ("mon 08:00-09:00 ../etc", "there is no time zone"),
    ],
)
def test_a_window_with_a_mistake_is_refused_with_what_to_write(text: str, words: str) -> None:
    with pytest.raises(UsageError, match=r"--window") as refused:
        SilenceWindow.parse(text)
    assert words in str(refused.value)


@pytest.mark.parametrize(
    ("began_min", "severity", "news", "by_button"),
    [
        (-1, Severity.CRITICAL, {}, True),
        (0, Severity.HIGH, {"is_repeated": False}, True),
        (1, Severity.HIGH, {}, False),
        (-1, Severity.HIGH, {"is_worse": True, "is_repeated": False}, False),
        (-1, Severity.CRITICAL, {"is_repeated": False}, False),
    ],
)
def test_a_mute_by_button_holds_back_less_than_the_same_silence_of_a_host(
    began_min: int, severity: Severity, news: dict[str, bool], *, by_button: bool
) -> None:
    began = START + timedelta(minutes=began_min)
    subject = SilenceSubject(("aave",), "backing", severity, 0, began, **news)
    mute = silence(key="backing", severity=Severity.CRITICAL, reason=FROM_CHAT)
    assert mute.covers(subject) is by_button
    assert silence(key="backing", severity=Severity.CRITICAL, reason="upgrade").covers(subject)


def test_an_incident_counts_as_bad_as_its_worst() -> None:
    key = ConditionKey("aave", "backing", 1)
    row = Condition(key, State.FIRING, Severity.LOW, Severity.CRITICAL, protocol="aave")
    mild = silence(severity=Severity.MEDIUM)
    assert covered_now(mild, [row], START) == []
    assert covered_now(silence(severity=Severity.CRITICAL), [row], START) == [row]
    assert covered_now(silence(), [row], END) == []
    assert subject_of(row, Severity.LOW).severity is Severity.LOW


def test_it_says_what_it_covers() -> None:
    assert silence().what == "aave"
    narrow = silence(protocol="", severity=Severity.HIGH, chain=8453, window=SilenceWindow.parse("mon-fri 22:00-07:00"))
    assert narrow.what == "every protocol, chain 8453, at most HIGH, mon-fri 22:00-07:00 UTC"
