"""What `init` would write, shown before it is written. Nothing here decides what is in a file."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from monitoring.base.env_file import parse_env_file
from monitoring.base.env_file_edit import with_values, write_env_file
from monitoring.base.errors import UsageError
from monitoring.base.secrets.redact import Redactor

_MODE = 0o644
_HIDDEN = "(hidden)"


@dataclass(slots=True)
class FilePlan:
    """The changes of one `init`: variables of the env file, and whole files of the checkout by their path.

    Below `etc` the env file is a host's: readable by the group of the checkout.
    """

    env_file: Path
    checkout: Path
    etc: Path = Path("/etc")
    env: dict[str, str] = field(default_factory=dict)
    files: dict[Path, str] = field(default_factory=dict)

    @property
    def values(self) -> Mapping[str, str]:
        """What the env file sets now."""
        return parse_env_file(_read(self.env_file).encode("utf-8", "surrogateescape")).values

    def changes(self) -> dict[Path, str]:
        """Return the new text of each file that is not what it should be yet."""
        wanted = dict(self.files)
        new = {name: value for name, value in self.env.items() if self.values.get(name) != value}
        if new:
            wanted = {self.env_file: with_values(_read(self.env_file), new), **wanted}
        return {path: text for path, text in wanted.items() if not path.exists() or _read(path) != text}

    def shown(self) -> str:
        """Return what would be written; of the env file only the lines that change, without the secrets."""
        parts = []
        for path, text in self.changes().items():
            shown = self._shown_env() if path == self.env_file else text
            parts.append(f"{self._name(path)}:\n" + "".join(f"  {line}\n" for line in shown.splitlines()))
        return "\n".join(parts) or "nothing to change\n"

    def write(self) -> list[str]:
        """Write all of it and return the names of what was written.

        Raises:
            UsageError: a file cannot be written; says how to get it there.
        """
        changes, done = self.changes(), []
        # The env file last: what it names is then there.
        for path in sorted(changes, key=lambda path: path == self.env_file):
            if path == self.env_file:
                self._write_env(changes[path])
            else:
                _write(path, changes[path])
            done.append(self._name(path))
        return done

    def _write_env(self, text: str) -> None:
        shared = self.env_file.resolve().is_relative_to(self.etc)
        group = self.checkout.stat().st_gid if shared else None
        try:
            write_env_file(self.env_file, text, group=group)
        except OSError as error:
            kept = self.checkout / ".env"
            if not shared or kept == self.env_file:
                raise UsageError(f"{self.env_file} cannot be written: {error.strerror}: use --env-file PATH") from error
            write_env_file(kept, text)
            raise UsageError(
                f"{self.env_file} belongs to root: its new text is in {kept}. Install it, then run init again:\n"
                f"  sudo install -m 0640 -o root -g {self.checkout.group()} {kept} {self.env_file} && rm {kept}"
            ) from None

    def _shown_env(self) -> str:
        changed = {name: value for name, value in self.env.items() if self.values.get(name) != value}
        text = with_values("", {name: _masked(name, value) for name, value in changed.items()})
        return text.replace(f'"{_HIDDEN}"', _HIDDEN)

    def _name(self, path: Path) -> str:
        return str(path.relative_to(self.checkout)) if path.is_relative_to(self.checkout) else str(path)


def _masked(name: str, value: str) -> str:
    return re.sub(r"[^ -~]", "?", Redactor({name: value})(value)).replace(f"[{name}]", _HIDDEN)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="surrogateescape")
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error


def _write(path: Path, text: str) -> None:
    """Write a file of the checkout at once: a run that starts meanwhile reads all of it or none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
        os.fchmod(handle, _MODE)
    Path(name).replace(path)
