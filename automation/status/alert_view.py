"""`alerts show ID`: one alert, and of each of its deliveries the state, its cause and the command that helps."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from automation.cli import zone
from automation.cli.console import write_json
from monitoring.alerts.delivery.routes import RouteResolver
from monitoring.alerts.delivery.states import DeliveryState, ShownDelivery, look_at, state_without_delivery
from monitoring.base.clock import SystemClock, to_text
from monitoring.base.errors import UsageError
from monitoring.base.formatting import format_duration
from monitoring.base.settings import Settings
from monitoring.store.db.schema import open_readonly
from monitoring.store.tables.alerts import StoredAlert

_WIDTH, _INDENT = 80, 13


def show_alert(alert_id: int, settings: Settings, *, in_json: bool) -> None:
    """Print one alert with its deliveries.

    Raises:
        UsageError: there is none of this id.
    """
    now = SystemClock().now()
    with open_readonly(settings.database) as database, database.snapshot() as tx:
        found = look_at(tx, alert_id, RouteResolver(settings.environ), now)
    if found is None:
        raise UsageError(f"there is no alert {alert_id}: `alerts` lists the newest")
    stored, shown = found
    if in_json:
        write_json(_shown_as_json(stored, shown))
    else:
        sys.stdout.write("\n".join(_shown_lines(stored, shown, now)) + "\n")


def _shown_as_json(stored: StoredAlert, shown: Sequence[ShownDelivery]) -> dict[str, object]:
    return {
        "id": stored.id,
        "created_at": to_text(stored.created_at),
        "severity": stored.severity,
        "protocol": stored.protocol,
        "title": stored.title,
        "message": stored.message,
        "delivery_status": stored.delivery_status,
        "delivery_error": stored.delivery_error,
        "deliveries": [_delivery_as_json(stored, each) for each in shown],
    }


def _delivery_as_json(stored: StoredAlert, each: ShownDelivery) -> dict[str, object]:
    row, words = each.record.waiting, each.state.value
    return {
        "destination": each.where,
        "channel": row.channel,
        "status": row.status,
        "state": words.name,
        "cause": words.cause,
        "attempts": row.attempts,
        "error": each.record.error,
        "next_try": to_text(each.next_try) if each.next_try else None,
        "lease_owner": row.lease_owner,
        "lease_until": to_text(row.lease_until) if row.lease_until else None,
        "delivered_at": each.record.delivered_at,
        "messages": [one.as_json() for one in each.messages],
        "ends": words.ends,
        "command": each.state.command(stored.id, row.channel, each.leader),
    }


def _shown_lines(stored: StoredAlert, shown: Sequence[ShownDelivery], now: datetime) -> Iterator[str]:
    run = f", run {stored.run_id}" if stored.run_id else ""
    created_at = zone.named(stored.created_at, seconds=True)
    yield f"ALERT {stored.id}  {stored.severity or ''}  {stored.protocol}  {created_at}"
    yield f"  {stored.kind}, source {stored.source}{run}{f', task {stored.task}' if stored.task else ''}"
    yield ""
    yield from (f"  {line}" for text in stored.message.split("\n") for line in _wrapped(text, _WIDTH - 2))
    if not shown:
        state = state_without_delivery(stored.delivery_status)
        yield ""
        yield "NO DELIVERY"
        yield from _state_lines(state, state.command(stored.id, stored.channel or stored.protocol))
    for each in shown:
        yield ""
        yield from _delivery_lines(stored, each, now)


def _delivery_lines(stored: StoredAlert, each: ShownDelivery, now: datetime) -> Iterator[str]:
    row = each.record.waiting
    yield from _wrapped(f"DELIVERY to {each.where}", _WIDTH)
    yield from _state_lines(each.state, each.state.command(stored.id, row.channel, each.leader), each.leader)
    yield from _field("attempts", str(row.attempts))
    if each.record.error:
        yield from _field(
            "last error" if each.state is not DeliveryState.NOT_ATTEMPTED else "reason", each.record.error
        )
    if each.record.delivered_at:
        yield from _field("delivered", each.record.delivered_at)
    for one in each.messages:
        where = f"message {one.message_id} in {one.place}"
        yield from _field(f"part {one.part}", f"{where}: {one.link}" if one.link else where)
    if each.next_try is not None:
        wait = each.next_try - now
        when = f"in {format_duration(wait)}" if wait > timedelta(0) else "as soon as a run, or `deliver`, looks"
        yield from _field(
            "next try", f"{zone.named(each.next_try, seconds=True)}, {when}" if wait > timedelta(0) else when
        )
    if row.lease_until is not None and row.lease_until > now:
        yield from _field("lease", f"{row.lease_owner} until {row.lease_until:%H:%M:%S} UTC")


def _state_lines(state: DeliveryState, command: str, leader: int | None = None) -> Iterator[str]:
    words = state.value
    yield from _field("state", f"{words.status}: {words.name}" if words.status != words.name else words.status)
    yield from _field("cause", words.cause)
    yield from _field("ends with", words.ends.format(leader=leader))
    yield from _field("command", command)


def _field(name: str, text: str) -> list[str]:
    lines = _wrapped(text, _WIDTH - _INDENT) if name != "command" else [text]
    return [f"  {name:<{_INDENT - 2}}{lines[0]}", *(" " * _INDENT + line for line in lines[1:])]


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False) or [""]
