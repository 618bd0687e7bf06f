"""The checkout: jobs.yaml, its dependencies, and whether it follows origin."""

from __future__ import annotations

import importlib.util
import re
import stat
from collections.abc import Iterator

from automation.jobs.load import load_jobs
from automation.status.collect import sync_warnings
from automation.status.doctor import DoctorContext, Examination, Finding, FindingLevel, Problem, ok
from automation.sync.attempt import DEPLOYED_FLAG
from automation.sync.dependencies import differing_distributions
from automation.sync.git import Git, GitError, origin_state
from automation.sync.state import read_sync_state
from monitoring.base.errors import ConfigError

_ADDRESS_WITH_PASSWORD = re.compile(r"^\s*(?:push)?url\s*=\s*\"?https?://[^/\s@]+@", re.MULTILINE | re.IGNORECASE)

JOBS = Problem(
    "jobs-mistakes",
    "jobs.yaml",
    "`… cannot run: jobs.yaml has mistakes`; the unit is `failed` right after a start",
    "automation/jobs.yaml has mistakes",
    "a profile with a mistake does not run, and the unit does not start again",
    "correct it; check it with: python -m automation validate",
)
NO_LOCK = Problem(
    "lock-missing",
    "venv",
    "`make sync` fails",
    "requirements.lock is missing",
    "the packages of this host cannot be compared with what was reviewed",
    "git checkout -- requirements.lock",
)
VENV = Problem(
    "venv-differs",
    "venv",
    "`ModuleNotFoundError`, a merge that is refused",
    "the packages of the venv are not those of requirements.lock",
    "tasks fail, or run with versions that nobody reviewed",
    "make sync, then: sudo systemctl restart monitoring",
)
NO_GIT = Problem(
    "git-none",
    "sync",
    "merges do not arrive on this host",
    "the checkout is not under git, or git is not installed",
    "it is never updated",
    "clone it: sudo bash deploy/install.sh",
    FindingLevel.WARN,
)
GIT = Problem(
    "git-refuses",
    "sync",
    "`the sync of the checkout failed`, `dubious ownership`",
    "git refuses to work in this checkout",
    "the checkout is not updated",
    "correct .git/config, and type commands as the owner of the checkout: sudo -iu monitoring",
)
FOLLOWS_NOT = Problem(
    "sync-off",
    "sync",
    "merges do not arrive on this host",
    f"`git config {DEPLOYED_FLAG}` is not true: this checkout does not follow origin",
    "nothing that is merged reaches this host",
    f"on a live host: git config {DEPLOYED_FLAG} true",
    FindingLevel.WARN,
)
BEHIND = Problem(
    "sync-behind",
    "sync",
    "a merge has not arrived yet",
    "origin was ahead at the last fetch",
    "the host runs an older commit until the next sync",
    "nothing: the next sync merges them; python -m automation status shows when it is",
    FindingLevel.WARN,
)
EDITED = Problem(
    "sync-edits",
    "sync",
    "an edit on the host is gone after ten minutes",
    "tracked files were edited on the host",
    "the next sync discards the edits",
    "commit them elsewhere and merge them: git diff shows them",
    FindingLevel.WARN,
)
NO_LAUNCHER = Problem(
    "launcher-missing",
    "sync",
    "a bad merge stops every run",
    "the venv has no launcher",
    "a revision that cannot start would not be taken back",
    "make sync",
    FindingLevel.WARN,
)
SYNC = Problem(
    "sync-fails",
    "sync",
    "`Commit … is refused`, `The checkout could not be synced`",
    "the sync fails, was deferred, or refused the newest commit",
    "what was merged last does not run on this host",
    "correct what it names; if merges stop arriving, see `By hand` in deploy/runbook.md",
)
GIT_TOKEN = Problem(
    "git-token",
    "git",
    "nothing, until somebody else uses your token",
    ".git/config holds a remote's address with a password or token, and every user may read it",
    "anybody who has the token can read, and perhaps change, the code that this host runs",
    "chmod 0600 .git/config; replace the token if others have an account on this host",
)


def jobs_file(context: DoctorContext) -> Iterator[Finding]:
    try:
        jobs = load_jobs(context.config, context.settings.checkout)
    except ConfigError as error:
        for mistake in error.mistakes:
            yield JOBS.found(mistake)
        return
    yield ok("jobs.yaml", f"no mistakes in {len(jobs.profiles)} profiles")


def dependencies(context: DoctorContext) -> Iterator[Finding]:
    lock = context.settings.checkout / "requirements.lock"
    if not lock.exists():
        yield NO_LOCK.found(f"{lock} is missing")
        return
    differing = differing_distributions(lock)
    for difference in differing:
        yield VENV.found(difference)
    if not differing:
        yield ok("venv", "matches requirements.lock")


def origin(context: DoctorContext) -> Iterator[Finding]:
    checkout, environ = context.settings.checkout, context.settings.environ
    found = origin_state(checkout, environ=environ)
    if found is None:
        yield NO_GIT.found(f"{checkout} is not under git: it is never updated")
        return
    try:
        deployed = Git(checkout, environ).is_set(DEPLOYED_FLAG)
    except GitError as error:
        yield GIT.found(str(error))
        return
    if not deployed:
        yield FOLLOWS_NOT.found(f"{DEPLOYED_FLAG} is not set: this checkout does not follow origin")
        return
    if found.behind:
        yield BEHIND.found(f"{found.behind} commits behind origin as of the last fetch")
    elif found.dirty:
        yield EDITED.found("tracked files have local edits")
    else:
        yield ok("sync", f"at {found.revision[:12]}, up to date with origin as of the last fetch")
    if importlib.util.find_spec("automation_launcher") is None:
        yield NO_LAUNCHER.found("the venv has no launcher: a revision that cannot start would not be taken back")
    for warning in sync_warnings(read_sync_state(context.settings.cache_dir), context.settings, found.revision):
        yield SYNC.found(warning)


def credentials_of_git(context: DoctorContext) -> Iterator[Finding]:
    """An address with a password in a file that every user of this host may read gives the password away."""
    path = context.settings.checkout / ".git" / "config"
    if not path.is_file() or not path.stat().st_mode & stat.S_IROTH:
        return
    if _ADDRESS_WITH_PASSWORD.search(path.read_text(encoding="utf-8", errors="replace")):
        text = f"{path} holds the address of a remote with a password or token, and every user may read it"
        yield GIT_TOKEN.found(text, f"chmod 0600 {path}; replace the token if others have an account on this host")


EXAMINATIONS: tuple[Examination, ...] = (jobs_file, dependencies, origin, credentials_of_git)
