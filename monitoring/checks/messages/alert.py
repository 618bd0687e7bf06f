"""A transition as an alert: the part's own words, how long it lasted, and as a quiet last line what was read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from monitoring.alerts.conditions.store_alert import AlertKind
from monitoring.alerts.message.model import Alert, Severity
from monitoring.alerts.message.text import line, since
from monitoring.base.formatting import format_duration
from monitoring.checks.engine.evaluation import EvaluatedCheck
from monitoring.checks.engine.point import EvaluationPoint
from monitoring.checks.messages.plain import AlertText, plain_message
from monitoring.conditions.condition import Condition
from monitoring.conditions.outcome import Kind, Transition

KINDS: Mapping[Kind, AlertKind] = {
    Kind.WORSENED: AlertKind.WORSENED,
    Kind.REMINDER: AlertKind.REMINDER,
    Kind.EASED: AlertKind.RECOVERY,
    Kind.RECOVERED: AlertKind.RECOVERY,
}
_QUIET = (Kind.EASED, Kind.RECOVERED)


@dataclass(frozen=True, slots=True)
class ReadingOrigin:
    """What was read: `words` is the quiet last line, `metadata` the same for machines."""

    words: str = ""
    metadata: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Telling:
    """An alert to be stored, and its kind in the life of a problem. `crash` is a bug in the part's own words."""

    alert: Alert
    kind: AlertKind
    metadata: Mapping[str, object]
    at: datetime
    crash: Exception | None = None


def tell(
    seen: EvaluatedCheck,
    before: Condition,
    tools: EvaluationPoint,
    origin: ReadingOrigin,
    now: datetime,
    redact: Callable[[str], str],
) -> Telling | None:
    """Put a transition into an alert; nothing where there is none. May ask the world for names."""
    transition = seen.outcome.transition
    if transition is None:
        return None
    message, crash = _message(seen, transition, tools)
    quiet, route, part = transition.kind in _QUIET, seen.part.route, seen.part
    alert = Alert(
        Severity.LOW if quiet else transition.severity,
        message.title,
        *message.blocks,
        *_history(transition, before, now),
        *([line(origin.words)] if origin.words else []),
        protocol=route.protocol,
        channel=route.channel,
        key=seen.key.text,
        source=getattr(part, "source", "protocol"),
    ).redacted(redact)
    kind = AlertKind.CRASH if alert.source == "crash" and not quiet else KINDS.get(transition.kind, AlertKind.ALERT)
    return Telling(alert, kind, _metadata(seen, transition, origin), now, crash)


def _message(
    seen: EvaluatedCheck, transition: Transition, tools: EvaluationPoint
) -> tuple[AlertText, Exception | None]:
    try:
        return seen.part.tell(transition, tools), None
    except Exception as error:  # noqa: BLE001 - the border of a check: an alert must not be lost over its words
        return plain_message(seen.part.about, transition), error


def _history(transition: Transition, before: Condition, now: datetime) -> list[object]:
    began = transition.since
    if transition.kind is Kind.RECOVERED:
        return [
            line(
                f"It had been {before.worst.name} for {format_duration(now - began)}, since {began:%Y-%m-%d %H:%M} UTC."
            )
        ]
    if transition.kind in (Kind.WORSENED, Kind.REMINDER):
        return [line("Since ", since(began), ".")]
    return []


def _metadata(seen: EvaluatedCheck, transition: Transition, origin: ReadingOrigin) -> dict[str, object]:
    key = seen.key
    about = {"monitor": key.monitor, "check": key.check, "chain": key.chain or None, "subject": key.subject or None}
    told = {name: value for name, value in about.items() if value is not None}
    return {**told, "transition": transition.kind.value, "reason": transition.reason.value, **origin.metadata}
