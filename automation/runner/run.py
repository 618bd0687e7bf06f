"""One run of one profile: lock -> sync -> row -> tasks and delivery -> digest -> drain -> heartbeat -> exit code.

Called by the verb `run`. Whatever fails on the way (sync, ledger, delivery, heartbeat) is reported, and never stops
or delays the checks themselves.
"""

from __future__ import annotations

import logging
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from automation import turns
from automation.executor.chosen_tasks import choose_tasks, preload_for
from automation.executor.executor import GRACE_S, run_tasks
from automation.executor.explainer_process import ExplainerProcess
from automation.executor.fork_client import ForkServer
from automation.executor.reaper import StopRequest
from automation.executor.task import TaskResult, TaskStatus
from automation.jobs.load import load_jobs, load_profile
from automation.jobs.model import Jobs, Profile, Task
from automation.jobs.referenced_monitors import watched_of
from automation.runner.display import RunDisplay
from automation.runner.heartbeat import Heartbeat
from automation.runner.lock_keeper import LockKeeper
from automation.runner.notifications import Reporting
from automation.runner.run_delivery import RunDelivery, last_delivery
from automation.runner.run_record import RunRecord
from automation.runner.summary import CheckCounts, summary, verdict
from automation.runner.watchdog import Watchdog
from automation.runner.workspace import Workspace, remove_leftovers
from automation.schedule.schedule_difference import schedule_of
from automation.sync.revision import Checkout
from automation.sync.starts import account_for_start
from monitoring.base.clock import Clock
from monitoring.base.errors import ConfigError, LockedError
from monitoring.base.locks.profile_lock import FileLock, ProfileLock, is_held, usable_locks
from monitoring.base.settings import Settings
from monitoring.store.db.database import Database
from monitoring.store.people.pauses import Pause, PauseKind, holding
from monitoring.store.spool.unstored import LOST
from monitoring.store.tables.schedules import Schedule

if TYPE_CHECKING:
    from monitoring.ledger.reach import ReachProblem

log = logging.getLogger("automation.runner.run")

_MOST_LOST = 1000
EXIT_OK, EXIT_FAILED, EXIT_USAGE, EXIT_RUNNING = 0, 1, 2, 75


@dataclass(frozen=True, slots=True)
class RunRequest:
    """What was asked: a profile of a file, why, since when, for which tick, and perhaps only one task of it."""

    profile: str
    config: Path
    trigger: str
    started_at: datetime
    tick_at: datetime | None = None
    only_task: str | None = None


class Runner:
    """Runs one profile once."""

    def __init__(
        self,
        request: RunRequest,
        settings: Settings,
        clock: Clock,
        display: RunDisplay,
        *,
        loaded_revision: str,
        server: ForkServer | None = None,
    ) -> None:
        self._request = request
        self._settings = settings
        self._clock = clock
        self._display = display
        self._checks = CheckCounts()
        self._loaded_revision = loaded_revision
        self._server = server
        self._locks = usable_locks(settings.locks)
        self._stop = StopRequest()
        self._stopped_by = ""
        self._lost: list[str] = []
        self._heartbeat = Heartbeat({}, None)
        self._tasks_code, self._is_reached = EXIT_OK, True
        self._record = RunRecord(settings.database, request.profile, request.trigger, clock, request.started_at)
        self._reporting = Reporting(settings, self._record, clock, request.config)
        self._delivery = RunDelivery(settings, self._record, clock, request.config)
        self._explaining = ExplainerProcess(settings, clock, self._record.read)
        self._only_one = None if request.trigger == "manual" else FileLock(self._locks / "delivering.lock")

    def run(self) -> int:
        """Run the profile and return the exit code.

        Raises:
            ConfigError: jobs.yaml has mistakes that this profile meets; recorded and reported before.
            LockedError: the profile is running already; a tick that came in vain is recorded before.
        """
        turns.end_turn_later()
        try:
            with self._signals():
                code, profile = self._run_locked()
                if profile is not None:
                    until = last_delivery(profile, self._request.trigger, self._clock.now())
                    self._delivery.drain_before_next_tick(until, self._stop, self._only_one)
                    if self._explaining.wait(until, self._stop):
                        self._delivery.drain_before_next_tick(until, self._stop, self._only_one)
                    code = self._account_again(code)
                return code
        except LockedError as error:
            self._record.skipped(self._request.tick_at, error.holder)
            self._account_for_start()
            raise
        finally:
            self._display.close()
            self._explaining.close()
            if self._server is not None:
                self._server.close()
            self._reporting.keep_unwritten()
            self._record.close()

    def _run_locked(self) -> tuple[int, Profile | None]:
        """Run while holding the profile and the tree; both are free again before the long drain."""
        request = self._request
        checkout = Checkout(
            self._settings,
            self._locks,
            loaded_revision=self._loaded_revision,
            started_at=request.started_at,
            clock=self._clock,
        )
        with self._lock() as lock, checkout:
            code = checkout.bring_up_to_date(request.config, request.profile, lock, self._reporting)
            if code is not None:
                # The new revision has run this tick. What waits goes out with the next run: delivery would load the new
                # modules into this process of old ones.
                return code, None
            self._refuse_second(lock)
            profile = self._load(checkout.revision)
            if not profile.enabled:
                log.warning("%s is disabled in %s: nothing is run", profile.name, request.config)
                self._account_for_start()
                self._record.disabled(request.tick_at)
                return EXIT_OK, None
            if self._record.is_scheduled and (pause := self._pause_of(profile.name)):
                return self._skip(profile, pause), profile
            return self._execute(profile, checkout.revision, lock), profile

    def _pause_of(self, profile: str) -> Pause | None:
        return holding(self._record.pauses(), PauseKind.PROFILE, profile)

    def _skip(self, profile: Profile, pause: Pause) -> int:
        """Skip a tick that somebody paused; what is not a check goes on: the ledger, escalation, delivery."""
        log.warning("%s: nothing is run", pause.why())
        self._heartbeat = Heartbeat(self._settings.environ, profile.heartbeat_env)
        self._heartbeat.started()
        self._account_for_start()
        self._record.paused(self._request.tick_at, pause)
        self._reporting.store_kept()
        self._reporting.unanswered(self._record.reconcile())
        self._reporting.ended_pauses()
        self._reporting.escalate()
        self._reporting.day(self._jobs)
        self._delivery.drain()
        return self._account(EXIT_OK, self._reporting.unreached())

    @contextmanager
    def _lock(self) -> Iterator[ProfileLock]:
        lock = ProfileLock.acquire(self._locks, self._request.profile, clock=self._clock)
        try:
            self._refuse_second(lock)
            yield lock
        finally:
            lock.release()

    def _refuse_second(self, lock: ProfileLock) -> None:
        """Look whether a run goes on whose lock file was removed, and whether ours was while we synced.

        Raises:
            LockedError: there is such a run, or another one has taken the lock meanwhile.
        """
        other = self._record.run_without_its_lock(lock.path) if lock.is_new else ""
        if not other and not lock.keep():
            other = str(is_held(lock.path) or "a process that has just let go")
        if other:
            raise LockedError(f"{self._request.profile} is already running: {other}", other)

    def _load(self, revision: str) -> Profile:
        try:
            profile = load_profile(self._request.config, self._settings.checkout, self._request.profile)
        except ConfigError as error:
            self._record.begin(None, self._request.tick_at, revision, 0)
            self._account_for_start()
            self._reporting.refused_config(self._request.profile, error)
            self._record.finish("failed", EXIT_USAGE, str(error).partition("\n")[0])
            self._delivery.drain()
            raise
        self._reporting.accepted_config(profile.name)
        return profile

    def _execute(self, profile: Profile, revision: str, lock: ProfileLock) -> int:
        tasks = choose_tasks(profile, self._request.only_task)
        self._heartbeat = Heartbeat(self._settings.environ, profile.heartbeat_env)
        self._heartbeat.started()
        self._begin(profile, revision, len(tasks), lock)
        workspace = Workspace(self._settings, profile, is_brief=self._display.is_brief)
        self._display.begin(profile.name, [task.name for task in tasks])
        try:
            with LockKeeper(lock), self._delivery.in_background(), Watchdog(run_limit_s(profile, tasks)):
                results = self._run_tasks(profile, workspace, tasks)
                turns.end_turn()
                status, reason = verdict(results, self._stopped_by)
                if self._request.only_task is None and status != "aborted":
                    self._reporting.digest(profile, results)
                    from automation.status import webhooks  # noqa: PLC0415 - no first line of a task waits for it

                    uncalled = webhooks.look(self._settings, self._record, self._jobs, revision, self._clock.now())
                    self._reporting.webhooks(uncalled)
                self._reporting.first_day()
                self._reporting.ended_pauses()
                self._reporting.escalate()
                self._reporting.day(self._jobs)
                self._store_protocols()
                code = EXIT_OK if status == "ok" else EXIT_FAILED
                self._record.finish(status, code, reason)
        finally:
            workspace.remove()
        code = self._end(code)
        took = self._clock.now() - self._request.started_at
        self._display.end(summary(profile.name, results, reason, self._checks, took))
        return code

    def _begin(self, profile: Profile, revision: str, tasks_total: int, lock: ProfileLock) -> None:
        request = self._request
        self._record.begin(schedule_of(profile), request.tick_at, revision, tasks_total)
        self._account_for_start()
        if self._record.run_id is not None:
            lock.describe(run_id=self._record.run_id, started_at=request.started_at, trigger=request.trigger)
        if self._record.opened_schedule:
            self._record.schedules_found(self._other_schedules())
        self._reporting.store_kept()
        self._reporting.unanswered(self._record.reconcile())
        if self._record.is_scheduled:
            self._end_unwatched()
        remove_leftovers(self._settings.cache_dir)

    def _account_for_start(self) -> None:
        account_for_start(self._settings.checkout, self._request.profile)

    def _end_unwatched(self) -> None:
        """End what monitors left behind that no profile names any more; a run by hand may be of another file."""
        jobs = self._jobs()
        watched = watched_of(jobs, self._settings.checkout) if jobs else None
        if watched:
            self._reporting.no_longer_watched(watched)

    def _other_schedules(self) -> list[Schedule]:
        """Without a sound file each of the sound profiles records its own schedule when it runs."""
        jobs = self._jobs()
        return [schedule_of(profile) for profile in jobs.profiles.values()] if jobs else []

    def _store_protocols(self) -> None:
        """Keep what the API answers about jobs.yaml true; a run by hand may be of another file."""
        from automation.jobs.configured import configured_protocols  # noqa: PLC0415 - no first line of a task waits
        from monitoring.store.tables import configured_protocols as stored  # noqa: PLC0415 - likewise

        is_of_host = self._request.config.absolute() == self._settings.checkout / "automation" / "jobs.yaml"
        jobs = self._jobs() if self._record.is_scheduled or is_of_host else None
        if jobs is None:
            return
        found, now = configured_protocols(jobs, self._settings.checkout), self._clock.now()

        def act(database: Database) -> None:
            with database.write() as tx:
                stored.put(tx, found, now)

        self._record.with_database(act)

    def _jobs(self) -> Jobs | None:
        try:
            return load_jobs(self._request.config, self._settings.checkout)
        except ConfigError:
            return None

    def _run_tasks(self, profile: Profile, workspace: Workspace, tasks: Sequence[Task]) -> list[TaskResult]:
        server, self._server = self._server, None
        tasks = self._without_paused(profile, tasks)
        return run_tasks(
            workspace.ready(tasks, self._record.run_id),
            cwd=self._settings.checkout,
            parallel=profile.parallel,
            deadline_s=profile.run_timeout_s,
            preload=preload_for(tasks, self._settings.checkout),
            on_line=self._on_line,
            on_start=self._on_start,
            on_result=self._on_result,
            stop=self._stop,
            clock=self._clock,
            server=server,
        )

    def _without_paused(self, profile: Profile, tasks: Sequence[Task]) -> Sequence[Task]:
        """Write the rows of tasks that somebody paused, and return the others; one by hand runs."""
        found = self._record.pauses() if self._request.only_task is None else []
        if not any(each.kind is PauseKind.TASK for each in found):
            return tasks
        from automation.on_call.pausing import paused_tasks  # noqa: PLC0415 - only a pause pays for its messages

        reasons, now = paused_tasks(profile.name, tasks, found), self._clock.now()
        for name, reason in reasons.items():
            log.warning("%s is not started: %s", name, reason)
            self._record.task_ended(TaskResult(name, TaskStatus.SKIPPED, reason, now, now))
            if pause := holding(found, PauseKind.TASK, f"{profile.name}/{name}"):
                self._record.count_paused(pause)
        return [task for task in tasks if task.name not in reasons]

    def _on_start(self, task: str, _pid: int) -> None:
        self._record.task_started(task)
        self._display.task_started(task)

    def _on_result(self, result: TaskResult) -> None:
        self._record.task_ended(result)
        self._explaining.look()
        self._display.task_ended(result, self._checks.of(result.name))

    def _on_line(self, task: str, line: str) -> None:
        """Forward a line of a task; an alert that its monitor could not even keep must not end in a log alone."""
        self._display.line(task, line)
        self._checks.note(task, line)
        if LOST in line and len(self._lost) < _MOST_LOST:
            self._lost.append(f"{task}: {line.partition(LOST)[2]}")

    def _end(self, code: int) -> int:
        """Store what could not be stored before, deliver what is due at once, and report outside how it ended."""
        self._display.phase("delivering alerts")
        self._reporting.keep_unwritten()
        self._reporting.store_kept()
        self._delivery.drain()
        return self._account(code, self._reporting.unreached())

    def _account(self, code: int, unreached: Sequence[ReachProblem]) -> int:
        """Report the end to the watcher and return the exit code: a run that reaches nobody has failed."""
        self._tasks_code, self._is_reached = code, not unreached
        trouble = self._record.trouble
        if trouble is not None or self._lost or any(reason.is_unstored for reason in unreached):
            self._reporting.store_unwritable(trouble or "a monitor could not store", self._lost)
        for reason in unreached:
            log.warning("people are not being reached: %s", reason)
        if trouble is None and not self._lost and not unreached:
            self._heartbeat.ended(code)
            return code
        self._heartbeat.failed("people are not being reached" if unreached else "nothing can be stored")
        return EXIT_FAILED

    def _account_again(self, code: int) -> int:
        """Report once more if delivery after the run changed whether people are reached."""
        unreached = self._reporting.unreached()
        return code if self._is_reached is not bool(unreached) else self._account(self._tasks_code, unreached)

    @contextmanager
    def _signals(self) -> Iterator[None]:
        def on_signal(number: int, _frame: FrameType | None) -> None:
            self._stopped_by = self._stopped_by or signal.Signals(number).name
            self._stop.make()

        previous = {number: signal.signal(number, on_signal) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)


def run_limit_s(profile: Profile, tasks: Sequence[Task]) -> float:
    """Return the seconds within which a run has ended by its own deadlines, whatever its tasks do."""
    tasks_s = sum((task.timeout_s + GRACE_S) * (task.retries + 1) for task in tasks)
    return min(tasks_s, profile.run_timeout_s + GRACE_S) if profile.run_timeout_s else tasks_s
