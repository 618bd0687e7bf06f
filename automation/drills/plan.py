"""When somebody is drilled: an unannounced minute of a week in which they may be asked. Pure but for chance."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from random import Random
from zoneinfo import ZoneInfo

from automation.on_call.model import OnCall
from automation.on_call.rota import is_quiet

WITHIN = timedelta(days=7)
_NOT_BEFORE = timedelta(hours=1)
_WAKING = (time(9), time(19))  # ours, in the zone of the file: a drill wakes nobody
_TRIES = 500


def unannounced(team: OnCall, name: str, now: datetime, chance: Random) -> datetime:
    """Return a minute of the next week, within waking hours and outside the person's quiet ones where there is one."""
    zone = ZoneInfo(team.zone)
    minutes = int((WITHIN - _NOT_BEFORE) / timedelta(minutes=1))
    tried = [now + _NOT_BEFORE + timedelta(minutes=chance.randrange(minutes)) for _ in range(_TRIES)]
    awake = [at for at in tried if not is_quiet(team, name, at)]
    by_day = [at for at in awake if _WAKING[0] <= at.astimezone(zone).time() < _WAKING[1]]
    return (by_day or awake or tried)[0]
