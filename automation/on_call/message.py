"""What somebody reads who is asked because nobody has acted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from automation.on_call.steps import DueQuestion
from monitoring.alerts.message.model import RUNNER, Alert
from monitoring.alerts.message.text import code, kv, line, since, table
from monitoring.alerts.recording.incident import thread_of
from monitoring.base.formatting import format_duration
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


def question(found: Sequence[Question], channel: str, now: datetime) -> Alert:
    """Return the alert that asks; `channel` is a person's, empty for the chat of the incident. The worst is first."""
    return _of_one(found[0], channel, now) if len(found) == 1 else _of_several(found, channel)


def _of_one(one: Question, channel: str, now: datetime) -> Alert:
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
        _remedy(f"ack {condition.key.monitor}/{condition.key.text}"),
        protocol=condition.protocol or condition.key.monitor,
        channel=channel or condition.channel,
        key=condition.key.text,
        # By its own source the alert of an incident finds its chat; a person is found by the channel alone.
        source="protocol" if channel else condition.source,
        monitor=condition.key.monitor,
        threads=(thread_of(condition),),
    )


def _of_several(found: Sequence[Question], channel: str) -> Alert:
    rows = [
        (one.severity.name, one.condition.protocol or one.condition.key.monitor, one.title, since(one.began))
        for one in found[:_MOST_ROWS]
    ]
    more = len(found) - len(rows)
    return Alert(
        max(one.severity for one in found),
        f"{len(found)} incidents are open and not acknowledged",
        table(("severity", "protocol", "what", "since"), rows),
        *([line(f"… and {more} more; `incidents` lists them all")] if more > 0 else []),
        *([kv({"Why you": found[0].why})] if found[0].why else []),
        _remedy("ack KEY"),
        protocol=RUNNER,
        channel=channel,
    )


def _remedy(command: str) -> object:
    return line("Acknowledge it, so that no one else is asked: ", code(f'{command} --note "…"'))
