"""One message that stands for many: LOW alerts when a chat's minute is full, old ones when credentials appear. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import accumulate

from monitoring.alerts.message.model import Alert, Severity
from monitoring.alerts.message.sanitize import shorten, utf16_units
from monitoring.alerts.message.text import Line, bold, line
from monitoring.base.clock import to_text

_ROOM_UNITS = 3600  # of Telegram's 4096: the rest is for the head and the count of what is not named
_LONGEST_TITLE = 90  # ours
_OLD = timedelta(hours=24)


class Why(StrEnum):
    """Why alerts are folded."""

    PACE = "The chat takes only so many messages a minute"
    WAITED = "They waited for credentials"


@dataclass(frozen=True, slots=True)
class Folded:
    """What is shown of an alert among others."""

    alert_id: int
    severity: Severity
    protocol: str
    title: str
    created_at: datetime


def fold(alerts: Sequence[Folded], why: Why, now: datetime) -> Alert:
    """Return the message for `alerts`, at least one.

    It counts them all and names as many as one message holds, the worst first. It makes a sound unless all of them are
    LOW or older than a day.
    """
    worst = max(each.severity for each in alerts)
    counts = ", ".join(
        f"{count} {severity.name}"
        for severity in sorted(Severity, reverse=True)
        if (count := sum(each.severity is severity for each in alerts))
    )
    shown = _fitting(sorted(alerts, key=lambda each: (-each.severity, each.alert_id)))
    more = len(alerts) - len(shown)
    raised = [each.created_at for each in alerts]
    return Alert(
        worst,
        f"{len(alerts)} alerts in one message ({counts})",
        line(f"{why.value}. From {_minute(min(raised))} to {_minute(max(raised))} UTC:"),
        *(_row(each) for each in shown),
        *([line(f"… and {more} more; `alerts` and the dashboard show all of them.")] if more else []),
        protocol=alerts[0].protocol,
        silent=worst is Severity.LOW or max(raised) < now - _OLD,
    )


def _fitting(alerts: Sequence[Folded]) -> list[Folded]:
    """Return the first of them, as many as have room in one message."""
    used = list(accumulate(utf16_units(f"{_head(each)}{_tail(each)}") + 1 for each in alerts))
    return [each for each, units in zip(alerts, used, strict=True) if units <= _ROOM_UNITS]


def _row(alert: Folded) -> Line:
    return line(f"{alert.severity.emoji} {alert.severity.name} ", bold(alert.protocol), _tail(alert))


def _head(alert: Folded) -> str:
    return f"{alert.severity.emoji} {alert.severity.name} {alert.protocol}"


def _tail(alert: Folded) -> str:
    return f": {shorten(alert.title, _LONGEST_TITLE)} (#{alert.alert_id})"


def _minute(instant: datetime) -> str:
    return to_text(instant)[:16].replace("T", " ")
