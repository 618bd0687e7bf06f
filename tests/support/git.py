"""Real repositories for the sync's tests: an origin one can push to, a deployed checkout, git's own daemon."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from automation.sync.candidate import Judgement
from automation.sync.sync import SyncResult, sync
from tests.support.child import wait_until


def git_environ(home: Path) -> dict[str, str]:
    """An environment in which no configuration of the machine counts."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "GIT_CONFIG_NOSYSTEM": "1",
        "LC_ALL": "C",
    }


def run_git(directory: Path, *arguments: str, environ: Mapping[str, str] | None = None, check: bool = True) -> str:
    identity = ("-c", "user.name=Test", "-c", "user.email=test@example.org", "-c", "init.defaultBranch=main")
    done = subprocess.run(
        ["git", *identity, *arguments],
        cwd=directory,
        env=dict(environ or git_environ(directory)),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0 or not check, done.stderr
    return done.stdout.strip()


class Origin:
    """A bare repository with `main`, and a clone from which commits are pushed to it."""

    def __init__(self, directory: Path) -> None:
        self.bare, self.work = directory / "origin.git", directory / "work"
        directory.mkdir(exist_ok=True)
        run_git(directory, "init", "--quiet", "--bare", str(self.bare))
        run_git(directory, "init", "--quiet", str(self.work))
        run_git(self.work, "remote", "add", "origin", str(self.bare))

    @property
    def url(self) -> str:
        return f"file://{self.bare}"

    def push(self, files: Mapping[str, str | None], message: str = "change") -> str:
        """Commit the files (None removes one), push to main and return the commit."""
        for name, content in files.items():
            path = self.work / name
            if content is None:
                path.unlink()
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(content)
        run_git(self.work, "add", "--all")
        run_git(self.work, "commit", "--quiet", "--allow-empty", "--message", message)
        run_git(self.work, "push", "--quiet", "--force", "origin", "HEAD:refs/heads/main")
        return run_git(self.work, "rev-parse", "HEAD")


def accept(candidate: Path, *, environ: Mapping[str, str], time_limit_s: float) -> Judgement:
    return Judgement()


@dataclass
class Host:
    """A deployed checkout with its state directory."""

    checkout: Path
    cache_dir: Path
    environ: dict[str, str]

    def sync(self, **options: Any) -> SyncResult:
        options = {"validate": accept, "environ": self.environ, **options}
        return sync(self.checkout, self.cache_dir, **options)

    def git(self, *arguments: str, check: bool = True) -> str:
        return run_git(self.checkout, *arguments, environ=self.environ, check=check)

    @property
    def head(self) -> str:
        return self.git("rev-parse", "HEAD")

    def read(self, name: str) -> str:
        return (self.checkout / name).read_text()

    def loosen(self) -> None:
        """Turn the pack of the clone into loose objects that can be damaged one by one."""
        packs = self.checkout / ".git/objects/pack"
        for pack in packs.glob("*.pack"):
            moved = self.checkout.parent / pack.name
            pack.rename(moved)
            for beside in packs.glob(f"{pack.stem}.*"):
                beside.unlink()
            with moved.open("rb") as content:
                subprocess.run(
                    ["git", "unpack-objects", "-q"], cwd=self.checkout, stdin=content, check=True, env=self.environ
                )

    def object(self, name: str) -> Path:
        """The loose object file of what the name stands for, made writable."""
        found = self.git("rev-parse", name)
        path = self.checkout / ".git/objects" / found[:2] / found[2:]
        path.chmod(0o644)
        return path


def deploy(directory: Path, url: str, *options: str) -> Host:
    """Clone as `install.sh` does, with the switch that lets the sync act."""
    directory.mkdir(exist_ok=True)
    host = Host(directory / "monitoring", directory / "cache", git_environ(directory))
    run_git(directory, "clone", "--quiet", "--branch", "main", *options, url, str(host.checkout), environ=host.environ)
    host.git("config", "monitoring.sync", "true")
    return host


@contextmanager
def git_daemon(base: Path) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """Serve every repository below `base`; yields the daemon and the URL of `base`."""
    program = Path(run_git(base, "--exec-path")) / "git-daemon"
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ("--export-all", "--reuseaddr", "--listen=127.0.0.1", f"--port={port}", f"--base-path={base}")
    daemon = subprocess.Popen([program, *options, base], stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        wait_until(lambda: _answers(port), "git daemon does not listen")
        yield daemon, f"git://127.0.0.1:{port}"
    finally:
        for number in (signal.SIGCONT, signal.SIGKILL):
            os.killpg(daemon.pid, number)
        daemon.wait()


def _answers(port: int) -> bool:
    with closing(socket.socket()) as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
