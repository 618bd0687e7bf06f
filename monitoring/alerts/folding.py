"""One message that stands for many: LOW alerts when a chat's minute is full, old ones when credentials appear. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from monitoring.alerts.clean import shorten
from monitoring.alerts.model import Alert, Severity
from monitoring.alerts.text import bold, line
from monitoring.clock import to_text

_SHOWN = 40  # ours: with titles of 90 characters they fill one message
_LONGEST_TITLE = 90


class Why(StrEnum):
    """Why alerts are folded."""

    PACE = "The chat takes only so many messages a minute"
    WAITED = "They waited more than a day for credentials"


@dataclass(frozen=True, slots=True)
class Folded:
    """What is shown of an alert among others."""

    alert_id: int
    severity: Severity
    protocol: str
    title: str
    created_at: datetime


def fold(alerts: Sequence[Folded], why: Why) -> Alert:
    """Return the message for `alerts`, which are in order and at least one.

    It counts them all and names as many as one message holds, the worst first. It makes no sound: what it tells
    is either LOW or old.
    """
    worst = max(each.severity for each in alerts)
    counts = ", ".join(
        f"{count} {severity.name}"
        for severity in sorted(Severity, reverse=True)
        if (count := sum(each.severity is severity for each in alerts))
    )
    shown = sorted(alerts, key=lambda each: (-each.severity, each.alert_id))[:_SHOWN]
    more = len(alerts) - len(shown)
    return Alert(
        worst,
        f"{len(alerts)} alerts in one message ({counts})",
        line(f"{why.value}. From {_minute(alerts[0].created_at)} to {_minute(alerts[-1].created_at)}:"),
        *(_row(each) for each in shown),
        *([line(f"… and {more} more; `alerts` and the dashboard show all of them.")] if more else []),
        protocol=alerts[0].protocol,
        silent=True,
    )


def _row(alert: Folded) -> object:
    return line(
        f"{alert.severity.emoji} ", bold(alert.protocol), f" {shorten(alert.title, _LONGEST_TITLE)} (#{alert.alert_id})"
    )


def _minute(instant: datetime) -> str:
    return to_text(instant)[:16].replace("T", " ")
