"""`describe`: what monitor files watch, as data for listings. Nothing here reads a chain or a service."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from monitoring.alerts.message.model import Severity
from monitoring.checks.engine.monitor import Monitor
from monitoring.checks.engine.plan import CheckInstance
from monitoring.checks.messages.listing_value import bound_in_words


def describe(monitors: Sequence[Monitor]) -> list[dict[str, Any]]:
    """Return one object a monitor, with one a check."""
    return [
        {
            "monitor": monitor.name,
            "protocol": monitor.route.protocol,
            "channel": monitor.route.goes_to,
            "chains": list(monitor.chains),
            "sources": sorted(monitor.sources),
            "checks": [_part(part) for part in monitor.parts()],
        }
        for monitor in monitors
    ]


def _part(part: CheckInstance) -> dict[str, Any]:
    severities = [severity.name for severity in getattr(part, "severities", ()) if isinstance(severity, Severity)]
    key = part.key
    return {
        "check": key.check,
        "chain": key.chain or None,
        "subject": key.subject,
        "protocol": part.route.protocol,
        "channel": part.route.goes_to,
        "machine": part.route.machine,
        "about": part.about,
        "bound": bound_in_words(part),
        "cadence": str(getattr(part, "cadence", "")),
        "severities": severities,
        "runbook": part.route.guidance.runbook,
        "note": part.route.guidance.note,
    }
