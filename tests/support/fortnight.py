"""What is planted in the simulated fortnight, and what the audit of that day must name: a table, read top to bottom."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from automation.executor.task import TaskStatus
from automation.sync.sync import SyncResult, SyncStatus
from monitoring.alerts.message.model import Alert
from monitoring.ledger.audit import Audit, AuditProblem
from monitoring.store.db.schema import open_database
from monitoring.store.tables import silences
from tests.support import old_database
from tests.support.simulated_host import Behaviour, SimulatedHost

FIRST_DAY = datetime(2026, 9, 1, tzinfo=UTC)
DAY = timedelta(days=1)
JOBS = """
profiles:
  hourly: {cron: "5 * * * *", tasks: [{name: aave, script: check.py}, {name: lido, script: check.py}]}
  daily: {cron: "19 8 * * *", tasks: [{name: peg, script: check.py}]}
  multisig: {cron: "0/10 * * * *", tasks: [{name: safes, script: check.py}]}
"""
HOURLY_AT_35 = JOBS.replace("5 * * * *", "35 * * * *")
Act = Callable[[SimulatedHost], object]
TIMEOUT = (TaskStatus.TIMEOUT, "timed out after 25 min")
FAILS = (TaskStatus.FAILED, "exit 1: no provider answered")


@dataclass(frozen=True)
class Day:
    """One day: what is planted when (by a watch beside the host), and every exception its audit must name."""

    number: int
    what: str
    planted: tuple[tuple[str, Act], ...]
    found: tuple[str, ...]

    @property
    def begins_at(self) -> datetime:
        return FIRST_DAY + (self.number - 1) * DAY


def told(finding: AuditProblem) -> str:
    """A finding as the table writes it; ids of runs, alerts and processes are those of the day."""
    where = f" of {finding.profile}" if finding.profile else ""
    cause = re.sub(r"\(\d+:\d+:[\w-]+\)", "(…)", re.sub(r"\brun \d+", "run N", finding.cause))
    return f"{finding.count} {finding.kind.value}{where}: {cause}" + ("" if finding.breaks_silence else " (no break)")


def found_by(audit: Audit) -> list[str]:
    return sorted(told(finding) for finding in audit.findings)


def adopt(host: SimulatedHost) -> None:
    old_database.build(host.settings.database, rows=50)
    host.start_daemon()


def chat(*, is_down: bool) -> Act:
    return lambda host: setattr(host.chat, "is_down", is_down)


def raising(title: str, protocol: str = "aave") -> Behaviour:
    return Behaviour(raises=(Alert("HIGH", title, protocol=protocol),))


def silence(host: SimulatedHost) -> None:
    now = host.clock.now()
    with open_database(host.settings.database) as database, database.write() as tx:
        silences.add(
            tx, "maple", None, now=now, ends_at=now + timedelta(hours=2), reason="pool migration", created_by="ana"
        )


def reschedule(host: SimulatedHost) -> None:
    host.write_jobs(HOURLY_AT_35)
    host.start_daemon()


def refuse_commit(host: SimulatedHost) -> None:
    reason = "protocols/aave/main.py: SyntaxError"
    host.tell_sync(SyncResult(SyncStatus.REFUSED, "4f2a9c1b7d30", reason, candidate="0badc0de0bad"))


def heal_commit(host: SimulatedHost) -> None:
    host.tell_sync(SyncResult(SyncStatus.UPDATED, "600dc0de600d", "updated"))


NINETY = timedelta(minutes=90)
KEPT_SINCE = "this host has kept a ledger since 2026-09-01 12:00"
FORTNIGHT = (
    Day(
        1, "the history of the system before is adopted at noon",
        (("12:00", adopt), ("13:00", SimulatedHost.drill)),
        ("1 gap in the ledger: the alerts before are those of the system this replaced, which kept no ledger",),
    ),
    Day(
        2, "the host is down from 02:15 to 05:28",
        (("02:15", SimulatedHost.power_off), ("05:28", SimulatedHost.boot)),
        (
            "19 ticks missed of multisig: the host was down (it booted at 2026-09-02 05:28 UTC)",
            "3 ticks missed of hourly: the host was down (it booted at 2026-09-02 05:28 UTC)",
        ),
    ),
    Day(
        3, "the scheduler is stopped from 08:00 to 09:45; nobody runs the daily profile for it",
        (("08:00", SimulatedHost.stop_daemon), ("09:45", SimulatedHost.start_daemon)),
        (
            "1 ticks missed of daily: the scheduler was stopped (it started at 2026-09-03 09:45 UTC)",
            "11 ticks missed of multisig: the scheduler was stopped (it started at 2026-09-03 09:45 UTC)",
            "2 ticks missed of hourly: the scheduler was stopped (it started at 2026-09-03 09:45 UTC)",
        ),
    ),
    Day(
        4, "a task of the run of 14:00 hangs until its time limit of 25 minutes",
        (("13:55", lambda host: host.next_run("multisig", Behaviour(timedelta(minutes=25), {"safes": TIMEOUT}))),),
        (
            "1 task failing of multisig: timed out after 25 min",
            "2 ticks skipped of multisig: run N of 14:00 was still going",
        ),
    ),
    Day(
        5, "somebody runs multisig by hand from 11:05 on for 42 minutes and so holds its lock",
        (
            ("11:04", lambda host: host.next_run("multisig", Behaviour(timedelta(minutes=42)))),
            ("11:05", lambda host: host.start_run("multisig", "manual")),
        ),
        ("4 ticks skipped of multisig: run N of 11:05 was still going",),
    ),
    Day(
        6, "at 12:31 hourly moves from minute 5 to minute 35; a commit is refused from 14:00 to 15:00",
        (("12:31", reschedule), ("14:00", refuse_commit), ("15:00", heal_commit)),
        ("1 checkout not synced: Commit 0badc0de0bad is refused, 4f2a9c1b7d30 keeps running (no break)",),
    ),
    Day(
        7, "the clock is stepped forward by 90 minutes at 10:03",
        (("10:03", lambda host: host.step_clock(NINETY)),),
        (
            "1 clock stepped forward: by 1 h 30 min (no break)",
            "2 ticks missed of hourly: the clock was stepped forward by 1 h 30 min",
            "9 ticks missed of multisig: the clock was stepped forward by 1 h 30 min",
        ),
    ),
    Day(
        8, "the clock is stepped back by 90 minutes at 10:03, when it shows 11:33",
        (("10:03", lambda host: host.step_clock(-NINETY)),),
        (
            "1 clock stepped back: by 1 h 30 min",
            # The daemon's timers were set before: yesterday's step moves today's daily run, today's step the next runs.
            # Of the ninety minutes that come twice nothing is run the second time.
            "1 ticks missed of daily: the clock was stepped forward by 1 h 30 min",
            "2 ticks missed of hourly: the clock was stepped back by 1 h 30 min",
            "9 ticks missed of multisig: the clock was stepped back by 1 h 30 min",
        ),
    ),
    Day(
        9, "the disk is full from 15:01 to 16:01; nobody has drilled for eight days",
        (("15:01", SimulatedHost.fill_disk), ("16:01", SimulatedHost.free_disk)),
        (
            "1 alarm path not drilled: 8 d 11 h (no break)",
            "1 ticks missed of daily: the clock was stepped back by 1 h 30 min",  # its timer is of the day before
            "1 runs failed of hourly: the ledger could not be written (disk full)",
            "6 runs failed of multisig: the ledger could not be written (disk full)",
        ),
    ),
    Day(
        10, "Telegram is down from 09:01 to 10:01 while three alerts are raised; a drill at 06:00",
        (
            ("06:00", SimulatedHost.drill),
            ("09:01", chat(is_down=True)),
            ("09:02", lambda host: host.next_run("multisig", *[raising(f"alert {n}") for n in range(3)])),
            ("10:01", chat(is_down=False)),
        ),
        ("3 alerts slow: up to 1 h; not accepted at once, up to 7 attempts (no break)",),
    ),
    Day(
        11, "two runs fail and a third is killed; a silence holds an alert back",
        (
            ("03:00", lambda host: host.next_run("hourly", *[Behaviour(failing={"lido": FAILS})] * 2)),
            ("06:05", lambda host: host.next_run("multisig", Behaviour(timedelta(minutes=5)))),
            ("06:12", lambda host: host.kill_run("multisig")),
            ("15:00", silence),
            ("15:02", lambda host: host.next_run("multisig", raising("cash ratio fell", "maple"))),
        ),
        (
            "1 alerts not sent: held back by a silence",
            "1 runs aborted of multisig: its process (…) is gone",
            "1 silence in force: pool migration (no break)",
            "2 task failing of hourly: exit 1: no provider answered",
        ),
    ),
    Day(
        12, "an alert under DEBUG, one in test mode; the token is revoked from 20:00 on",
        (
            ("10:01", lambda host: host.environ.update(LOG_LEVEL="DEBUG")),
            ("10:02", lambda host: host.next_run("multisig", raising("unseen"))),
            ("10:15", lambda host: host.environ.pop("LOG_LEVEL")),
            ("12:01", lambda host: host.environ.update(TELEGRAM_TEST_CHAT_ID="-42")),
            ("12:02", lambda host: host.next_run("multisig", raising("in the test chat"))),
            ("12:15", lambda host: host.environ.pop("TELEGRAM_TEST_CHAT_ID")),
            ("20:00", lambda host: setattr(host.chat, "tokens", set())),
            ("20:02", lambda host: host.next_run("multisig", raising("waits"))),
        ),
        (
            "1 alerts not sent: LOG_LEVEL was DEBUG",
            "1 alerts not sent: TELEGRAM_TEST_CHAT_ID was set",
            "1 alerts waiting: credentials are missing or were refused",
        ),
    ),
    Day(
        13, "the token is renewed before anything runs; nothing else",
        (("00:00", lambda host: setattr(host.chat, "tokens", None)),),
        (),
    ),
    Day(
        14, "the database is deleted at noon",
        (("12:00", SimulatedHost.delete_database),),
        (
            "1 alarm path not drilled: none is recorded (no break)",
            f"1 gap in the ledger: the database was deleted or replaced; {KEPT_SINCE}",
        ),
    ),
)  # fmt: skip
