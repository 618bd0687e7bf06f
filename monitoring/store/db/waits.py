"""How long this program ever waits, and the one rule by which the store reads an instant that lies ahead.

A clock that was ahead once leaves instants behind that no correct process could have written: later than now by more
than the longest wait of their kind. They are evidence of a step and are dropped where they are read; else a chat would
stay silent for as long as the clock had been ahead. Called by the readers of rows, inside the transaction whose clock
reading is `now`.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from monitoring.base.clock import from_text, to_text

# A destination that asks for more is asked again after this.
LONGEST_WAIT = timedelta(hours=6)
# Longer than any sender may take (15 s in all), so that only a dead deliverer loses its lease.
LEASE = timedelta(seconds=60)
# After failures in a row; the cap of the back-off itself is a minute.
LONGEST_BACKOFF = timedelta(minutes=10)
# After the first, second, … refusal in a row; the last one repeats.
REFUSED_PAUSES = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=30), timedelta(hours=1))


def refused_pause(times: int) -> timedelta:
    """Return how long a destination that refused so often in a row is left alone."""
    return REFUSED_PAUSES[min(max(times, 1), len(REFUSED_PAUSES)) - 1]


def believed(text: str | None, now: datetime, longest: timedelta) -> datetime | None:
    """Return a stored instant; none if it is not one, or lies further ahead than `longest`."""
    try:
        instant = from_text(text) if text else None
    except (ValueError, TypeError, OverflowError):
        return None
    return instant if instant is not None and instant <= now + longest else None


def holds(column: str) -> str:
    """Return the same rule in SQL: whether the instant still holds something back. Parameters: `span(now, longest)`."""
    return f"coalesce({column} > ? AND {column} <= ?, 0)"


def span(now: datetime, longest: timedelta) -> tuple[str, str]:
    """Return the instants between which a stored one holds something back."""
    return to_text(now), to_text(now + longest)
