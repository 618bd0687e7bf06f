"""The same world everywhere: one reading of the environment for the unit, an SSH session and a script by hand.

What counts: `$MONITORING_ENV_FILE`, else `/etc/monitoring/.env` if readable,
by systemd's quoting rules; the real environment wins.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from monitoring.errors import UsageError

CHECKOUT = Path(__file__).resolve().parent.parent
ENV_FILE = Path("/etc/monitoring/.env")
CACHE_DIR = Path("/srv/cache")


@dataclass(frozen=True, slots=True)
class Settings:
    """Where this process lives: the merged environment, the checkout and the state directory."""

    environ: Mapping[str, str]
    checkout: Path
    cache_dir: Path
    env_file: Path | None = None

    @property
    def database(self) -> Path:
        return self.cache_dir / "monitoring.db"

    @property
    def locks(self) -> Path:
        return self.cache_dir / "locks"

    @property
    def log_level(self) -> str:
        return log_level(self.environ)[0]

    @property
    def debug(self) -> bool:
        """`LOG_LEVEL=DEBUG` records alerts but sends nothing."""
        return self.log_level == "DEBUG"

    @property
    def in_test_mode(self) -> bool:
        """Everything this process sends goes to one test chat: it may send its own alerts only."""
        return bool(self.environ.get("TELEGRAM_TEST_CHAT_ID", "").strip())


def log_level(environ: Mapping[str, str]) -> tuple[str, str | None]:
    """Return the level that `LOG_LEVEL` means, whatever its case and blanks, and what is wrong with it, if anything."""
    text = environ.get("LOG_LEVEL", "").strip()
    level = text.upper() or "INFO"
    if level in logging.getLevelNamesMapping():
        return level, None
    return "INFO", f"LOG_LEVEL={text!r} is not a level, INFO is used: write DEBUG, INFO, WARNING, ERROR or CRITICAL"


def load_settings(environ: Mapping[str, str] | None = None, checkout: Path = CHECKOUT) -> Settings:
    """Merge the environment with the env file and find the state directory.

    Raises:
        UsageError: `MONITORING_ENV_FILE` names a file that cannot be read, or an env file is not text.
    """
    real = dict(os.environ if environ is None else environ)
    env_file = _env_file(real)
    merged = {**(read_env_file(env_file) if env_file else {}), **real}
    return Settings(environ=merged, checkout=checkout, cache_dir=_cache_dir(merged, checkout), env_file=env_file)


def _env_file(environ: Mapping[str, str]) -> Path | None:
    named = environ.get("MONITORING_ENV_FILE")
    if named is not None:
        if named and not os.access(named, os.R_OK):
            raise UsageError(f"MONITORING_ENV_FILE={named} cannot be read: mend the path, or unset the variable")
        return Path(named) if named else None
    return ENV_FILE if os.access(ENV_FILE, os.R_OK) else None


def _cache_dir(environ: Mapping[str, str], checkout: Path) -> Path:
    named = environ.get("CACHE_DIR")
    if named:
        try:
            return Path(named).expanduser().absolute()  # neither systemd nor a quoted word in a shell expands a ~
        except RuntimeError as error:
            raise UsageError(f"CACHE_DIR={named} cannot be used: {error}") from error
    return CACHE_DIR if os.access(CACHE_DIR, os.W_OK) else checkout / ".cache"


def read_env_file(path: Path) -> dict[str, str]:
    """Read a systemd `EnvironmentFile`.

    Raises:
        UsageError: the file cannot be read or is not UTF-8.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: cannot be read as an env file: {error}") from error
    return parse_env_file(text)


def parse_env_file(text: str) -> dict[str, str]:
    """Parse by the rules of systemd's `EnvironmentFile=` (systemd.exec(5)).

    `#` and `;` open comment lines, quotes join, a backslash escapes (inside double quotes only what a
    shell would escape), a backslash before a newline continues the line. A name that is no variable
    name is left out, as systemd leaves it out.
    """
    return dict(_EnvFileReader(text).pairs())


class _EnvFileReader:
    def __init__(self, text: str) -> None:
        self._text = text.replace("\r\n", "\n") + "\n"
        self._at = 0

    def pairs(self) -> list[tuple[str, str]]:
        found = []
        while self._at < len(self._text):
            line_end = self._text.index("\n", self._at)
            line = self._text[self._at : line_end]
            name, equals, _ = line.partition("=")
            if not equals or line.lstrip()[:1] in ("#", ";", ""):
                self._at = line_end + 1
                continue
            self._at += len(name) + 1
            value = self._value()
            if name.strip().isidentifier():
                found.append((name.strip(), value))
        return found

    def _take(self) -> str:
        """Return the next character; beyond the end only line ends follow."""
        char = self._text[self._at] if self._at < len(self._text) else "\n"
        self._at += 1
        return char

    def _value(self) -> str:
        value = ""
        while (char := self._take()) != "\n":
            if char == "'":
                value += self._single_quoted()
            elif char == '"':
                value += self._double_quoted()
            elif not char.isspace():
                self._at -= 1
                return value + self._unquoted()
        return value

    def _unquoted(self) -> str:
        value, kept = "", 0
        while (char := self._take()) != "\n":
            if char == "\\":
                escaped = self._take()
                value += escaped if escaped != "\n" else ""
                kept = len(value)
            else:
                value += char
                kept = kept if char.isspace() else len(value)
        return value[:kept]

    def _single_quoted(self) -> str:
        end = self._text.find("'", self._at)
        end = len(self._text) - 1 if end < 0 else end
        value, self._at = self._text[self._at : end], min(end + 1, len(self._text) - 1)
        return value

    def _double_quoted(self) -> str:
        value = ""
        while self._at < len(self._text) - 1 and (char := self._take()) != '"':
            if char != "\\":
                value += char
                continue
            escaped = self._take()
            value += {"\n": ""}.get(escaped, escaped if escaped in '"\\`$' else "\\" + escaped)
        return value
