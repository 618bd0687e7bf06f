"""The lines that alerts about a condition end with: where it was read, since when, what to do, how to mute it.

Called by whatever makes an alert of a condition, so that these lines are the same everywhere. The link to the page of
the incident comes after them when the alert is sent.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from datetime import datetime, timedelta

from monitoring.alerts.message.model import Alert
from monitoring.alerts.message.text import Line, code, line, since
from monitoring.base.formatting import format_duration, format_instant

_JUST_NOW = timedelta(seconds=60)  # what began in this run is new, whatever fractions its clock has
_MUTED_FOR = "2h"  # ours: long enough to work in peace, short enough to be reminded


def mute_command(protocol: str, key: str) -> str:
    """Return the arguments that `python -m automation` (on a host, `monitoring`) takes to silence this and no more."""
    return f"silence --protocol {shlex.quote(protocol)} --key {shlex.quote(key)} --for {_MUTED_FOR} --reason …"


def closed(
    alert: Alert, began: datetime, now: datetime, *, is_first: bool, where: Sequence[object] = (), seen: int = 0
) -> Alert:
    """Return the alert of a condition with its closing lines.

    `is_first`: it is the first of its problem. `where` are spans that say where it was read, if it was read from a
    chain; `seen` is how often it was raised, of a script.
    """
    if is_first and now - began < _JUST_NOW:
        when = [*where, " · new"] if where else [f"New, {format_instant(began)}."]
    else:
        times = f"; seen {seen} times" if seen else ""
        when = [*where, " · since " if where else "Since ", since(began), times]
    return with_remedy(alert.with_blocks(line(*when)))


def with_remedy(alert: Alert) -> Alert:
    """Return the alert of a condition with what to do and how to mute it."""
    mute = line("Mute: ", code(mute_command(alert.protocol, alert.key or "")))
    return alert.with_blocks(*alert.guidance.lines(), mute)


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
