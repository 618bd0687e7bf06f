"""Logging of the runner: one line a fact, secrets replaced by name, and never a crash because stderr is gone."""

from __future__ import annotations

import contextlib
import logging
import logging.handlers
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from monitoring.redact import Redactor

_SYSLOG = "/dev/log"


class SurvivingHandler(logging.Handler):
    """Writes to stderr; when that is gone (the scheduler was restarted), to the system log."""

    def __init__(self, redact: Redactor) -> None:
        super().__init__()
        self._redact = redact
        self._fallback: logging.Handler | None = None

    def emit(self, record: logging.LogRecord) -> None:
        self.write_line(self.format(record))

    def write_line(self, line: str) -> None:
        """Write one finished line wherever somebody can still read it."""
        line = self._redact(line)
        if self._fallback is None:
            try:
                sys.stderr.write(line + "\n")
                sys.stderr.flush()
            except (OSError, ValueError):
                _let_go_of_stderr()
                self._fallback = _system_log()
            else:
                return
        record = logging.makeLogRecord({"msg": line, "name": "monitoring", "levelno": logging.INFO})
        with contextlib.suppress(OSError):
            self._fallback.emit(record)


def _let_go_of_stderr() -> None:
    """Point stderr at nothing: what is left in its buffer would turn a good exit code into 120 at the end."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())


def _system_log() -> logging.Handler:
    if not Path(_SYSLOG).exists():
        return logging.NullHandler()
    try:
        handler = logging.handlers.SysLogHandler(_SYSLOG)
    except OSError:
        return logging.NullHandler()
    handler.ident = "monitoring: "
    return handler


def set_up(environ: Mapping[str, str]) -> SurvivingHandler:
    """Send all logging through one surviving, redacting handler at `LOG_LEVEL` (default INFO)."""
    handler = SurvivingHandler(Redactor(environ))
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    level = logging.getLevelNamesMapping().get(environ.get("LOG_LEVEL", "").strip().upper(), logging.INFO)
    logging.basicConfig(level=level, handlers=[handler], force=True)
    # The HTTP client logs whole URLs at INFO, and a URL may hold a key.
    logging.getLogger("httpx2").setLevel(logging.WARNING)
    logging.getLogger("httpcore2").setLevel(logging.WARNING)
    return handler
