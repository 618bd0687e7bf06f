"""Real child processes that run a few lines of Python over this checkout and talk over their pipes."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]


def child_environ(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(CHECKOUT), "PYTHONUNBUFFERED": "1", **(extra or {})}


def run_child(
    source: str, *arguments: object, timeout_s: float = 60, **options: object
) -> subprocess.CompletedProcess[str]:
    """Run the lines to their end and return what they printed; a non-zero exit raises."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(source), *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout_s,
        env=child_environ(),
        **options,  # type: ignore[call-overload]
    )
    assert done.returncode == 0, done.stderr
    return done


@contextmanager
def running_child(
    source: str, *arguments: object, env: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[str]]:
    """Start the lines beside the test and end them with it."""
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(source), *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=child_environ(env),
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def hear(process: subprocess.Popen[str]) -> str:
    """Return the next line the child prints."""
    assert process.stdout is not None
    return process.stdout.readline().strip()


def tell(process: subprocess.Popen[str], line: str = "") -> None:
    assert process.stdin is not None
    process.stdin.write(line + "\n")
    process.stdin.flush()


def wait_until(condition: Callable[[], bool], what: str, limit_s: float = 30) -> None:
    """Poll until the condition holds; fail with `what` when it does not in time."""
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, f"waited {limit_s} s in vain: {what}"
        time.sleep(0.02)
