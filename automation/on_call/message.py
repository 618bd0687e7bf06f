"""What somebody reads who is asked because nobody has acted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from automation.on_call.steps import DueQuestion
from monitoring.alerts.message.model import RUNNER, Alert
from monitoring.alerts.message.text import code, kv, line, since
from monitoring.alerts.recording.incident import thread_of
from monitoring.base.formatting import format_duration, format_instant
from monitoring.conditions.condition import Condition
from monitoring.conditions.severity import Severity

_MOST_ROWS = 20


@dataclass(frozen=True, slots=True)
class Question:
    """One incident about which one person, or its chat, is asked; `why` says why this person."""

    condition: Condition
    severity: Severity
    began: datetime
    ask: DueQuestion
    why: str = ""

    @property
    def title(self) -> str:
        return self.condition.title or self.condition.about or self.condition.key.text


@dataclass(frozen=True, slots=True)
class IncidentReport:
    """The text of the last report of an incident, and when that was stored."""

    blocks: Sequence[object]
    at: datetime


def question(found: Sequence[Question], channel: str, now: datetime, report: IncidentReport | None = None) -> Alert:
    """Return the alert that asks; `channel` is a person's, empty for the chat of the incident. The worst is first.

    `report` is what the chat got of one incident, for somebody who may not look there.
    """
    return _of_one(found[0], channel, now, report) if len(found) == 1 else _of_several(found, channel, now)


def _of_one(one: Question, channel: str, now: datetime, report: IncidentReport | None) -> Alert:
    condition, ask = one.condition, one.ask
    rows: dict[str, object] = {"Since": since(one.began)}
    if condition.value:
        rows["Last reading"] = condition.value
    if one.why:
        rows["Why you"] = one.why
    others = [name for name in ask.asked.people if name not in ask.people]
    if others:
        rows["Asked before"] = ", ".join(others)
    return Alert(
        one.severity,
        f"Open for {format_duration(now - one.began)}, not acknowledged: {one.title}",
        kv(rows),
        line("Acknowledge it, so that no one else is asked: ", code(f'{_ack(one)} --note "…"')),
        *([line(f"As reported at {format_instant(report.at)}:"), *report.blocks] if report else []),
        protocol=condition.protocol or condition.key.monitor,
        channel=channel or condition.channel,
        key=condition.key.text,
        # By its own source the alert of an incident finds its chat; a person is found by the channel alone.
        source="protocol" if channel else condition.source,
        monitor=condition.key.monitor,
        threads=(thread_of(condition),),
    )


def _of_several(found: Sequence[Question], channel: str, now: datetime) -> Alert:
    more = len(found) - _MOST_ROWS
    return Alert(
        max(one.severity for one in found),
        f"{len(found)} incidents are open and not acknowledged",
        *(_row(one, now) for one in found[:_MOST_ROWS]),
        *([line(f"… and {more} more; `incidents` lists them all")] if more > 0 else []),
        *([kv({"Why you": found[0].why})] if found[0].why else []),
        line("Acknowledge each, so that no one else is asked."),
        protocol=RUNNER,
        channel=channel,
    )


def _row(one: Question, now: datetime) -> object:
    protocol = one.condition.protocol or one.condition.key.monitor
    return line(
        f"{one.severity.emoji} {one.severity.name} {protocol}: {one.title}, for {format_duration(now - one.began)}: ",
        code(_ack(one)),
    )


def _ack(one: Question) -> str:
    return f"ack {one.condition.key.monitor}/{one.condition.key.text}"
