"""The machine: free disk space, clock, scheduler."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from automation.jobs.crontab import render_crontab
from automation.jobs.load import load_jobs
from automation.schedule import scheduler_liveness
from automation.status.doctor import DoctorContext, Examination, Finding, fail, ok, warn
from automation.status.doctor.unit import installed_unit, program_of
from monitoring.base.errors import ConfigError
from monitoring.base.kernel_clock import ask_kernel_clock
from monitoring.store.db.schema import open_readonly

_LEAST_FREE_BYTES = 512 * 1024**2
_LEAST_FREE_SHARE = 0.05
_TIMESYNCD_MARK = Path("/run/systemd/timesync/synchronized")
_SUPERCRONIC = "supercronic"
_TEST_LIMIT_S = 20


def disk(context: DoctorContext) -> Iterator[Finding]:
    paths = {"state": context.settings.cache_dir, "checkout": context.settings.checkout}
    for name, path in paths.items():
        if not path.exists():
            continue
        usage, inodes = shutil.disk_usage(path), os.statvfs(path)
        free = f"{usage.free / 1024**3:.1f} GiB free for the {name} in {path}"
        if usage.free < min(_LEAST_FREE_BYTES, usage.total * _LEAST_FREE_SHARE):
            yield fail("disk", f"only {free}", "free disk space: nothing can be stored on a full disk")
        elif inodes.f_files and inodes.f_favail < inodes.f_files * _LEAST_FREE_SHARE:
            yield fail("disk", f"inodes are running out where the {name} is, in {path}", "remove small files")
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
        remedy = "start systemd-timesyncd or chrony: schedules depend on the clock"
        yield warn("clock", f"not synchronized ({source})", remedy)


def scheduler(context: DoctorContext) -> Iterator[Finding]:
    path = context.settings.database
    if not path.exists():
        found = scheduler_liveness.look(context.settings, None, context.now)
    else:
        with open_readonly(path) as database:
            found = scheduler_liveness.look(context.settings, database, context.now)
    if found.is_alive:
        yield ok("scheduler", str(found))
    else:
        yield fail("scheduler", str(found), found.remedy)


def supercronic(context: DoctorContext) -> Iterator[Finding]:
    """Where the unit is installed, its scheduler must be too, and must accept the crontab."""
    installed = installed_unit()
    named = program_of(installed) if installed else _SUPERCRONIC
    binary = shutil.which(named, path=f"{os.environ.get('PATH', os.defpath)}:/usr/local/bin")
    if binary is None:
        if installed is not None:
            yield fail(
                _SUPERCRONIC, f"{scheduler_liveness.UNIT} is installed, but {named} is missing", "run deploy/install.sh"
            )
        return
    try:
        text = render_crontab(load_jobs(context.config, context.settings.checkout))
    except ConfigError:
        yield warn(_SUPERCRONIC, f"{binary}; not tested: jobs.yaml gives no crontab")
        return
    yield _tried(binary, text)


def _tried(binary: str, crontab: str) -> Finding:
    with tempfile.NamedTemporaryFile("w", suffix=".crontab", encoding="utf-8") as file:
        file.write(crontab)
        file.flush()
        try:
            done = subprocess.run(
                [binary, "-test", file.name], capture_output=True, text=True, timeout=_TEST_LIMIT_S, check=False
            )
        except subprocess.TimeoutExpired:
            return fail(_SUPERCRONIC, f"{binary} -test did not end within {_TEST_LIMIT_S} s", "check this host's load")
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        return fail(_SUPERCRONIC, f"{binary} refuses the crontab: {last}", "python -m automation validate")
    return ok(_SUPERCRONIC, f"{binary} accepts the crontab")


EXAMINATIONS: tuple[Examination, ...] = (disk, clock, scheduler, supercronic)
