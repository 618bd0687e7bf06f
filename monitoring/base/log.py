"""Logging of the runner: one line a fact, secrets replaced by name, and never a crash because stderr is gone."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import threading
import traceback
from collections.abc import Mapping
from pathlib import Path

from monitoring.base.secrets.redact import Redactor, keep_secret

_SYSLOG = "/dev/log"


class SurvivingHandler(logging.Handler):
    """Writes to stderr; when that is gone (the scheduler was restarted), to the system log."""

    def __init__(self, redact: Redactor) -> None:
        super().__init__()
        self._redact = redact
        self._fallback: logging.Handler | None = None

    def emit(self, record: logging.LogRecord) -> None:
        self.write_line(self.format(record))

    def write_line(self, line: str, *, is_clean: bool = False) -> None:
        """Write one finished line wherever somebody can still read it; `is_clean` says that no secret is left in it."""
        line = line if is_clean else self._redact(line)
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
    from logging.handlers import SysLogHandler  # noqa: PLC0415 - a tenth of a start, for what hardly ever happens

    if not Path(_SYSLOG).exists():
        return logging.NullHandler()
    try:
        handler = SysLogHandler(_SYSLOG)
    except OSError:
        return logging.NullHandler()
    handler.ident = "monitoring: "
    return handler


def _write_crashes_to(handler: SurvivingHandler) -> None:
    """Let a traceback, too, go where its secrets are taken out."""

    def write(error: BaseException | None) -> None:
        if error is not None:
            handler.write_line("".join(traceback.format_exception(error)).rstrip())

    sys.excepthook = lambda _kind, error, _trace: write(error)
    threading.excepthook = lambda found: write(found.exc_value)


def set_up(environ: Mapping[str, str]) -> SurvivingHandler:
    """Send all logging through one surviving, redacting handler at `LOG_LEVEL` (default INFO).

    From here on the whole process knows what is secret in `environ`.
    """
    handler = SurvivingHandler(keep_secret(environ))
    # A journal is searched by the module that wrote a line; a person at a terminal reads what happened.
    is_terminal = sys.stderr is not None and sys.stderr.isatty()
    handler.setFormatter(logging.Formatter(f"%(levelname)s{'' if is_terminal else ' %(name)s'}: %(message)s"))
    level = logging.getLevelNamesMapping().get(environ.get("LOG_LEVEL", "").strip().upper(), logging.INFO)
    _write_crashes_to(handler)
    logging.basicConfig(level=level, handlers=[handler], force=True)
    # The HTTP client logs whole URLs at INFO, and a URL may hold a key.
    logging.getLogger("httpx2").setLevel(logging.WARNING)
    logging.getLogger("httpcore2").setLevel(logging.WARNING)
    return handler
