"""The scene that is killed: a monitor that reads a feed of events by a cursor, and a deliverer that sends them.

Run as a process that forks one child for each line of JSON it reads, and writes how the child ended. The child may be
killed at its n-th write to or sync of the database; the parent of all kills it at the n-th piece on the wire.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import apsw

from monitoring.alerts.delivery.loop import Delivery
from monitoring.alerts.message.model import Alert
from monitoring.alerts.recording.store_alert import raise_in, resolve_in, store_in
from monitoring.base.clock import SystemClock
from monitoring.base.http.retry import Backoff
from monitoring.base.settings import Settings
from monitoring.conditions.condition import ConditionKey
from monitoring.store.db.database import Database, Tx
from monitoring.store.db.schema import open_database
from monitoring.store.tables import state
from tests.support.outbox import FAST

EVENTS = 8
_LONG, _FIRES, _WORSENS, _ENDS = 2, 3, 5, 6
KEYED = ConditionKey("feed", "backing")
NAMESPACE = "monitor:feed"


@dataclass(frozen=True, slots=True)
class Scene:
    """One life of the process. `late_s` moves its clock, so that leases of the dead have expired."""

    directory: str
    telegram_url: str
    webhook_url: str
    webhook_secret: str
    bot_token: str
    chat: str
    late_s: float = 0.0
    kill_at: int = 0


class LateClock(SystemClock):
    """The system's clocks, moved."""

    def __init__(self, late_s: float) -> None:
        self._late = timedelta(seconds=late_s)

    def now(self) -> datetime:
        return super().now() + self._late


class CountingVfs(apsw.VFS):
    """Counts writes and syncs of every database file and kills the process before the n-th of them."""

    def __init__(self, kill_at: int) -> None:
        self.steps = 0
        self.kill_at = kill_at
        super().__init__("counting", "unix", makedefault=True)

    def xOpen(self, name: object, flags: list[int]) -> apsw.VFSFile:  # noqa: N802 - apsw's
        return _CountingFile(self, name, flags)

    def step(self) -> None:
        self.steps += 1
        if self.steps == self.kill_at:
            os.kill(os.getpid(), signal.SIGKILL)


class _CountingFile(apsw.VFSFile):
    def __init__(self, vfs: CountingVfs, name: object, flags: list[int]) -> None:
        self._vfs = vfs
        super().__init__("unix", name, flags)  # type: ignore[arg-type]

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802 - apsw's
        self._vfs.step()
        super().xWrite(data, offset)

    def xSync(self, flags: int) -> None:  # noqa: N802 - apsw's
        self._vfs.step()
        super().xSync(flags)


def act(scene: Scene) -> int:
    """Record what the feed still holds, deliver everything, and return how many steps the database took."""
    vfs = CountingVfs(scene.kill_at)
    clock = LateClock(scene.late_s)
    path = Path(scene.directory) / "monitoring.db"
    with open_database(path) as database:
        _record(database, clock)
    settings = Settings(_environ(scene), Path.cwd(), Path(scene.directory))
    delivery = Delivery(settings, path, clock, limits=FAST, backoff=Backoff(0.02, 0.1))
    drained = delivery.drain(clock.now() + timedelta(seconds=20))
    if drained.waiting:
        raise SystemExit(f"{drained} after the drain")
    return vfs.steps


def _record(database: Database, clock: LateClock) -> None:
    for number in range(EVENTS):
        with database.write() as tx:
            found = state.get(database, NAMESPACE, "cursor")
            if found is None or int(found.value) < number:
                _event(tx, number, clock.now())
                state.put(tx, NAMESPACE, "cursor", str(number), clock.now())


def _event(tx: Tx, number: int, now: datetime) -> None:
    """Store what event `number` means: plain alerts, a long one, a condition that fires, worsens and ends."""
    title = f"event {number}"
    if number == _LONG:
        store_in(tx, Alert("HIGH", title, *["x" * 3000] * 2, protocol="feed", machine=True), now=now)
    elif number in (_FIRES, _WORSENS):
        severity = "HIGH" if number == _FIRES else "CRITICAL"
        raise_in(tx, Alert(severity, title, protocol="feed", key=KEYED.check, machine=True), now=now, key=KEYED)
    elif number == _ENDS:
        resolve_in(tx, KEYED, now=now)
    else:
        store_in(tx, Alert("LOW" if number % 2 else "MEDIUM", title, protocol="feed"), now=now)


def expected_titles() -> list[str]:
    """Return the first line every message of the whole scene has, parts of the long one each for itself."""
    plain = [f"event {number}" for number in range(EVENTS) if number not in (_LONG, _ENDS)]
    return sorted([*plain, *[f"event {_LONG} ({part}/2)" for part in (1, 2)], f"{KEYED.text} is ok again"])


def _environ(scene: Scene) -> dict[str, str]:
    return {
        "TELEGRAM_API_URL": scene.telegram_url,
        "TELEGRAM_BOT_TOKEN_DEFAULT": scene.bot_token,
        "TELEGRAM_CHAT_ID_DEFAULT": scene.chat,
        "WEBHOOK_URL_FEED": scene.webhook_url,
        "WEBHOOK_SECRET": scene.webhook_secret,
    }


def _live(life: Callable[[str], int], line: str, report: int) -> None:
    """Play the scene in this forked child and leave without the parent's clean-up."""
    code = 1
    try:
        steps = life(line)
        os.write(report, str(steps).encode())
        code = 0
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def serve(read_line: Callable[[], str], life: Callable[[str], int]) -> None:
    """Fork a life for each line; say its pid when it starts and its end when it ended."""
    while line := read_line():
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(reader)
            _live(life, line, writer)
        os.close(writer)
        _say({"pid": pid})
        _, status = os.waitpid(pid, 0)
        steps = os.read(reader, 32).decode()
        os.close(reader)
        _say({"code": os.waitstatus_to_exitcode(status), "steps": int(steps or 0)})


def _say(data: dict[str, int]) -> None:
    sys.stdout.write(json.dumps(data) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    serve(sys.stdin.readline, lambda line: act(Scene(**json.loads(line))))
