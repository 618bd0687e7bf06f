"""A host on an injected clock: boots, a cron daemon, runs and their tasks, a disk, a chat, all of which can fail.

Only time, processes and the daemon are simulated. What is written goes through the runner's own record and reporting,
the real reconcile, a real SQLite file and a real outbox that sends to a Bot API on loopback.
"""

from __future__ import annotations

import contextlib
import heapq
import itertools
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import apsw

from automation.executor.task import TaskResult, TaskStatus
from automation.jobs.load import load_jobs
from automation.jobs.model import Jobs, Profile
from automation.runner.notifications import Reporting
from automation.runner.run_record import RunRecord
from automation.runner.summary import verdict
from automation.schedule.schedule_difference import schedule_of
from automation.schedule.schedule_history import put_in_force
from automation.sync.sync import SyncResult
from monitoring.alerts.delivery.loop import Delivery
from monitoring.alerts.message.model import Alert
from monitoring.alerts.recording.store_alert import AlertKind, AlertOrigin, store_in
from monitoring.base.http.retry import Backoff
from monitoring.base.process_identity import Boot, Host, ProcessId
from monitoring.base.settings import Settings
from monitoring.ledger.audit import Audit, judge
from monitoring.ledger.outcomes import Facts, gather
from monitoring.ledger.reconcile import reconcile
from monitoring.store.db.database import Database
from monitoring.store.db.schema import open_database
from tests.support.fake_telegram import BOT_TOKEN, CHAT, Answer, TelegramStandIn, error
from tests.support.outbox import FAST
from tools.scripted_server import Request

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_BOOT_TAKES = timedelta(seconds=20)
_STARTS_LATE = timedelta(seconds=0.4)  # an interpreter between the tick and the row
_ROOT_OF_RUNS = "SELECT rootpage FROM sqlite_master WHERE name = 'runs'"
USUAL_RUN = timedelta(seconds=4)


@contextmanager
def state_directory() -> Iterator[Path]:
    """Make a directory for a host that lives long: in memory where possible, since every write of it is fsynced."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as directory:
        Path(directory, "check.py").write_text("")
        yield Path(directory)


class SimulatedClock:
    """Time that goes only where it is put. `true` is what a watch beside the host shows, `now()` its wall clock."""

    def __init__(self, start: datetime) -> None:
        self.start = self.true = start
        self.step = timedelta(0)

    def now(self) -> datetime:
        return self.true + self.step

    def monotonic(self) -> float:
        return (self.true - self.start).total_seconds()


class Chat(TelegramStandIn):
    """A Bot API that can be down."""

    is_down = False

    def respond(self, request: Request) -> Answer:
        return error(502, "Bad Gateway") if self.is_down else super().respond(request)


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How a run of a profile goes: how long it takes, which of its tasks fail and why, what its monitors raise."""

    takes: timedelta = USUAL_RUN
    failing: dict[str, tuple[TaskStatus, str]] = field(default_factory=dict)
    raises: tuple[Alert, ...] = ()


@dataclass(slots=True)
class _Going:
    profile: Profile
    record: RunRecord
    process: ProcessId
    started_at: datetime
    behaviour: Behaviour
    when_ended: Callable[[], None]


class SimulatedHost:
    """One host; acts on it are methods, and `until` lets time pass."""

    def __init__(self, directory: Path, start: datetime, chat: Chat, jobs_text: str) -> None:
        self.clock = SimulatedClock(start)
        self.directory = directory
        self.chat = chat
        self.environ = {
            "TELEGRAM_API_URL": chat.url,
            "TELEGRAM_BOT_TOKEN_DEFAULT": BOT_TOKEN,
            "TELEGRAM_CHAT_ID_DEFAULT": CHAT,
        }
        self.behaviours: dict[str, list[Behaviour]] = {}
        self.write_jobs(jobs_text)
        self._counter = itertools.count(1000)
        self._events: list[tuple[datetime, int, Callable[[], None]]] = []
        self._daemon: dict[str, Profile] | None = None
        self._daemon_life = 0
        self._going: dict[str, _Going] = {}
        self.started: list[tuple[str, datetime]] = []
        self._is_up = True
        self._booted_true = start - timedelta(days=30)
        self._boots = itertools.count(1)
        self._boot_id = f"boot-{next(self._boots)}"
        self._disk = _Disk()

    # -- time ----------------------------------------------------------------------------------------------------------

    def at(self, true: datetime, act: Callable[[], None]) -> None:
        heapq.heappush(self._events, (true, next(self._counter), act))

    def until(self, true: datetime) -> None:
        """Let everything happen that happens before this instant of the true time."""
        while self._events and self._events[0][0] < true:
            due, _, act = heapq.heappop(self._events)
            self.clock.true = max(due, self.clock.true)
            act()
        self.clock.true = true

    def step_clock(self, by: timedelta) -> None:
        self.clock.step += by

    # -- the host and its daemon ---------------------------------------------------------------------------------------

    def write_jobs(self, text: str) -> None:
        """Edit jobs.yaml: inert until the daemon starts anew."""
        path = self.directory / "jobs.yaml"
        path.write_text(text)
        self.jobs: Jobs = load_jobs(path, self.directory)

    def power_off(self) -> None:
        """Everything that ran is gone without a word."""
        self._is_up = False
        self.stop_daemon()
        for going in list(self._going.values()):
            self._vanish(going)

    def boot(self) -> None:
        """The host comes up, and the daemon a little later."""
        self._is_up, self._boot_id = True, f"boot-{next(self._boots)}"
        self._booted_true = self.clock.true
        self.at(self.clock.true + _BOOT_TAKES, self.start_daemon)

    def stop_daemon(self) -> None:
        self._daemon = None
        self._daemon_life += 1

    def start_daemon(self) -> None:
        """Start as the unit does: the schedule is recorded as in force, then every profile is armed."""
        self.stop_daemon()
        put_in_force(self.jobs, self.settings, "cron", self.clock, self.view(self._new_process()))
        self._daemon = {name: profile for name, profile in self.jobs.profiles.items() if profile.enabled}
        for profile in self._daemon.values():
            self._arm(profile, self.clock.now())

    def _arm(self, profile: Profile, after: datetime) -> None:
        """supercronic's way: the tick after the last one by the wall clock, waited for by a timer that never steps."""
        now = self.clock.now()
        tick = profile.cron.next_after(after)
        if tick < now:
            tick = profile.cron.next_after(now)
        life = self._daemon_life
        self.at(self.clock.true + (tick - now) + _STARTS_LATE, lambda: self._fire(profile, tick, life))

    def _fire(self, profile: Profile, tick: datetime, life: int) -> None:
        if self._daemon is None or life != self._daemon_life:
            return
        self.start_run(profile.name, "cron", when_ended=lambda: self._ended(profile, tick, life))

    def _ended(self, profile: Profile, tick: datetime, life: int) -> None:
        """The daemon starts a profile no more before it has ended, and then waits for the tick after the last one."""
        if self._daemon is not None and life == self._daemon_life:
            self._arm(profile, tick)

    # -- runs ----------------------------------------------------------------------------------------------------------

    def next_run(self, profile: str, *behaviours: Behaviour) -> None:
        """Say how the next runs of a profile go; those after them go well."""
        self.behaviours.setdefault(profile, []).extend(behaviours)

    def start_run(self, name: str, trigger: str, when_ended: Callable[[], None] = lambda: None) -> None:
        """Do what `run` does up to its tasks; a held profile ends there."""
        profile, process = self.jobs.profiles[name], self._new_process()
        record = RunRecord(self.settings.database, name, trigger, self.clock, self.clock.now(), self.view(process))
        holder = self._going.get(name)
        if holder is not None:
            record.skipped(None, f"pid {holder.process.pid}")
            record.close()
            when_ended()
            return
        self.started.append((name, self.clock.now()))
        behaviour = self.behaviours[name].pop(0) if self.behaviours.get(name) else Behaviour()
        going = _Going(profile, record, process, self.clock.now(), behaviour, when_ended)
        self._going[name] = going
        record.begin(schedule_of(profile), None, "4f2a9c1b", len(profile.tasks))
        if record.opened_schedule:
            record.schedules_found([schedule_of(other) for other in self.jobs.profiles.values()])
        self._reporting(record).unanswered(record.reconcile())
        for task in profile.tasks:
            record.task_started(task.name)
        if behaviour.takes == USUAL_RUN:
            self.clock.true += USUAL_RUN
            self._end(going)
        else:
            self.at(self.clock.true + behaviour.takes, lambda: self._end(going))

    def kill_run(self, name: str) -> None:
        """`kill -9` of a run: its row stays as it is."""
        self._vanish(self._going[name])

    def _vanish(self, going: _Going) -> None:
        going.record._disconnect()
        del self._going[going.profile.name]
        going.when_ended()

    def _end(self, going: _Going) -> None:
        if self._going.get(going.profile.name) is not going:
            return
        record, behaviour = going.record, going.behaviour
        for alert in behaviour.raises:
            self._raise(record, alert)
        results = [self._result(task.name, going) for task in going.profile.tasks]
        for result in results:
            record.task_ended(result)
        status, reason = verdict(results, "")
        self._reporting(record).digest(going.profile, results)
        record.finish(status, 0 if status == "ok" else 1, reason)
        del self._going[going.profile.name]
        if record.trouble is None:
            self.deliver(record.run_id)
        else:
            self._reporting(record).store_unwritable(record.trouble, [])
        record.close()
        going.when_ended()

    def _raise(self, record: RunRecord, alert: Alert) -> None:
        def store(database: Database) -> None:
            with database.write() as tx:
                store_in(tx, alert, now=self.clock.now(), origin=AlertOrigin(record.run_id, debug=self.settings.debug))

        record.with_database(store)

    def _result(self, task: str, going: _Going) -> TaskResult:
        status, reason = going.behaviour.failing.get(task, (TaskStatus.OK, ""))
        now = self.clock.now()
        return TaskResult(
            task, status, reason, going.started_at, now, duration_s=(now - going.started_at).total_seconds()
        )

    def deliver(self, run_id: int | None = None) -> None:
        """Deliver what waits, as a run does at its end."""
        with open_database(self.settings.database) as database:
            if not database.row("SELECT 1 FROM deliveries WHERE status IN ('pending', 'skipped_missing_credentials')"):
                return
        self.look_at_outbox(run_id)

    def look_at_outbox(self, run_id: int | None = None) -> None:
        """Do what the deliverer of each run does, whether anything waits or not."""
        delivery = Delivery(
            self.settings, self.settings.database, self.clock, run_id=run_id, limits=FAST,
            backoff=Backoff(60.0, 600.0), jitter=lambda: 1.0,
        )  # fmt: skip
        delivery.drain(self.clock.now() + timedelta(seconds=20))

    # -- what else can be planted --------------------------------------------------------------------------------------

    def drill(self) -> None:
        """Send a drill, as the weekly profile does."""
        alert = Alert("MEDIUM", "DRILL: this is a test of the alarm path", protocol="automation", source="drill")
        with open_database(self.settings.database) as database, database.write() as tx:
            store_in(tx, alert, now=self.clock.now(), kind=AlertKind.DRILL)
        self.deliver()

    def tell_sync(self, result: SyncResult) -> None:
        """Tell of a sync as the run that made it does."""
        record = RunRecord(
            self.settings.database, "hourly", "cron", self.clock, self.clock.now(), self.view(self._new_process())
        )
        self._reporting(record).synced(result)
        record.close()
        self.deliver()

    def fill_disk(self) -> None:
        self._disk.fill()

    def free_disk(self) -> None:
        self._disk.free()

    def damage_database(self) -> None:
        """Lose the page on which the table of runs begins."""
        with contextlib.closing(apsw.Connection(str(self.settings.database))) as connection:
            connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
            size, page = (connection.pragma("page_size"), connection.execute(_ROOT_OF_RUNS).fetchone()[0])
        with self.settings.database.open("r+b") as file:
            file.seek((page - 1) * size)
            file.write(b"\xff" * size)

    def delete_database(self) -> None:
        for suffix in ("", "-wal", "-shm"):
            self.settings.database.with_name(f"monitoring.db{suffix}").unlink()

    # -- what is seen --------------------------------------------------------------------------------------------------

    @property
    def settings(self) -> Settings:
        return Settings(environ=self.environ, checkout=self.directory, cache_dir=self.directory)

    def view(self, process: ProcessId) -> Host:
        """The host as one of its processes sees it."""
        return Host(lambda: process, self.boot_seen, self.is_alive)

    def boot_seen(self) -> Boot:
        """The boot by the wall clock of now, which a step moves (as btime of /proc/stat)."""
        return Boot(self._boot_id, (self._booted_true + self.clock.step).replace(microsecond=0))

    def is_alive(self, process: str) -> bool:
        return self._is_up and any(str(going.process) == process for going in self._going.values())

    def _new_process(self) -> ProcessId:
        ticks = int((self.clock.true - self._booted_true).total_seconds() * _TICKS_PER_S)
        return ProcessId(next(self._counter), ticks, self._boot_id)

    def audit(self, since: datetime, until: datetime) -> Audit:
        """Do what the verb `audit` does, now."""
        return judge(self.facts(since, until))

    def facts(self, since: datetime, until: datetime) -> Facts:
        """Bring the ledger up to date and gather what the audit judges."""
        now, boot = self.clock.now(), self.boot_seen()
        with open_database(self.settings.database) as database:
            reconcile(database, now=now, boot=boot, is_alive=self.is_alive)
            return gather(database, since=since, until=until, now=now, boot=boot, is_alive=self.is_alive)

    def _reporting(self, record: RunRecord) -> Reporting:
        return Reporting(self.settings, record, self.clock, self.settings.checkout / "automation" / "jobs.yaml")


class _Disk:
    """Lets SQLite meet a full disk: a VFS that refuses every write, for the connections opened meanwhile."""

    def __init__(self) -> None:
        self._vfs: _FullVfs | None = None

    def fill(self) -> None:
        self._vfs = _FullVfs()

    def free(self) -> None:
        if self._vfs is not None:
            self._vfs.unregister()
            self._vfs = None


class _FullVfs(apsw.VFS):
    def __init__(self) -> None:
        super().__init__("full-disk", "unix", makedefault=True)

    def xOpen(self, name: object, flags: list[int]) -> apsw.VFSFile:  # noqa: N802 - apsw's
        return _FullFile("unix", name, flags)  # type: ignore[arg-type]


class _FullFile(apsw.VFSFile):
    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802 - apsw's
        raise apsw.FullError("no space left on device")
