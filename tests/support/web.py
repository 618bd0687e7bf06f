"""A web service of its own for a test: a real `python -m monitoring.web` on a free port, and a database to fill."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 60.0


@dataclass(frozen=True)
class Reply:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def text(self) -> str:
        return self.body.decode()


@dataclass
class Web:
    """A running service."""

    port: int
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(self, path: str, method: str = "GET", **headers: str) -> Reply:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        try:
            connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
            reply = connection.getresponse()
            return Reply(reply.status, {name.lower(): value for name, value in reply.getheaders()}, reply.read())
        finally:
            connection.close()

    def get(self, path: str) -> Any:
        """Return the JSON of an answer that must be 200."""
        reply = self.ask(path)
        assert reply.status == 200, reply.body
        return reply.json

    def ask_until(self, path: str, status: int) -> Reply:
        """Ask until the answer has this status."""
        deadline = time.monotonic() + PATIENCE_S
        while (reply := self.ask(path)).status != status:
            assert time.monotonic() < deadline, (reply.status, reply.body)
            time.sleep(0.05)
        return reply

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_S)

    def rss_bytes(self) -> int:
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextmanager
def serving(cache_dir: Path, within: Sequence[str] = (), **environ: str) -> Iterator[Web]:
    """Start the service over a state directory, `within` a command that becomes it; its log must hold no traceback."""
    log = cache_dir.parent / f"web-{time.monotonic_ns()}.log"
    port = free_port()
    with log.open("wb") as sink:
        process = subprocess.Popen(
            [*within, sys.executable, "-m", "monitoring.web"],
            cwd=ROOT,
            env={
                "PATH": os.environ["PATH"],
                "CACHE_DIR": str(cache_dir),
                "MONITORING_ENV_FILE": "",
                "MONITORING_API_PORT": str(port),
                **environ,
            },
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
        )
    web = Web(port, process, log)
    try:
        _wait_until_it_listens(web)
        yield web
    finally:
        process.terminate()
        try:
            process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    assert "Traceback" not in log.read_text(), log.read_text()


def _wait_until_it_listens(web: Web) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            web.connect().close()
        except OSError:
            assert web.process.poll() is None, web.log.read_text()
            assert time.monotonic() < deadline, web.log.read_text()
            time.sleep(0.02)
        else:
            return
