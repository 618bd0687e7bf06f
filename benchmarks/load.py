"""A client that keeps a server busy: wrk where it is installed, else a loop over sockets in a process of its own.

wrk is a thread of C and never the limit. The loop in Python answers for a few thousand requests a second; the CPU time
of the server, which is measured too, does not depend on it.
"""

from __future__ import annotations

import re
import selectors
import shutil
import socket
import subprocess
import sys
import time
from dataclasses import dataclass

_UNITS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0}


@dataclass(frozen=True)
class Load:
    """Answers a second, how many in all, and the 99th percentile of the waits in ms."""

    rate: float
    answers: int
    p99_ms: float


def client() -> str:
    return "wrk" if shutil.which("wrk") else "a loop in Python (install wrk for higher rates)"


def load(port: int, path: str, connections: int, seconds: float) -> Load:
    """Ask for `path` on some connections; anything but 200 is an error.

    Raises:
        RuntimeError: the server answered something else.
    """
    if shutil.which("wrk") and seconds >= 1:
        return _by_wrk(port, path, connections, int(seconds))
    command = [sys.executable, "-m", "benchmarks.load", str(port), path, str(connections), str(seconds)]
    said = subprocess.run(command, check=True, capture_output=True, text=True, timeout=seconds + 60).stdout.split()
    return Load(float(said[0]), int(said[1]), float(said[2]))


def _by_wrk(port: int, path: str, connections: int, seconds: int) -> Load:
    command = ["wrk", "--latency", "-t1", f"-c{connections}", f"-d{seconds}s", f"http://127.0.0.1:{port}{path}"]
    said = subprocess.run(command, check=True, capture_output=True, text=True, timeout=seconds + 60).stdout
    if "Non-2xx" in said:
        raise RuntimeError(f"the server did not answer 200:\n{said}")
    number, unit = _found(r"99%\s+([\d.]+)(us|ms|s|m)", said)
    return Load(
        float(_found(r"Requests/sec:\s+([\d.]+)", said)[0]),
        int(_found(r"(\d+) requests in", said)[0]),
        float(number) * _UNITS[unit],
    )


def _found(pattern: str, text: str) -> tuple[str, ...]:
    match = re.search(pattern, text)
    if match is None:
        raise RuntimeError(f"no {pattern!r} in:\n{text}")
    return match.groups()


def _loop(port: int, path: str, connections: int, seconds: float) -> Load:
    asked = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode()
    selector, waits = selectors.DefaultSelector(), list[float]()
    began = time.perf_counter()

    def ask() -> None:
        link = socket.create_connection(("127.0.0.1", port), 10)
        selector.register(link, selectors.EVENT_READ, [b"", time.perf_counter()])
        link.sendall(asked)

    for _ in range(connections):
        ask()
    while time.perf_counter() - began < seconds:
        for key, _ in selector.select(1):
            link = key.fileobj
            assert isinstance(link, socket.socket)
            more = link.recv(1 << 20)
            key.data[0] += more
            is_whole, stays = _whole(key.data[0])
            if is_whole:
                waits.append(time.perf_counter() - key.data[1])
            if not more or (is_whole and not stays):
                selector.unregister(link)
                link.close()
                ask()
            elif is_whole:
                key.data[:] = [b"", time.perf_counter()]
                link.sendall(asked)
    took = time.perf_counter() - began
    waits.sort()
    return Load(len(waits) / took, len(waits), waits[int(len(waits) * 0.99)] * 1000 if waits else 0.0)


def _whole(answer: bytes) -> tuple[bool, bool]:
    """Return whether an answer is there as a whole, and whether its connection is kept."""
    head, mark, body = answer.partition(b"\r\n\r\n")
    if not mark:
        return False, True
    if b" 200 " not in head[:20]:
        raise RuntimeError(f"the server did not answer 200: {head[:80]!r}")
    length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
    return len(body) >= length, head.startswith(b"HTTP/1.1")


if __name__ == "__main__":
    done = _loop(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))
    print(done.rate, done.answers, done.p99_ms)
