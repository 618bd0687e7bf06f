"""Whether a delivery would find something to do: asked before what delivers is loaded."""

from __future__ import annotations

from datetime import datetime

from monitoring.store.db.database import Tx
from monitoring.store.people import acknowledgements
from monitoring.store.tables import conditions, deliveries, rate_limits, silences


def has_work(tx: Tx, now: datetime) -> bool:
    """Return whether something waits or may be due: held back by a silence, in somebody's hands, or refused.

    What may be due is not looked at more closely: once too often costs a moment, once too seldom an alert.
    """
    return bool(
        deliveries.count_waiting(tx)
        or conditions.silenced_and_firing(tx)
        or conditions.happened_once(tx, now)
        or silences.ended(tx, now)
        or acknowledgements.open_ones(tx)
        or rate_limits.refused(tx)
    )
