"""A host on which `doctor` finds nothing, for a test that plants one problem and looks again.

Real files, a real git with an origin, a stand-in of Telegram and, where a test asks for one, a `systemctl` of its own.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from shutil import which
from types import SimpleNamespace
from typing import TypeVar

import pytest

from automation.schedule import scheduler_liveness
from automation.schedule.scheduler_liveness import SchedulerProcess
from automation.schedule.unit_environment import Differences, UnitEnvironment
from automation.status.doctor import DoctorContext, Finding, FindingLevel, checkout, examine, host, schedule, unit
from automation.sync.attempt import DEPLOYED_FLAG
from monitoring.alerts.message.model import Alert
from monitoring.alerts.recording.store_alert import AlertKind, store_in
from monitoring.base.kernel_clock import KernelClock
from monitoring.base.process_identity import current_process
from monitoring.base.settings import Settings, load_settings
from monitoring.store.db.database import Tx
from monitoring.store.db.schema import open_database
from monitoring.store.maintenance.backups import back_up, default_directory
from monitoring.store.readings import dropping
from monitoring.store.tables import runs
from tests.support.fake_telegram import BOT_TOKEN, CHAT
from tests.support.git import run_git
from tests.support.host import ROOT

_LAUNCHER, _FIND_SPEC = "automation_launcher", importlib.util.find_spec  # a venv of developers has none
_T = TypeVar("_T")
JOBS = """\
profiles:
  hourly:
    cron: "5 * * * *"
    heartbeat_env: HEARTBEAT_HOURLY
    sync_before_run: true
    tasks:
      - {name: look, script: protocols/acme/main.py}
"""
UNIT = """\
[Service]
ExecStart=/bin/true /tmp/crontab
ReadWritePaths=/srv/monitoring -@CACHE@
"""


@dataclass
class SoundHost:
    """The parts of a host; a test changes them, then looks."""

    root: Path
    monkeypatch: pytest.MonkeyPatch
    telegram_url: str
    template: Path
    environ: dict[str, str] = field(default_factory=dict)
    held: UnitEnvironment | None = None
    online: bool = True
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    stack: ExitStack = field(default_factory=ExitStack)

    def __post_init__(self) -> None:
        self.checkout, self.cache, self.env_file = self.root / "checkout", self.root / "cache", self.root / "env"
        self.cache.mkdir()
        self.write_env({
            "TELEGRAM_BOT_TOKEN_DEFAULT": BOT_TOKEN, "TELEGRAM_CHAT_ID_DEFAULT": CHAT,
            "TELEGRAM_API_URL": self.telegram_url, "HEARTBEAT_HOURLY": "https://watcher.example/ping/0123456789",
        })  # fmt: skip
        self.environ |= {"MONITORING_ENV_FILE": str(self.env_file), "CACHE_DIR": str(self.cache)}
        for part in ("checkout", "origin.git"):
            shutil.copytree(self.template / part, self.root / part, symlinks=True)
        with self.writing() as tx:
            drill = Alert("LOW", "a drill", protocol="drill")
            stored = store_in(tx, drill, now=self.now - timedelta(hours=1), kind=AlertKind.DRILL)
            settle(tx, stored.alert_id, "delivered", self.now)
        back_up(self.database, default_directory(self.cache), self.now - timedelta(minutes=1))
        self.patch(host, "ask_kernel_clock", lambda: KernelClock(synchronised=True, max_error_s=0.01, source="ntpd"))
        self.patch(schedule.scheduler_liveness, "find_scheduler", lambda _settings: self.scheduler())
        # Where this machine has a supercronic, the host of a test has none unless the test installs it.
        self.patch(
            schedule, "shutil", SimpleNamespace(which=lambda name, path: which(name, path=str(self.root / "bin")))
        )
        self.patch(unit, "UNIT_DIRECTORIES", (self.root / "units",))
        self.patch(scheduler_liveness, "_SYSTEMD", self.root / "no-systemd")
        self.patch(checkout.importlib.util, "find_spec", lambda name: name if name == _LAUNCHER else _FIND_SPEC(name))

    # -- the parts -------------------------------------------------------------------------------------

    @property
    def database(self) -> Path:
        return self.cache / "monitoring.db"

    @property
    def settings(self) -> Settings:
        return load_settings(self.environ, self.checkout)

    def scheduler(self) -> SchedulerProcess | None:
        return SchedulerProcess(os.getpid(), "up", self.now - timedelta(hours=1))

    def until_the_end(self, thing: AbstractContextManager[_T]) -> _T:
        """Enter a context that is left after the test."""
        return self.stack.enter_context(thing)

    def patch(self, module: object, name: str, value: object) -> None:
        self.monkeypatch.setattr(module, name, value)

    def write_env(self, values: Mapping[str, str], mode: int = 0o600) -> None:
        self.env_file.write_text("".join(f"{name}={value}\n" for name, value in values.items()))
        self.env_file.chmod(mode)

    def add_env(self, line: str) -> None:
        with self.env_file.open("a") as file:
            file.write(f"{line}\n")

    def drop_env(self, name: str) -> None:
        lines = self.env_file.read_text().splitlines(keepends=True)
        self.env_file.write_text("".join(line for line in lines if not line.startswith(f"{name}=")))

    def writing(self) -> Writing:
        return Writing(self.database)

    def drop_readings(self) -> None:
        with self.writing() as tx:
            dropping.count(tx, dropping.DroppedReadings(7, "the disk has 3 MiB left"), self.now)

    def jobs(self, change: Callable[[str], str]) -> None:
        path = self.checkout / "automation" / "jobs.yaml"
        path.write_text(change(path.read_text()))
        self.git("commit", "--quiet", "--all", "--message", "another schedule")
        self.git("push", "--quiet", "origin", "main")

    def git(self, *arguments: str) -> None:
        run_git(self.checkout, *arguments)

    def hold(self, **changed: str) -> None:
        """Let a scheduler run with the environment of now, but for `changed`."""
        process = self.scheduler()
        assert process is not None
        self.held = UnitEnvironment(process, {**self.settings.environ, **changed}, Differences())

    def install_unit(self, **says: str) -> None:
        """Install the unit, and a `systemctl` that answers `says` by the property or verb it is asked for."""
        (self.root / "units").mkdir(exist_ok=True)
        (self.root / "units" / "monitoring.service").write_text(UNIT.replace("@CACHE@", str(self.cache)))
        answers = {"is_enabled": "enabled", "is_active": "active", **says}
        binary = self.root / "bin" / "systemctl"
        binary.parent.mkdir(exist_ok=True)
        lines = [f"  *{name.replace('_', '-')}*) echo '{text}'; exit ;;" for name, text in answers.items()]
        lines.insert(0, "  is-enabled*monitoring-api*) echo disabled; exit 1 ;;")
        binary.write_text('#!/bin/sh\ncase "$*" in\n' + "\n".join(lines) + "\nesac\n")
        binary.chmod(0o755)
        self.patch(scheduler_liveness, "_SYSTEMD", self.root)
        self.monkeypatch.setenv("PATH", f"{binary.parent}:{os.environ['PATH']}")

    # -- what is found ---------------------------------------------------------------------------------

    def findings(self) -> list[Finding]:
        context = DoctorContext(
            self.settings, self.checkout / "automation" / "jobs.yaml", self.now, self.held, online=self.online
        )
        return list(examine(context))

    def problems(self) -> list[Finding]:
        return [each for each in self.findings() if each.level is not FindingLevel.OK]


class Writing:
    """One transaction on a database that is closed afterwards."""

    def __init__(self, path: Path) -> None:
        self._database = open_database(path)
        self._write = self._database.write()

    def __enter__(self) -> Tx:
        return self._write.__enter__()

    def __exit__(self, *error: object) -> None:
        self._write.__exit__(*error)  # type: ignore[arg-type]
        self._database.close()


def settle(tx: Tx, alert_id: int, status: str, now: datetime, error: str | None = None) -> None:
    """Let every delivery of an alert have this status."""
    tx.execute("UPDATE deliveries SET status = ?, error = ? WHERE alert_id = ?", (status, error, alert_id))
    at = f"{now:%Y-%m-%dT%H:%M:%S.%fZ}" if status == "delivered" else None
    tx.execute("UPDATE alert_events SET delivery_status = ?, delivered_at = ? WHERE id = ?", (status, at, alert_id))


def add_run(tx: Tx, at: datetime, profile: str = "hourly") -> int:
    """Add the row of a run that started then."""
    process = str(current_process())
    return runs.begin(
        tx, profile, tick_at=None, trigger="cron", now=at, process=process, revision="0" * 40, tasks_total=1
    )


def make_template(directory: Path) -> Path:
    """Make the checkout and its origin once, for all hosts of a module to copy."""
    checkout = directory / "checkout"
    (checkout / "automation").mkdir(parents=True)
    (checkout / "automation" / "jobs.yaml").write_text(JOBS)
    script = checkout / "protocols" / "acme" / "main.py"
    script.parent.mkdir(parents=True)
    script.write_text("print('all is well')\n")
    shutil.copy(ROOT / "requirements.lock", checkout)
    (checkout / "monitoring").symlink_to(ROOT / "monitoring")
    run_git(directory, "init", "--quiet", "--bare", "--initial-branch=main", "origin.git")
    run_git(checkout, "init", "--quiet", "--initial-branch=main")
    run_git(checkout, "add", "--all")
    run_git(checkout, "commit", "--quiet", "--message", "as it is")
    run_git(checkout, "remote", "add", "origin", "../origin.git")
    run_git(checkout, "push", "--quiet", "--set-upstream", "origin", "main")
    run_git(checkout, "config", DEPLOYED_FLAG, "true")
    return directory
