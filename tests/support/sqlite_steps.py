"""What a question costs, without a clock: the steps of SQLite's machine."""

from __future__ import annotations

from collections.abc import Callable

from monitoring.store.db.database import Database


def steps_of(database: Database, ask: Callable[[], object]) -> int:
    """Ask, and return how many steps that took."""
    count = 0

    def tick() -> bool:
        nonlocal count
        count += 1
        return False

    database.connection.set_progress_handler(tick, 1)
    ask()
    database.connection.set_progress_handler(None)
    return count
