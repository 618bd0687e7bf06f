"""Two versions of the files over the same steps: which incidents are new, gone or changed. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from monitoring.checks.backtest.history import PastIncident
from monitoring.conditions.condition import ConditionKey


@dataclass(frozen=True, slots=True)
class IncidentChange:
    """One incident in both versions, or in one: `after` is the present file's, `before` the other's."""

    before: PastIncident | None
    after: PastIncident | None

    @property
    def kind(self) -> str:
        if self.before is None:
            return "new"
        if self.after is None:
            return "gone"
        return "same" if _shape(self.before) == _shape(self.after) else "changed"

    @property
    def key(self) -> ConditionKey:
        found = self.after or self.before
        assert found is not None  # noqa: S101 - one of them is there
        return found.key

    @property
    def at(self) -> datetime:
        return min(one.fired_at for one in (self.before, self.after) if one is not None)


def changes(before: Sequence[PastIncident], after: Sequence[PastIncident], until: datetime) -> list[IncidentChange]:
    """Pair the incidents of a check that overlap in time, in the order in which they fired."""
    rest = list(before)
    found: list[IncidentChange] = []
    for one in after:
        match = next((other for other in rest if other.key == one.key and _overlap(other, one, until)), None)
        if match is not None:
            rest.remove(match)
        found.append(IncidentChange(match, one))
    found += [IncidentChange(one, None) for one in rest]
    return sorted(found, key=lambda change: (change.at, change.key))


def _overlap(one: PastIncident, other: PastIncident, until: datetime) -> bool:
    begin, end = max(one.since, other.since), min(one.ended_at or until, other.ended_at or until)
    return begin <= end


def _shape(one: PastIncident) -> tuple[object, ...]:
    return one.fired_at, one.ended_at, one.severity, one.messages
