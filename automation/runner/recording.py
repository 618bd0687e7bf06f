"""What a run stores of its own: alerts about itself, alerts that waited in the reserve, the ends of conditions.

Imported when there is something to store, and before a sync, after which the files may be those of another commit:
most runs have nothing to say before their first task starts.
"""

from __future__ import annotations

from monitoring.alerts.delivery.spooled import Unstored, keep, store_kept
from monitoring.alerts.message.model import Alert, Severity
from monitoring.alerts.message.text import code, quote
from monitoring.alerts.recording.close_orphaned import end_unwatched
from monitoring.alerts.recording.store_alert import AlertOrigin, raise_in, resolve_in, store_in
from monitoring.conditions.policy import Policy

__all__ = [
    "Alert", "AlertOrigin", "Policy", "Severity", "Unstored", "code", "end_unwatched", "keep", "quote", "raise_in",
    "resolve_in", "store_in", "store_kept",
]  # fmt: skip
