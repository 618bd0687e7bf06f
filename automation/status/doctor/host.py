"""The machine: space on its disks, and its clock."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from automation.status.doctor import DoctorContext, Examination, Finding, FindingLevel, Problem, ok
from monitoring.base.formatting import format_duration
from monitoring.base.kernel_clock import ask_kernel_clock
from monitoring.store.db import recorded_time
from monitoring.store.db.recorded_time import NOBODY

_LEAST_FREE_BYTES = 512 * 1024**2
_LEAST_FREE_SHARE = 0.05
_TIMESYNCD_MARK = Path("/run/systemd/timesync/synchronized")
_AHEAD = timedelta(minutes=5)  # more than a clock is corrected by at once

DISK = Problem(
    "disk-full",
    "disk",
    "`Checks run, but nothing can be stored`",
    "the disk of the state directory or of the checkout is nearly full",
    "nothing can be stored on a full disk: no row, no alert, no merge",
    "du -xh /srv | sort -h | tail -20; python -m automation prune; python -m automation backup --keep 3",
)
INODES = Problem(
    "disk-inodes",
    "disk",
    "`No space left on device` on a disk with free space",
    "the file system has hardly any inodes left",
    "no new file can be created: no lock, no log of the database",
    "find what creates many small files: df -i; du --inodes -x / | sort -n | tail -20",
)
CLOCK = Problem(
    "clock-free",
    "clock",
    "ticks at the wrong time, alerts dated wrongly",
    "no time service keeps the clock right",
    "schedules, ages of data and the audit depend on the clock",
    "sudo timedatectl set-ntp true; or start chrony",
    FindingLevel.WARN,
)
CLOCK_BACK = Problem(
    "clock-back",
    "clock",
    "runs and alerts dated in the future",
    "the clock is behind what the last run recorded: it is wrong now, or was wrong then",
    "the ledger believes a clock when two runs agree; until then ticks may count as missed",
    "compare it: date -u; then: timedatectl status",
)


def disk(context: DoctorContext) -> Iterator[Finding]:
    paths = {"state": context.settings.cache_dir, "checkout": context.settings.checkout}
    for name, path in paths.items():
        if not path.exists():
            continue
        usage, inodes = shutil.disk_usage(path), os.statvfs(path)
        free = f"{usage.free / 1024**3:.1f} GiB free for the {name} in {path}"
        if usage.free < min(_LEAST_FREE_BYTES, usage.total * _LEAST_FREE_SHARE):
            yield DISK.found(f"only {free}")
        elif inodes.f_files and inodes.f_favail < inodes.f_files * _LEAST_FREE_SHARE:
            yield INODES.found(f"inodes are running out where the {name} is, in {path}")
        else:
            yield ok("disk", free)


def clock(_context: DoctorContext) -> Iterator[Finding]:
    try:
        found = ask_kernel_clock()
    except OSError as error:
        synchronised, source = _TIMESYNCD_MARK.exists(), f"the kernel gives no answer: {error.strerror}"
    else:
        synchronised, source = found.synchronised, f"according to {found.source}"
    if synchronised:
        yield ok("clock", "synchronized")
    else:
        yield CLOCK.found(f"not synchronized ({source})")


def clock_set_back(context: DoctorContext) -> Iterator[Finding]:
    with context.database() as database:
        last = recorded_time.newest(database, NOBODY) if database else None
    if last is not None and last.started_at - context.now > _AHEAD:
        by = format_duration(last.started_at - context.now)
        yield CLOCK_BACK.found(f"the last run is dated {by} from now, {last.started_at:%Y-%m-%d %H:%M} UTC")


EXAMINATIONS: tuple[Examination, ...] = (disk, clock, clock_set_back)
