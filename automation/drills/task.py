"""The monthly task: plans a drill for each person of on_call.yaml, at a minute of the next week that nobody knows.

A task of the profile `monthly`; it stores plans and sends nothing. Runs, or `listen`, ask when the time has come.
"""

from __future__ import annotations

import os
import secrets
import sys
from pathlib import Path

from automation.drills.plan import unannounced
from automation.on_call import FILE_NAME
from automation.on_call.load import load_on_call
from monitoring.base.clock import SystemClock
from monitoring.base.settings import load_settings
from monitoring.store.maintenance.repair import open_or_repair
from monitoring.store.people import people_drills


def main() -> int:
    """Plan once; somebody whose drill is still open is left out."""
    clock = SystemClock()
    settings = load_settings({**os.environ, "MONITORING_ENV_FILE": ""})
    team = load_on_call(Path(__file__).parents[1] / FILE_NAME)
    if team is None:
        sys.stdout.write(f"there is no {FILE_NAME}: nobody is named, so nobody is drilled\n")
        return 0
    database, _ = open_or_repair(settings.database, clock)
    with database, database.write() as tx:
        open_now = {each.person for each in people_drills.open_ones(tx)}
        names = [name for name in team.available if name not in open_now]
        for name in names:
            people_drills.plan(tx, name, "monthly", unannounced(team, name, clock.now(), secrets.SystemRandom()))
    sys.stdout.write(f"a drill within a week is planned for: {', '.join(names) or 'nobody new'}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
