"""The two days that docs/audit.md tells of, lived through by a simulated host and then closed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from automation.executor.task import TaskStatus
from monitoring.alerts.message.model import Alert
from monitoring.store.db.schema import open_database
from monitoring.store.tables import schedules
from tests.support.simulated_host import Behaviour, Chat, SimulatedHost

BEGINS_AT = datetime(2024, 9, 1, tzinfo=UTC)  # long past, whatever the clock of the machine says
JOBS = """
profiles:
  hourly: {cron: "5 * * * *", tasks: [{name: aave, script: check.py}, {name: lido, script: check.py}]}
  daily: {cron: "19 8 * * *", tasks: [{name: peg, script: check.py}]}
  multisig: {cron: "0/10 * * * *", tasks: [{name: safes, script: check.py}]}
"""
_TIMEOUT = (TaskStatus.TIMEOUT, "no end after 25 min")
_FAILED = (TaskStatus.FAILED, "exit 1: no provider answered")


def live(directory: Path) -> None:
    """Leave the database of a quiet day and of one on which things went wrong."""
    (directory / "check.py").write_text("")
    with Chat() as chat:
        host = SimulatedHost(directory, BEGINS_AT - timedelta(minutes=1), chat, JOBS)
        host.start_daemon()
        _quiet(host, BEGINS_AT)
        _bad(host, BEGINS_AT + timedelta(days=1))
        host.until(BEGINS_AT + timedelta(days=2, minutes=3))
        host.audit(BEGINS_AT, host.clock.now())
        _close(host)


def _quiet(host: SimulatedHost, day: datetime) -> None:
    host.at(day + timedelta(hours=9), host.drill)
    raised = Alert("HIGH", "USDC utilisation above 90 %", protocol="aave")
    host.at(day + timedelta(hours=14, minutes=1), lambda: host.next_run("hourly", Behaviour(raises=(raised,))))


def _bad(host: SimulatedHost, day: datetime) -> None:
    host.at(day + timedelta(hours=2, minutes=15), host.power_off)
    host.at(day + timedelta(hours=3, minutes=28), host.boot)
    failing = Behaviour(failing={"lido": _FAILED})
    host.at(day + timedelta(hours=6, minutes=1), lambda: host.next_run("hourly", failing, failing))
    hangs = Behaviour(timedelta(minutes=25), {"safes": _TIMEOUT})
    host.at(day + timedelta(hours=13, minutes=55), lambda: host.next_run("multisig", hangs))
    host.at(day + timedelta(hours=18, minutes=1), lambda: setattr(host.chat, "is_down", True))
    raised = Behaviour(raises=(Alert("MEDIUM", "Reserve factor changed", protocol="aave"),))
    host.at(day + timedelta(hours=18, minutes=2), lambda: host.next_run("multisig", raised))
    host.at(day + timedelta(hours=18, minutes=45), lambda: setattr(host.chat, "is_down", False))


def _close(host: SimulatedHost) -> None:
    """No profile is in force any more, so that an audit of today finds nothing due since."""
    with open_database(host.settings.database) as database, database.write() as tx:
        schedules.record_in_force(tx, [], host.clock.now(), "test")
