"""A candidate proves itself by running: its own `run` of one task, in an empty state directory, with its own sync.

Called by the validation of a candidate, with the code that runs now: what the candidate says of itself counts for
nothing, what it wrote and sent does. Its run must follow one more commit, write its row as ok, and deliver the one
alert of its task to a bot on loopback.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from automation.sync.command import Finished, run_command
from automation.sync.git import Git, GitError
from monitoring.base.errors import StoreError, SyncError
from monitoring.store.db.schema import open_readonly
from monitoring.store.tables import runs
from monitoring.store.tables.runs import RunRow

PROOF_LIMIT_S = 40.0
PROFILE = "proof"
# Marks the processes of a candidate that proves itself. Its own sync judges the next commit by `validate` alone:
# otherwise that commit would have to prove itself too, and the one after it.
PROVING = "AUTOMATION_PROVING"
FOLDER = ".proof"
_ALERT = "A new revision proves that it can run"
_SCRIPT = f"""\
from utils.monitor import HIGH, Context, monitor


@monitor("{PROFILE}")
def main(m: Context) -> None:
    m.alert(HIGH, "{_ALERT}")


if __name__ == "__main__":
    main()
"""
_JOBS = f"""\
profiles:
  {PROFILE}:
    cron: "* * * * *"
    sync_before_run: true
    tasks: [{{name: alert, script: {FOLDER}/main.py}}]
"""
# No token of Telegram's looks like this one, and no chat has this number.
_TOKEN, _CHAT = "1:proof", "1"
_LOOPBACK = "127.0.0.1,localhost"
_WHO = ("-c", "user.name=monitoring", "-c", "user.email=monitoring@localhost")


@dataclass(frozen=True, slots=True)
class TrialEvidence:
    """What a candidate's own run left: how it ended, its newest row, what reached the bot, the commit to follow."""

    done: Finished
    row: RunRow | None
    received: tuple[str, ...]
    commit: str


def prove_by_running(candidate: Path, *, environ: Mapping[str, str], time_limit_s: float) -> str:
    """Let a checked-out candidate run once; return in one line why it cannot, or nothing.

    Args:
        candidate: its directory; files are added below `.proof`.
        environ: the whole environment of its processes, without secrets.
        time_limit_s: for all of it.

    Raises:
        OSError: a process cannot be started, or the disk refuses.
        SyncError: git refuses.
    """
    # Each run would pay for an HTTP server that only a new commit needs; the live tree is not changed before this.
    from automation.sync.loopback_bot import LoopbackBot  # noqa: PLC0415

    folder = candidate / FOLDER
    folder.mkdir()
    (folder / "jobs.yaml").write_text(_JOBS, encoding="utf-8")
    (folder / "main.py").write_text(_SCRIPT, encoding="utf-8")
    try:
        commit = _give_origin(candidate, folder / "origin.git", environ)
    except GitError as error:  # not the commit's fault, and no damage of the live repository either
        raise SyncError(f"the candidate could not be made ready to run: {error}") from error
    state = folder / "state"
    state.mkdir()
    with LoopbackBot() as bot:
        done = run_command(
            [sys.executable, "-m", "automation", "--config", f"{FOLDER}/jobs.yaml", "run", PROFILE],
            cwd=candidate,
            environ={**environ, **_own_environ(state, bot.url)},
            time_limit_s=time_limit_s,
        )
        received = tuple(bot.received)
    try:
        row = _newest_row(state / "monitoring.db")
    except StoreError as error:
        return f"the database that its own run made cannot be read by the release that runs now: {error}"
    return fault_of(TrialEvidence(done, row, received, commit), time_limit_s)


def fault_of(evidence: TrialEvidence, time_limit_s: float) -> str:
    """Say in one line what is wrong with a candidate that left this evidence; nothing if it can run. Pure."""
    done, row = evidence.done, evidence.row
    if done.timed_out:
        return f"its own run was not done after {time_limit_s:.0f} s"
    if row is None or row.ended_at is None:
        end = "wrote no row" if row is None else "never ended its row"
        return f"its own run {end} (exit code {done.returncode}): {_last_line(done)}"
    if row.status != "ok" or done.returncode != 0:
        return f"its own run ended as {row.status} (exit code {done.returncode}): {row.reason or _last_line(done)}"
    if row.revision != evidence.commit:
        return f"its own sync does not follow a new commit: {_last_line(done, 'pre-run git sync')}"
    if not any(_ALERT in text for text in evidence.received):
        return f"its own run delivered nothing: the alert of its task did not reach the chat; {_last_line(done)}"
    return ""


def _own_environ(state: Path, bot_url: str) -> dict[str, str]:
    return {
        PROVING: "1",
        "AUTOMATION_TRIGGER": "cron",
        "CACHE_DIR": str(state),
        "TELEGRAM_API_URL": bot_url,
        "TELEGRAM_BOT_TOKEN_DEFAULT": _TOKEN,
        "TELEGRAM_CHAT_ID_DEFAULT": _CHAT,
        "NO_PROXY": _LOOPBACK,
        "no_proxy": _LOOPBACK,
    }


def _give_origin(candidate: Path, origin: Path, environ: Mapping[str, str]) -> str:
    """Make the candidate a deployed checkout whose origin is one commit ahead; return that commit."""
    git = Git(candidate, environ)
    git.do("init", "--quiet", "--template=", "--initial-branch=main")
    # Also what .gitignore names: a commit may hold such files.
    git.do("add", "--all", "--force", "--", ".", ":(exclude).cache", f":(exclude){FOLDER}")
    tree = git.do("write-tree")
    here = git.do(*_WHO, "commit-tree", tree, "-m", "the candidate")
    git.do("update-ref", "HEAD", here)
    git.do("clone", "--quiet", "--bare", "--template=", str(candidate), str(origin))
    place = f"--git-dir={origin}"
    ahead = git.do(place, *_WHO, "commit-tree", tree, "-p", here, "-m", "the next one")
    git.do(place, "update-ref", "refs/heads/main", ahead)
    git.do("remote", "add", "origin", str(origin))
    git.do("config", "monitoring.sync", "true")
    return ahead


def _newest_row(database: Path) -> RunRow | None:
    if not database.exists():
        return None
    with open_readonly(database) as opened:
        return next(iter(runs.latest(opened, PROFILE)), None)


def _last_line(done: Finished, containing: str = "") -> str:
    lines = [line.strip() for line in (done.stdout + "\n" + done.stderr).splitlines()]
    return next((line for line in reversed(lines) if line and containing in line), "it said nothing")
