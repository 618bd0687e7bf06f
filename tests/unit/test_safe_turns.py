"""Whose turn it is at the Safe Transaction Service: pure decisions, a week of them in one go."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from monitoring.chains.services.client import NoAnswer
from monitoring.chains.services.safe_rows import SafeQueue
from monitoring.checks.builtin.safes.queue import PollSchedule
from monitoring.checks.builtin.safes.rate_limit import Outage, QueueOf, interval_for, is_due, turns

NOW = datetime(2026, 5, 1, tzinfo=UTC)
EVERY = timedelta(minutes=10)
WEEK, WEEKS_A_MONTH = timedelta(days=7), 30 / 7


def question(address: str = "0x01", **changes: object) -> QueueOf:
    plain = QueueOf(1, address, 7, EVERY, ("safes", 33), NOW)
    return replace(plain, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(("keys", "allowed"), [(0, 5_000), (1, 50_000), (2, 100_000), (4, 200_000)])
def test_thirty_three_safes_fit_the_quota_and_nobody_waits_much_longer_than_told(keys: int, allowed: int) -> None:
    interval = interval_for(33, EVERY, keys)
    asked = dict.fromkeys((f"0x{place:040x}" for place in range(33)), NOW - WEEK)
    calls, longest = -33, timedelta(0)  # without the first sight of each, which comes once
    for run in range(WEEK // EVERY):
        now = NOW + run * EVERY + timedelta(seconds=run % 3)  # runs do not start to the second
        for one in turns([question(address, asked_at=at) for address, at in asked.items()], interval, now):
            calls += 1
            longest = max(longest, now - asked[one.address]) if run > 200 else longest
            asked[one.address] = now
    assert calls * WEEKS_A_MONTH <= allowed
    assert longest <= 1.2 * interval + 2 * EVERY


def test_what_the_quota_gives_is_said_in_words() -> None:
    assert PollSchedule(EVERY, None, 33).in_words() == (
        "asked every 5 h 56 min without a key, 35 min with one, 17 min with two"
    )
    assert (
        PollSchedule(EVERY, None, 1).in_words() == "asked every 10 min without a key, 10 min with one, 10 min with two"
    )


def test_a_turn_comes_after_the_interval_and_at_once_when_the_safe_has_changed() -> None:
    interval = timedelta(hours=6)
    assert is_due(question(asked_at=None), interval, NOW)
    assert not is_due(question(), interval, NOW + timedelta(hours=5))
    assert is_due(question(), interval, NOW + timedelta(hours=6) - timedelta(seconds=59))
    assert is_due(question(changed=True), interval, NOW)
    assert is_due(question(asked_at=NOW + timedelta(days=1)), interval, NOW), "asked by a clock that was ahead"


def test_a_failure_is_tried_again_sooner_but_each_time_after_twice_as_long() -> None:
    interval = timedelta(hours=6)
    waits = []
    for failures in range(1, 9):
        asked = question(failures=failures, changed=True)
        waits.append(
            next(minutes for minutes in range(600) if is_due(asked, interval, NOW + timedelta(minutes=minutes)))
        )
    assert waits == [9, 19, 39, 79, 159, 319, 359, 359]


def test_those_that_wait_longest_go_first_and_their_turns_are_spread() -> None:
    interval = interval_for(33, EVERY, 0)
    all_due = [question(f"0x{place:02x}", asked_at=NOW - interval - place * EVERY) for place in range(33)]
    assert [one.address for one in turns(all_due, interval, NOW)] == ["0x20", "0x1f"]
    with_urgent = [*all_due, question("0xaa", changed=True), question("0xbb", asked_at=None)]
    assert [one.address for one in turns(with_urgent, interval, NOW)][:2] == ["0xaa", "0xbb"]


def test_safes_that_have_changed_go_first_but_cannot_use_up_the_turns_of_the_others() -> None:
    interval = interval_for(33, EVERY, 0)
    idle = [question(f"0x{place:02x}", asked_at=NOW - interval - place * EVERY) for place in range(30)]
    busy = [question(f"0xb{place}", asked_at=NOW - (4 - place) * EVERY, changed=True) for place in range(3)]
    assert [one.address for one in turns([*idle, *busy], interval, NOW)] == ["0xb0", "0xb1", "0x1d", "0x1c"]


def test_an_answer_may_be_as_old_as_was_wished_or_as_the_quota_makes_it() -> None:
    pace = PollSchedule(EVERY, timedelta(minutes=30), 33)
    assert pace.limit(interval_for(33, EVERY, 4)) == timedelta(minutes=30)
    assert pace.limit(timedelta(hours=6)) == timedelta(hours=9, minutes=10), "a turn and a half, and one run"


def test_a_service_that_is_down_for_one_chain_is_still_asked_for_the_others() -> None:
    outage, down = Outage(), NoAnswer("HTTP 503", "host", 503)
    for _ in range(3):
        outage.note(8453, down)
    assert str(outage.of(8453)) == "unknown: HTTP 503"
    assert outage.of(1) is None
    for _ in range(3):
        outage.note(1, down)
    assert str(outage.of(10)) == "unknown: HTTP 503", "six in a row: it is down for all"


def test_an_answer_ends_an_outage_and_a_refusal_is_none() -> None:
    outage = Outage()
    for answer in (
        NoAnswer("HTTP 503", "host", 503),
        SafeQueue((), complete=True),
        NoAnswer("HTTP 404", "host", 404),
    ) * 4:
        outage.note(1, answer)
    assert outage.of(1) is None
