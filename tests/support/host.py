"""A host of its own for a test: a copy of this checkout, a state directory, and `python -m automation` on it."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import yaml

from monitoring.chains.networks import networks
from tests.support.checkouts import AS_SHIPPED

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("automation", "monitoring", "utils", "protocols")
TIMEOUT_S = 120
# Nobody answers here (the discard port): no test asks the world's providers, whatever it runs.
NOWHERE = "http://127.0.0.1:9"
DEAF = {
    **{f"PROVIDER_URL_{chain.slug.upper()}": NOWHERE for chain in networks().values()},
    "PROVIDER_PUBLIC": "off",
    **dict.fromkeys(("SAFE_SERVICE_URL", "FOURBYTE_URL", "ETHERSCAN_URL", "DEFILLAMA_URL"), NOWHERE),
}


class Host:
    """A checkout below `directory`, with nothing scheduled yet."""

    def __init__(self, directory: Path, source: Path = ROOT) -> None:
        self.checkout = directory / "checkout"
        self.cache = directory / "cache"
        self.environ: dict[str, str] = {
            "PATH": os.environ["PATH"],
            "HOME": str(directory),
            "CACHE_DIR": str(self.cache),
            "MONITORING_ENV_FILE": "",
            "MONITORING_API_PORT": "0",  # `up` of several tests at once: any free port
            "PYTHONDONTWRITEBYTECODE": "1",
            **DEAF,
        }
        for package in PACKAGES:
            shutil.copytree(source / package, self.checkout / package, ignore=AS_SHIPPED, symlinks=True)
        for file in ("pyproject.toml", "requirements.lock"):
            shutil.copy(source / file, self.checkout)
        self.cache.mkdir()

    def script(self, name: str, text: str) -> str:
        """Write a script into the checkout and return its path as jobs.yaml names it."""
        path = self.checkout / "protocols" / "test" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return str(path.relative_to(self.checkout))

    def jobs(self, text: str) -> None:
        (self.checkout / "automation" / "jobs.yaml").write_text(text)

    def keep_tasks(self, *names: str) -> None:
        """Leave only these tasks in the shipped jobs.yaml: the others would ask the world, and tests ask nobody."""
        file = self.checkout / "automation" / "jobs.yaml"
        shipped = yaml.safe_load(file.read_text())
        for profile in shipped["profiles"].values():
            profile["tasks"] = [task for task in profile["tasks"] if task["name"] in names]
        file.write_text(yaml.safe_dump(shipped, sort_keys=False))

    def profile(
        self, scripts: Mapping[str, str], *, cron: str = "5 * * * *", options: str = "", task: str = ""
    ) -> None:
        """Schedule the profile `hourly` with one task per script, in order."""
        lines = [f"profiles:\n  hourly:\n    cron: '{cron}'\n"]
        lines += [f"    {option}\n" for option in options.splitlines()]
        lines += ["    tasks:\n" if scripts else "    tasks: []\n"]
        extra = f", {task}" if task else ""
        lines += [
            f"      - {{name: {name}, script: {self.script(name, text)}{extra}}}\n" for name, text in scripts.items()
        ]
        self.jobs("".join(lines))

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "automation", *arguments]

    def automation(self, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """Run a verb to its end."""
        return subprocess.run(
            self.command(*arguments),
            cwd=self.checkout,
            env={**self.environ, **environ},
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )

    def start(self, *arguments: str, **environ: str) -> subprocess.Popen[str]:
        """Start a verb; the caller waits for it."""
        return subprocess.Popen(
            self.command(*arguments),
            cwd=self.checkout,
            env={**self.environ, **environ},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def rows(self, sql: str, *parameters: object) -> list[tuple[object, ...]]:
        """Read the database as the sqlite3 shell would."""
        connection = sqlite3.connect(f"file:{self.cache}/monitoring.db?mode=ro", uri=True, timeout=30)
        try:
            return connection.execute(sql, parameters).fetchall()
        finally:
            connection.close()

    def peek(self, sql: str, *parameters: object) -> list[tuple[object, ...]]:
        """Read the database while waiting for it: one that is not made yet holds no rows."""
        try:
            return self.rows(sql, *parameters)
        except sqlite3.OperationalError:
            return []


def wait_until(condition: object, what: str, limit_s: float = 30) -> None:
    """Poll a callable until it is true; fail after the limit."""
    assert callable(condition)
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {limit_s} s: {what}"
        time.sleep(0.02)


def processes_with(marker: str) -> list[int]:
    """Return the pids of all processes whose command line or environment holds the marker."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal() or int(entry.name) == os.getpid():
            continue
        try:
            text = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
            state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if marker.encode() in text and state != "Z":
            found.append(int(entry.name))
    return found
