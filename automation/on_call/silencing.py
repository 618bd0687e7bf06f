"""The message that announces a silence of something CRITICAL, in each chat that would have heard of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from automation.on_call.pausing import announcement, routes_of
from monitoring.alerts.message.model import Severity
from monitoring.alerts.message.text import code, kv, line
from monitoring.alerts.recording.incident import thread_of
from monitoring.alerts.recording.store_alert import store_in
from monitoring.base.formatting import format_duration, format_instant
from monitoring.conditions.condition import Condition
from monitoring.conditions.silence import Silence, subject_of
from monitoring.store.db.database import Tx

_MOST = 5  # incidents of one message
STILL_SENT = "A new incident, anything worse, and the recovery are still sent."  # despite a mute by a button


def announce_silence(
    tx: Tx, silence: Silence, covered: Sequence[Condition], now: datetime, least: Severity = Severity.CRITICAL
) -> bool:
    """Announce with sound who silences something CRITICAL that fires now; return whether there was any.

    `least`: what is less bad than this is not announced.
    """
    heard = [row for row in covered if subject_of(row).severity >= least]
    rows: dict[str, object] = {
        "Reason": silence.reason,
        "Until": f"{format_instant(silence.ends_at)} ({format_duration(silence.ends_at - now)})",
        "Held back": ", ".join(f"{subject_of(row).severity.name} {row.title or row.key.text}" for row in heard[:_MOST]),
    }
    title = f"{silence.created_by} silenced {silence.what}"
    for route in routes_of(heard) if heard else ():
        still = [line(f"{STILL_SENT} Questions to people about a CRITICAL go on.")] if silence.is_from_chat else []
        remedy = line("End it: ", code(f"silence --end {silence.id}"))
        # Pending whatever is silenced: this silence would hold back its own announcement.
        said = announcement(Severity.HIGH, title, kv(rows), *still, remedy, route=route)
        said = said.in_threads(thread_of(heard[0])) if len(heard) == 1 else said
        store_in(tx, said, now=now, status="pending")
    return bool(heard)
