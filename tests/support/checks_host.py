"""A host that runs monitor files as a task does: a real child process, a real store, providers on loopback."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from monitoring.store.db.schema import open_database

CHECKOUT = Path(__file__).resolve().parents[2]


@dataclass
class ChecksHost:
    """Runs files under a runner's environment unless `by_hand`; `environ` is added to it."""

    folder: Path
    environ: dict[str, str] = field(default_factory=dict)

    def file(self, text: str, name: str = "monitor.yaml") -> Path:
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return path

    def command(self, verb: str, *arguments: object) -> list[str]:
        return [sys.executable, "-m", "monitoring.checks", verb, *map(str, arguments)]

    def env(self, *, by_hand: bool = False, **more: str) -> Mapping[str, str]:
        inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        marks = {} if by_hand else {"AUTOMATION_RUN_ID": "7", "AUTOMATION_TASK": "checks"}
        fixed = {"PYTHONPATH": str(CHECKOUT), "CACHE_DIR": str(self.folder), "MONITORING_ENV_FILE": ""}
        return {**inherited, **fixed, **marks, "PROVIDER_PUBLIC": "off", **self.environ, **more}

    def do(self, verb: str, *arguments: object, by_hand: bool = False, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(verb, *arguments), env=self.env(by_hand=by_hand, **more), cwd=CHECKOUT,
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip

    def python(self, script: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a script as a task."""
        return subprocess.run(
            [sys.executable, str(script), *arguments], env=self.env(), cwd=self.folder,
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip

    def run(self, *files: object, code: int = 0, **more: Any) -> list[str]:
        """Run files; return the lines of stdout, columns apart by one space."""
        done = self.do("run", *files, **more)
        assert done.returncode == code, done.stdout + done.stderr
        assert code or not done.stderr, done.stderr
        return [" ".join(line.split()) for line in done.stdout.splitlines()]

    def run_without_data(self, *files: object, **more: Any) -> list[str]:
        """Run files most of whose checks cannot be judged, which the run says and exits 1 for."""
        done = self.do("run", *files, **more)
        assert done.returncode == 1, done.stdout + done.stderr
        assert done.stderr.startswith("no data: "), done.stderr
        return [" ".join(line.split()) for line in done.stdout.splitlines()]

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with closing(open_database(self.folder / "monitoring.db")) as database:
            return database.rows(sql, parameters)

    @property
    def told(self) -> list[str]:
        """Every alert so far: its severity, kind and title."""
        found = self.rows("SELECT severity, kind, title FROM alert_events ORDER BY id")
        return [" ".join(row) for row in found]

    def new(self, seen: list[int]) -> list[str]:
        """Return the alerts since the last call with the same list."""
        told = self.told
        fresh = told[sum(seen) :]
        seen.append(len(fresh))
        return fresh
