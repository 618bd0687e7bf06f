"""Which sources of monitors have been read from the live service by the path they are read by now."""

from __future__ import annotations

import json

from monitoring.store.db.database import Database
from monitoring.store.tables.chain_memory import SHAPE, of_kind


def parsed_sources(database: Database) -> dict[str, dict[str, bool]]:
    """Return by monitor whether an answer of each source was parsed; what cannot be read of it is left out."""
    return {monitor: _parsed(text) for monitor, text in of_kind(database, SHAPE).items()}


def _parsed(text: str) -> dict[str, bool]:
    try:
        kept = json.loads(text)
        return {str(source): "shape" in known for source, known in kept.items()}
    except (ValueError, TypeError, AttributeError):
        return {}
