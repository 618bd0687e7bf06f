"""The protocols of the enabled jobs with their tasks, as activation or a run found them last; in `monitor_state`.

The API reads them here: it knows no jobs.yaml.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from monitoring.store.db.database import Database, Tx
from monitoring.store.tables import state

_NAMESPACE, _KEY = "automation", "protocols"


def put(tx: Tx, found: Sequence[Any], now: datetime) -> None:
    """Replace what is stored; what has not changed is not written again."""
    text = json.dumps(found, ensure_ascii=False, separators=(",", ":"))
    row = tx.execute("SELECT value FROM monitor_state WHERE namespace = ? AND key = ?", (_NAMESPACE, _KEY)).fetchone()
    if row is None or row[0] != text:
        state.put(tx, _NAMESPACE, _KEY, text, now)


def read(database: Database) -> list[Any]:
    """Return them as they were put; none before the first start of a scheduler and the first run."""
    stored = state.get(database, _NAMESPACE, _KEY)
    found: list[Any] = json.loads(stored.value) if stored else []
    return found
