"""Where alerts are stored, and how many wait there from before: with a bot and a chat they are sent."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from monitoring.base.errors import StoreError
from monitoring.base.plural import counted
from monitoring.store.db.handle import ReadOnlyStore
from monitoring.store.tables.deliveries import count_waiting_alerts


@dataclass(frozen=True, slots=True)
class StateBefore:
    """A state directory as `init` finds it; `waiting` counts alerts."""

    line: str
    waiting: int = 0

    @property
    def warning(self) -> str:
        """Say what becomes of them once bot and chat are set."""
        them, they = ("it", "it goes") if self.waiting == 1 else ("them", "they go")
        return (
            f"{counted(self.waiting, 'alert')} from before will be sent: {they} to this chat, unless another is set "
            f"for {them}. For a fresh start set CACHE_DIR to an empty directory."
        )


def state_before(database: Path) -> StateBefore:
    """Look into a database, which need not exist, without changing it."""
    directory = database.parent
    if not database.exists():
        return StateBefore(f"state: {directory} (no database yet)")
    try:
        waiting = ReadOnlyStore(database).read(lambda found: found.read(count_waiting_alerts))
    except StoreError as error:
        return StateBefore(f"state: {directory} ({database.name} cannot be read: {error})")
    left = f"{counted(waiting, 'alert')} waiting from before" if waiting else "no alert waits"
    return StateBefore(f"state: {directory} ({database.name}, {left})", waiting)
