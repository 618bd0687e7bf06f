"""Is the scheduler alive? Judged by its process and by the newest due tick, never by the unit's state alone.

Used by `status` and `doctor`. Looks only.
"""

from __future__ import annotations

import os
import pwd
import shutil
import stat
import subprocess
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from monitoring.base.locks.profile_lock import is_held, single_lock_path, usable_locks
from monitoring.base.process_identity import PROC, booted_at, find_process
from monitoring.base.settings import Settings
from monitoring.ledger.cron import Cron
from monitoring.ledger.ticks import GRACE
from monitoring.store.db.database import Database
from monitoring.store.tables import runs, scheduler_events, schedules

UNIT = "monitoring.service"
RESTART = "sudo systemctl restart monitoring"
# A unit that was started five times within a minute refuses every start until its count is cleared.
RESET = "sudo systemctl reset-failed monitoring && sudo systemctl start monitoring"
_SUPERCRONIC = "supercronic"
_SYSTEMD = Path("/run/systemd/system")  # sd_booted(3)


@dataclass(frozen=True, slots=True)
class SchedulerProcess:
    """A process that starts runs on schedule: `up` or supercronic."""

    pid: int
    kind: str
    since: datetime | None

    def __str__(self) -> str:
        since = f", since {self.since:%Y-%m-%d %H:%M} UTC" if self.since else ""
        return f"{self.kind} (pid {self.pid}{since})"


@dataclass(frozen=True, slots=True)
class Unrecorded:
    """Why the user of the scheduler cannot write the state, and the command that fixes it."""

    why: str
    remedy: str


@dataclass(frozen=True, slots=True)
class SchedulerLife:
    """What is known of the scheduler. `served` is its newest run, `unserved` the newest due ticks it did not start.

    `unrecorded` says why its runs cannot write their rows: then a tick without a row is no evidence.
    """

    process: SchedulerProcess | None
    served: tuple[datetime, str] | None
    unserved: tuple[tuple[str, datetime], ...]
    unit: str | None
    unrecorded: Unrecorded | None = None

    @property
    def is_alive(self) -> bool:
        return self.process is not None and not self.unserved

    @property
    def remedy(self) -> str:
        """The command that helps if it is not alive."""
        if self.unserved and self.unrecorded is not None:
            return self.unrecorded.remedy
        if self.process is None and self.unit is None:
            return "python -m automation up"
        if self.unit == "failed":
            return f"{RESET}, once the cause is gone (journalctl -u monitoring -n 50)"
        return restart_command(self.process)

    def __str__(self) -> str:
        unit = f"; {UNIT} is {self.unit}" if self.unit else ""
        unit += f" ({RESET})" if self.unit == "failed" else ""
        return f"{self._judgement()}{unit}"

    def _judgement(self) -> str:
        served = (
            f"last started {self.served[1]} at {self.served[0]:%Y-%m-%d %H:%M}" if self.served else "has started no run"
        )
        left = ", ".join(f"{profile} of {tick:%Y-%m-%d %H:%M}" for profile, tick in self.unserved)
        if self.process is None:
            return f"NOT RUNNING: no scheduler process found ({served})" + (f"; not started: {left}" if left else "")
        if self.unserved and self.unrecorded:
            return f"its runs are not recorded: {self.process} is running, but {self.unrecorded.why} ({served})"
        if self.unserved:
            return f"NOT SERVING: {self.process} is running, but did not start {left} ({served})"
        return f"alive: {self.process}, {served}"


def look(settings: Settings, database: Database | None, now: datetime) -> SchedulerLife:
    """Look at the processes of this host and at the newest due tick of each profile in force."""
    return judge_life(find_scheduler(settings), settings, database, now)


def judge_life(
    process: SchedulerProcess | None, settings: Settings, database: Database | None, now: datetime
) -> SchedulerLife:
    """Judge a scheduler that was looked for before."""
    since = process.since if process else None
    unserved = _unserved(database, now) if database else ()
    return SchedulerLife(
        process=process,
        served=scheduler_events.last_served(database) if database else None,
        unserved=tuple((profile, tick) for profile, tick in unserved if since is None or tick > since),
        unit=unit_state(),
        unrecorded=_unrecorded(settings, process) if process else None,
    )


def restart_command(process: SchedulerProcess | None) -> str:
    """Return the command that restarts the scheduler; systemd allows at most five starts a minute."""
    return "stop `up` and start it again" if process is not None and process.kind == "up" else RESTART


def find_scheduler(settings: Settings) -> SchedulerProcess | None:
    """Find `up` by the lock it holds, else the unit's process, else a supercronic of a user this host is run by.

    The owner of the state directory alone is not enough: after a change of owner no scheduler would be found.
    """
    # `usable_locks` creates the directory: a missing state directory must still be reported as missing.
    is_there = settings.cache_dir.is_dir()
    holder = is_held(single_lock_path(usable_locks(settings.locks), "scheduler")) if is_there else None
    if holder is not None:
        return SchedulerProcess(holder.pid, "up", holder.started_at)
    main = ask_systemd("show", "--property=MainPID", "--value", UNIT) or "0"
    if main.isdecimal() and (since := running_since(int(main))) is not None:
        return SchedulerProcess(int(main), _SUPERCRONIC, since)
    owners = {os.geteuid(), *_owners(settings.cache_dir, settings.checkout)}
    return next((found for found in _supercronics(owners) if _serves(found.pid, settings.cache_dir)), None)


def environment_of(pid: int) -> dict[str, str]:
    """Return the environment a process was started with.

    Raises:
        OSError: it has ended, or belongs to another user.
    """
    pairs = (os.fsdecode(entry).partition("=") for entry in (PROC / str(pid) / "environ").read_bytes().split(b"\0"))
    return {name: value for name, equals, value in pairs if equals}


def _serves(pid: int, cache_dir: Path) -> bool:
    """Return whether a supercronic may serve this state directory: if it names another one, it does not."""
    try:
        named = environment_of(pid).get("CACHE_DIR")
    except OSError:
        return True
    return named is None or Path(named) == cache_dir


def _owners(*paths: Path) -> Iterator[int]:
    for path in paths:
        with suppress(OSError):
            yield path.stat().st_uid


def _unrecorded(settings: Settings, process: SchedulerProcess) -> Unrecorded | None:
    """Return why the scheduler's runs cannot write the state, None if they can."""
    for user in _owners(PROC / str(process.pid)):
        for path in (settings.cache_dir, settings.database):
            try:
                status = path.stat()
            except OSError:
                continue  # not there yet, or in a directory that is closed to us and was looked at before
            if user not in (0, status.st_uid) and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
                why = f"{path} belongs to {name_of(status.st_uid)} and not to {name_of(user)}"
                return Unrecorded(why, f"sudo chown -R {name_of(user).removeprefix('uid ')}: {settings.cache_dir}")
    return None


def name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


def _supercronics(owners: Collection[int], proc: Path = PROC) -> Iterator[SchedulerProcess]:
    for entry in proc.iterdir():
        if not entry.name.isdecimal():
            continue
        try:
            argv = (entry / "cmdline").read_bytes().split(b"\0")
            is_ours = entry.stat().st_uid in owners
        except OSError:
            continue
        if is_ours and os.path.basename(argv[0]) == _SUPERCRONIC.encode():  # noqa: PTH119 - bytes
            yield SchedulerProcess(int(entry.name), _SUPERCRONIC, running_since(int(entry.name)))


def running_since(pid: int) -> datetime | None:
    found = find_process(pid)
    if found is None:
        return None
    return booted_at() + timedelta(seconds=found.start_ticks / os.sysconf("SC_CLK_TCK"))


def _unserved(database: Database, now: datetime) -> Iterator[tuple[str, datetime]]:
    """Yield the newest due tick of each profile if its grace is over and nothing was started or skipped for it."""
    for entry in schedules.in_force(database):
        last = Cron.parse(entry.schedule.cron).previous_at_or_before(now - GRACE)
        if entry.schedule.enabled and last > entry.effective_from:
            row = runs.of_tick(database, entry.schedule.profile, last)
            if row is None or row.status == "missed":
                yield entry.schedule.profile, last


def unit_state() -> str | None:
    """Return the unit's state by systemd, None where there is no systemd."""
    return ask_systemd("is-active", UNIT)


def ask_systemd(*question: str) -> str | None:
    """Return the first line of systemctl's answer, None where there is no systemd to ask, or none comes."""
    return next(iter(ask_systemd_all(*question)), None)


def ask_systemd_all(*question: str) -> list[str]:
    """Return every line of systemctl's answer; none where there is no systemd to ask, or none comes."""
    if not _SYSTEMD.exists() or shutil.which("systemctl") is None:
        return []
    try:
        done = subprocess.run(["systemctl", *question], capture_output=True, text=True, timeout=5, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return (done.stdout or done.stderr).strip().splitlines()
