"""A host whose checkout follows an origin, and a contributor's clone from which commits are merged."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.support.git import run_git
from tests.support.host import Host

JOBS = """
profiles:
  multisig:
    cron: "0/10 * * * *"
    sync_before_run: true
    tasks: [{{name: look, script: protocols/test/look.py}}{more}]
"""


class Following:
    """A host whose checkout is a clone of a bare origin, and a contributor's clone beside it."""

    def __init__(self, directory: Path) -> None:
        self.host = Host(directory)
        self._origin = directory / "origin.git"
        self.author = directory / "author"
        self.host.script("look", "print('revision one')")
        self.host.jobs(JOBS.format(more=""))
        run_git(directory, "init", "-q", "--bare", "-b", "main", str(self._origin))
        run_git(directory, "clone", "-q", str(self._origin), str(self.author))
        for entry in self.host.checkout.iterdir():
            (shutil.copytree if entry.is_dir() else shutil.copy)(entry, self.author / entry.name)
        self.push("one")
        shutil.rmtree(self.host.checkout)
        run_git(directory, "clone", "-q", str(self._origin), str(self.host.checkout))
        run_git(self.host.checkout, "config", "monitoring.sync", "true")

    def push(self, message: str) -> str:
        run_git(self.author, "add", "-A")
        run_git(self.author, "commit", "-q", "-m", message)
        run_git(self.author, "push", "-q", "origin", "HEAD:main")
        return run_git(self.author, "rev-parse", "HEAD").strip()

    def write(self, name: str, text: str) -> None:
        path = self.author / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def run(self) -> str:
        done = self.host.automation("run", "multisig")
        assert "pre-run git sync" in done.stderr
        return done.stderr

    def told(self) -> list[tuple[object, ...]]:
        return self.host.rows("SELECT title, message FROM alert_events WHERE protocol = 'automation' ORDER BY id")
