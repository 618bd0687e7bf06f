"""A channel: where an alert belongs, for the code that stores it. How variables and delivery rows spell it. Pure.

Everything that needs the environment is in `delivery.routes`: a monitor stores channels and knows no destination.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

DIGEST_CHANNEL = "automation"
# What the project says of itself; the last as the replaced system wrote it.
OPERATIONAL_SOURCES = frozenset({"ops_error", "crash", "envio_error"})
CRASH = "crash"
# By source what comes before an alert's own channel, and by channel what comes after it: the first with a chat or topic
# counts. ENVIO, for what an indexer did wrong, and CURATION are of the replaced system.
_BEFORE: Mapping[str, tuple[str, ...]] = {
    "envio_error": ("ENVIO", "ERRORS"),
    **dict.fromkeys(("ops_error", CRASH), ("ERRORS",)),
}
_AFTER: Mapping[str, tuple[str, ...]] = {"SOURCES": ("ENVIO",), "ENVIO": ("ERRORS",), "CURATION": ("YEARN_MS",)}


def candidates(channel: str, source: str) -> tuple[str, ...]:
    """Return the channels one of which gets an alert: the first with a chat or topic of its own, else the default."""
    return tuple(dict.fromkeys((*_BEFORE.get(source, ()), channel, *_AFTER.get(channel, ()))))


def variable_part(channel: str) -> str:
    """Return how a channel is spelled inside variable names: `cap money` is `CAP_MONEY`."""
    return re.sub(r"[^A-Z0-9]", "_", channel.strip().upper())
