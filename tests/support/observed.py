"""The real thing at small scale: real processes killed at random moments, and an observer that reads no database.

The observer has the log that processes leave before and while they work, a fake chat, and what it killed itself.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from monitoring.base.clock import from_text
from monitoring.base.process_identity import THIS_HOST, find_process
from monitoring.ledger.outcomes import Facts, TickOutcome, gather
from monitoring.ledger.reconcile import reconcile
from monitoring.store.db.database import Database
from monitoring.store.db.schema import open_database
from monitoring.store.tables.schedules import ScheduleInForce
from tests.support.fake_telegram import BOT_TOKEN, CHAT, TelegramStandIn
from tests.support.host import ROOT, Host, wait_until
from tests.support.second_scheduler import Every

PERIODS = {"quick": 2.0, "slow": 3.0}
_TASK = """
import os, time
from utils.monitor import monitor

tick = os.environ["OBSERVED_TICK"]
def say(word):
    with open({log!r}, "a") as file:
        file.write(f"{{word}} {name} {{tick}} {{os.getpid()}}\\n")

@monitor("observed")
def main(m):
    say("began")
    m.alert("HIGH", f"{name} {{tick}}")
    time.sleep({seconds})
    say("done")

main()
"""
_PATIENCE_S = 5.0
GRACE = timedelta(seconds=1)
_STARTS_WITHIN = timedelta(seconds=1)


class Scene:
    """A host with two profiles of seconds: one quick, one that takes longer than its period."""

    def __init__(self, directory: Path, telegram: TelegramStandIn, seed: int) -> None:
        self.telegram = telegram
        self.chance = random.Random(seed)
        self.host = Host(directory)
        self.host.environ |= {
            "TELEGRAM_API_URL": telegram.url,
            "TELEGRAM_BOT_TOKEN_DEFAULT": BOT_TOKEN,
            "TELEGRAM_CHAT_ID_DEFAULT": CHAT,
        }
        self.log = directory / "log"
        self.log.write_text("")
        self.killed: set[int] = set()
        self.down: list[tuple[datetime, datetime]] = []
        self._scheduler: subprocess.Popen[bytes] | None = None
        self._write_jobs()

    def _write_jobs(self) -> None:
        lines = ["profiles:"]
        for name, seconds in (("quick", 0.1), ("slow", 3.5)):
            script = self.host.script(name, _TASK.format(log=str(self.log), name=name, seconds=seconds))
            # Once a year for `run` itself, so that the seconds of the seam are the only ticks.
            lines.append(f"  {name}: {{cron: '0 0 1 1 *', tasks: [{{name: task, script: {script}}}]}}")
        self.host.jobs("\n".join(lines))

    def start_scheduler(self) -> None:
        """Start it and wait until its schedule is in force."""
        before = len(self.host.peek("SELECT 1 FROM scheduler_starts"))
        with self.log.with_suffix(".stderr").open("ab") as stderr:
            self._scheduler = subprocess.Popen(
                [sys.executable, "-m", "tests.support.observed_scheduler", str(self.log),
                 *(f"{name}={period}" for name, period in PERIODS.items())],
                cwd=self.host.checkout, env={**self.host.environ, "PYTHONPATH": str(ROOT)},
                stdin=subprocess.DEVNULL, stdout=stderr, stderr=stderr,
            )  # fmt: skip
        wait_until(lambda: len(self.host.peek("SELECT 1 FROM scheduler_starts")) > before, "the scheduler is up", 60)

    def kill_scheduler(self, for_s: float) -> None:
        """kill -9, and a new one after a while; what it started goes on."""
        assert self._scheduler is not None
        killed_at = datetime.now(UTC)
        self._scheduler.kill()
        self._scheduler.wait(10)
        time.sleep(for_s)
        self.start_scheduler()
        self.down.append((killed_at, datetime.now(UTC)))

    def kill_a_run(self, profile: str, when: str = "started") -> None:
        """kill -9 of a run of a profile, within a moment of its start or of the beginning of its task.

        If none starts for a while, one is still delivering: then that one.
        """
        before, gives_up_at = len(self.seen(when)), time.monotonic() + _PATIENCE_S
        while (tick := self._newest(profile, when, before)) is None and time.monotonic() < gives_up_at:
            time.sleep(0.02)
        time.sleep(self.chance.uniform(0.0, 1.0))
        for name, started, pid in self.seen("started"):
            if name == profile and (started == tick or tick is None) and pid in self._going():
                self._send(pid, signal.SIGKILL)

    def _newest(self, profile: str, word: str, since: int) -> datetime | None:
        return next((tick for name, tick, _ in self.seen(word)[since:] if name == profile), None)

    def stop(self) -> None:
        """Stop the scheduler, and what is still going: a run may wait for the lease of a dead one."""
        assert self._scheduler is not None
        self.down.append((datetime.now(UTC), datetime.max.replace(tzinfo=UTC) - _STARTS_WITHIN))
        self._scheduler.send_signal(signal.SIGTERM)
        for pid in self._going():
            self._send(pid, signal.SIGTERM)
        self._scheduler.wait(90)
        wait_until(lambda: not self._going(), "every run has ended", 60)

    def _send(self, pid: int, number: signal.Signals) -> None:
        """Send a signal; a run that has ended by itself since it was looked for was not killed."""
        with suppress(ProcessLookupError):
            os.kill(pid, number)
            self.killed.add(pid)

    def _going(self) -> list[int]:
        return [pid for _, _, pid in self.seen("started") if find_process(pid)]

    def kill_everything(self) -> None:
        """For a test that failed half way."""
        if self._scheduler is not None and self._scheduler.poll() is None:
            self._scheduler.kill()
            self._scheduler.wait(10)
        for pid in self._going():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def seen(self, word: str) -> list[tuple[str, datetime, int]]:
        """Return (profile, tick, pid) of every line that begins with a word; the last one may be half written."""
        lines = [line.split() for line in self.log.read_text().splitlines(keepends=True) if line.endswith("\n")]
        return [(name, from_text(tick), int(pid)) for found, name, tick, pid in lines if found == word]

    def facts(self) -> Facts:
        """What the audit says of all of it, by the schedules of the seam."""
        now, boot = datetime.now(UTC), THIS_HOST.boot()
        with open_database(self.host.cache / "monitoring.db") as database:
            reconcile(database, now=now, boot=boot, is_alive=THIS_HOST.is_alive, due=due, grace=GRACE)
            since = _first_in_force(database)
            return gather(database, since=since, until=now, now=now, boot=boot, due=due, grace=GRACE)


def due(entry: ScheduleInForce, after: datetime, until: datetime) -> list[datetime]:
    return list(ticks(entry.schedule.profile, max(after, entry.effective_from), until))


def ticks(profile: str, after: datetime, until: datetime) -> Iterator[datetime]:
    """Yield the ticks in (after, until]."""
    every = Every(PERIODS[profile])
    tick = every.next_after(after)
    while tick <= until:
        yield tick
        tick = every.next_after(tick)


def _first_in_force(database: Database) -> datetime:
    found = database.row("SELECT min(effective_from) FROM schedules")
    assert found is not None
    return from_text(found[0])


@dataclass(frozen=True, slots=True)
class Disagreement:
    """Where ledger and observer differ."""

    profile: str
    tick_at: datetime
    ledger: str
    observer: str


def heard(scene: Scene) -> set[str]:
    """The first lines of all messages in the chat."""
    return {_title(message.text) for message in scene.telegram.messages}


def stored(scene: Scene) -> dict[str, str]:
    """The first lines of all alerts and what the ledger claims of their delivery."""
    found = scene.host.rows("SELECT message, delivery_status FROM alert_events")
    return {_title(str(message)): str(status) for message, status in found}


def _title(text: str) -> str:
    """The first line without what leads to its title: sign, severity and monitor."""
    return text.splitlines()[0].partition(": ")[2]


def disagreements(scene: Scene, facts: Facts) -> list[Disagreement]:
    """Hold every tick's fate against what was seen of it."""
    observed = Observed(scene)
    return [
        Disagreement(fate.profile, fate.tick_at, f"{fate.status}: {fate.reason}", observed.said(fate))
        for fate in facts.ticks
        if not observed.agrees(fate)
    ]


class Observed:
    """What was seen of each tick, without a look into the database."""

    def __init__(self, scene: Scene) -> None:
        self._words: dict[tuple[str, datetime], set[str]] = defaultdict(set)
        self._down = scene.down
        for word in ("started", "began", "done"):
            for profile, tick, pid in scene.seen(word):
                self._words[profile, tick].add(word)
                if pid in scene.killed:
                    self._words[profile, tick].add("killed")

    def said(self, fate: TickOutcome) -> str:
        return " ".join(sorted(self._words[fate.profile, fate.tick_at])) or "nothing"

    def agrees(self, fate: TickOutcome) -> bool:
        words, status, reason = self._words[fate.profile, fate.tick_at], fate.status, fate.reason
        if status == "ok":
            return "done" in words
        if status == "aborted":
            return "killed" in words
        if status == "skipped":
            return "began" not in words and "still" in reason
        if "killed" in words:
            return status == "missed" and "began" not in words  # killed before it could write its row
        is_stop = reason.startswith(("the scheduler was stopped", "the scheduler was not running"))
        return status == "missed" and not words and is_stop and self._was_down(fate.tick_at)

    def _was_down(self, tick: datetime) -> bool:
        """A tick is started within a moment: one that came just before the kill may have been left, too."""
        return any(since - _STARTS_WITHIN <= tick <= until + _STARTS_WITHIN for since, until in self._down)
