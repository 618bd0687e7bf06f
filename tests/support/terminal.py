"""A pseudo-terminal with a person at it: a command is answered question by question."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

PATIENCE_S = 120  # of one question: behind it may be children on a loaded machine


class Terminal:
    """A command in a pseudo-terminal, answered as a person would: each answer after its question was shown."""

    def __init__(self, command: Sequence[str], folder: Path, environ: Mapping[str, str]) -> None:
        self.shown, self.inputs, self._seen = "", 0, 0
        self._fd, child = pty.openpty()
        self._process = subprocess.Popen(
            command, cwd=folder, env=environ, stdin=child, stdout=child, stderr=child, start_new_session=True
        )
        os.close(child)

    def answer(self, question: str, text: str) -> None:
        self.until(question)
        self.inputs += 1
        os.write(self._fd, text.encode() + b"\n")

    def until(self, pattern: str) -> None:
        """Wait for what is shown; a command that never shows it is ended, so that a test that fails leaves nothing."""
        deadline = time.monotonic() + PATIENCE_S
        while not (found := re.search(pattern, self.shown[self._seen :])):
            if time.monotonic() > deadline or not self._read():
                self._process.kill()
                self.end()
                raise AssertionError(f"{pattern!r} was not shown:\n{self.shown}")
        self._seen += found.end()

    def end(self) -> int:
        while self._read():
            pass
        os.close(self._fd)
        return self._process.wait(PATIENCE_S)

    def stop(self) -> None:
        self._process.terminate()

    def _read(self) -> bool:
        try:
            if not select.select([self._fd], [], [], PATIENCE_S)[0]:
                return False
            data = os.read(self._fd, 4096)
        except OSError:  # the child closed its end
            return False
        self.shown += data.decode(errors="replace")
        return bool(data)
