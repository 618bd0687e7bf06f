"""What the rules remember of a condition, as one JSON text: the column `data_json`. Numbers are text, and exact.

Data that cannot be read must never stop a check: the columns are believed alone, and the rest is seeded again. The
release before reads the same text, so keys are only added and the version stays.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

from monitoring.base.clock import from_text, instant_or_none, to_text
from monitoring.conditions.condition import Condition, Held, NoData, Owner, State

VERSION = 1
_OWNERS = {each.value: each for each in Owner}


def write_data(condition: Condition) -> str | None:
    """Return the text, or nothing where there is nothing to remember: such a row is pruned once it is old."""
    if condition.state is State.OK and not (
        condition.memory or condition.no_data or condition.declared or condition.done_by or condition.inhibited_by
    ):
        return None
    data: dict[str, Any] = {"v": VERSION, "rank": condition.rank, "memory": dict(condition.memory)}
    if condition.worst_measure is not None:
        from monitoring.conditions.values import write_number  # noqa: PLC0415 - few conditions have one

        data["worst"] = write_number(condition.worst_measure)
    if condition.held:
        data["held"] = [[one.runs, to_text(one.since)] for one in condition.held]
    if condition.heard_at is not None:
        data["heard"] = to_text(condition.heard_at)
    if condition.is_firing and condition.remind_every is not None:
        data["remind_s"] = condition.remind_every.total_seconds()
    if condition.state is not State.OK and condition.owner is not Owner.UNKNOWN:
        data["owner"] = [condition.owner.value, condition.owner_task]
    said = {"owes": condition.owes_reminder, "inhibited": condition.inhibited_by, "done": condition.done_by}
    data |= {name: value for name, value in said.items() if value}
    unseen = condition.no_data
    if unseen is not None:
        data["unknown"] = {
            "since": to_text(unseen.since),
            "runs": unseen.runs,
            "told": unseen.reported,
            "source": unseen.source,
            "reason": unseen.reason,
        }
    return json.dumps(data, separators=(",", ":"), sort_keys=True)


def read_data(condition: Condition, text: str | None) -> Condition:
    """Return the condition with what its rules remember; `condition` has what the columns say."""
    if text is None:
        return _raised_before(condition)
    try:
        return _with_data(condition, json.loads(text))
    except (ValueError, TypeError, KeyError, AttributeError, ZeroDivisionError):
        return condition


def _raised_before(condition: Condition) -> Condition:
    """Return a condition that the release before raised by `m.alert(key=…)`: its columns said all there was."""
    if condition.state is State.OK or condition.since is None:
        return condition
    held = (Held(max(condition.times, 1), condition.since),)
    return replace(condition, rank=condition.worst.value if condition.is_firing else -1, held=held)


def _with_data(condition: Condition, data: Any) -> Condition:  # noqa: ANN401 - JSON of any shape comes in
    if data["v"] != VERSION:
        return condition
    unseen, measure = condition.no_data, data.get("worst")
    if unseen is not None and data.get("unknown"):
        unseen = _no_data(unseen, data["unknown"])
    if measure is not None:
        from monitoring.conditions.values import read_number  # noqa: PLC0415 - as above

        measure = read_number(measure)
    owner, owner_task = data.get("owner", ("", ""))
    found = replace(
        condition,
        rank=int(data["rank"]),
        worst_measure=measure,
        held=tuple(Held(int(runs), from_text(since)) for runs, since in data.get("held", [])),
        heard_at=instant_or_none(data.get("heard")),
        done_by=str(data.get("done", "")),
        no_data=unseen,
        memory=dict(data["memory"]),
        remind_every=timedelta(seconds=data["remind_s"]) if "remind_s" in data else None,
        owes_reminder="owes" in data,
        inhibited_by=str(data.get("inhibited", "")),
        owner=_OWNERS.get(owner, Owner.UNKNOWN),
        owner_task=str(owner_task),
    )
    if found.state is State.OK:
        return replace(found, rank=-1, held=())
    if found.judged_at is None:
        # No check judged it: after a way back m.alert of the release before wrote the columns, and left this text.
        columns = _raised_before(condition)
        return replace(found, rank=columns.rank, held=found.held if found.is_firing else columns.held)
    return found


def _no_data(columns: NoData, data: dict[str, Any]) -> NoData:
    """Return what the columns say, with what only the rules ask for."""
    source = str(data.get("source", ""))
    reported_as = "" if columns.source == source else columns.source
    return replace(columns, runs=int(data["runs"]), reported=bool(data["told"]), source=source, reported_as=reported_as)
