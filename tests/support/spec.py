"""Tables that read like a specification: `time  reading -> what is told`, run through a verb line by line.

Every condition goes through its row and back between two lines, so each table also proves that nothing is lost.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

from monitoring.chains.abi.values import Unknown
from monitoring.checks.expression.values import NONE
from monitoring.conditions.condition import Condition, ConditionKey, NoData
from monitoring.conditions.outcome import Outcome
from monitoring.store.tables.condition_data import read_data, write_data

DAY = datetime(2026, 3, 1, tzinfo=UTC)
UNJUDGED = Condition(ConditionKey("aave", "utilisation"))
_LINE = re.compile(r"(?:(\d+)d )?(\d\d):(\d\d)\s+(.*?)\s+->\s+(.*?)\s*")


def at(text: str) -> datetime:
    """Return `12:30` of the first day, or of a later one: `2d 12:30`."""
    days, _, clock = text.rpartition("d ")
    hour, minute = clock.split(":")
    return DAY + timedelta(days=int(days or 0), hours=int(hour), minutes=int(minute))


def number(text: str) -> Any:
    """Read `15%`, `1/3`, `4_000`, `1e18` exactly."""
    share = text.endswith("%")
    value = Fraction(text.rstrip("%").replace("_", "")) / (100 if share else 1)
    return int(value) if value.denominator == 1 else value


def plain(text: str) -> Any:
    """Read one cell: `?why` is unknown, `none` does not apply, `true`/`false`, `'text'`, else a number."""
    if text.startswith("?"):
        return Unknown(text[1:] or "no answer")
    if text.startswith("'"):
        return text.strip("'")
    words = {"none": NONE, "true": True, "false": False}
    return words[text] if text in words else number(text)


def members(text: str) -> Any:
    """Read `a b c` as a set, `-` as the empty one."""
    if text.startswith("?") or text == "none":
        return plain(text)
    return () if text == "-" else tuple(text.split())


def said(outcome: Outcome) -> str:
    """Return what an outcome tells, as the tables write it: `fired high`, `-`, `- / source_trouble`."""
    told = outcome.transition
    text = "-"
    if told is not None:
        text = f"{told.kind} {told.severity.name.lower()}"
        rows = [f"{entry.kind} {_short(entry.id)}" for entry in told.entries]
        text += f": {', '.join(rows)}" if rows else ""
    return text + (f" / {outcome.source.kind}" if outcome.source else "")


def _short(identity: Any) -> str:
    return "+".join(_short(part) for part in identity) if isinstance(identity, tuple) else str(identity)


def through_data(condition: Condition) -> Condition:
    """Write what the rules remember into the column that keeps it, and read it again."""
    unseen = condition.no_data
    if unseen is not None:
        unseen = NoData(unseen.since, source=unseen.reported_as or unseen.source, reason=unseen.reason)
    columns = replace(
        condition, rank=-1, worst_measure=None, held=(), heard_at=None, done_by="", memory={},
        no_data=unseen,
    )  # fmt: skip
    return read_data(columns, write_data(condition))


def run_table(
    table: str, judge: Callable[..., Outcome], policy: Any, read: Callable[[str], Any] = plain
) -> list[Outcome]:
    """Run a table; a `(reason)` after what is told is compared too where it is written."""
    condition, outcomes = replace(UNJUDGED, judged_at=DAY), []  # a check judges it: its rows never lack the instant
    for line in filter(None, (line.split("#")[0].strip() for line in table.splitlines())):
        match = _LINE.fullmatch(line)
        assert match, f"not a line of a table: {line!r}"
        days, hour, minute, reading, expected = match.groups()
        now = DAY + timedelta(days=int(days or 0), hours=int(hour), minutes=int(minute))
        outcome = judge(condition, read(reading), now, policy)
        told, _, reason = expected.partition(" (")
        assert said(outcome) == told, f"{line}\n  told {said(outcome)!r} because {outcome.reason}"
        if reason:
            assert outcome.reason.value == reason.rstrip(")"), line
        condition = through_data(outcome.condition)
        assert condition == outcome.condition, line
        outcomes.append(outcome)
    return outcomes
