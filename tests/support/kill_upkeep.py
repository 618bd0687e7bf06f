"""Kills a backup, a restore or a pruning before its n-th write, sync, rename, removal or new file.

Run as a process that forks one child for each line of JSON it reads, and says how the child ended and how many steps
it took.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from monitoring.base.clock import SystemClock
from monitoring.store.db.schema import open_database
from monitoring.store.maintenance.backups import back_up
from monitoring.store.maintenance.prune import prune
from monitoring.store.maintenance.restore import put_in_place, staged
from tests.support.kill_scene import CountingVfs

CHECKOUT = Path(__file__).resolve().parents[2]
NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
_EVENTS = frozenset({"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "shutil.rmtree"})


@dataclass(frozen=True, slots=True)
class Deed:
    """What one child does to the database at `path`; `backup` is what it restores."""

    what: str
    path: str
    backup: str = ""
    kill_at: int = 0


def act(deed: Deed) -> int:
    vfs = CountingVfs(deed.kill_at)
    sys.addaudithook(lambda event, _arguments: vfs.step() if event in _EVENTS else None)
    path = Path(deed.path)
    if deed.what == "backup":
        back_up(path, path.parent / "backups", NOW, keep=2)
    elif deed.what == "prune":
        with open_database(path) as database:
            prune(database, NOW)
    else:
        with staged(Path(deed.backup), path) as ready:
            put_in_place(ready, Path(deed.backup), path, SystemClock(), by="ana", is_alive=lambda _: False)
    return vfs.steps


def serve() -> None:
    while line := sys.stdin.readline():
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                os.write(writer, str(act(Deed(**json.loads(line)))).encode())
                code = 0
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stderr.flush()
                os._exit(code)
        os.close(writer)
        _, status = os.waitpid(pid, 0)
        steps = os.read(reader, 32).decode()
        os.close(reader)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)} {steps or 0}\n")
        sys.stdout.flush()


class Killer:
    """The process that forks the deeds."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def do(self, deed: Deed) -> tuple[int, int]:
        """Do it; return how it ended (-9: killed) and the steps it took."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(asdict(deed)) + "\n")
        self._process.stdin.flush()
        code, steps = self._process.stdout.readline().split()
        return int(code), int(steps)


@contextmanager
def killing() -> Iterator[Killer]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.support.kill_upkeep"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=CHECKOUT,
    )  # fmt: skip
    try:
        yield Killer(process)
    finally:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.close()
        process.wait(30)
        process.stdout.close()


if __name__ == "__main__":
    serve()
