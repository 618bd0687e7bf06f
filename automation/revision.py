"""One run is one revision: the sync before it, the hold on the tree, and a fresh start when the tree changed."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Self

from automation.config import load_profile
from automation.git import current_revision
from automation.git_sync import SyncResult, sync
from monitoring.clock import Clock, to_text
from monitoring.errors import ConfigError, MonitoringError, StoreError
from monitoring.locks import ProfileLock, TreeLock, surviving_exec
from monitoring.settings import Settings
from monitoring.store import schedules
from monitoring.store.schema import open_readonly

log = logging.getLogger("automation.revision")

# Marks that travel through our own exec: the sync is done, and when the run really began.
SYNCED = "AUTOMATION_SYNCED"
STARTED_AT = "AUTOMATION_STARTED_AT"
# A tree that changed this shortly before the start may have changed while our modules were read.
_IMPORT_TIME = timedelta(seconds=3)


class Checkout:
    """The tree one run uses. Within the `with` block nobody changes it; `revision` names it."""

    def __init__(
        self, settings: Settings, locks: Path, *, loaded_revision: str, started_at: datetime, clock: Clock
    ) -> None:
        self.revision = loaded_revision
        self._settings = settings
        self._started_at = started_at
        self._clock = clock
        self._tree = TreeLock(locks, clock=clock)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._tree.release()

    def bring_up_to_date(
        self, config: Path, profile: str, lock: ProfileLock, tell: Callable[[SyncResult], None]
    ) -> None:
        """Sync if the profile asks for it, hold the tree, and start this process anew if the code changed under it.

        1. `jobs.yaml` says whether to sync; if it cannot be read, the schedule in force does.
        2. From here on the tree stays as it is: a hold that cannot be had is logged, checks go on.
        3. A revision other than the loaded one: the same command again, with the same locks.
        """
        restored = SYNCED not in os.environ and wants_sync(config, profile, self._settings) and self._sync(tell)
        if not self._tree.hold_shared():
            log.warning("the tree could not be held: a sync may change it under this run")
        revision = current_revision(self._settings.checkout)
        changed = restored or revision != self.revision or self._changed_while_loading()
        if SYNCED not in os.environ and changed:
            self._start_anew(lock)
        self.revision = revision

    def _sync(self, tell: Callable[[SyncResult], None]) -> bool:
        """Sync; tell whether files changed though the revision may be the same."""
        result = sync(self._settings.checkout, self._settings.cache_dir, tree=self._tree, clock=self._clock)
        tell(result)
        return result.restored

    def _changed_while_loading(self) -> bool:
        """Look at git's log of where HEAD was: it is written with every reset."""
        try:
            changed_at = (self._settings.checkout / ".git/logs/HEAD").stat().st_mtime
        except OSError:
            return False
        return changed_at > (self._started_at - _IMPORT_TIME).timestamp()

    def _start_anew(self, lock: ProfileLock) -> None:
        marks = {**os.environ, SYNCED: "1", STARTED_AT: to_text(self._started_at)}
        sys.stdout.flush()
        sys.stderr.flush()
        with surviving_exec([lock, self._tree], marks) as environ:
            os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environ)  # noqa: S606 - no shell wanted


def wants_sync(config: Path, profile: str, settings: Settings) -> bool:
    """Tell whether this profile brings the checkout up to date first.

    A jobs.yaml broken by a bad merge must not keep the repair from coming in: then the schedule in force
    decides. Where that knows nothing of the profile, a broken file is repaired, a wrong name is not.
    """
    try:
        return load_profile(config, settings.checkout, profile).sync_before_run
    except MonitoringError as error:
        log.warning("jobs.yaml cannot be used (%s); the schedule in force says whether to sync", error)
        unreadable = isinstance(error, ConfigError)
    try:
        with open_readonly(settings.database) as database:
            found = [entry.schedule for entry in schedules.in_force(database) if entry.schedule.profile == profile]
    except StoreError:
        found = []
    return found[0].sync_before_run if found else unreadable
