"""Kills the scene of `kill_scene` at every step and counts what that costs.

Three sweeps: before the n-th write or sync of the database; at the n-th piece of the wire before it is forwarded, and
just after. After each kill a second life finishes the work; then everything must have arrived.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Literal, Self

from monitoring.store.db.schema import open_database, open_readonly
from tests.support.fake_telegram import BOT_TOKEN, CHAT, TelegramStandIn
from tests.support.fake_webhook import SECRET, FakeWebhook
from tests.support.kill_scene import NAMESPACE, Scene, expected_titles

CHECKOUT = Path(__file__).resolve().parents[2]
Where = Literal["database", "wire before", "wire after"]
LATE_S = 120.0  # the second life comes when every lease of the first has expired


@dataclass(frozen=True, slots=True)
class Point:
    """What one kill cost. A machine tells a repeated call by its idempotency key; a chat cannot."""

    where: Where
    n: int
    killed: bool
    lost: tuple[str, ...]
    cursor_ahead: bool
    duplicates: int
    repeated_calls: int
    stored_twice: int

    @property
    def is_sound(self) -> bool:
        wrong = self.lost or self.cursor_ahead or self.stored_twice
        return not wrong and self.duplicates <= 1 and self.repeated_calls <= 1


class Wire:
    """A TCP proxy that counts pieces in both directions and kills a process at the n-th."""

    def __init__(self, target_url: str, counter: WireCounter) -> None:
        host, _, port = target_url.removeprefix("http://").partition(":")
        self._target = (host, int(port))
        self._counter = counter
        self._server = socket.create_server(("127.0.0.1", 0))
        self._sockets: list[socket.socket] = [self._server]
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.getsockname()[1]}"

    def close(self) -> None:
        for each in self._sockets:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)
        for each in self._sockets:
            each.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._server.accept()
                self._sockets.append(near)
                far = socket.create_connection(self._target)
                self._sockets.append(far)
                for source, sink in ((near, far), (far, near)):
                    self._threads.append(threading.Thread(target=self._pump, args=(source, sink), daemon=True))
                    self._threads[-1].start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while piece := source.recv(65536):
                if self._counter.passes():
                    sink.sendall(piece)
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


@dataclass
class WireCounter:
    """Shared by the wires of one life: what was seen, whom to kill and when."""

    kill_at: int = 0
    after: bool = False
    pid: int = 0
    pieces: int = 0
    known: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def passes(self) -> bool:
        """Count a piece; at the chosen one kill, and tell whether the piece still reaches the other side."""
        with self.lock:
            self.pieces += 1
            if self.pieces != self.kill_at:
                return True
            self.known.wait(30)
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            return self.after


class Stage:
    """The far sides and the process that forks lives; used for many points."""

    def __init__(self) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="kill-sweep-"))
        with open_database(self.directory / "template.db"):
            pass
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.kill_scene"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=CHECKOUT,
        )  # fmt: skip

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.stdin and self._process.stdout:
            self._process.stdin.close()
            self._process.wait(30)
            self._process.stdout.close()
        shutil.rmtree(self.directory, ignore_errors=True)

    @contextmanager
    def _home(self) -> Iterator[Path]:
        """Give a directory with a fresh database."""
        home = Path(tempfile.mkdtemp(dir=self.directory))
        shutil.copy(self.directory / "template.db", home / "monitoring.db")
        try:
            yield home
        finally:
            shutil.rmtree(home, ignore_errors=True)

    def measure(self) -> tuple[int, int]:
        """Play the scene unharmed; return its steps in the database and its pieces on the wire."""
        counter = WireCounter()
        with self._home() as home, TelegramStandIn() as telegram, FakeWebhook() as machine:
            ended = self._live(home, telegram, machine, counter)
            assert ended["code"] == 0, ended
            assert _titles(telegram) == expected_titles(), _titles(telegram)
        return ended["steps"], counter.pieces

    def kill(self, where: Where, n: int) -> Point:
        """Kill one life at the n-th step, let a second one finish, and count."""
        counter = WireCounter() if where == "database" else WireCounter(n, after=where == "wire after")
        with self._home() as home, TelegramStandIn() as telegram, FakeWebhook() as machine:
            first = self._live(home, telegram, machine, counter, kill_at=n if where == "database" else 0)
            ahead = _is_cursor_ahead(home)
            second = self._live(home, telegram, machine, WireCounter(), late_s=LATE_S)
            assert second["code"] == 0, f"the second life failed after a kill at {where} {n}"
            arrived = Counter(_titles(telegram))
            keys = Counter(request.headers["idempotency-key"] for request in machine.requests)
            return Point(
                where, n, first["code"] == -signal.SIGKILL,
                lost=tuple(sorted((Counter(expected_titles()) - arrived).elements())),
                cursor_ahead=ahead,
                duplicates=sum(arrived.values()) - len(arrived),
                repeated_calls=sum(keys.values()) - len(keys),
                stored_twice=_stored_twice(home),
            )  # fmt: skip

    def _live(
        self, home: Path, telegram: TelegramStandIn, machine: FakeWebhook, counter: WireCounter,
        *, kill_at: int = 0, late_s: float = 0.0,
    ) -> dict[str, int]:  # fmt: skip
        wires = [Wire(telegram.url, counter), Wire(machine.url, counter)]
        scene = Scene(str(home), wires[0].url, wires[1].url, SECRET, BOT_TOKEN, CHAT)
        try:
            started = self._ask(replace(scene, kill_at=kill_at, late_s=late_s))
            counter.pid = started["pid"]
            counter.known.set()
            return self._answer()
        finally:
            for wire in wires:
                wire.close()

    def _ask(self, scene: Scene) -> dict[str, int]:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(asdict(scene)) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, int]:
        assert self._process.stdout is not None
        answer: dict[str, int] = json.loads(self._process.stdout.readline())
        return answer


def sweep(stage: Stage, every_step: int = 1, every_piece: int = 1) -> Iterator[Point]:
    """Kill at every n-th step of the database and every m-th piece on the wire, before and after it."""
    steps, pieces = stage.measure()
    for n in range(1, steps + 1, every_step):
        yield stage.kill("database", n)
    for n in range(1, pieces + 1, every_piece):
        yield stage.kill("wire before", n)
        yield stage.kill("wire after", n)


def table(points: Iterable[Point]) -> str:
    """Return the result as `make kill-sweep` prints it."""
    names = ("points", "killed", "lost", "cursor ahead", "duplicates", "most a kill", "same call again")
    rows = [f"{'killed at':<14}" + "".join(f"{name:>{len(name) + 2}}" for name in names)]
    all_points = list(points)
    for where in ("database", "wire before", "wire after"):
        of_kind = [point for point in all_points if point.where == where]
        duplicates = [point.duplicates for point in of_kind]
        figures = (
            len(of_kind), sum(point.killed for point in of_kind), sum(len(point.lost) for point in of_kind),
            sum(point.cursor_ahead for point in of_kind), sum(duplicates), max(duplicates, default=0),
            sum(point.repeated_calls for point in of_kind),
        )  # fmt: skip
        rows.append(
            f"{where:<14}" + "".join(f"{figure:>{len(name) + 2}}" for name, figure in zip(names, figures, strict=True))
        )
    return "\n".join(rows)


def _titles(telegram: TelegramStandIn) -> list[str]:
    return sorted(message.text.split("\n")[0].partition(": ")[2] for message in telegram.messages)


def _is_cursor_ahead(home: Path) -> bool:
    """Tell whether the cursor promises an alert that is not stored, or trails behind one that is."""
    with open_database(home / "monitoring.db") as database:
        found = database.row("SELECT value FROM monitor_state WHERE namespace = ?", (NAMESPACE,))
        cursor = int(found[0]) if found else -1
        alerts = database.row("SELECT count(*) FROM alert_events")
    return (alerts[0] if alerts else 0) != cursor + 1


def _stored_twice(home: Path) -> int:
    with open_readonly(home / "monitoring.db") as database:
        found = database.row("SELECT count(*) - count(DISTINCT title) FROM alert_events")
    return int(found[0]) if found else 0
