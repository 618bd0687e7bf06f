"""Whether a run's checks had anything to judge: one that could read hardly any of its sources did not do its work."""

from __future__ import annotations

from collections.abc import Collection

from monitoring.store import conditions
from monitoring.store.database import Database


def no_data(database: Database, monitors: Collection[str]) -> str:
    """Return `no data: 136 of 147 checks` if more than half of what these monitors check had none, else nothing."""
    checks = [row for row in conditions.declared(database) if row.key.monitor in monitors]
    without = sum(row.blind_since is not None for row in checks)
    return f"no data: {without} of {len(checks)} checks" if without * 2 > len(checks) else ""
