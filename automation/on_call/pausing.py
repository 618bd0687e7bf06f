"""What a pause does to a run, and the messages that announce its begin and its end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from automation.jobs.model import Task
from monitoring.alerts.message.model import RUNNER, Alert, Severity
from monitoring.alerts.message.text import code, kv, line
from monitoring.alerts.recording.store_alert import NOBODY, AlertOrigin, store_in
from monitoring.base.formatting import format_duration, format_instant
from monitoring.base.plural import counted
from monitoring.conditions.condition import Condition, Owner
from monitoring.store.db.database import Database, Tx
from monitoring.store.people import pauses
from monitoring.store.people.pauses import Pause, PauseKind
from monitoring.store.tables import conditions

_MOST = 5  # incidents of one message
_SKIPPED = {PauseKind.PROFILE: "tick", PauseKind.TASK: "start", PauseKind.CHECK: "reading"}


def paused_tasks(profile: str, tasks: Sequence[Task], found: Sequence[Pause]) -> Mapping[str, str]:
    """Return the tasks that do not start, with the reason: those that are paused, and those that need one of them."""
    reasons = {
        task.name: pause.why()
        for task in tasks
        if (pause := pauses.holding(found, PauseKind.TASK, f"{profile}/{task.name}"))
    }
    while more := {
        task.name: f"needs {need!r}, which is paused"
        for task in tasks
        for need in task.needs
        if need in reasons and task.name not in reasons
    }:
        reasons |= more
    return reasons


def covered(tx: Tx, pause: Pause) -> list[Condition]:
    """Return the conditions that a pause covers, the worst that fires first; what scripts raise is no check."""
    if pause.kind is not PauseKind.CHECK:
        return []
    rows = conditions.of_monitor(tx, pause.name.partition("/")[0])
    found = [row for row in rows if row.owner is not Owner.RAISED and pause.covers_check(row.key)]
    return sorted(found, key=lambda row: (not row.is_firing, -row.severity))


def announce_begin(tx: Tx, pause: Pause, now: datetime) -> None:
    """Announce who paused what, why and until when, in each chat that would have heard of it."""
    found = covered(tx, pause)
    rows: dict[str, object] = {
        "Reason": pause.reason,
        "Until": f"{format_instant(pause.ends_at)} ({format_duration(pause.ends_at - now)})",
    }
    firing = [row for row in found if row.is_firing]
    if firing:
        rows["Firing now"] = ", ".join(f"{row.severity.name} {row.title or row.key.text}" for row in firing[:_MOST])
    # Louder where it leaves something CRITICAL to nobody else's eyes.
    is_critical = any(row.severity is Severity.CRITICAL for row in firing)
    severity, title = Severity.HIGH if is_critical else Severity.MEDIUM, f"{pause.created_by} paused {pause.what}"
    for route in routes_of(found):
        remedy = line("End it: ", code(f"resume {pause.id}"))
        store_in(tx, announcement(severity, title, kv(rows), remedy, route=route), now=now, status="pending")


def announce_end(tx: Tx, pause: Pause, now: datetime, origin: AlertOrigin = NOBODY) -> None:
    """Announce that a pause is over, with what it held back."""
    how = f"ended by {pause.ended_by}" if pause.ended_by else "its time is up"
    title = f"{pause.what} is no longer paused: {how}"
    blocks = (
        line(f"Paused by {pause.created_by} since {format_instant(pause.starts_at)}: {pause.reason}"),
        line(f"Skipped while paused: {counted(pause.held_back, _SKIPPED[pause.kind])}."),
    )
    for route in routes_of(covered(tx, pause)):
        store_in(tx, announcement(Severity.LOW, title, *blocks, route=route), now=now, origin=origin)


def announce_ended(database: Database, now: datetime, origin: AlertOrigin) -> None:
    """Announce the pauses whose time is up."""
    with database.write() as tx:
        for each in pauses.ended_unsaid(tx, now):
            announce_end(tx, each, now, origin)


def routes_of(found: Sequence[Condition]) -> list[tuple[str, str]]:
    """Return protocol and channel of each chat that hears of what is covered, else of the runner's."""
    return list(dict.fromkeys((row.protocol or row.key.monitor, row.channel) for row in found)) or [(RUNNER, "")]


def announcement(severity: Severity, title: str, *blocks: object, route: tuple[str, str]) -> Alert:
    protocol, channel = route
    source = "ops_error" if protocol == RUNNER else "protocol"
    return Alert(severity, title, *blocks, protocol=protocol, channel=channel, source=source)
