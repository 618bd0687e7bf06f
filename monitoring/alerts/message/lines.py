"""The lines that alerts of every kind end with: how to silence them, and how long something was bad.

Called by whatever makes an alert of a condition, so that these lines are the same everywhere.
"""

from __future__ import annotations

import shlex
from datetime import datetime, timedelta

from monitoring.alerts.message.text import Line, code, line
from monitoring.base.formatting import format_duration, format_instant

_MUTED_FOR = "2h"  # ours: long enough to work in peace, short enough to be reminded


def mute_command(protocol: str, key: str) -> str:
    """Return the arguments that `python -m automation` (on a host, `monitoring`) takes to silence this and no more."""
    return f"silence --protocol {shlex.quote(protocol)} --key {shlex.quote(key)} --for {_MUTED_FOR} --reason …"


def mute_line(protocol: str, key: str) -> Line:
    return line("Mute: ", code(mute_command(protocol, key)))


def reminder_words(every: timedelta | None, next_at: datetime | None, now: datetime) -> str:
    """Say how often what fires is repeated: `reminder every 6 h, next in 2 h`; nothing where that is not known."""
    if every is None:
        return ""
    if not every or next_at is None:
        return "no reminder"
    wait = "due now" if next_at <= now else f"next in {format_duration(next_at - now)}"
    return f"reminder every {format_duration(every)}, {wait}"


def was_line(severity: str, since: datetime, now: datetime) -> Line:
    """Say how bad it was and for how long: `Was CRITICAL for 7 s, since 2026-11-29 03:57 UTC`."""
    return line(f"Was {severity} for {format_duration(now - since)}, since {format_instant(since)}.")
