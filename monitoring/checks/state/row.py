"""A condition as its row of the conditions table, and back: columns to filter by, one JSON text for the rest.

Called by whoever stores conditions. A row it cannot read must never stop a check: the rest is seeded anew.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from monitoring.alerts.message.model import Severity
from monitoring.base.clock import from_text, to_text
from monitoring.checks.expression.values import Json, read_number, write_number
from monitoring.checks.rules.condition import Blindness, Condition, Held, State

VERSION = 1


@dataclass(frozen=True, slots=True)
class ConditionRow:
    """The columns beside (monitor, check, chain, subject); instants are fixed-width UTC text."""

    state: str
    severity: str | None
    since: str | None
    last_sent: str | None
    data: str


def to_row(condition: Condition) -> ConditionRow:
    """Write a condition; `data` is versioned JSON in which every number is exact."""
    return ConditionRow(
        state=condition.state.value,
        severity=condition.severity.name if condition.severity is not None else None,
        since=_instant(condition.since),
        last_sent=_instant(condition.last_sent),
        data=json.dumps(_data(condition), separators=(",", ":"), sort_keys=True),
    )


def from_row(row: ConditionRow) -> Condition:
    """Read a condition; data of another version or damaged data is left out and the columns stand alone."""
    condition = Condition(
        state=State(row.state),
        severity=Severity[row.severity] if row.severity else None,
        since=from_text(row.since) if row.since else None,
        last_sent=from_text(row.last_sent) if row.last_sent else None,
    )
    try:
        return _with_data(condition, json.loads(row.data))
    except (ValueError, TypeError, KeyError, AttributeError, ZeroDivisionError):
        return condition


def _instant(at: datetime | None) -> str | None:
    return to_text(at) if at else None


def _data(condition: Condition) -> dict[str, Json]:
    data: dict[str, Json] = {"v": VERSION, "rank": condition.rank, "memory": dict(condition.memory)}
    if condition.worst is not None:
        data["worst"] = write_number(condition.worst)
    if condition.held:
        data["held"] = [[one.runs, to_text(one.since)] for one in condition.held]
    if condition.blind:
        blind = condition.blind
        data["unknown"] = {
            "since": to_text(blind.since),
            "runs": blind.runs,
            "told": blind.told,
            "source": blind.source,
            "reason": blind.reason,
        }
    return data


def _with_data(condition: Condition, data: Any) -> Condition:  # noqa: ANN401 - JSON of any shape comes in
    if data["v"] != VERSION:
        return condition
    blind = data.get("unknown")
    return Condition(
        state=condition.state,
        severity=condition.severity,
        since=condition.since,
        last_sent=condition.last_sent,
        rank=int(data["rank"]),
        worst=read_number(data["worst"]) if "worst" in data else None,
        held=tuple(Held(int(runs), from_text(since)) for runs, since in data.get("held", [])),
        blind=_blindness(blind) if blind else None,
        memory=dict(data["memory"]),
    )


def _blindness(data: Any) -> Blindness:  # noqa: ANN401 - as above
    source, reason = str(data.get("source", "")), str(data.get("reason", ""))
    return Blindness(from_text(data["since"]), int(data["runs"]), bool(data["told"]), source, reason)
