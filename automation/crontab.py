"""Profiles to the crontab that supercronic runs: text in, text out, nothing touched."""

from __future__ import annotations

from automation.config import Jobs, Profile


def render_crontab(jobs: Jobs) -> str:
    """Return one line for each enabled profile, beneath the zone they are read in.

    Every schedule is in UTC: in a zone with daylight saving supercronic can search for the next tick for ever.
    """
    lines = ["CRON_TZ=UTC", *(_line(profile) for profile in jobs.profiles.values() if profile.enabled)]
    return "".join(line + "\n" for line in lines)


def _line(profile: Profile) -> str:
    lock = f"/tmp/automation.{profile.name}.lock"  # noqa: S108 - inside the unit's PrivateTmp
    return f"{profile.cron.canonical}\tflock -n {lock} python -m automation run {profile.name}"
