"""The scheduler: whether it runs, serves what jobs.yaml says, and can read the crontab."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator

from automation.jobs.crontab import render_crontab
from automation.jobs.load import load_jobs
from automation.schedule import scheduler_liveness
from automation.schedule.schedule_difference import waiting_for_restart
from automation.schedule.scheduler_liveness import RESTART, restart_command
from automation.status.doctor import DoctorContext, Examination, Finding, FindingLevel, Problem, ok
from automation.status.doctor.unit import installed_unit, program_of
from monitoring.base.errors import ConfigError
from monitoring.base.settings import ENV_FILE

_SUPERCRONIC = "supercronic"
_TEST_LIMIT_S = 20

SCHEDULER = Problem(
    "scheduler",
    "scheduler",
    "no alerts, no runs, missed ticks in `audit`",
    "no scheduler is running, it does not start the runs that are due, or its runs cannot write their rows",
    "nothing is checked on schedule",
    "journalctl -u monitoring -n 50, then: sudo systemctl restart monitoring; without systemd: python -m automation up",
)
CRONTAB = Problem(
    "crontab",
    "schedule",
    "one profile never runs, or at the old times",
    "jobs.yaml changed since the scheduler read it: a new, renamed or disabled profile, or another `cron:`",
    "the scheduler serves the crontab of its start",
    RESTART,
)
NO_SUPERCRONIC = Problem(
    "supercronic-missing",
    _SUPERCRONIC,
    "the unit is `failed`: No such file or directory",
    "the unit is installed, but the program it starts is missing",
    "the unit cannot start",
    "sudo bash deploy/install.sh",
)
REFUSED_CRONTAB = Problem(
    "supercronic-refuses",
    _SUPERCRONIC,
    "the unit is `failed` right after a start",
    "supercronic refuses the crontab, or does not answer",
    "the next start of the unit fails, and nothing is checked",
    "python -m automation validate",
)
UNTRIED_CRONTAB = Problem(
    "supercronic-untried",
    _SUPERCRONIC,
    "`not tested` in `doctor`",
    "jobs.yaml has mistakes and gives no crontab",
    "the next start of the unit fails",
    "python -m automation validate",
    FindingLevel.WARN,
)


def scheduler(context: DoctorContext) -> Iterator[Finding]:
    with context.database() as database:
        found = scheduler_liveness.look(context.settings, database, context.now)
    if found.is_alive:
        yield ok("scheduler", str(found))
    elif installed_unit() is not None and not ENV_FILE.exists():
        yield SCHEDULER.found(str(found), f"create {ENV_FILE} first; the unit cannot start without it")
    else:
        yield SCHEDULER.found(str(found), found.remedy)


def crontab(context: DoctorContext) -> Iterator[Finding]:
    try:
        jobs = load_jobs(context.config, context.settings.checkout)
    except ConfigError:
        return  # reported by the check of the checkout
    with context.database() as database:
        differences = waiting_for_restart(jobs, database) if database else []
    for difference in differences:
        yield CRONTAB.found(difference, restart_command(context.held.process if context.held is not None else None))


def supercronic(context: DoctorContext) -> Iterator[Finding]:
    """Where the unit is installed, its scheduler must be too, and must accept the crontab."""
    installed = installed_unit()
    named = program_of(installed) if installed else _SUPERCRONIC
    binary = shutil.which(named, path=f"{os.environ.get('PATH', os.defpath)}:/usr/local/bin")
    if binary is None:
        if installed is not None:
            yield NO_SUPERCRONIC.found(f"{scheduler_liveness.UNIT} is installed, but {named} is missing")
        return
    try:
        text = render_crontab(load_jobs(context.config, context.settings.checkout))
    except ConfigError:
        yield UNTRIED_CRONTAB.found(f"{binary}; not tested: jobs.yaml gives no crontab")
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
            text = f"{binary} -test did not end within {_TEST_LIMIT_S} s"
            return REFUSED_CRONTAB.found(text, "check this host's load: uptime")
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        return REFUSED_CRONTAB.found(f"{binary} refuses the crontab: {last}")
    return ok(_SUPERCRONIC, f"{binary} accepts the crontab")


EXAMINATIONS: tuple[Examination, ...] = (scheduler, crontab, supercronic)
