"""git as this project runs it: never asking, never hanging, never leaving a process, hooks and pagers off.

Used by the sync; `current_revision` and `origin_state` also by the runner, `status` and `doctor`. Reading never writes.
"""

from __future__ import annotations

import os
import pwd
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from automation.sync.command import Finished, run_command
from monitoring.base.errors import SyncError
from monitoring.base.secrets.redact import excerpt

UNVERSIONED = "unversioned"
_READ_LIMIT_S = 20.0
# All that git needs of the environment. The rest stays behind: tokens, and GIT_DIR or GIT_INDEX_FILE of a calling git.
_KEPT = re.compile(
    r"PATH|HOME|USER|LOGNAME|TMPDIR|TZ|XDG_\w+|SSH_AUTH_SOCK|SSL_CERT_\w+|CURL_CA_BUNDLE|(?i:https?|all|no)_(?i:proxy)"
    r"|GIT_SSH\w*|GIT_SSL_\w+|GIT_CONFIG_(GLOBAL|SYSTEM|NOSYSTEM)|GIT_PROXY_COMMAND|GIT_ALLOW_PROTOCOL"
)
_SETTINGS = {
    "core.hooksPath": os.devnull,
    "core.fsmonitor": "",  # its daemon would outlive us
    "core.pager": "cat",
    "core.sparseCheckout": "false",
    # A repository's own settings must not hide edits: whether a file changed is decided by all that stat(2) says.
    "core.trustctime": "true",
    "core.checkStat": "default",
    "core.ignoreStat": "false",
    "gc.auto": "0",  # it goes to the background; the sync calls `gc --auto` itself
    "maintenance.auto": "false",
    "submodule.recurse": "false",
    "fetch.recurseSubmodules": "false",
    # Bounds also a git whose runner was killed: less than 1 kB/s for 30 s ends a transfer.
    "http.lowSpeedLimit": "1000",
    "http.lowSpeedTime": "30",
}
_SSH_COMMAND = (
    "ssh -o BatchMode=yes -o ConnectTimeout=15 -o ServerAliveInterval=10 -o ServerAliveCountMax=3 -o ControlMaster=no"
)
# These are compiled by the first fault: every run starts with this module.
# What git says when something under .git is broken on this disk; lines of the remote do not count.
_DAMAGE = (
    r"is corrupt|object file .* is empty|hash mismatch|inflate:|bad (?:tree )?object|bad revision|invalid object"
    r"|unable to read (?:sha1 file|tree|[0-9a-f]{40})|unable to unpack|Could not read [0-9a-f]{40}"
    r"|did not send all necessary objects|missing (?:blob|tree|commit)|is a \w+, not a|not a valid object"
    r"|\.(?:idx|pack)\b|pack has|reference broken|broken ref|unterminated line|unexpected line in"
    r"|not a git repository"
)
_INDEX_DAMAGE = r"/index: |index file (?:smaller|corrupt)|bad (?:signature|index)|index (?:uses|entry)"
# A full disk cuts files short while they are written, and what may not be read is not broken.
_NOT_DAMAGE = r"No space left|Out of diskspace|[Pp]ermission denied|insufficient permission"
_FORBIDDEN = r"[Pp]ermission denied|insufficient permission"
_CREDENTIALS = r"(?<=://)[^/@\s]+@"
_BOILERPLATE = (
    r"hint:|Please make sure|and the repository exists|remote: *$|warning: ignoring|From |To add|\s*git config"
)
_MAX_REASON = 300
_TRACKED_ONLY = ("--untracked-files=no", "--ignore-submodules=all")


class GitError(SyncError):
    """git refused or failed; the message is one line for the operator."""

    def __init__(self, message: str, stderr: str = "") -> None:
        self.stderr = stderr
        super().__init__(message)

    @property
    def damaged(self) -> bool:
        """Something under .git is broken on this disk, so fetching alone cannot help."""
        return _says(self.stderr, _DAMAGE)

    @property
    def index_damaged(self) -> bool:
        """Only the index is unreadable; it can be made again from HEAD."""
        return _says(self.stderr, _INDEX_DAMAGE)


class Git:
    """git in one checkout. `damage_seen` also covers damage that git reported and worked around."""

    def __init__(self, checkout: Path, environ: Mapping[str, str] | None = None) -> None:
        self.checkout = checkout
        self.directory = checkout / ".git"
        # Without the ceiling a damaged .git would make git work on a repository around the checkout.
        ceiling = {"GIT_CEILING_DIRECTORIES": str(checkout.resolve().parent)}
        self.damage_seen = False
        self._environ = {**_git_environ(os.environ if environ is None else environ), **ceiling}

    def fetch(self, refspec: str, *options: str, remote: str, time_limit_s: float, git_dir: Path | None = None) -> None:
        """Fetch one ref, without tags; ssh answers or fails unless the operator chose how to call it.

        Raises:
            GitError: nothing was fetched.
        """
        chosen = "GIT_SSH_COMMAND" in self._environ or "GIT_SSH" in self._environ
        # A configured deploy key must stay in use: the variable would override it.
        chosen = chosen or self.run("config", "core.sshCommand").ok
        environ = {} if chosen else {"GIT_SSH_COMMAND": _SSH_COMMAND}
        place = () if git_dir is None else (f"--git-dir={git_dir}",)
        flags = ("--quiet", "--no-tags", "--no-recurse-submodules", *options)
        self.do(*place, "fetch", *flags, remote, refspec, time_limit_s=time_limit_s, **environ)

    def run(self, *arguments: str, time_limit_s: float = _READ_LIMIT_S, **environ: str) -> Finished:
        """Run git; settings of ours win over those of the repository.

        Raises:
            GitError: git cannot be started.
        """
        settings = [word for name, value in _SETTINGS.items() for word in ("-c", f"{name}={value}")]
        try:
            done = run_command(
                ["git", "--no-pager", *settings, *arguments],
                cwd=self.checkout,
                environ={**self._environ, **environ},
                time_limit_s=time_limit_s,
            )
        except OSError as error:
            raise GitError(f"git cannot be started in {self.checkout}: {error}") from error
        self.damage_seen = self.damage_seen or _says(done.stderr, _DAMAGE)
        return done

    def is_set(self, flag: str) -> bool:
        """Return whether the repository's own configuration, not that of user or system, sets the flag.

        Raises:
            GitError: the configuration cannot be read, or the value is no boolean.
        """
        words = ("config", "--file", str(self.directory / "config"), "--type=bool", "--get", flag)
        # Exit code 1 says that it is not there (git-config(1)).
        return self.run(*words).returncode != 1 and self.do(*words) == "true"

    def do(self, *arguments: str, time_limit_s: float = _READ_LIMIT_S, **environ: str) -> str:
        """Run git and return what it printed, stripped.

        Raises:
            GitError: git failed or took longer than the limit.
        """
        done = self.run(*arguments, time_limit_s=time_limit_s, **environ)
        verb = next(word for word in arguments if not word.startswith("-") and "=" not in word)
        if done.timed_out:
            raise GitError(f"git {verb} took longer than {time_limit_s:.0f} s and was ended", done.stderr)
        if done.returncode:
            raise GitError(f"git {verb}: {self._explain(done)}", done.stderr)
        return done.stdout.strip()

    def read(self, *arguments: str, time_limit_s: float = _READ_LIMIT_S) -> str:
        """Run a command that only looks: it takes no lock and does not refresh the index."""
        return self.do(*arguments, time_limit_s=time_limit_s, GIT_OPTIONAL_LOCKS="0")

    def commit_of(self, name: str, time_limit_s: float = _READ_LIMIT_S) -> str | None:
        """Return the full id of the commit a name stands for, None where it stands for none."""
        done = self.run("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}", time_limit_s=time_limit_s)
        found = done.stdout.strip()
        return found if done.ok and re.fullmatch(r"[0-9a-f]{40,64}", found) else None

    def is_clean(self, time_limit_s: float = _READ_LIMIT_S) -> bool:
        """Return whether every tracked file is as HEAD has it; untracked files and submodules do not count.

        Raises:
            GitError: git does not know.
        """
        return not self.read("status", "--porcelain", *_TRACKED_ONLY, time_limit_s=time_limit_s)

    def _explain(self, done: Finished) -> str:
        said = done.stderr
        if "dubious ownership" in said:
            return (
                f"{self.checkout} belongs to {_owner(self.checkout)}, this process runs as {_user()}: run it as"
                f" {_owner(self.checkout)}, or: sudo chown -R {_user()} {self.checkout}"
            )
        reason = _one_line(said) or f"exit code {done.returncode} without a word"
        if re.search(_FORBIDDEN, said) and "publickey" not in said:
            return f"{reason} (files of another user? sudo chown -R {_user()} {self.checkout})"
        return reason


@dataclass(frozen=True, slots=True)
class OriginState:
    """How a checkout stands to what was last fetched; `ahead` and `behind` count commits, None where unknown."""

    revision: str
    branch: str | None
    ahead: int | None
    behind: int | None
    dirty: bool
    fetched_at: datetime | None


def current_revision(checkout: Path, environ: Mapping[str, str] | None = None) -> str:
    """Return the full commit id of HEAD, or `unversioned` where git knows none."""
    if not (checkout / ".git").exists():
        return UNVERSIONED
    try:
        return Git(checkout, environ).commit_of("HEAD") or UNVERSIONED
    except GitError:
        return UNVERSIONED


def origin_state(
    checkout: Path, *, branch: str = "main", remote: str = "origin", environ: Mapping[str, str] | None = None
) -> OriginState | None:
    """Compare the checkout with what was last fetched, without the network; None where git knows nothing."""
    git = Git(checkout, environ)
    if not git.directory.exists():
        return None
    try:
        # One process, not one for each of five facts: this is what `status` waits for.
        lines = git.read("status", "--porcelain=v2", "--branch", *_TRACKED_ONLY).splitlines()
        said = dict(line[2:].split(" ", 1) for line in lines if line.startswith("# "))
        ahead, behind = _distance_said(said, f"{remote}/{branch}") or distance(
            git, "HEAD", f"refs/remotes/{remote}/{branch}"
        )
    except GitError:
        return None
    return OriginState(
        revision=UNVERSIONED if said.get("branch.oid", "(initial)") == "(initial)" else said["branch.oid"],
        branch=None if said.get("branch.head", "(detached)") == "(detached)" else said["branch.head"],
        ahead=ahead,
        behind=behind,
        dirty=any(not line.startswith("# ") for line in lines),
        fetched_at=_fetched_at(git.directory),
    )


def _distance_said(said: Mapping[str, str], upstream: str) -> tuple[int, int] | None:
    """Return the commits ahead and behind by `git status`; none where it compares with another branch, or cannot."""
    counts = re.fullmatch(r"\+(\d+) -(\d+)", said.get("branch.ab", ""))
    if counts is None or said.get("branch.upstream") != upstream:
        return None
    return int(counts[1]), int(counts[2])


def distance(git: Git, ours: str, theirs: str) -> tuple[int | None, int | None]:
    """Count the commits only ours has and only theirs has, None where git does not know."""
    counted = git.run("rev-list", "--left-right", "--count", f"{ours}...{theirs}")
    if not counted.ok:
        return None, None
    ahead, behind = counted.stdout.split()
    return int(ahead), int(behind)


def _fetched_at(directory: Path) -> datetime | None:
    """A fetch empties FETCH_HEAD when it starts and fills it when it has succeeded."""
    try:
        status = (directory / "FETCH_HEAD").stat()
    except OSError:
        return None
    return datetime.fromtimestamp(status.st_mtime, UTC) if status.st_size else None


def _git_environ(environ: Mapping[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in environ.items() if _KEPT.fullmatch(name)}
    return {
        **kept,
        "LC_ALL": "C",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "true",
        "SSH_ASKPASS_REQUIRE": "never",
        # `git replace` would show other files under the name of a commit.
        "GIT_NO_REPLACE_OBJECTS": "1",
    }


def _says(said: str, pattern: str) -> bool:
    own = [line for line in said.splitlines() if not line.startswith("remote:")]
    return not re.search(_NOT_DAMAGE, said) and any(re.search(pattern, line) for line in own)


def without_credentials(text: str) -> str:
    """Take user and password out of every URL."""
    return re.sub(_CREDENTIALS, "", text)


def _one_line(said: str) -> str:
    lines = [line.strip() for line in without_credentials(said).splitlines()]
    useful = [line for line in lines if line and not re.match(_BOILERPLATE, line)]
    return excerpt(" / ".join(dict.fromkeys(useful)), _MAX_REASON)


def _owner(path: Path) -> str:
    try:
        return path.owner()
    except (KeyError, OSError):
        return f"uid {path.stat().st_uid}"


def _user() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())
