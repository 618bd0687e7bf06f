"""A channel: where an alert belongs, for the code that stores it. How variables and delivery rows spell it. Pure.

Everything that needs the environment is in `delivery.routes`: a monitor stores channels and knows no destination.
"""

from __future__ import annotations

import re

DIGEST_CHANNEL = "automation"
# What the project says of itself; the last as the replaced system wrote it.
OPERATIONAL_SOURCES = frozenset({"ops_error", "crash", "envio_error"})
CRASH = "crash"


def variable_part(channel: str) -> str:
    """Return how a channel is spelled inside variable names: `cap money` is `CAP_MONEY`."""
    return re.sub(r"[^A-Z0-9]", "_", channel.strip().upper())
