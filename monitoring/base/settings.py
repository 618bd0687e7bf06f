"""The same world everywhere: one reading of the environment for the unit, an SSH session and a script by hand.

What counts: `$MONITORING_ENV_FILE`, else `/etc/monitoring/.env` if readable, else `.env` in the checkout, by systemd's
rules (`env_file.py`); the real environment wins. What a scheduler or a run started was given its whole environment and
takes no value from the file: a change of the file counts from the scheduler's restart on, all of it at once.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from monitoring.base.errors import UsageError

CHECKOUT = Path(__file__).resolve().parents[2]
ENV_FILE = Path("/etc/monitoring/.env")
CACHE_DIR = Path("/srv/cache")
# Set by the unit, by `up` and `catch-up` for the runs they start, and by a run for its tasks.
# While set, every alert of this process goes to that chat: one variable that more than the senders must know.
TEST_CHAT = "TELEGRAM_TEST_CHAT_ID"
_GIVEN_WHOLE = ("AUTOMATION_TRIGGER", "AUTOMATION_TASK")


@dataclass(frozen=True, slots=True)
class Settings:
    """Where this process lives: the merged environment, the checkout and the state directory."""

    environ: Mapping[str, str]
    checkout: Path
    cache_dir: Path
    env_file: Path | None = None
    env_mistakes: tuple[str, ...] = ()
    """Lines of the env file that are not taken as they were meant: each `file:line: what is wrong, what to do`."""

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
        return bool(self.environ.get(TEST_CHAT, "").strip())


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
        UsageError: `MONITORING_ENV_FILE` names a file that cannot be read, or `CACHE_DIR` is no path.
    """
    real = dict(os.environ if environ is None else environ)
    env_file = _env_file(real, checkout)
    values, mistakes = _values_of(env_file) if env_file else ({}, ())
    given_whole = any(name in real for name in _GIVEN_WHOLE)
    merged = real if given_whole else {**values, **real}
    return Settings(merged, checkout, _cache_dir(merged, checkout), env_file, mistakes)


def _env_file(environ: Mapping[str, str], checkout: Path) -> Path | None:
    named = environ.get("MONITORING_ENV_FILE")
    if named is not None:
        if named and not os.access(named, os.R_OK):
            raise UsageError(f"MONITORING_ENV_FILE={named} cannot be read: correct the path, or unset the variable")
        return Path(named) if named else None
    return next((path for path in (ENV_FILE, checkout / ".env") if os.access(path, os.R_OK)), None)


def _values_of(path: Path) -> tuple[dict[str, str], tuple[str, ...]]:
    from monitoring.base.env_file import read_env_file  # noqa: PLC0415 - not paid for where there is no such file

    try:
        found = read_env_file(path)
    except OSError as error:
        raise UsageError(f"{path}: cannot be read as an env file: {error}") from error
    return found.values, tuple(f"{path}:{line}: {words}" for line, words in found.mistakes)


def _cache_dir(environ: Mapping[str, str], checkout: Path) -> Path:
    named = environ.get("CACHE_DIR")
    if named:
        try:
            os.fsdecode(named).encode()
            return Path(named).expanduser().absolute()  # neither systemd nor a quoted word in a shell expands a ~
        except UnicodeEncodeError:
            shown = named.encode("utf-8", "backslashreplace").decode()
            raise UsageError(f"CACHE_DIR={shown} is not UTF-8: name a directory whose path is UTF-8") from None
        except RuntimeError as error:
            raise UsageError(f"CACHE_DIR={named} cannot be used: {error}: write the whole path") from error
    return CACHE_DIR if os.access(CACHE_DIR, os.W_OK) else checkout / ".cache"
