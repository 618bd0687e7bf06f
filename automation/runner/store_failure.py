"""The one message that goes around the database: what cannot be stored, sent straight to the errors chat.

At most one an hour for all profiles of a host, since one cause stops them all; a new CRITICAL alert goes at once.
"""

from __future__ import annotations

import logging
import zlib
from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from automation.runner.once_an_hour import once_an_hour, take_back
from monitoring.alerts.delivery.fallback_send import send_directly
from monitoring.base.settings import Settings
from monitoring.store.spool import unstored
from monitoring.store.spool.unstored import Kept, by_severity
from monitoring.store.tables.alerts import SEVERITIES

log = logging.getLogger("automation.runner.store_failure")

_MARK = "store-unwritable"
_MOST_NAMED = 15
_LONGEST_TITLE = 160


def send(settings: Settings, reason: str, lost: Sequence[str], now: datetime) -> None:
    """Send it if it is due. `lost` are alerts that could not even be kept, as `task: SEVERITY protocol: text`."""
    if settings.debug:
        return
    directory = settings.cache_dir
    kept = unstored.look(directory)
    is_due = once_an_hour(settings, _MARK, now)
    is_new = unstored.announce(directory)
    if not is_due and not is_new and not _has_new_critical(settings, lost, now):
        return
    troubles = send_directly(settings, text_of(reason, kept, lost, str(directory)))
    for trouble in troubles:
        log.error("%s", trouble)
    if troubles:  # the next run tries again
        take_back(settings, _MARK)
        unstored.announce(directory, is_done=False)


def text_of(reason: str, kept: Kept, lost: Sequence[str], directory: str) -> str:
    """Say what is wrong, how much waits, the worst of it, and what to do."""
    named = [f"{alert.severity} {alert.protocol}: {alert.title}" for alert in kept.alerts]
    named = [*named, *sorted(lost, key=_rank, reverse=True)]
    named.sort(key=_rank, reverse=True)
    counts = kept.counts + Counter(_severity(line) for line in lost)
    lines = [f"Checks run, but nothing can be stored: {reason}"]
    if named:
        lines.append(f"Not stored yet: {by_severity(counts)}. The worst first:")
        lines += [line[:_LONGEST_TITLE] for line in named[:_MOST_NAMED]]
    if rest := named[_MOST_NAMED:]:
        lines.append(f"and {len(rest)} more: {by_severity(Counter(map(_severity, rest)))}")
    if lost:
        lines.append(f"{len(lost)} of them could not be kept either: only this message and the log have them.")
    if kept.dropped:
        lines.append(f"Dropped, because the reserve is full: {by_severity(kept.dropped)}.")
    lines.append(
        f"What to do: free disk space, or correct the owner of {directory}; `python -m automation doctor` says which. "
        "What is kept is stored and sent by the next run that can write. "
        "This message comes once an hour, and at once for a new CRITICAL."
    )
    return "\n".join(lines)


def _severity(line: str) -> str:
    """Read the severity of a line, with or without a task before it."""
    return next((word for word in line.split(" ", 2)[:2] if word in SEVERITIES), "MEDIUM")


def _rank(line: str) -> int:
    return SEVERITIES.index(_severity(line))


def _has_new_critical(settings: Settings, lost: Sequence[str], now: datetime) -> bool:
    """Of a line that nothing keeps, a mark for an hour must do."""
    critical = sorted(line for line in lost if _severity(line) == "CRITICAL")
    name = f"{_MARK}-{zlib.crc32(' '.join(critical).encode()):08x}"
    return bool(critical) and once_an_hour(settings, name, now)
