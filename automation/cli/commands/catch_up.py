"""`catch-up`: after downtime, runs once each profile that asks for it and whose newest tick was missed.

One profile after the other. Called by `up` and, detached, by the unit after its start.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from automation.cli import zone
from automation.cli.screen import screen_of
from automation.jobs.load import load_jobs, load_profile
from automation.jobs.model import Profile
from automation.schedule.catch_up import CatchUpDecision, CatchUpReason, look
from automation.schedule.daemonize import detach
from monitoring.base.clock import Clock, SystemClock
from monitoring.base.locks.profile_lock import SingleLock, usable_locks
from monitoring.base.process_identity import current_boot, is_alive_text
from monitoring.base.settings import Settings
from monitoring.ledger.reconcile import reconcile
from monitoring.store.maintenance.repair import open_or_repair

log = logging.getLogger("automation.schedule.catch_up")

HELP = "run profiles whose last tick was missed (catch_up: latest)"
EXAMPLES = """\
python -m automation catch-up                    # all profiles with catch_up: latest
python -m automation catch-up --profile daily    # one profile only
python -m automation catch-up --detach           # in the background; returns at once"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--profile", metavar="NAME", help="only this profile")
    parser.add_argument("--detach", action="store_true", help="run in the background and return at once")


def run(args: argparse.Namespace, settings: Settings) -> int:
    if args.detach and not detach():
        return 0
    config = Path(args.config).absolute()
    profiles = _profiles(config, settings, args.profile)
    lock = SingleLock(usable_locks(settings.locks), "catch-up")
    lock.take_or_refuse()
    try:
        return CatchUp(config, settings, SystemClock()).run(profiles)
    finally:
        lock.release()


def _profiles(config: Path, settings: Settings, only: str | None) -> list[Profile]:
    if only is not None:
        return [load_profile(config, settings.checkout, only)]
    return list(load_jobs(config, settings.checkout).profiles.values())


class CatchUp:
    """Looks at one profile after the other, and runs those whose newest tick was missed."""

    def __init__(self, config: Path, settings: Settings, clock: Clock) -> None:
        self._config = config
        self._settings = settings
        self._clock = clock
        self._child: subprocess.Popen[bytes] | None = None
        self._is_stopped = False

    def run(self, profiles: list[Profile]) -> int:
        """Return 1 if a run failed, else 0. A signal to stop ends the current run; no other is started."""
        failed = False
        is_brief = screen_of(sys.stdout).is_terminal  # no news to a person; a journal has every decision
        with self._signals():
            for profile in profiles:
                if self._is_stopped:
                    break
                decision = self._look(profile)
                if not (is_brief and decision.reason is CatchUpReason.NOT_ASKED):
                    print(f"{profile.name}: {_line(decision)}", flush=True)
                if decision.reason is CatchUpReason.RUN:
                    failed = self._run(profile.name) != 0 or failed
        return 1 if failed else 0

    def _look(self, profile: Profile) -> CatchUpDecision:
        """Look again before each run: the one before may have taken long."""
        now = self._clock.now()
        database, _ = open_or_repair(self._settings.database, self._clock)
        with database:
            reconcile(database, now=now, boot=current_boot(), is_alive=is_alive_text)
            return look(database, profile, now)

    def _run(self, profile: str) -> int:
        command = [sys.executable, "-m", "automation", "--config", str(self._config), "run", profile]
        given = {"PYTHONPATH": str(self._settings.checkout), "AUTOMATION_TRIGGER": "catch-up"}
        environ = {**self._settings.environ, **os.environ, **given}
        self._child = subprocess.Popen(command, env=environ, stdin=subprocess.DEVNULL, start_new_session=True)
        try:
            return self._child.wait()
        finally:
            self._child = None

    @contextmanager
    def _signals(self) -> Iterator[None]:
        def on_signal(number: int, _frame: FrameType | None) -> None:
            self._is_stopped = True
            log.info("%s: no further profile is caught up", signal.Signals(number).name)
            if self._child is not None:
                self._child.send_signal(signal.SIGTERM)

        previous = {number: signal.signal(number, on_signal) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)


def _line(decision: CatchUpDecision) -> str:
    tick = f" ({zone.named(decision.tick_at)})" if decision.tick_at else ""
    verb = "caught up" if decision.reason is CatchUpReason.RUN else "not run"
    return f"{verb}: {decision.reason.value}{tick}"
