"""What a step of the wall clock does to the ledger, told from what runs knew of their host's uptime.

Each row of a run names its process, and so how long the host had been up: two rows of one boot show by how much the
clock gained or lost between them.
"""

from __future__ import annotations

from datetime import timedelta

from monitoring.ledger.causes import clock_step
from monitoring.process import Boot, boot_of_text
from monitoring.store import signs
from monitoring.store.database import Database


def set_back_while_waiting(database: Database, profile: str, boot: Boot) -> timedelta:
    """Return by how much the clock was set back since the scheduler began to wait for the profile's next tick.

    It began with the end of the profile's last run or with its own start, whichever shows less.
    """
    run, booted_at = signs.last_armed(database, profile)
    lost = [-clock_step(boot_of_text(run[1], run[0]), boot)] if run else []
    lost += [booted_at - boot.at] if booted_at else []
    return max(min(lost, default=timedelta(0)), timedelta(0))
