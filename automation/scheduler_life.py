"""Is the scheduler alive? Judged by its process and by the newest due tick, never by the unit's word alone.

Used by `status` and `doctor`. Looks only.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from monitoring.ledger.cron import Cron
from monitoring.ledger.ticks import GRACE
from monitoring.locks import is_held, single_lock_path, usable_locks
from monitoring.process import PROC, booted_at, find_process
from monitoring.settings import Settings
from monitoring.store import runs, schedules, signs
from monitoring.store.database import Database

UNIT = "monitoring.service"
_SUPERCRONIC = "supercronic"
_SYSTEMD = Path("/run/systemd/system")  # sd_booted(3)


@dataclass(frozen=True, slots=True)
class SchedulerProcess:
    """A process that serves ticks: `up` or supercronic."""

    pid: int
    kind: str
    since: datetime | None

    def __str__(self) -> str:
        since = f", since {self.since:%Y-%m-%d %H:%M} UTC" if self.since else ""
        return f"{self.kind} (pid {self.pid}{since})"


@dataclass(frozen=True, slots=True)
class SchedulerLife:
    """What is seen of the scheduler. `served` is its newest run, `unserved` the newest due ticks it left out."""

    process: SchedulerProcess | None
    served: tuple[datetime, str] | None
    unserved: tuple[tuple[str, datetime], ...]
    unit: str | None

    @property
    def is_alive(self) -> bool:
        return self.process is not None and not self.unserved

    def __str__(self) -> str:
        unit = f"; systemd says of {UNIT}: {self.unit}" if self.unit else ""
        return f"{self._judgement()}{unit}"

    def _judgement(self) -> str:
        served = (
            f"last started {self.served[1]} at {self.served[0]:%Y-%m-%d %H:%M}" if self.served else "has started none"
        )
        left = ", ".join(f"{profile} of {tick:%Y-%m-%d %H:%M}" for profile, tick in self.unserved)
        if self.process is None:
            return f"NOT RUNNING: no process serves ticks ({served})" + (f"; not started: {left}" if left else "")
        if self.unserved:
            return f"NOT SERVING: {self.process} is there, but did not start {left} ({served})"
        return f"alive: {self.process}, {served}"


def look(settings: Settings, database: Database | None, now: datetime) -> SchedulerLife:
    """Look at the processes of this host and at the newest due tick of each profile in force."""
    process = find_scheduler(settings)
    since = process.since if process else None
    unserved = _unserved(database, now) if database else ()
    return SchedulerLife(
        process=process,
        served=signs.last_served(database) if database else None,
        unserved=tuple((profile, tick) for profile, tick in unserved if since is None or tick > since),
        unit=unit_state(),
    )


def find_scheduler(settings: Settings) -> SchedulerProcess | None:
    """Find `up` by the lock it holds, else a supercronic of the owner of the state directory."""
    holder = is_held(single_lock_path(usable_locks(settings.locks), "scheduler"))
    if holder is not None:
        return SchedulerProcess(holder.pid, "up", holder.started_at)
    try:
        owner = settings.cache_dir.stat().st_uid
    except OSError:
        return None
    return next(_supercronics(owner), None)


def _supercronics(owner: int, proc: Path = PROC) -> Iterator[SchedulerProcess]:
    for entry in proc.iterdir():
        if not entry.name.isdecimal():
            continue
        try:
            argv = (entry / "cmdline").read_bytes().split(b"\0")
            is_ours = entry.stat().st_uid == owner
        except OSError:
            continue
        if is_ours and os.path.basename(argv[0]) == _SUPERCRONIC.encode():  # noqa: PTH119 - bytes
            yield SchedulerProcess(int(entry.name), _SUPERCRONIC, _since(int(entry.name)))


def _since(pid: int) -> datetime | None:
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
    """Return what systemd says of the unit, None where there is no systemd to ask."""
    return ask_systemd("is-active", UNIT)


def ask_systemd(*question: str) -> str | None:
    """Return the first line of systemctl's answer, None where there is no systemd to ask, or none comes."""
    if not _SYSTEMD.exists() or shutil.which("systemctl") is None:
        return None
    try:
        done = subprocess.run(["systemctl", *question], capture_output=True, text=True, timeout=5, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return (done.stdout or done.stderr).strip().partition("\n")[0] or None
