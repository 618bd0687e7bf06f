"""One run is one revision: the sync before it, the hold on the tree, and a fresh start when the tree changed."""

from __future__ import annotations

import logging
import os
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self

from automation.jobs.load import load_profile
from automation.sync.git import current_revision
from automation.sync.state import SyncStatus
from monitoring.base.clock import Clock, to_text
from monitoring.base.errors import ConfigError, MonitoringError, StoreError
from monitoring.base.locks.profile_lock import ProfileLock, TreeLock, surviving_exec
from monitoring.base.process_identity import THIS_HOST
from monitoring.base.settings import Settings
from monitoring.store.db.schema import open_readonly
from monitoring.store.tables import schedules

if TYPE_CHECKING:
    from automation.sync.attempt import SyncResult

log = logging.getLogger("automation.sync.revision")

# Marks that travel through our own exec: the sync is done, and when the run really began.
SYNCED = "AUTOMATION_SYNCED"
STARTED_AT = "AUTOMATION_STARTED_AT"
# A tree that changed this shortly before the start may have changed while our modules were read.
_IMPORT_TIME = timedelta(seconds=3)


class Reports(Protocol):
    """Who reports what a sync came to; `prepare` is called before it, while the files are still those that run."""

    def prepare(self) -> None: ...

    def synced(self, result: SyncResult) -> None: ...


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

    def bring_up_to_date(self, config: Path, profile: str, lock: ProfileLock, reports: Reports) -> int | None:
        """Sync if the profile asks for it, hold the tree, and start this command again if the code changed under it.

        1. `jobs.yaml` says whether to sync; if it cannot be read, the schedule in force does.
        2. A revision that has silenced a profile is taken back first.
        3. From here on the tree stays as it is: a hold that cannot be had is logged, checks go on.
        4. A revision that this sync activated runs as our child, with the same locks. Its exit code is returned; if it
           could not run, it is taken back, and None lets this process, the old code, run the tick itself.
        5. A tree that changed otherwise: the same command in place of this process, with the same locks.
        """
        if SYNCED in os.environ:
            self._hold()
            return None
        result = None
        if wants_sync(config, profile, self._settings):
            from automation.sync import incoming  # noqa: PLC0415 - it says why

            reports.prepare()
            self._leave_what_silences(lock, reports)
            result = incoming.sync(
                self._settings.checkout, self._settings.cache_dir, tree=self._tree, clock=self._clock
            )
        loaded, restored = self.revision, result is not None and result.restored
        self._hold()
        if result is not None and result.status is SyncStatus.UPDATED and self.revision != loaded:
            code = self._first_run(config, profile, loaded, lock, reports)
            if code is not None:
                reports.synced(result)  # only now: it has shown that it can run
                return code
            if self.revision == loaded:
                return None
        elif result is not None:
            reports.synced(result)
        if restored or self.revision != loaded or self._changed_while_loading():
            self._restart(lock)
        return None

    def _hold(self) -> None:
        if not self._tree.hold_shared():
            log.warning("the tree could not be held: a sync may change it under this run")
        self.revision = current_revision(self._settings.checkout)

    def _leave_what_silences(self, lock: ProfileLock, reports: Reports) -> None:
        """Go back to the revision before if a profile that ran under it has died since; this process starts again."""
        from automation.sync import incoming  # noqa: PLC0415 - it is loaded already, here and below

        probation = incoming.read_probation(self._settings.checkout)
        if probation is None or not probation.is_running(self.revision):
            return
        database, now = self._settings.database, self._clock.now()
        reason = incoming.silenced_profile(database, self._settings.locks, probation, now, THIS_HOST.boot())
        if reason:
            if self._take_back(reason, reports):
                self._restart(lock)
        elif not probation.passed and incoming.has_run(database, probation, now):
            incoming.pass_probation(self._settings.checkout)

    def _first_run(self, config: Path, profile: str, loaded: str, lock: ProfileLock, reports: Reports) -> int | None:
        """Let the new revision run this tick; return its exit code, None if the tick is still to be run.

        Where it cannot be taken back just now, because another run uses the tree, the old code runs the tick in it.
        """
        from automation.sync import incoming  # noqa: PLC0415 - as above

        off = _is_off(config, profile, self._settings)
        database = self._settings.database
        first = incoming.run_first([lock, self._tree], self._marks(), profile=profile, database=database, off=off)
        if first.passed:
            incoming.pass_probation(self._settings.checkout)
        if not first.fault:
            return first.code
        log.error("pre-run git sync: the new revision cannot run: %s", first.fault)
        if not lock.take_again():
            return first.code
        if self._take_back(first.fault, reports):
            self._hold()
        else:
            self.revision = loaded
        return None

    def _take_back(self, reason: str, reports: Reports) -> bool:
        from automation.sync import incoming  # noqa: PLC0415 - as above

        gone = incoming.take_back(self._settings.checkout, self._tree, reason, clock=self._clock)
        if gone is not None:
            text = f"{gone.revision[:7]} was taken back: {reason}"
            reports.synced(
                incoming.SyncResult(
                    SyncStatus.REFUSED, gone.before, text, gone.revision, remembered=True, taken_back=gone
                )
            )
        return gone is not None

    def _changed_while_loading(self) -> bool:
        """Look at git's log of where HEAD was: it is written with every reset."""
        try:
            changed_at = (self._settings.checkout / ".git/logs/HEAD").stat().st_mtime
        except OSError:
            return False
        return changed_at > (self._started_at - _IMPORT_TIME).timestamp()

    def _restart(self, lock: ProfileLock) -> None:
        with surviving_exec([lock, self._tree], self._marks()) as environ:
            os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environ)  # noqa: S606 - no shell wanted

    def _marks(self) -> dict[str, str]:
        sys.stdout.flush()
        sys.stderr.flush()
        return {**os.environ, SYNCED: "1", STARTED_AT: to_text(self._started_at)}


def _is_off(config: Path, profile: str, settings: Settings) -> bool:
    """Return whether the profile is switched off in the tree as it is now: then its run writes no row."""
    try:
        return not load_profile(config, settings.checkout, profile).enabled
    except MonitoringError:
        return False


def wants_sync(config: Path, profile: str, settings: Settings) -> bool:
    """Return whether this profile brings the checkout up to date first.

    A jobs.yaml broken by a bad merge must not keep the repair from coming in: then the schedule in force
    decides. Where that knows nothing of the profile, a broken file is repaired, a wrong name is not.
    """
    try:
        return load_profile(config, settings.checkout, profile).sync_before_run
    except ConfigError as error:
        log.warning("jobs.yaml has mistakes (%s); the schedule in force says whether to sync", error)
        unreadable = True
    except MonitoringError:
        unreadable = False  # the run itself says that there is no such profile
    try:
        with open_readonly(settings.database) as database:
            found = [entry.schedule for entry in schedules.in_force(database) if entry.schedule.profile == profile]
    except StoreError:
        found = []
    return found[0].sync_before_run if found else unreadable
