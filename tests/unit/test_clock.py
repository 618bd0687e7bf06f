"""Instants and durations."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from monitoring.base.clock import from_text, parse_duration, to_text
from monitoring.base.errors import UsageError
from monitoring.base.formatting import format_duration


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("90s", 90), ("15m", 900), ("24h", 86400), ("7d", 604800), (" 1h ", 3600)]
)
def test_durations_are_seconds_or_a_number_with_a_unit(text: str, seconds: int) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "1.5h", "-1", "1w", "h", "1h30m", "99999999999999d"])
def test_anything_else_is_no_duration(text: str) -> None:
    with pytest.raises(UsageError, match="duration"):
        parse_duration(text)


def test_text_order_is_time_order_whatever_precision_came_in() -> None:
    instants = [
        "2026-11-23T10:00:00Z",
        "2026-11-23T10:00:00.5+00:00",
        "2026-11-23 12:00:01+02:00",
        "2026-11-23T10:00:02",
    ]
    texts = [to_text(from_text(text)) for text in instants]
    assert texts == sorted(texts)
    assert {len(text) for text in texts} == {27}
    assert from_text(texts[0]) == datetime(2026, 11, 23, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(3.14, "3.1 s"), (42, "42 s"), (125, "2 min 5 s"), (900, "15 min"), (9600, "2 h 40 min"), (273600, "3 d 4 h")],
)
def test_durations_are_shown_as_a_person_says_them(seconds: float, text: str) -> None:
    assert format_duration(timedelta(seconds=seconds)) == text
