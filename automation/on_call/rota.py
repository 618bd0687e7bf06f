"""Who is on call at an instant, and why. Pure.

Handovers are at the same hour of the clock all year: a week in which the clocks change has an hour more or less.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from automation.on_call.model import OnCall, Override, Rota
from monitoring.conditions.severity import Severity

_WEEK = timedelta(weeks=1)


@dataclass(frozen=True, slots=True)
class Duty:
    """Who is asked at an instant (more than one only without a rota), why, and until when that holds.

    `instead_of` are people who would be asked but are in their quiet hours.
    """

    people: tuple[str, ...]
    why: str
    until: datetime | None = None
    instead_of: tuple[str, ...] = ()


def on_duty(team: OnCall, at: datetime, severity: Severity = Severity.CRITICAL) -> Duty:
    """Return who is asked for an incident of this severity; never nobody.

    1. An override, else the rota, else everybody.
    2. Somebody who is disabled is passed over for the next in the order, then for everybody.
    3. Below CRITICAL, somebody in quiet hours is passed over likewise, but only if that leaves anybody.
    """
    usual = _by_rota(team, at)
    if severity >= Severity.CRITICAL:
        return usual
    usual = replace(usual, until=min(filter(None, [usual.until, _next_change_of_quiet(team, at)]), default=None))
    awake = tuple(name for name in usual.people if not is_quiet(team, name, at))
    if awake == usual.people:
        return usual
    asleep = tuple(name for name in usual.people if name not in awake)
    others = awake or tuple(name for name in _after(team, usual.people[0]) if not is_quiet(team, name, at))[:1]
    if not others:
        return Duty(usual.people, f"{usual.why}; it is quiet hours for everybody", usual.until)
    who = " and ".join(asleep)
    return Duty(others, f"{usual.why}; {who} {'has' if len(asleep) == 1 else 'have'} quiet hours", usual.until, asleep)


def is_quiet(team: OnCall, name: str, at: datetime) -> bool:
    hours = team.people[name].quiet_hours
    return hours is not None and hours.hold(at.astimezone(ZoneInfo(team.zone)).time())


def _next_change_of_quiet(team: OnCall, at: datetime) -> datetime | None:
    """Return when quiet hours of anybody begin or end next."""
    zone = ZoneInfo(team.zone)
    today = at.astimezone(zone).date()
    hours = [one.quiet_hours for one in team.people.values() if one.enabled and one.quiet_hours]
    ahead = (
        _instant(datetime.combine(today + timedelta(days=days), clock), zone)
        for each in hours
        for clock in (each.starts, each.ends)
        for days in (0, 1, 2)
    )
    return min((instant for instant in ahead if instant > at), default=None)


def _by_rota(team: OnCall, at: datetime) -> Duty:
    rota, zone = team.rota, ZoneInfo(team.zone)
    if rota is None:
        return Duty(team.available, "there is no rota: everybody is on call")
    for override in rota.overrides:
        if _instant(override.starts, zone) <= at < _instant(override.ends, zone) and team.people[override.who].enabled:
            return Duty((override.who,), _why(override), _instant(override.ends, zone))
    week, handover = _week(rota, at, zone)
    ahead = (_instant(one.starts, zone) for one in rota.overrides)
    until = min([handover, *(starts for starts in ahead if starts > at)])
    name = rota.order[week % len(rota.order)]
    if team.people[name].enabled:
        return Duty((name,), f"the week of {name}", until)
    found = next((one for one in _after(team, name) if team.people[one].enabled), None)
    people = (found,) if found else team.available
    return Duty(people, f"the week of {name}, who is disabled", until)


def _why(override: Override) -> str:
    return f"override{f' ({override.reason})' if override.reason else ''}"


def _week(rota: Rota, at: datetime, zone: ZoneInfo) -> tuple[int, datetime]:
    """Return how many handovers there were since the first, and when the next one is; before the first it is 0."""
    week = max(0, (at.astimezone(zone).replace(tzinfo=None) - rota.starts) // _WEEK)
    # The difference of two readings of a clock is off by an hour when it was changed in between.
    while _handover(rota, week + 1, zone) <= at:
        week += 1
    while week > 0 and _handover(rota, week, zone) > at:
        week -= 1
    return week, _handover(rota, week + 1, zone)


def _handover(rota: Rota, number: int, zone: ZoneInfo) -> datetime:
    return _instant(rota.starts + number * _WEEK, zone)


def _instant(local: datetime, zone: ZoneInfo) -> datetime:
    """Return when a clock of the zone shows this; of an hour that comes twice the first, in a gap after it."""
    return local.replace(tzinfo=zone).astimezone(UTC)


def _after(team: OnCall, name: str) -> tuple[str, ...]:
    """Return the others who can be asked, the next in the order first, then those in no rota."""
    order = list(dict.fromkeys(team.rota.order)) if team.rota else []
    at = order.index(name) + 1 if name in order else 0
    following = [*order[at:], *order[:at], *(one for one in team.available if one not in order)]
    return tuple(one for one in following if one != name and team.people[one].enabled)
