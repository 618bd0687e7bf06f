"""What a run reports in addition to its tasks' alerts: the digest, a refused file or commit, missed ticks.

Called by the runner. Everything goes through the store first; only when that cannot be written, straight out.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from automation.executor.task import TaskResult, TaskStatus
from automation.jobs.model import Jobs, Profile
from automation.jobs.referenced_monitors import ReferencedMonitors
from automation.on_call import path_of
from automation.runner.run_record import RunRecord
from monitoring.base.clock import Clock
from monitoring.base.errors import ConfigError, StoreError
from monitoring.base.secrets.redact import Redactor
from monitoring.base.settings import Settings
from monitoring.conditions.condition import ConditionKey
from monitoring.ledger.reconcile import Reconciled
from monitoring.ledger.ticks import Unanswered
from monitoring.store.db.database import Database
from monitoring.store.people import pauses
from monitoring.store.spool import unstored
from monitoring.store.spool.unstored import Kept
from monitoring.store.tables import conditions, first_day

if TYPE_CHECKING:
    from automation.runner.recording import Alert, AlertOrigin, Severity, Unstored
    from automation.status.webhooks import Uncalled
    from automation.sync.attempt import SyncResult
    from monitoring.ledger.reach import ReachProblem

log = logging.getLogger("automation.runner.notifications")

PROTOCOL = "automation"
_SYNC_FAILURES_REPORTED = 6  # an hour of the ten-minute profile
# Whatever its severity: nobody else notices that the runner cannot do its work.
_REMINDED_EVERY = timedelta(days=1)


class Reporting:
    """The voice of one run."""

    def __init__(self, settings: Settings, record: RunRecord, clock: Clock, jobs_file: Path) -> None:
        self._settings = settings
        self._jobs_file = jobs_file
        self._record = record
        self._clock = clock
        self._redact = Redactor(settings.environ)
        self._unwritten: list[list[Unstored]] = []

    def digest(self, profile: Profile, results: Sequence[TaskResult]) -> None:
        """Store the one digest of this run, if it has something to say."""

        def act(database: Database) -> None:
            run_id = self._record.run_id
            if run_id is None:
                raise StoreError("this run has no row yet")
            if all(result.status is TaskStatus.OK for result in results) and not _had_failed(database, profile.name):
                return
            from automation.runner import outgoing  # noqa: PLC0415 - it says why

            found = outgoing.digest_input(database, profile, results, run_id)
            outgoing.record_digest(database, found, self._now(), debug=self._settings.debug, redact=self._redact)

        self._record.with_database(act)

    def webhooks(self, found: Uncalled | None) -> None:
        """Report webhooks that no check calls: on a host whose machine was called until now, by an alert."""
        if found is None:
            return
        from automation.status import webhooks  # noqa: PLC0415 - the run that found some has loaded it

        if not found.variables:
            self._resolve(webhooks.KEY, note="no webhook is set that no check calls")
            return
        lost = ", ".join(found.variables)
        what = f"no check of its channel calls the machine of {lost}"
        log.warning("%s: write machine: true in the checks that it must act on, or remove the variable", what)
        if not found.was_called:
            return
        from automation.runner import recording  # noqa: PLC0415 - it says why

        remedy = (
            "Write machine: true in the checks that it must act on (machine=True in Python), or remove the variable."
        )
        self._raise(webhooks.KEY, recording.Severity.MEDIUM, f"{what[0].upper()}{what[1:]}", remedy)

    def refused_config(self, profile: str, error: ConfigError) -> None:
        """Report that the profile cannot run; once, until it runs again."""
        from automation.runner import recording  # noqa: PLC0415 - it says why

        lines = [recording.code(mistake) for mistake in error.mistakes]
        self._raise(
            f"config/{profile}", recording.Severity.HIGH, f"{profile} cannot run: jobs.yaml has mistakes", *lines
        )

    def accepted_config(self, profile: str) -> None:
        self._resolve(f"config/{profile}", note=f"profile {profile} runs again: jobs.yaml is valid")

    def prepare(self) -> None:
        """Load what may have to be said of a sync: after it the files may be those of another commit."""
        from automation.runner import recording  # noqa: F401, PLC0415 - as it says

    def synced(self, result: SyncResult) -> None:
        """Report a commit that was taken back or is refused, or a sync that fails for long; and once when it heals."""
        from automation.runner import recording  # noqa: PLC0415 - it says why
        from automation.sync.state import SyncStatus  # noqa: PLC0415 - the sync has loaded it

        high, quote = recording.Severity.HIGH, recording.quote
        gone = result.taken_back
        if gone is not None:
            title = f"Commit {gone.revision[:12]} was taken back, {gone.before[:12]} runs again"
            self._raise("sync", high, title, quote(gone.taken_back), is_news=True)
        if result.status is SyncStatus.REFUSED and gone is None:
            title = f"Commit {(result.candidate or '')[:12]} is refused, {result.revision[:12]} keeps running"
            self._raise("sync", high, title, quote(result.reason), is_news=not result.remembered)
        elif result.status.worked:
            self._resolve("sync", note=f"the checkout is synced again, at {result.revision[:12]}")
        elif result.failures >= _SYNC_FAILURES_REPORTED:
            title = f"The checkout could not be synced {result.failures} times in a row"
            self._raise("sync", recording.Severity.MEDIUM, title, quote(result.reason))

    def unanswered(self, found: Reconciled) -> None:
        """Report missed ticks and runs whose process is gone; skipped ticks are left to the audit."""
        blocks = [f"Run {run_id} was aborted: its process is gone." for run_id in found.aborted]
        blocks += [_ticks_line(ticks) for ticks in _by_cause(found.unanswered).values()]
        if not blocks:
            return
        from automation.runner.recording import Alert, Severity  # noqa: PLC0415 - it says why

        self._store(Alert(Severity.MEDIUM, "Checks did not run", *blocks, protocol=PROTOCOL, source="ops_error"))
        for block in blocks:
            log.warning("%s", block)

    def first_day(self) -> None:
        """Report what is held back on the first day of a database, as one message."""

        def act(database: Database) -> None:
            if not first_day.held(database) and not database.read(lambda tx: conditions.is_open(tx, first_day.KEY)):
                return
            from monitoring.alerts.recording.first_day import report_first_day  # noqa: PLC0415 - most days are not it

            report_first_day(database, self._now(), self._origin())

        self._record.with_database(act)

    def escalate(self) -> None:
        """Ask people about incidents on which nobody acts, where on_call.yaml says whom; a test asks nobody."""
        path = path_of(self._jobs_file)
        if self._settings.in_test_mode or not path.exists():
            return
        from automation.drills.step import look_after  # noqa: PLC0415 - no first line of a task waits for it
        from automation.on_call.load import load_on_call  # noqa: PLC0415 - likewise
        from automation.runner import recording  # noqa: PLC0415 - it says why

        try:
            team = load_on_call(path)
        except ConfigError as error:
            lines = [recording.code(mistake) for mistake in error.mistakes]
            title = f"{path.name} has mistakes: nobody is asked when nobody acts"
            self._raise("config/on-call", recording.Severity.HIGH, title, *lines)
            return
        self._resolve("config/on-call", note=f"{path.name} is valid")
        if team is not None:

            def act(database: Database) -> None:
                look_after(database, team, self._settings, self._now(), self._origin())

            self._record.with_database(act)

    def ended_pauses(self) -> None:
        """Announce the pauses whose time is up."""

        def act(database: Database) -> None:
            if not database.read(lambda tx: pauses.is_any_unsaid(tx, self._now())):
                return
            from automation.on_call.pausing import announce_ended  # noqa: PLC0415 - most runs have none

            announce_ended(database, self._now(), self._origin())

        self._record.with_database(act)

    def day(self, jobs: Callable[[], Jobs | None]) -> None:
        """Report the day before, once; a test, and a process that sends nothing, leave that to other runs."""
        if self._settings.in_test_mode or self._settings.debug:
            return
        from automation.evidence.when_due import report_if_due  # noqa: PLC0415 - no first line of a task waits for it

        tick_at, now = self._record.tick_at, self._now
        self._record.with_database(lambda database: report_if_due(database, now(), jobs, self._origin, tick_at))

    def no_longer_watched(self, watched: ReferencedMonitors) -> None:
        """End the conditions of monitors that no profile names any more; firing ones are reported silently."""

        def act(database: Database) -> None:
            if not any(conditions.left_behind(database, watched.named, watched.run)):
                return
            from automation.runner import recording  # noqa: PLC0415 - it says why

            origin = self._origin()
            for monitor in recording.end_unwatched(database, watched.named, watched.run, self._now(), origin):
                log.info("no profile names the monitor %s any more: its conditions are ended", monitor)

        self._record.with_database(act)

    def store_unwritable(self, reason: str, lost: Sequence[str]) -> None:
        """Send straight to people what cannot be stored; `lost` are alerts that could not even be kept."""
        from automation.runner import outgoing  # noqa: PLC0415 - it says why

        outgoing.send_store_failure(self._settings, reason, lost, self._now())

    def store_kept(self) -> None:
        """Store the alerts that could not be stored when they were raised, by this run or one before."""
        if unstored.look(self._settings.cache_dir) == Kept():
            return
        from automation.runner import recording  # noqa: PLC0415 - it says why

        self._record.read(lambda database: _log_stored(recording.store_kept(database, self._now())))

    def keep_unwritten(self) -> None:
        """Keep what this run itself wanted to store and could not."""
        found = [each.pop() for each in self._unwritten if each]
        if not found:
            return
        from automation.runner import recording  # noqa: PLC0415 - it says why

        for line in recording.keep(found, self._settings.cache_dir, self._now(), self._origin()):
            log.error("%s", line)

    def unreached(self) -> list[ReachProblem]:
        """Return why people are not being reached."""
        from monitoring.ledger.reach import (  # noqa: PLC0415 - no first line of a task waits for it
            reach_problems,
            reach_problems_without_database,
        )

        found: list[ReachProblem] = []

        def act(database: Database) -> None:
            found[:] = reach_problems(database, self._now())

        if self._record.read(act):
            return found
        return reach_problems_without_database(self._settings.cache_dir, self._now())

    def _raise(self, key: str, severity: Severity, title: str, *blocks: object, is_news: bool = False) -> None:
        """Raise a condition; `is_news` reports it also while it fires already, for another cause than before."""
        from automation.runner import recording  # noqa: PLC0415 - it says why

        daily = recording.Policy(remind=_REMINDED_EVERY)
        alert = recording.Alert(severity, title, *blocks, protocol=PROTOCOL, source="ops_error", key=key)

        def act(database: Database) -> None:
            with database.write() as tx:
                recording.raise_in(tx, alert, now=self._now(), origin=self._origin(), policy=daily, is_news=is_news)

        self._record.with_database(act)

    def _origin(self) -> AlertOrigin:
        from automation.runner import recording  # noqa: PLC0415 - it says why

        return recording.AlertOrigin(run_id=self._record.run_id, debug=self._settings.debug)

    def _store(self, alert: Alert) -> None:
        from automation.runner import recording  # noqa: PLC0415 - it says why

        waiting = [recording.Unstored(alert)]
        self._unwritten.append(waiting)

        def act(database: Database) -> None:
            if waiting:
                with database.write() as tx:
                    recording.store_in(tx, alert, now=self._now(), origin=self._origin())
                waiting.clear()

        self._record.with_database(act)

    def _resolve(self, key: str, note: str = "") -> None:
        about = ConditionKey(PROTOCOL, key)

        def act(database: Database) -> None:
            if not database.read(lambda tx: conditions.is_open(tx, about)):
                return
            from automation.runner import recording  # noqa: PLC0415 - it says why

            with database.write() as tx:
                recording.resolve_in(tx, about, now=self._now(), origin=self._origin(), note=note)

        self._record.with_database(act)

    def _now(self) -> datetime:
        return self._clock.now()


def _log_stored(count: int) -> None:
    log.warning("alerts stored that could not be stored when they were raised: %d", count)


def _had_failed(database: Database, profile: str) -> bool:
    from monitoring.store.tables import digests  # noqa: PLC0415 - no first line of a task waits for it

    last = database.read(lambda tx: digests.get(tx, profile))
    return last is not None and bool(last.failing)


def _by_cause(found: Sequence[Unanswered]) -> dict[tuple[str, str], list[Unanswered]]:
    grouped: dict[tuple[str, str], list[Unanswered]] = defaultdict(list)
    for tick in found:
        if tick.status == "missed":
            grouped[tick.profile, tick.reason].append(tick)
    return grouped


def _ticks_line(ticks: Sequence[Unanswered]) -> str:
    first, last = ticks[0].tick_at, ticks[-1].tick_at
    when = f"the tick of {first:%Y-%m-%d %H:%M}"
    if len(ticks) > 1:
        when = f"{len(ticks)} ticks from {first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M}"
    return f"{ticks[0].profile}: {when} UTC missed: {ticks[0].reason}."
