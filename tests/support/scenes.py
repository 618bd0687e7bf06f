"""What takes minutes because it follows the clock: played on hosts of their own while other tests run."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from tests.support.console import commands
from tests.support.deployed import CACHE, Deployed, Script, jobs
from tests.support.host import ROOT, wait_until

_RUNBOOK = (ROOT / "deploy/runbook.md").read_text()
_TICK_S = 75  # a tick of every minute, on a slow machine
# It works with temporary files and prints all the way, and ends when it is told to.
_LONG = f"""
import pathlib, tempfile, time
with tempfile.NamedTemporaryFile() as kept:
    print("long begins", flush=True)
    while not pathlib.Path("{CACHE}/go").exists():
        time.sleep(0.1)
        with tempfile.NamedTemporaryFile("w") as file:
            file.write("x")
    print("long ends", pathlib.Path(kept.name).exists(), flush=True)
"""


@dataclass(frozen=True, slots=True)
class Typed:
    """A command of the runbook, and what came of it."""

    command: str
    exit_code: int
    told: str


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen in a scene."""

    rows: list[tuple[object, ...]]
    journal: str
    facts: Mapping[str, object]


def restart_during_a_run(host: Deployed) -> Seen:
    """Restart the unit during a run that a tick started, let the next tick come, then let the run end.

    The other profile proves that ticks of a healthy profile go on. Then the runbook's searches are typed.
    """
    every_minute = 'cron: "* * * * *"'
    scripts = {"long": [Script("wait", _LONG)], "hourly": [Script("look", "print('quick look')\n")]}
    host.write_env()
    host.land(jobs({"long": every_minute, "hourly": f"{every_minute}\nsync_before_run: true"}, scripts))
    host.systemctl("enable --quiet --now monitoring monitoring-api")
    host.wait_for_journal("wait | long begins", limit_s=_TICK_S)
    host.wait_for_journal("job succeeded")  # the quick one's first tick is over
    old = host.state_of()["MainPID"]
    began = time.monotonic()
    host.systemctl("restart monitoring")
    back_s = time.monotonic() - began
    state = host.state_of()
    wait_until(lambda: _statuses(host, "long")[1:] == ["skipped"], "the next tick is skipped", _TICK_S)
    going = _statuses(host, "long")[0]
    host.machine.run(f"touch {CACHE}/go")
    wait_until(lambda: _statuses(host, "long")[0] != "running", "the run ends")
    wait_until(lambda: _statuses(host, "hourly")[:2] == ["ok", "ok"], "the quick one has ticked again")
    host.wait_for_journal("wait | long ends")
    facts = {"back_s": back_s, "state": state["SubState"], "is_new": state["MainPID"] != old, "going": going}
    facts["runbook"] = [_typed(host, command.text) for command in commands(_RUNBOOK) if "| grep " in command.text]
    host.systemctl("stop monitoring")
    facts["stopped"] = host.state_of()["Result"]
    rows = host.rows("SELECT profile, status, trigger, reason FROM runs ORDER BY id")
    return Seen(rows, host.journal(), facts)


def _typed(host: Deployed, command: str) -> Typed:
    """Type it as the deploy user in the checkout."""
    done = host.shell(command, check=False)
    return Typed(command, done.returncode, done.stdout + done.stderr)


def _statuses(host: Deployed, profile: str) -> list[str]:
    return [str(row[0]) for row in host.rows(f"SELECT status FROM runs WHERE profile = '{profile}' ORDER BY id")]


def reboot_over_a_tick(host: Deployed) -> Seen:
    """Shut the host down before a tick of a profile that is to be caught up, and start it after."""
    due = (datetime.now(UTC) + timedelta(seconds=70)).replace(second=0, microsecond=0)
    cron = f'cron: "{due.minute} * * * *"'
    scripts = {"caught": [Script("look", "print('caught up')\n")], "missed": [Script("never", "print('never')\n")]}
    host.write_env()
    host.land(jobs({"caught": f"{cron}\ncatch_up: latest", "missed": cron}, scripts))
    host.systemctl("enable --quiet --now monitoring")
    host.machine.power_off()
    off_at = datetime.now(UTC)
    time.sleep(max(0.0, (due - off_at).total_seconds() + 1))
    host.machine.boot()
    wait_until(lambda: _statuses(host, "caught") == ["ok"], "it is caught up")
    host.wait_for_journal("look | caught up")
    state = host.state_of()["SubState"]
    host.systemctl("stop monitoring")
    rows = host.rows("SELECT profile, status, trigger, tick_at FROM runs ORDER BY id")
    return Seen(rows, host.journal(), {"due": due, "off_at": off_at, "state": state})
