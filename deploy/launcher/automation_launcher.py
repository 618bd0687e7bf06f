"""Takes the checkout back to its last good revision when `python -m automation run` has died twice before its row.

`make sync` copies this file into the venv and automation_launcher.pth next to it, which every Python of the venv runs
first: before anything of the checkout is imported, so that no commit can break it. It acts only where a scheduler
starts a run in a checkout that follows its origin. Each such start leaves a mark, the run clears it once it has
accounted for the start (automation/sync/probation.py); a third start that finds two marks goes back. What it did is
reported by the next sync. It uses the standard library alone, and never keeps a Python from starting.
"""

# Every Python of the venv pays for what is imported here: pathlib alone takes milliseconds.
import os
import sys

RECORD = ".git/monitoring-probation.json"
STARTS = ".git/monitoring-starts"
_DEATHS = 2
_SCHEDULERS = ("cron", "embedded")
_LOCK_S = 20.0
_GIT = ("git", "-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=")


def main() -> None:
    """Count this start, and go back if two like it have died; called once, by the import at the end."""
    try:
        profile = _profile(sys.orig_argv)
        if profile and os.environ.get("AUTOMATION_TRIGGER") in _SCHEDULERS and _is_first_start():
            _count(profile)
    except Exception as error:  # noqa: BLE001 - a border: whatever goes wrong here, the run itself is started
        sys.stderr.write(f"automation_launcher: {type(error).__name__}: {error}\n")


def _profile(command: list[str]) -> str:
    """Return the profile of a command line `python -m automation [--config FILE] run PROFILE`, or nothing."""
    module = command.index("-m") if "-m" in command else len(command)
    words = command[module + 1 :]
    if words[1:2] == ["--config"]:
        del words[1:3]
    is_run = len(words) > 2 and words[:2] == ["automation", "run"]  # noqa: PLR2004
    return words[2] if is_run and words[2].replace("-", "").replace("_", "").isalnum() else ""


def _is_first_start() -> bool:
    """Return whether the scheduler starts this, in a checkout with an older revision to go back to; not a re-exec."""
    return "AUTOMATION_SYNCED" not in os.environ and os.path.exists(RECORD)


def _count(profile: str) -> None:
    mark = f"{STARTS}/{profile}"
    deaths = os.path.getsize(mark) if os.path.exists(mark) else 0
    if deaths >= _DEATHS:
        _go_back(profile)
    os.makedirs(STARTS, exist_ok=True)
    with open(mark, "ab") as file:
        file.write(b".")


def _go_back(profile: str) -> None:
    """Reset to the revision before, if the newest one is still there and its runs clear their marks at all."""
    import json
    import shutil

    with open(RECORD, encoding="utf-8") as file:
        record = json.load(file)
    newest, before = record["revision"], record["before"]
    if record["taken_back"] or not record["counts_starts"] or _git("rev-parse", "HEAD") != newest:
        return
    with _tree_held():
        _git("reset", "--hard", "--quiet", before)
    record["taken_back"] = f"{profile} was started {_DEATHS} times by the scheduler and died before its row each time"
    with open(f"{RECORD}.draft", "w", encoding="utf-8") as file:
        json.dump(record, file)
    os.replace(f"{RECORD}.draft", RECORD)
    shutil.rmtree(STARTS, ignore_errors=True)
    sys.stderr.write(f"automation_launcher: {newest[:12]} was taken back to {before[:12]}: {record['taken_back']}\n")


def _git(*words: str) -> str:
    import subprocess

    environ = {**os.environ, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
    done = subprocess.run([*_GIT, *words], env=environ, capture_output=True, text=True, timeout=60, check=True)
    return done.stdout.strip()


class _tree_held:  # noqa: N801 - used like a function
    """Waits for the runs that use the tree, for a while; a profile that cannot start must not wait permanently."""

    def __enter__(self) -> None:
        import fcntl
        import time

        self._file = None
        path = os.path.join(os.environ.get("CACHE_DIR", "/srv/cache"), "locks", "tree.lock")
        if not os.path.exists(path):
            return
        self._file = open(path, "rb")
        deadline = time.monotonic() + _LOCK_S
        while time.monotonic() < deadline:
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                time.sleep(0.1)
            else:
                return

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()


main()
