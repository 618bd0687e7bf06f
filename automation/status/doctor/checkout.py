"""The checkout: jobs.yaml, changes pending a restart or `make sync`, and whether it follows origin."""

from __future__ import annotations

import importlib.util
import re
import stat
from collections.abc import Iterator

from automation.jobs.load import load_jobs
from automation.schedule.schedule_difference import waiting_for_restart
from automation.schedule.scheduler_liveness import restart_command
from automation.status.collect import sync_warnings
from automation.status.doctor import DoctorContext, Examination, Finding, fail, ok, warn
from automation.sync.attempt import DEPLOYED_FLAG
from automation.sync.dependencies import differing_distributions
from automation.sync.git import Git, GitError, origin_state
from automation.sync.state import read_sync_state
from monitoring.base.errors import ConfigError
from monitoring.store.db.schema import open_readonly

_ADDRESS_WITH_PASSWORD = re.compile(r"^\s*(?:push)?url\s*=\s*\"?https?://[^/\s@]+@", re.MULTILINE | re.IGNORECASE)


def jobs_file(context: DoctorContext) -> Iterator[Finding]:
    try:
        jobs = load_jobs(context.config, context.settings.checkout)
    except ConfigError as error:
        for mistake in error.mistakes:
            yield fail("jobs.yaml", mistake, "correct it; check it with: python -m automation validate")
        return
    yield ok("jobs.yaml", f"no mistakes in {len(jobs.profiles)} profiles")
    if context.settings.database.exists():
        with open_readonly(context.settings.database) as database:
            for pending in waiting_for_restart(jobs, database):
                process = context.held.process if context.held is not None else None
                yield fail("schedule", pending, restart_command(process))


def dependencies(context: DoctorContext) -> Iterator[Finding]:
    lock = context.settings.checkout / "requirements.lock"
    if not lock.exists():
        yield fail("venv", f"{lock} is missing", "git checkout -- requirements.lock")
        return
    differing = differing_distributions(lock)
    for difference in differing:
        yield fail("venv", difference, "make sync")
    if not differing:
        yield ok("venv", "matches requirements.lock")


def origin(context: DoctorContext) -> Iterator[Finding]:
    checkout, environ = context.settings.checkout, context.settings.environ
    found = origin_state(checkout, environ=environ)
    if found is None:
        yield warn("sync", f"{checkout} is not under git: it is never updated")
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
        yield warn("sync", f"{found.behind} commits behind origin as of the last fetch", "the next sync merges them")
    elif found.dirty:
        yield warn("sync", "tracked files have local edits", "commit them elsewhere: the next sync discards them")
    else:
        yield ok("sync", f"at {found.revision[:12]}, up to date with origin as of the last fetch")
    if importlib.util.find_spec("automation_launcher") is None:
        yield warn(
            "sync", "the venv has no launcher: a revision that cannot start would not be taken back", "make sync"
        )
    for warning in sync_warnings(read_sync_state(context.settings.cache_dir), context.settings, found.revision):
        yield fail(
            "sync", warning, "correct what it names; if merges stop arriving, see `By hand` in deploy/runbook.md"
        )


def credentials_of_git(context: DoctorContext) -> Iterator[Finding]:
    """An address with a password in a file that every user of this host may read gives the password away."""
    path = context.settings.checkout / ".git" / "config"
    if not path.is_file() or not path.stat().st_mode & stat.S_IROTH:
        return
    if _ADDRESS_WITH_PASSWORD.search(path.read_text(encoding="utf-8", errors="replace")):
        text = f"{path} holds the address of a remote with a password or token, and every user may read it"
        yield fail("git", text, f"chmod 0600 {path}; replace the token if others have an account on this host")


EXAMINATIONS: tuple[Examination, ...] = (jobs_file, dependencies, origin, credentials_of_git)
