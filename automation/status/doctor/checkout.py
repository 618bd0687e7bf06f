"""The checkout: jobs.yaml, what waits for a restart or `make sync`, and whether it follows origin."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator

from automation.jobs.load import load_jobs
from automation.schedule.schedule_history import waiting_for_restart
from automation.schedule.scheduler_liveness import restart_command
from automation.status.collect import sync_warnings
from automation.status.doctor import DoctorContext, Examination, Finding, fail, ok, warn
from automation.sync.attempt import DEPLOYED_FLAG
from automation.sync.dependencies import differing_distributions
from automation.sync.git import Git, GitError, origin_state
from automation.sync.state import read_sync_state
from monitoring.base.errors import ConfigError
from monitoring.store.db.schema import open_readonly


def jobs_file(patient: DoctorContext) -> Iterator[Finding]:
    try:
        jobs = load_jobs(patient.config, patient.settings.checkout)
    except ConfigError as error:
        for mistake in error.mistakes:
            yield fail("jobs.yaml", mistake, "correct it; python -m automation validate shows when it is right")
        return
    yield ok("jobs.yaml", f"no mistakes in {len(jobs.profiles)} profiles")
    if patient.settings.database.exists():
        with open_readonly(patient.settings.database) as database:
            for inert in waiting_for_restart(jobs, database):
                process = patient.held.process if patient.held is not None else None
                yield fail("schedule", inert, restart_command(process))


def dependencies(patient: DoctorContext) -> Iterator[Finding]:
    lock = patient.settings.checkout / "requirements.lock"
    if not lock.exists():
        yield fail("venv", f"{lock} is not there", "git checkout -- requirements.lock")
        return
    differing = differing_distributions(lock)
    for difference in differing:
        yield fail("venv", difference, "make sync")
    if not differing:
        yield ok("venv", "as requirements.lock says")


def origin(patient: DoctorContext) -> Iterator[Finding]:
    checkout, environ = patient.settings.checkout, patient.settings.environ
    found = origin_state(checkout, environ=environ)
    if found is None:
        yield warn("sync", f"{checkout} is not under git: it follows nothing")
        return
    try:
        deployed = Git(checkout, environ).is_set(DEPLOYED_FLAG)
    except GitError as error:
        yield fail("sync", str(error), "correct .git/config")
        return
    if not deployed:
        remedy = f"on a live host: git config {DEPLOYED_FLAG} true"
        yield warn("sync", f"{DEPLOYED_FLAG} is not set: this checkout does not follow origin", remedy)
        return
    if found.behind:
        yield warn("sync", f"{found.behind} commits behind origin as of the last fetch", "the next sync brings them in")
    elif found.dirty:
        yield warn("sync", "tracked files were edited here", "the next sync discards that: commit it elsewhere")
    else:
        yield ok("sync", f"at {found.revision[:12]}, as origin was at the last fetch")
    if importlib.util.find_spec("automation_launcher") is None:
        yield warn(
            "sync", "the venv has no launcher: a revision that cannot start would not be taken back", "make sync"
        )
    for trouble in sync_warnings(read_sync_state(patient.settings.cache_dir), patient.settings, found.revision):
        yield fail(
            "sync", trouble, "correct what it names; if no merge arrives any more, see `By hand` in deploy/runbook.md"
        )


EXAMINATIONS: tuple[Examination, ...] = (jobs_file, dependencies, origin)
